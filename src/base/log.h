// log.h: one log for the process, spdlog underneath, to standard error. Any thread. Never log a secret.
// Use: vds::log::info("lun {} created, {} bytes", id, size);
// The logger is our own and not spdlog's default one: in a library that belongs to the program, and writes to standard
// output, where the program's own words go.
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>
#include <utility>

#include "base/guid.h"
#include "base/result.h"

namespace vds::log {

// Names the process in each line and sets the level from VDS_LOG (trace, debug, info, warn, error, off; default info).
// Without it (programs that only link the library) the level is VDS_LOG or warn.
void start(std::string_view process);
spdlog::logger& ours() noexcept;

template <class... Arguments>
void trace(spdlog::format_string_t<Arguments...> text, Arguments&&... arguments) {
  ours().trace(text, std::forward<Arguments>(arguments)...);
}
template <class... Arguments>
void debug(spdlog::format_string_t<Arguments...> text, Arguments&&... arguments) {
  ours().debug(text, std::forward<Arguments>(arguments)...);
}
template <class... Arguments>
void info(spdlog::format_string_t<Arguments...> text, Arguments&&... arguments) {
  ours().info(text, std::forward<Arguments>(arguments)...);
}
template <class... Arguments>
void warn(spdlog::format_string_t<Arguments...> text, Arguments&&... arguments) {
  ours().warn(text, std::forward<Arguments>(arguments)...);
}
template <class... Arguments>
void error(spdlog::format_string_t<Arguments...> text, Arguments&&... arguments) {
  ours().error(text, std::forward<Arguments>(arguments)...);
}

}  // namespace vds::log

template <>
struct fmt::formatter<vds::guid> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const vds::guid& id, Context& ctx) const {
    return fmt::formatter<std::string_view>::format(vds::to_string(id), ctx);
  }
};
template <>
struct fmt::formatter<vds::failure> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const vds::failure& f, Context& ctx) const {
    return fmt::formatter<std::string_view>::format(f.message(), ctx);
  }
};
