// SHA-256 (FIPS 180-4) by libcrypto, as 64 lower-case hex digits.
//
// Privilege: none.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct SHA256state_st;  // libcrypto's SHA256_CTX

namespace milonga {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void add(std::string_view bytes);
  // The digest of all that was added; once.
  std::string hex();

 private:
  std::unique_ptr<SHA256state_st> context_;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace milonga
