#include "apps/arrayd/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

namespace vds::arrayd {

result<byte_count> parse_size(std::string_view text) {
  const failure bad(errc::invalid_argument, fmt::format("'{}' is no size like 512M or 10G", text));
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc()) return bad;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.ends_with("iB")) unit.remove_suffix(2);
  unsigned shift = 0;
  if (!unit.empty()) {
    const auto at = std::string_view("KMGTP").find(unit);
    if (unit.size() != 1 || at == std::string_view::npos) return bad;
    shift = 10 * (static_cast<unsigned>(at) + 1);
  }
  if (n > (std::uint64_t{1} << 62) >> shift) return bad;
  return byte_count{n << shift};
}

result<drive_set> parse_drive_set(std::string_view text) {
  const auto x = text.find('x');
  drive_set out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + std::min(x, text.size()), out.count);
  if (x == std::string_view::npos || error != std::errc() || end != text.data() + x) {
    return failure(errc::invalid_argument, fmt::format("'{}' is not COUNTxSIZE, like 6x1G", text));
  }
  auto size = parse_size(text.substr(x + 1));
  if (!size) return std::move(size).error();
  out.size = *size;
  if (out.count == 0 || out.count > 1000 || out.size.n < 16_MiB) {
    return failure(errc::invalid_argument, "1 to 1,000 drives of at least 16 MiB can be made");
  }
  return out;
}

parsed parse_command_line(int argc, char** argv) {
  parsed p;
  std::string drives;
  CLI::App app("An array of drives that are files or block devices, with an iSCSI target, as a VDS hardware provider.",
               "vds-arrayd");
  app.add_option("--dir", p.given.directory, "where this array keeps its files; made if it does not exist")->required();
  app.add_option("--socket", p.given.socket, "where the service finds this provider")->required();
  app.add_option("--drives", drives, "for a new, empty directory: make this many sparse drive files, like 6x1G");
  app.add_option("--iscsi-portal", p.given.portal, "address and port for initiators; port 0: any, the same ever after")
      ->capture_default_str();
  app.add_option("--reactors", p.given.reactors, "threads that serve initiators")
      ->capture_default_str()
      ->check(CLI::Range(1u, 64u));
  app.add_flag("--checksums", p.given.checksums, "drives that join from now on keep checksums of their data");
  app.set_version_flag("--version", "vds-arrayd 0.1.0");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    p.exit_status = app.exit(e) == 0 ? 0 : 2;
    return p;
  }
  if (!drives.empty()) {
    auto set = parse_drive_set(drives);
    if (!set) {
      fmt::print(stderr, "vds-arrayd: --drives: {}\n", set.error().message());
      p.exit_status = 2;
      return p;
    }
    p.given.drives = *set;
  }
  return p;
}

}  // namespace vds::arrayd
