// Build-time program: writes the compiled filter as a C++ source file.
//   filter_generator OUTPUT.cpp
//
// Privilege: none.
#include <cstdio>
#include <fstream>

#include "sandbox/filter_compiler.h"
#include "sandbox/model/request.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "filter_generator: usage: filter_generator OUTPUT.cpp\n");
    return 1;
  }
  const auto filter = milonga::compile_course_filter();
  if (!filter) {
    std::fprintf(stderr, "filter_generator: %s\n", filter.error().line().c_str());
    return 1;
  }
  if (filter->size() > milonga::kMaxFilter) {
    std::fprintf(stderr, "filter_generator: %zu instructions, a request holds %zu\n", filter->size(),
                 milonga::kMaxFilter);
    return 1;
  }
  std::ofstream out(argv[1]);
  out << "// Made by filter_generator from sandbox/policy/syscalls.h.\n"
         "#include \"sandbox/course_filter.h\"\n\n"
         "namespace milonga {\nnamespace {\nconstexpr sock_filter kProgram[] = {\n";
  for (const sock_filter& i : *filter) {
    out << "    {" << i.code << ", " << int{i.jt} << ", " << int{i.jf} << ", " << i.k << "},\n";
  }
  out << "};\n}  // namespace\n\nstd::span<const sock_filter> course_filter() { return kProgram; }\n\n"
         "}  // namespace milonga\n";
  out.close();
  if (!out) {
    std::fprintf(stderr, "filter_generator: cannot write '%s'\n", argv[1]);
    return 1;
  }
  return 0;
}
