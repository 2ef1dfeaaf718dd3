#include "load_options.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vds::bench {
namespace {

constexpr const char* usage =
    "iscsi_load iscsi://HOST:PORT/IQN[/LUN] [--write] [--sequential] [--size BYTES] [--depth N] [--connections N] "
    "[--luns "
    "N]\n"
    "           [--seconds S] [--warm-up S] [--region BYTES] [--header-digest] [--data-digest] [--spin]\n"
    "--depth is of each connection; --luns: from LUN on, one after the other. Prints one JSON document.\n";

}  // namespace

load_options parse_options(int argc, char** argv) {
  load_options o;
  std::string url;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&]() -> const char* {
      if (i + 1 >= argc) die(usage);
      return argv[++i];
    };
    const auto number = [&] { return static_cast<std::uint32_t>(std::strtoul(value(), nullptr, 0)); };
    if (name == "--write")
      o.write = true;
    else if (name == "--sequential")
      o.random = false;
    else if (name == "--spin")
      o.spin = true;
    else if (name == "--header-digest")
      o.login.header_digest = true;
    else if (name == "--data-digest")
      o.login.data_digest = true;
    else if (name == "--size")
      o.size = number();
    else if (name == "--depth")
      o.depth = number();
    else if (name == "--connections")
      o.connections = number();
    else if (name == "--luns")
      o.luns = number();
    else if (name == "--seconds")
      o.seconds = std::strtod(value(), nullptr);
    else if (name == "--warm-up")
      o.warm_up = std::strtod(value(), nullptr);
    else if (name == "--region")
      o.region = std::strtoull(value(), nullptr, 0);
    else if (name.rfind("iscsi://", 0) == 0)
      url = name;
    else
      die(usage);
  }
  const std::string rest = url.size() > 8 ? url.substr(8) : "";
  const auto slash = rest.find('/'), colon = rest.rfind(':', slash);
  if (slash == std::string::npos || colon == std::string::npos || o.size == 0 || o.size % 512 != 0 || o.depth == 0 ||
      o.connections == 0 || o.luns == 0)
    die(usage);
  o.login.host = rest.substr(0, colon);
  o.login.port = rest.substr(colon + 1, slash - colon - 1);
  const auto second = rest.find('/', slash + 1);
  o.login.target = rest.substr(slash + 1, second - slash - 1);
  if (second != std::string::npos) o.first_lun = static_cast<std::uint32_t>(std::atoi(rest.c_str() + second + 1));
  return o;
}

}  // namespace vds::bench
