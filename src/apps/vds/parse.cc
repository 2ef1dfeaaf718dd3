#include "apps/vds/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "apps/vds/command_error.h"
#include "apps/vds/match.h"

#ifndef VDS_VERSION
#define VDS_VERSION "0"
#endif

namespace vds::cli {
namespace {

constexpr const char* footer =
    "Sizes: K, M, G, T are powers of 1024; KB, MB, ... of 1000. Objects are named by id, prefix of an id, or name.\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 service unreachable, 4 denied, 130 stopped waiting (Ctrl-C).";

void declare_global(CLI::App& app, options& o) {
  app.add_flag("--json", o.json, "one JSON document instead of a table; errors too");
  app.add_option("-o,--output", o.columns, "columns: a,b or +a (more) or all")->type_name("COLUMNS");
  app.add_option("--sort", o.sort, "sort by this column; -column for descending")->type_name("COLUMN");
  app.add_flag("-H,--no-headers", o.no_headings, "no heading line");
  app.add_flag("-p,--parsable", o.parsable, "exact values separated by tabs, for scripts");
  app.add_flag("-b,--bytes", o.bytes, "sizes in bytes");
  app.add_flag("-q,--quiet", o.quiet, "no progress, nothing but results");
  app.add_option("--color,--colour", o.colour, "auto, always or never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--socket", o.socket, "the service's socket (else VDS_SOCKET, else the usual places)")
      ->type_name("PATH");
}

struct tree {
  CLI::App app{"The command line of the Virtual Disk Service.", "vds"};
  options opts;
  std::vector<std::pair<CLI::App*, const command*>> leaves;

