// process_launcher.h: providers as processes behind unix sockets. Starts one with `--socket PATH`, waits for its
// `ready`, connects, activates its class. A provider that carries I/O (the array) is adopted when it answers on its
// socket already: it lives on when this daemon dies, and the next one takes it over.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apps/vdsd/child_process.h"
#include "base/clock.h"
#include "service/provider_launcher.h"
#include "wire/orpc/runtime.h"

namespace vds::vdsd {

struct launch_plan {
  std::vector<std::string> command;  // without the socket
  std::string socket;                // empty: one below the launcher's directory
  bool outlives_us = false;          // adopted when it runs; left alone unless we stop in order
};

class process_launcher final : public service::provider_launcher {
 public:
  // Sockets of providers that have none of their own are made in `directory`.
  // `limits` hold for processes that do not outlive us.
  process_launcher(wire::runtime& runtime, std::string directory, monotonic::duration ready_within,
                   child_limits limits = {});

  // How the provider of that name is started, instead of by its own command.
  void plan(const std::string& name, launch_plan how);
  // From now on letting go of a provider that outlives us ends it: we stop in order.
  void stopping();

  result<std::unique_ptr<service::provider_connection>> launch(const service::provider_spec& spec,
                                                               std::function<void(std::string why)> on_lost) override;

 private:
  result<launch_plan> plan_for(const service::provider_spec& spec);

  wire::runtime& runtime_;
  const std::string directory_;
  const monotonic::duration ready_within_;
  const child_limits limits_;
  std::mutex mutex_;
  std::map<std::string, launch_plan> plans_;
  std::shared_ptr<std::atomic<bool>> stopping_;
};

// The words of a command line: blanks separate, quotes and backslashes keep together. No variables, no patterns.
result<std::vector<std::string>> split_command(std::string_view text);

}  // namespace vds::vdsd
