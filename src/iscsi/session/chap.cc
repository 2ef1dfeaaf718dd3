#include "iscsi/session/chap.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/assert.h"
#include "iscsi/pdu/iscsi_name.h"

namespace vds::iscsi {
namespace {

constexpr std::size_t max_challenge = 1024;  // RFC 7143 12.1.3, of a peer's

// The numbers are IANA's; the best first. A challenge of ours is as long as the digest.
struct algorithm {
  int number;
  std::size_t digest_bytes;
  const EVP_MD* (*make)();
};
constexpr auto algorithms = std::to_array<algorithm>({{7, 32, EVP_sha256}, {5, 16, EVP_md5}});

const algorithm& row_of(int number) {
  const auto at = std::find_if(algorithms.begin(), algorithms.end(), [=](const auto& a) { return a.number == number; });
  always(at != algorithms.end());
  return *at;
}

// H(identifier, secret, challenge); empty if the library refuses the algorithm.
std::vector<std::byte> digest(int number, std::byte identifier, std::span<const std::byte> secret,
                              std::span<const std::byte> challenge) {
  const algorithm& a = row_of(number);
  std::vector<std::byte> out(a.digest_bytes);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> c(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (c == nullptr || EVP_DigestInit_ex(c.get(), a.make(), nullptr) != 1 ||
      EVP_DigestUpdate(c.get(), &identifier, 1) != 1 || EVP_DigestUpdate(c.get(), secret.data(), secret.size()) != 1 ||
      EVP_DigestUpdate(c.get(), challenge.data(), challenge.size()) != 1 ||
      EVP_DigestFinal_ex(c.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) != 1)
    return {};
  return out;
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && !a.empty() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::optional<std::vector<std::byte>> decode_hex(std::string_view digits, std::size_t limit) {
  if (digits.empty() || digits.size() % 2 != 0 || digits.size() / 2 > limit) return std::nullopt;
  std::vector<std::byte> out;
  out.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = hex_value(digits[i]), low = hex_value(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<std::byte>(high << 4 | low));
  }
  return out;
}

std::optional<std::vector<std::byte>> decode_base64(std::string_view text, std::size_t limit) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::size_t size = text.size() / 4 * 3 - padding;
  if (size == 0 || size > limit) return std::nullopt;
  std::vector<std::byte> out;
  out.reserve(size + 2);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    unsigned group = 0;
    for (std::size_t k = i; k < i + 4; ++k) {
      const bool filler = k >= text.size() - padding;
      const int value = filler ? 0 : base64_value(text[k]);
      if (value < 0) return std::nullopt;
      group = group << 6 | static_cast<unsigned>(value);
    }
    for (const int shift : {16, 8, 0}) out.push_back(static_cast<std::byte>(group >> shift & 0xff));
  }
  out.resize(size);
  return out;
}

}  // namespace

result<chap_secret> chap_secret::from(std::span<const std::byte> bytes) {
  if (bytes.size() < min_secret || bytes.size() > max_secret)
    return failure(errc::invalid_argument, fmt::format("a CHAP secret has {} to {} bytes", min_secret, max_secret));
  return chap_secret(bytes);
}

chap_secret::~chap_secret() {
  if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

bool chap_secret::same(const chap_secret& other) const noexcept { return same_bytes(bytes_, other.bytes_); }

std::optional<std::vector<std::byte>> decode_binary(std::string_view text, std::size_t limit) {
  if (text.starts_with("0x") || text.starts_with("0X")) return decode_hex(text.substr(2), limit);
  if (text.starts_with("0b") || text.starts_with("0B")) return decode_base64(text.substr(2), limit);
  return std::nullopt;
}

std::string encode_binary(std::span<const std::byte> bytes) {
  std::string out = "0x";
  for (const std::byte b : bytes) out += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return out;
}

chap_exchange::state chap_exchange::take(const chap_keys& keys, text_writer& answers) {
  switch (state_) {
    case state::wants_algorithms:
      state_ = choose(keys, answers) ? state::wants_response : state::failed;
      break;
    case state::wants_response:
      state_ = verify(keys, answers) ? state::proven : state::failed;
      break;
    case state::proven:
    case state::failed:
      state_ = state::failed;
      break;
  }
  return state_;
}

bool chap_exchange::choose(const chap_keys& keys, text_writer& answers) {
  if (!keys.algorithms || keys.identifier || keys.challenge || keys.name || keys.response) return false;
  const auto offers = split_list(*keys.algorithms);
  for (const algorithm& a : algorithms) {
    const auto offered = [&a](std::string_view o) {
      const auto number = parse_number(o);
      return number && *number == static_cast<std::uint32_t>(a.number);
    };
    if (std::none_of(offers.begin(), offers.end(), offered)) continue;
    algorithm_ = a.number;
    challenge_.resize(a.digest_bytes);
    random_.fill(challenge_);
    random_.fill({&identifier_, 1});
    answers.add("CHAP_A", fmt::format("{}", a.number));
    answers.add("CHAP_I", fmt::format("{}", std::to_integer<unsigned>(identifier_)));
    answers.add("CHAP_C", encode_binary(challenge_));
    return true;
  }
  return false;
}

bool chap_exchange::verify(const chap_keys& keys, text_writer& answers) {
  if (keys.algorithms || !keys.name || !keys.response || keys.identifier.has_value() != keys.challenge.has_value())
    return false;
  const std::size_t size = row_of(algorithm_).digest_bytes;
  const auto response = decode_binary(*keys.response, size);
  if (!response || response->size() != size) return false;
  // The name that was proven is the one that masks go by: somebody's secret opens nobody else's LUNs.
  const bool name_fits = normalised_name(*keys.name) == initiator_;

  // Every account is tried, and one that nobody can know when there is none: time does not tell which exist.
  std::vector<std::byte> unknowable(32);
  random_.fill(unknowable);
  (void)same_bytes(digest(algorithm_, identifier_, unknowable, challenge_), *response);
  chap_accounts fitting;
  for (const auto& account : accounts_) {
    if (same_bytes(digest(algorithm_, identifier_, account->theirs.bytes(), challenge_), *response))
      fitting.push_back(account);
  }
  if (fitting.empty() || !name_fits) return false;

  if (keys.challenge) {  // prove yourself, too
    const auto identifier = parse_number(*keys.identifier);
    const auto challenge = decode_binary(*keys.challenge, max_challenge);
    if (!identifier || *identifier > 255 || !challenge) return false;
    if (*challenge == challenge_) return false;  // our own, reflected
    const chap_account& account = *fitting.front();
    if (!account.ours) return false;
    const auto proof = digest(algorithm_, static_cast<std::byte>(*identifier), account.ours->bytes(), *challenge);
    if (proof.empty()) return false;
    answers.add("CHAP_N", account.target_name);
    answers.add("CHAP_R", encode_binary(proof));
  }
  proven_ = std::move(fitting);
  return true;
}

}  // namespace vds::iscsi
