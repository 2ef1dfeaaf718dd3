#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>
#include <memory>

namespace vds::log {
namespace {

std::unique_ptr<spdlog::logger> make(std::string_view name, const char* otherwise) {
  auto logger =
      std::make_unique<spdlog::logger>(std::string(name), std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %n[%P] %^%l%$: %v", spdlog::pattern_time_type::utc);
  const char* level = std::getenv("VDS_LOG");  // NOLINT(concurrency-mt-unsafe): nobody of ours sets it
  logger->set_level(spdlog::level::from_str(level == nullptr ? otherwise : level));
  logger->flush_on(spdlog::level::info);
  return logger;
}

// Never destroyed: threads may log until the process is gone.
std::unique_ptr<spdlog::logger>& held() {
  static auto& logger = *new std::unique_ptr<spdlog::logger>(make("vds", "warn"));
  return logger;
}

}  // namespace

void start(std::string_view process) { held() = make(process, "info"); }
spdlog::logger& ours() noexcept { return *held(); }

}  // namespace vds::log
