// chap_response.h: the initiator's side of CHAP, for tests.
#pragma once

#include <openssl/evp.h>

#include <span>
#include <string>
#include <string_view>

#include "iscsi/session/chap.h"

namespace vds::iscsi::testing {

// What CHAP answers to a challenge; algorithm 5 or 7. Written apart from the code under test.
inline std::string chap_response(int algorithm, int identifier, std::string_view secret,
                                 std::span<const std::byte> challenge) {
  std::string all(1, static_cast<char>(identifier));
  all += secret;
  all.append(reinterpret_cast<const char*>(challenge.data()), challenge.size());
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(all.data(), all.size(), out, &size, algorithm == 7 ? EVP_sha256() : EVP_md5(), nullptr);
  return encode_binary(std::as_bytes(std::span(out, size)));
}

}  // namespace vds::iscsi::testing
