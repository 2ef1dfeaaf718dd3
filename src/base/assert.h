// assert.h: bugs assert, operations fail. always() states what this program guarantees to itself; it stays on in
// release and ends the process with the expression and its place. Never use it on what a drive, peer or user may break.
#pragma once

#include <source_location>

namespace vds {

[[noreturn]] void assertion_failed(const char* expression, std::source_location where) noexcept;

}  // namespace vds

#define always(expression) \
  (static_cast<bool>(expression) ? void(0) : ::vds::assertion_failed(#expression, std::source_location::current()))
