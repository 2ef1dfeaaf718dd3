// codec.h: how records of our formats put values into bytes: little-endian integers, ids as their 16 bytes, texts and
// lists with a 32-bit count before them. The reader never trusts a count further than the bytes that are there; one
// mistake makes all later reads yield zeros, and ok() says so at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/endian.h"
#include "base/guid.h"

namespace vds::codec {

using bytes = std::vector<std::byte>;

class writer {
 public:
  explicit writer(bytes& out) : out_(out) {}
  template <std::unsigned_integral T>
  void put(T v) {
    const ordered<T, std::endian::little> le = v;
    const auto* p = reinterpret_cast<const std::byte*>(&le);
    out_.insert(out_.end(), p, p + sizeof le);
  }
  void put(const guid& id) {
    const auto* p = reinterpret_cast<const std::byte*>(id.bytes.data());
    out_.insert(out_.end(), p, p + id.bytes.size());
  }
  void put(const bytes& value) {
    put(static_cast<std::uint32_t>(value.size()));
    out_.insert(out_.end(), value.begin(), value.end());
  }
  void put(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    const auto* p = reinterpret_cast<const std::byte*>(text.data());
    out_.insert(out_.end(), p, p + text.size());
  }

 private:
  bytes& out_;
};

class reader {
 public:
  explicit reader(std::span<const std::byte> in) : in_(in) {}
  template <std::unsigned_integral T>
  T get() {
    if (!take(sizeof(T))) return 0;
    return load<ordered<T, std::endian::little>>(taken_);
  }
  guid get_guid() {
    guid id;
    if (take(id.bytes.size())) std::memcpy(id.bytes.data(), taken_, id.bytes.size());
    return id;
  }
  std::string get_text(std::size_t limit) {
    const auto n = get<std::uint32_t>();
    if (n > limit) ok_ = false;
    if (!take(n)) return {};
    return {reinterpret_cast<const char*>(taken_), n};
  }
  bytes get_bytes(std::size_t limit) {
    const auto n = get<std::uint32_t>();
    if (n > limit) ok_ = false;
    if (!take(n)) return {};
    return {taken_, taken_ + n};
  }
  // A list's count, when that many elements of at least this size can follow; otherwise 0 and not ok.
  std::uint32_t get_count(std::size_t least_bytes_each) {
    const auto n = get<std::uint32_t>();
    if (n > in_.size() / least_bytes_each) {
      ok_ = false;
      return 0;
    }
    return n;
  }
  void fail() { ok_ = false; }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && in_.empty(); }

 private:
  bool take(std::size_t n) {
    if (!ok_ || n > in_.size()) {
      ok_ = false;
      return false;
    }
    taken_ = in_.data();
    in_ = in_.subspan(n);
    return true;
  }
  std::span<const std::byte> in_;
  const std::byte* taken_ = nullptr;
  bool ok_ = true;
};

}  // namespace vds::codec
