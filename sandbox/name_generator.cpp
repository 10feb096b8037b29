// Build-time program: writes the names of the system calls that the policy knows
// as a C++ source file.
//   name_generator OUTPUT.cpp
//
// Privilege: none.
#include <seccomp.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "sandbox/policy/syscalls.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "name_generator: usage: name_generator OUTPUT.cpp\n");
    return 1;
  }
  std::ofstream out(argv[1]);
  out << "// Made by name_generator from libseccomp's tables.\n#include \"sandbox/syscall_names.h\"\n\n"
         "namespace milonga {\nnamespace {\nconstexpr const char* kNames[] = {\n";
  for (int number = 0; number <= milonga::kNewestReviewedCall; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
    out << "    \"" << (name != nullptr ? name : "") << "\",\n";
    std::free(name);
  }
  out << "};\n}  // namespace\n\nstd::string syscall_name(int number) {\n"
         "  const bool has_name = number >= 0 && number < static_cast<int>(sizeof kNames / sizeof kNames[0]) "
         "&& "
         "*kNames[number] != '\\0';\n"
         "  return has_name ? kNames[number] : \"call \" + std::to_string(number);\n}\n\n}  // namespace "
         "milonga\n";
  out.close();
  if (!out) {
    std::fprintf(stderr, "name_generator: cannot write '%s'\n", argv[1]);
    return 1;
  }
  return 0;
}
