#include "base/sha256.h"

// The functions of libcrypto before 3.0, of which it says that others should be used. Those look for their code by
// name in tables of all that the library can: 1 ms of every start of a program, and 5 MB of a static one.
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>

#include "base/result.h"

namespace milonga {

Sha256::Sha256() : context_(std::make_unique<SHA256state_st>()) {
  if (SHA256_Init(context_.get()) != 1) bug("SHA-256 is not available");
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(std::string_view bytes) {
  if (SHA256_Update(context_.get(), bytes.data(), bytes.size()) != 1) bug("SHA-256 failed");
}

std::string Sha256::hex() {
  constexpr const char* kDigits = "0123456789abcdef";
  unsigned char digest[SHA256_DIGEST_LENGTH];
  if (SHA256_Final(digest, context_.get()) != 1) bug("SHA-256 failed");
  std::string out;
  for (const unsigned char byte : digest) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

}  // namespace milonga
