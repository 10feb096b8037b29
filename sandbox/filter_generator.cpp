// Build-time program: writes the compiled filters as a C++ source file.
//   filter_generator OUTPUT.cpp
//
// Privilege: none.
#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "sandbox/filter_compiler.h"
#include "sandbox/model/request.h"

namespace milonga {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "filter_generator: %s\n", why.c_str());
  std::exit(1);
}

std::string sha256(const std::vector<sock_filter>& program) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(program.data(), program.size() * sizeof(sock_filter), digest, &size, EVP_sha256(), nullptr) != 1)
    give_up("SHA-256 is not available");
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", digest[i]);
    text += two;
  }
  return text;
}

void write_filters(std::ofstream& out) {
  std::string table;
  for (const Profile& profile : kProfiles) {
    const auto filter = compile_filter(profile);
    if (!filter) give_up(filter.error().line());
    if (filter->size() > kMaxFilter)
      give_up(std::to_string(filter->size()) + " instructions, a request holds " + std::to_string(kMaxFilter));
    const std::string name = "k_" + std::string(profile.name);
    out << "constexpr sock_filter " << name << "[] = {\n";
    for (const sock_filter& i : *filter) {
      out << "    {" << i.code << ", " << int{i.jt} << ", " << int{i.jf} << ", " << i.k << "},\n";
    }
    out << "};\n";
    table += "    {" + name + ", \"" + sha256(*filter) + "\"},\n";
  }
  out << "constexpr Filter kFilters[] = {\n" << table << "};\n";
}

}  // namespace
}  // namespace milonga

int main(int argc, char** argv) {
  using namespace milonga;
  if (argc != 2) give_up("usage: filter_generator OUTPUT.cpp");
  std::ofstream out(argv[1]);
  out << "// Made by filter_generator from sandbox/policy.\n"
         "#include \"sandbox/filters.h\"\n\n"
         "namespace milonga {\nnamespace {\n";
  write_filters(out);
  out << "}  // namespace\n\n"
         "const Filter& filter_of(ProfileId id) { return kFilters[static_cast<std::size_t>(id)]; }\n\n"
         "}  // namespace milonga\n";
  out.close();
  if (!out) give_up(std::string("cannot write '") + argv[1] + "'");
  return 0;
}
