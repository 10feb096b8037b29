// Build-time program: writes the names of the system calls that the policy knows
// as a C++ source file.
//   name_generator OUTPUT.cpp
//
// Privilege: none.
#include <seccomp.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "sandbox/policy/syscalls.h"

namespace milonga {
namespace {

// Calls newer than Debian 12's libseccomp.
struct NewerName {
  int number;
  const char* name;
};
constexpr NewerName kNewerNames[] = {
    {SYS_futex_waitv, "futex_waitv"},
    {SYS_set_mempolicy_home_node, "set_mempolicy_home_node"},
    {kSysCachestat, "cachestat"},
    {kSysFchmodat2, "fchmodat2"},
    {kSysMapShadowStack, "map_shadow_stack"},
    {kSysFutexWake, "futex_wake"},
    {kSysFutexWait, "futex_wait"},
    {kSysFutexRequeue, "futex_requeue"},
    {kSysStatmount, "statmount"},
    {kSysListmount, "listmount"},
    {kSysLsmGetSelfAttr, "lsm_get_self_attr"},
    {kSysLsmSetSelfAttr, "lsm_set_self_attr"},
    {kSysLsmListModules, "lsm_list_modules"},
    {kSysMseal, "mseal"},
    {kSysSetxattrat, "setxattrat"},
    {kSysGetxattrat, "getxattrat"},
    {kSysListxattrat, "listxattrat"},
    {kSysRemovexattrat, "removexattrat"},
    {kSysOpenTreeAttr, "open_tree_attr"},
    {kSysFileGetattr, "file_getattr"},
    {kSysFileSetattr, "file_setattr"},
};

// As the kernel calls it; "" for a number without a call.
std::string name_of(int number) {
  for (const NewerName& row : kNewerNames) {
    if (row.number == number) return row.name;
  }
  char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
  const std::string text = name != nullptr ? name : "";
  std::free(name);
  return text;
}

}  // namespace
}  // namespace milonga

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "name_generator: usage: name_generator OUTPUT.cpp\n");
    return 1;
  }
  std::ofstream out(argv[1]);
  out << "// Made by name_generator from libseccomp's tables.\n#include \"sandbox/syscall_names.h\"\n\n"
         "namespace milonga {\nnamespace {\nconstexpr const char* kNames[] = {\n";
  for (int number = 0; number <= milonga::kNewestReviewedCall; ++number) {
    const std::string name = milonga::name_of(number);
    const bool exists = number < milonga::kGapFirst || number > milonga::kGapLast;
    if (name.empty() == exists) {
      std::fprintf(stderr, "name_generator: call %d and its name do not fit: see kNewerNames\n", number);
      return 1;
    }
    out << "    \"" << name << "\",\n";
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
