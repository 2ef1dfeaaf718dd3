// result.h: how a function fails. A failure is a code, for the caller's branch, and a story, for the reader of the log;
// every layer that passes it on adds what it was doing ("assembling tank: reading superblock of sdb: I/O error").
// A result<T> holds a T or a failure. Values; no thread affinity.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace vds {

enum class errc : std::uint8_t {
  invalid_argument,  // the caller's mistake; nothing was changed
  not_found,
  already_exists,
  not_supported,
  no_space,      // capacity of an array, drive or file system is used up
  io_error,      // a device failed a request for good
  medium_error,  // these blocks cannot be read or reconstructed
  bad_checksum,  // content does not match its checksum
  corrupt,       // a structure makes no sense although its checksum holds
  not_ours,      // no signature of ours, or somebody else's
  stale,         // ours, but older than the truth
  duplicate,     // the same identity twice
  too_new,       // written by a later version
  busy,
  closing,  // the object is being shut down
  cancelled,
  timed_out,
  denied,
  too_large,  // above a documented limit
  protocol,   // a peer broke the protocol
  disconnected,
  out_of_memory,
  out_of_range,  // a place beyond the end
  unavailable,   // exists, but cannot serve now
  internal,
};

// "no space", "I/O error", ...: lower case, without a full stop.
std::string_view to_string(errc code) noexcept;

class [[nodiscard]] failure {
 public:
  failure(errc code) : code_(code) {}  // NOLINT(google-explicit-constructor): `return errc::stale;` is the idiom
  failure(errc code, std::string story) : code_(code), story_(std::move(story)) {}

  errc code() const noexcept { return code_; }
  // The innermost cause last: "reading superblock of sdb: I/O error".
  std::string message() const;

  // Puts what the caller was doing in front of the story.
  failure in(std::string_view doing) const&;
  failure in(std::string_view doing) &&;
  failure in(std::string_view doing, std::string_view what) &&;

  bool operator==(errc code) const noexcept { return code_ == code; }

 private:
  errc code_;
  std::string story_;
};

// The failure that an errno value means, with the system's text in its story.
failure failure_from_errno(int error, std::string_view doing);

template <class T>
class [[nodiscard]] result : public tl::expected<T, failure> {
 public:
  using base = tl::expected<T, failure>;
  using base::base;
  result(failure f) : base(tl::unexpect, std::move(f)) {}   // NOLINT(google-explicit-constructor)
  result(errc code) : base(tl::unexpect, failure(code)) {}  // NOLINT(google-explicit-constructor)
  result(base b) : base(std::move(b)) {}                    // NOLINT(google-explicit-constructor)
};

using status = result<void>;

}  // namespace vds

// For functions that only pass failures on. VDS_TRY(x = expr) is not offered: a failure should say what was being done,
// so write `if (!r) return std::move(r).error().in("doing what");` wherever there is something to say.
#define VDS_RETURN_IF_FAILED(expr)                                       \
  do {                                                                   \
    if (auto vds_r_ = (expr); !vds_r_) return std::move(vds_r_).error(); \
  } while (0)
#define VDS_CO_RETURN_IF_FAILED(expr)                                       \
  do {                                                                      \
    if (auto vds_r_ = (expr); !vds_r_) co_return std::move(vds_r_).error(); \
  } while (0)
