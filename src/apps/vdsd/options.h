// options.h: what vdsd is told, on its command line and in its configuration file (TOML). The command line wins.
//
//   group = "vds"                    # whose members administer, besides root and the service's own user
//   history = 10000                  # ended operations kept
//   [limits]                         # seconds
//   call = 10                        # until a provider's answer is given up
//   load = 60                        # for a provider's OnLoad
//   ready = 10                       # clients wait so long for providers at start
//   threads = 64                     # of each provider's gate
//   provider_memory = 4096           # MiB of address space of a provider's process; 0: no limit
//   provider_files = 4096            # that it may have open; 0: no limit
//   [provider.NAME]
//   command = "/usr/lib/vds/thing --option"    # --socket PATH is added
//   clsid = "..."                    # the class to activate
//   id = "..."                       # of its provider object; optional
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/service.h"

namespace vds::vdsd {

// A sanitizer's shadow is address space, too.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t default_provider_memory_mib = 0;
#else
inline constexpr std::uint64_t default_provider_memory_mib = 4096;
#endif

struct options {
  std::string state_dir;
  std::string socket;
  std::string array_dir;  // empty: no array of our own
  std::string drives;     // "6x1G"
  std::string portal = "127.0.0.1:3260";
  bool checksums = false;  // of that array's drives
  std::string group;
  std::size_t history = 10'000;
  service::provider_options provider;
  std::uint64_t provider_memory_mib = default_provider_memory_mib, provider_files = 4096;
  std::chrono::seconds ready{10};
  std::vector<service::provider_spec> providers;
};

// An exit status when there is nothing more to do (help, version, wrong usage), which has been told already.
struct parsed {
  options given;
  int exit_status = -1;
};
parsed parse_command_line(int argc, char** argv);
// Adds what the file says; failures name the file, the line and what is wrong with it.
status read_config(const std::string& path, options& into);
// NAME[@CLSID]=COMMAND
result<service::provider_spec> parse_provider(std::string_view text);
std::string default_socket();

}  // namespace vds::vdsd
