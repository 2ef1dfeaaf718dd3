// encoder.h: writes NDR 2.0 (little endian) primitives into a growing buffer. Alignment counts from where the encoder
// began. The first failure sticks: callers write on and ask once at the end. One thread; borrows its buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/result.h"
#include "wire/ndr/limits.h"
#include "wire/ndr/uuid.h"

namespace vds::wire::ndr {

using buffer = std::vector<std::byte>;

class encoder {
 public:
  // Appends to out; whatever out holds already is not counted for alignment.
  explicit encoder(buffer& out) noexcept : out_(out), start_(out.size()) {}

  bool ok() const noexcept { return ok_; }
  errc error() const noexcept { return error_; }
  void fail(errc why) noexcept {
    if (ok_) error_ = why;
    ok_ = false;
  }
  std::size_t size() const noexcept { return out_.size() - start_; }

  void align(std::size_t n) { grow((n - size() % n) % n); }
  void u8(std::uint8_t v) { put(v); }
  void u16(std::uint16_t v) { put(v); }
  void u32(std::uint32_t v) { put(v); }
  void u64(std::uint64_t v) { put(v); }
  void id(const uuid& v) {
    align(4);
    raw(&v, sizeof v);
  }
  void bytes(std::span<const std::byte> v) { raw(v.data(), v.size()); }
  // The id of a pointer: 0 for null, otherwise one of its own.
  void referent(bool present) {
    if (!present) return u32(0);
    if (referents_ == max_referents) fail(errc::too_large);
    u32(0x20000 + 4 * referents_++);
  }
  void raw(const void* from, std::size_t n) {
    if (n == 0) return;
    if (std::byte* to = grow(n)) std::memcpy(to, from, n);
  }
  // For a length known only afterwards.
  std::size_t reserve_u32() {
    u32(0);
    return size() - 4;
  }
  void patch_u32(std::size_t at, std::uint32_t v) {
    if (ok_) std::memcpy(out_.data() + start_ + at, &v, sizeof v);
  }

 private:
  template <class T>
  void put(T v) {
    align(sizeof v);
    raw(&v, sizeof v);
  }
  std::byte* grow(std::size_t n) {
    if (n > max_call_bytes - size()) fail(errc::too_large);
    if (!ok_) return nullptr;
    out_.resize(out_.size() + n);
    return out_.data() + out_.size() - n;
  }

  buffer& out_;
  std::size_t start_;
  std::uint32_t referents_ = 0;
  bool ok_ = true;
  errc error_ = errc::internal;
};

}  // namespace vds::wire::ndr
