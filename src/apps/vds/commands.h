// commands.h: the table of all commands: noun, verb, what it is for, what it takes, what it runs. Parsing, help,
// completion and the manual's synopsis all read this table.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string_view>

#include "apps/vds/context.h"
#include "apps/vds/options.h"

namespace vds::cli {

struct command {
  std::string_view noun, verb;  // an empty verb: the noun alone is the command ("events")
  std::string_view alias;       // of the verb: "ls", "rm"; may be empty
  std::string_view summary;
  void (*declare)(CLI::App& app, options& o);  // its own options; null for none
  void (*run)(context& c, const options& o);
  std::string_view completes;  // kind of object its positional arguments name: "lun", "drive", "op", ...; may be empty
};

std::span<const command> all_commands();
std::string_view noun_summary(std::string_view noun);

}  // namespace vds::cli
