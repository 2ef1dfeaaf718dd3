#include "apps/vds/run.h"

#include <algorithm>
#include <exception>

#include "apps/vds/command_error.h"
#include "apps/vds/parse.h"
#include "apps/vds/verbs/verbs.h"

namespace vds::cli {
namespace {

void print_candidates(const std::vector<std::string>& words, context& c) {
  const std::string last = words.empty() ? std::string() : words.back();
  for (const std::string& candidate : complete(words)) {
    if (!candidate.starts_with('@')) {
      c.out << candidate << "\n";
      continue;
    }
    try {
      for (const std::string& name : names_of_kind(c, {}, candidate.substr(1)))
        if (name.starts_with(last)) c.out << name << "\n";
    } catch (const command_error&) {
      // No service, no names: a shell's Tab key is no place for messages.
    }
  }
}

// Whether --json was given, also when the rest of the line makes no sense.
bool asks_for_json(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
}

}  // namespace

int run(const std::vector<std::string>& arguments, const environment& env) {
  terminal where = env.where("auto");
  bool as_json = asks_for_json(arguments);
  const auto fail = [&](const command_error& e) {
    env.out << std::flush;
    env.err << (as_json ? error_json(e) : error_text(e, where.colour && where.err_is_terminal)) << std::flush;
    return static_cast<int>(e.status());
  };
  try {
    if (!arguments.empty() && arguments.front() == "__complete") {
      context c(env.out, env.err, where, env.connect, env.stop, env.ask);
      print_candidates({arguments.begin() + 1, arguments.end()}, c);
      return 0;
    }
    parsed p = parse(arguments);
    if (p.what == nullptr) {
      env.out << p.text << std::flush;
      return 0;
    }
    where = env.where(p.opts.colour);
    as_json = p.opts.json || p.opts.json_lines;
    context c(env.out, env.err, where, env.connect, env.stop, env.ask);
    p.what->run(c, p.opts);
    env.out << std::flush;
    if (!env.out) throw command_error(exit_status::failed, "the output could not be written");
    return 0;
  } catch (const command_error& e) {
    return fail(e);
  } catch (const std::exception& e) {
    return fail(command_error(exit_status::failed, e.what()));
  }
}

}  // namespace vds::cli
