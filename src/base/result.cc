#include "base/result.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace vds {

std::string_view to_string(errc code) noexcept {
  switch (code) {
    case errc::invalid_argument:
      return "invalid argument";
    case errc::not_found:
      return "not found";
    case errc::already_exists:
      return "already exists";
    case errc::not_supported:
      return "not supported";
    case errc::no_space:
      return "no space";
    case errc::io_error:
      return "I/O error";
    case errc::medium_error:
      return "medium error";
    case errc::bad_checksum:
      return "bad checksum";
    case errc::corrupt:
      return "corrupt";
    case errc::not_ours:
      return "not ours";
    case errc::stale:
      return "stale";
    case errc::duplicate:
      return "duplicate";
    case errc::too_new:
      return "written by a newer version";
    case errc::busy:
      return "busy";
    case errc::closing:
      return "closing";
    case errc::cancelled:
      return "cancelled";
    case errc::timed_out:
      return "timed out";
    case errc::denied:
      return "denied";
    case errc::too_large:
      return "too large";
    case errc::protocol:
      return "protocol error";
    case errc::disconnected:
      return "disconnected";
    case errc::out_of_memory:
      return "out of memory";
    case errc::out_of_range:
      return "out of range";
    case errc::unavailable:
      return "unavailable";
    case errc::internal:
      return "internal error";
  }
  return "unknown failure";
}

std::string failure::message() const {
  if (story_.empty()) return std::string(to_string(code_));
  return fmt::format("{}: {}", story_, to_string(code_));
}

failure failure::in(std::string_view doing) const& { return failure(*this).in(doing); }

failure failure::in(std::string_view doing) && {
  story_ = story_.empty() ? std::string(doing) : fmt::format("{}: {}", doing, story_);
  return std::move(*this);
}

failure failure::in(std::string_view doing, std::string_view what) && {
  return std::move(*this).in(fmt::format("{} {}", doing, what));
}

failure failure_from_errno(int error, std::string_view doing) {
  const errc code = [error] {
    switch (error) {
      case ENOSPC:
      case EDQUOT:
        return errc::no_space;
      case ENOENT:
      case ENXIO:
      case ENODEV:
        return errc::not_found;
      case EEXIST:
        return errc::already_exists;
      case EACCES:
      case EPERM:
      case EROFS:
        return errc::denied;
      case ENOMEM:
      case EMFILE:
      case ENFILE:
        return errc::out_of_memory;
      case EBUSY:
      case EAGAIN:
      case EADDRINUSE:
        return errc::busy;
      case EINVAL:
        return errc::invalid_argument;
      case EOPNOTSUPP:
      case ENOSYS:
        return errc::not_supported;
      case ECANCELED:
        return errc::cancelled;
      case ETIMEDOUT:
        return errc::timed_out;
      case EPIPE:
      case ECONNRESET:
      case ECONNREFUSED:
      case ENOTCONN:
        return errc::disconnected;
      default:
        return errc::io_error;
    }
  }();
  return failure(code, fmt::format("{}: {}", doing, std::generic_category().message(error)));
}

}  // namespace vds
