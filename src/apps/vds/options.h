// options.h: everything a command line can say, in one structure. A verb reads what its row of commands.cc declares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vds::cli {

struct options {
  // For every command.
  bool json = false;
  bool no_headings = false;
  bool parsable = false;
  bool bytes = false;
  bool quiet = false;
  std::string columns, sort;
  std::string colour = "auto";
  std::string socket;

  // Of the verbs.
  std::vector<std::string> objects;  // positional: the LUN, the drive, the path, ...
  std::string subsystem;
  std::string size;
  std::string type = "auto";
  std::vector<std::string> drives;
  std::uint32_t plexes = 0;
  std::string name;
  std::string unmask;
  std::vector<std::string> hints;
  std::string key;
  bool no_wait = false;
  double timeout_s = 0;  // 0: none
  bool yes = false;
  bool dry_run = false;
  bool force = false;
  bool all = false;
  bool off = false;
  std::string create;
  std::string iqn;
  bool no_portals = false;
  bool none = false;
  std::vector<std::string> groups;
  std::string initiator;
  std::string secret_file;
  bool mutual = false;
  std::string id, class_id, version_id, version;
  std::optional<std::uint64_t> since;
  std::uint64_t most = 0;
  bool no_follow = false;
  bool json_lines = false;
};

}  // namespace vds::cli