  tree() {
    app.set_version_flag("--version", "vds " VDS_VERSION);
    app.footer(footer);
    app.require_subcommand(0, 1);
    app.allow_extras();  // looked at below: the message is ours
    declare_global(app, opts);
    std::map<std::string_view, CLI::App*> nouns;
    for (const command& c : all_commands()) {
      CLI::App*& noun = nouns[c.noun];
      if (noun == nullptr) {
        noun = app.add_subcommand(std::string(c.noun), std::string(noun_summary(c.noun)));
        noun->require_subcommand(0, 1)->fallthrough()->allow_extras();
      }
      CLI::App* leaf = noun;
      if (!c.verb.empty()) {
        leaf = noun->add_subcommand(std::string(c.verb), std::string(c.summary));
        leaf->fallthrough();
        if (!c.alias.empty()) leaf->alias(std::string(c.alias));
      }
      if (c.declare != nullptr) c.declare(*leaf, opts);
      leaves.emplace_back(leaf, &c);
    }
  }
};

std::vector<std::string_view> verbs_of(std::string_view noun) {
  std::vector<std::string_view> out;
  for (const command& c : all_commands())
    if (c.noun == noun && !c.verb.empty()) out.push_back(c.verb);
  return out;
}

std::vector<std::string_view> nouns() {
  std::vector<std::string_view> out;
  for (const command& c : all_commands())
    if (std::find(out.begin(), out.end(), c.noun) == out.end()) out.push_back(c.noun);
  return out;
}

std::string listed(const std::vector<std::string_view>& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : ", ") + std::string(w);
  return out;
}

[[noreturn]] void wrong(std::string why, std::string advice) {
  throw command_error(exit_status::usage, std::move(why), std::move(advice));
}

std::string did_you_mean(const std::string& before, std::string_view word, const std::vector<std::string_view>& choices,
                         const std::string& otherwise) {
  const std::string guess = nearest(word, choices);
  return guess.empty() ? otherwise : fmt::format("did you mean '{}{}'?", before, guess);
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

// What CLI11 could make nothing of.
[[noreturn]] void complain_about(const std::string& word, const CLI::App& app, const CLI::App& leaf,
                                 const std::string& path) {
  if (word.size() > 1 && word.front() == '-') {
    std::vector<std::string> names = option_names(leaf);
    for (std::string& name : option_names(app)) names.push_back(std::move(name));
    const std::vector<std::string_view> choices(names.begin(), names.end());
    wrong(fmt::format("there is no option '{}'", word.substr(0, word.find('='))),
          did_you_mean("", word.substr(0, word.find('=')), choices, fmt::format("see '{} --help'", path)));
  }
  wrong(fmt::format("'{}' is one word too many", word), fmt::format("see '{} --help'", path));
}

}  // namespace

parsed parse(const std::vector<std::string>& arguments) {
  tree t;
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants it
  CLI::App* noun = nullptr;
  CLI::App* leaf = nullptr;
  const auto locate = [&] {
    const auto first = t.app.get_subcommands();
    noun = first.empty() ? nullptr : first.front();
    const auto second = noun == nullptr ? std::vector<CLI::App*>() : noun->get_subcommands();
    leaf = second.empty() ? noun : second.front();
  };
  const auto path = [&] {
    std::string out = "vds";
    if (noun != nullptr) out += " " + noun->get_name();
    if (leaf != nullptr && leaf != noun) out += " " + leaf->get_name();
    return out;
  };
  std::string problem;
  try {
    t.app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return {nullptr, {}, t.app.help()};
  } catch (const CLI::CallForVersion& e) {
    return {nullptr, {}, std::string(e.what()) + "\n"};
  } catch (const CLI::ParseError& e) {
    problem = e.what();
  }
  locate();
  const std::vector<std::string> rest = t.app.remaining(true);
  if (noun == nullptr) {
    if (rest.empty() && problem.empty())
      wrong("no command given", "commands are: " + listed(nouns()) + "; see 'vds --help'");
    if (!rest.empty() && rest.front().front() != '-')
      wrong(fmt::format("there is no command '{}'", rest.front()),
            did_you_mean("vds ", rest.front(), nouns(), "commands are: " + listed(nouns())));
    if (!rest.empty()) complain_about(rest.front(), t.app, t.app, "vds");
    wrong(problem, "see 'vds --help'");
  }
  const auto row = std::find_if(t.leaves.begin(), t.leaves.end(), [&](const auto& l) { return l.first == leaf; });
  if (row == t.leaves.end()) {  // a noun that wants a verb
    const auto verbs = verbs_of(noun->get_name());
    if (rest.empty())
      wrong(fmt::format("'{}' needs to be told what to do", path()), fmt::format("one of: {}", listed(verbs)));
    if (rest.front().front() == '-') complain_about(rest.front(), t.app, *noun, path());
    wrong(fmt::format("'{}' cannot '{}'", path(), rest.front()),
          did_you_mean(path() + " ", rest.front(), verbs, "it can: " + listed(verbs)));
  }
  if (!rest.empty()) complain_about(rest.front(), t.app, *leaf, path());
  if (!problem.empty()) wrong(problem, fmt::format("see '{} --help'", path()));
  return {row->second, t.opts, {}};
}

std::vector<std::string> complete(const std::vector<std::string>& words) {
  tree t;
  CLI::App* at = &t.app;
  std::size_t depth = 0;
  const std::string last = words.empty() ? std::string() : words.back();
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i].starts_with('-')) continue;
    for (CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; })) {
      if (!sub->check_name(words[i]) || depth == 2) continue;
      at = sub;
      ++depth;
      break;
    }
  }
  std::vector<std::string> out;
  const auto offer = [&](const std::string& word) {
    if (word.starts_with(last)) out.push_back(word);
  };
  if (last.starts_with('-')) {
    for (const std::string& name : option_names(*at)) offer(name);
    if (at != &t.app)
      for (const std::string& name : option_names(t.app)) offer(name);
    return out;
  }
  for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; })) offer(sub->get_name());
  const std::string before = words.size() > 1 ? words[words.size() - 2] : std::string();
  if (before == "--type")
    for (const char* type :
         {"auto", "simple", "span", "stripe", "mirror", "parity", "raid6", "raid10", "raid50", "raid60"})
      offer(type);
  else if (before == "--drives")
    out.push_back("@drive");
  else if (before == "--subsystem")
    out.push_back("@subsystem");
  else
    for (const auto& [leaf, row] : t.leaves)
      if (leaf == at && !row->completes.empty()) out.push_back("@" + std::string(row->completes));
  return out;
}

}  // namespace vds::cli
