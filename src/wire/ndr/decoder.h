// decoder.h: reads NDR 2.0 (little endian) primitives from a view that carries its length. The first failure sticks and
// every later read gives zero, so callers read on and ask at the end; nothing is ever read beyond the view.
// One thread; borrows the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/result.h"
#include "wire/ndr/limits.h"
#include "wire/ndr/uuid.h"

namespace vds::wire::ndr {

class decoder {
 public:
  explicit decoder(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  bool ok() const noexcept { return ok_; }
  errc error() const noexcept { return error_; }
  void fail(errc why) noexcept {
    if (ok_) error_ = why;
    ok_ = false;
  }
  std::size_t remaining() const noexcept { return ok_ ? bytes_.size() - at_ : 0; }
  std::size_t position() const noexcept { return at_; }

  void align(std::size_t n) noexcept { take((n - at_ % n) % n); }
  std::uint8_t u8() noexcept { return get<std::uint8_t>(); }
  std::uint16_t u16() noexcept { return get<std::uint16_t>(); }
  std::uint32_t u32() noexcept { return get<std::uint32_t>(); }
  std::uint64_t u64() noexcept { return get<std::uint64_t>(); }
  uuid id() noexcept {
    align(4);
    uuid v;
    if (auto from = take(sizeof v)) std::memcpy(&v, from, sizeof v);
    return v;
  }
  std::span<const std::byte> bytes(std::size_t n) noexcept {
    auto from = take(n);
    return from ? std::span(from, n) : std::span<const std::byte>{};
  }
  // Whether a pointer is there. Ids are not compared: unique pointers never share a referent.
  bool referent() noexcept {
    const bool present = u32() != 0;
    if (present && ++referents_ > max_referents) fail(errc::too_large);
    return present && ok_;
  }
  // A number of elements that still have to be on the wire with at least `least` bytes each. This is the one checked
  // value that conformance, size_is and allocation all use.
  std::uint32_t count(std::size_t least) noexcept {
    const std::uint32_t n = u32();
    if (static_cast<std::uint64_t>(n) * (least ? least : 1) > remaining()) {
      fail(errc::protocol);
      return 0;
    }
    return n;
  }
  const std::byte* take(std::size_t n) noexcept {
    if (!ok_ || n > bytes_.size() - at_) {
      fail(errc::protocol);
      return nullptr;
    }
    const std::byte* from = bytes_.data() + at_;
    at_ += n;
    return from;
  }

 private:
  template <class T>
  T get() noexcept {
    align(sizeof(T));
    T v{};
    if (auto from = take(sizeof v)) std::memcpy(&v, from, sizeof v);
    return v;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::uint32_t referents_ = 0;
  bool ok_ = true;
  errc error_ = errc::internal;
};

}  // namespace vds::wire::ndr
