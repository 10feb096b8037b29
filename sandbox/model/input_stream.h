// How the job's files reach its box: the front reads them with the caller's
// rights and writes this stream into a pipe; a process inside the box, already
// with the job's own rights and limits, unpacks it (sandbox/core/input.cpp).
// So nobody ever touches a file with more rights than it should.
//
// Stream: InputHeader, then `name_size` bytes of path (relative, components
// neither empty nor "." nor "..", no NUL), then `size` bytes of content; again
// and again; ended by a header of kind `end`. Native byte order: both sides are
// the same machine.
//
// Privilege: any (plain data).
#pragma once

#include <cstdint>

namespace milonga {

enum class InputKind : std::uint32_t {
  end = 0,
  directory = 1,
  file = 2,
  symlink = 3,  // content = target
};

inline constexpr std::uint32_t kInputMagic = 0x4d4c4746;  // "MLGF"
inline constexpr std::uint32_t kMaxInputName = 4095;

struct InputHeader {
  std::uint32_t magic = kInputMagic;
  InputKind kind = InputKind::end;
  std::uint32_t mode = 0;       // permission bits 0777; the owner's read (and search) bits are always added
  std::uint32_t name_size = 0;  // bytes, 1..kMaxInputName; 0 only with `end`
  std::uint64_t size = 0;       // bytes of content
};
static_assert(sizeof(InputHeader) == 24);

}  // namespace milonga
