// command_error.h: how a command ends when it does not succeed: the exit status, what was being done, why it failed and
// what to do about it. Thrown by the gateway and the verbs, caught once in run.cc.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace vds::cli {

enum class exit_status : int {
  done = 0,
  failed = 1,
  usage = 2,
  unreachable = 3,
  denied = 4,
  detached = 130,  // Ctrl-C while waiting: the operation goes on (128 + SIGINT, as shells say)
};

class command_error : public std::runtime_error {
 public:
  // What went wrong without the service having said so.
  command_error(exit_status status, std::string why, std::string advice = {});
  // The service (or the way to it) answered with this code; the exit status follows from it.
  command_error(std::string doing, std::int32_t hresult, std::string name, std::string meaning);

  // An operation that ends with "the provider is gone" failed; the service itself was reached.
  void set_status(exit_status status) noexcept { status_ = status; }

  exit_status status() const noexcept { return status_; }
  std::int32_t hresult() const noexcept { return hresult_; }
  const std::string& doing() const noexcept { return doing_; }
  const std::string& why() const noexcept { return why_; }
  const std::string& name() const noexcept { return name_; }
  const std::string& advice() const noexcept { return advice_; }

 private:
  exit_status status_;
  std::string doing_, why_, name_, advice_;
  std::int32_t hresult_ = 0;
};

// The connection to the service ended: what was under way there goes on, and can be found again.
class service_gone : public command_error {
 public:
  using command_error::command_error;
};

exit_status exit_status_of(std::int32_t hresult);
std::string_view advice_for(std::int32_t hresult);  // "" when there is nothing to say

std::string error_text(const command_error& e, bool colour);  // lines for standard error
std::string error_json(const command_error& e);               // one document for standard error

std::string hex_hresult(std::int32_t hresult);  // "0x80042405"

constexpr std::int32_t hresult_of(std::uint32_t bits) { return static_cast<std::int32_t>(bits); }

}  // namespace vds::cli
