// chap.h: CHAP (RFC 1994) as iSCSI uses it (RFC 7143 12.1.3), one login's worth, without I/O: texts in, texts out.
// What a peer sends is bounded before it is decoded; responses are compared in constant time; with no secret to compare
// with, or a wrong name, the same work is done and the same answer given. MD5 and SHA-256, which is preferred.
// Secrets are cleansed when they go and are never printed.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "iscsi/pdu/text.h"

namespace vds::iscsi {

inline constexpr std::size_t min_secret = 12, max_secret = 255;  // bytes; VDS says 12 at least

class chap_secret {
 public:
  // invalid_argument for a length that cannot be.
  static result<chap_secret> from(std::span<const std::byte> bytes);
  chap_secret(const chap_secret&) = default;
  chap_secret(chap_secret&&) noexcept = default;
  chap_secret& operator=(const chap_secret&) = default;
  chap_secret& operator=(chap_secret&&) noexcept = default;
  ~chap_secret();

  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  bool same(const chap_secret& other) const noexcept;  // in constant time, but for the length

 private:
  explicit chap_secret(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}
  std::vector<std::byte> bytes_;
};

// What one initiator has to prove to one target, and the target to it.
struct chap_account {
  std::string target_name;          // by which the target calls itself (CHAP_N)
  chap_secret theirs;               // what the initiator must know
  std::optional<chap_secret> ours;  // what we prove, to an initiator that asks; it differs from theirs
};
using chap_accounts = std::vector<std::shared_ptr<const chap_account>>;

// The values of the CHAP_ keys in one text of the initiator.
struct chap_keys {
  std::optional<std::string> algorithms, identifier, challenge, name, response;
  bool any() const noexcept { return algorithms || identifier || challenge || name || response; }
};

class chap_exchange {
 public:
  enum class state : std::uint8_t { wants_algorithms, wants_response, proven, failed };

  // Any of `accounts` will do; with none, nobody can pass. `initiator`: normalised name of whoever logs in, which is
  // its CHAP name, too.
  chap_exchange(chap_accounts accounts, std::string initiator, random_source& random)
      : accounts_(std::move(accounts)), initiator_(std::move(initiator)), random_(random) {}

  // Failed for good: refuse the login with one answer for whatever was wrong. A step out of order is failed, too.
  state take(const chap_keys& keys, text_writer& answers);
  state now() const noexcept { return state_; }
  const chap_accounts& proven() const noexcept { return proven_; }  // whose secret it knew

 private:
  bool choose(const chap_keys& keys, text_writer& answers);
  bool verify(const chap_keys& keys, text_writer& answers);

  const chap_accounts accounts_;
  const std::string initiator_;
  random_source& random_;
  state state_ = state::wants_algorithms;
  int algorithm_ = 0;
  std::byte identifier_{};
  std::vector<std::byte> challenge_;
  chap_accounts proven_;
};

// A binary value (RFC 7143 6.1): 0x and an even number of hex digits, or 0b and base64 with its padding. None for
// anything else and, before anything is decoded, for what would be longer than `limit` bytes.
std::optional<std::vector<std::byte>> decode_binary(std::string_view text, std::size_t limit);
std::string encode_binary(std::span<const std::byte> bytes);  // 0x...

}  // namespace vds::iscsi
