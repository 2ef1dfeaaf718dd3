// Many clients at once make random calls on the same objects; a model (model/fleet.h) says of each answer whether it
// may be, and in the end what is there is what the model has.
//
//   concurrent_clients_test [--clients=32] [--calls=400] [--seed=N] [--socket=PATH]
//
// --calls is of each client. Without --socket the service and the array are in this process. The seed decides what each
// client does, not who comes first: a run that failed is repeated with it, and may have to be repeated more than once.
// The service behind a socket must have no LUN before, and nobody else may use it.
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/random.h"
#include "base/result.h"
#include "tests/stress/model/client.h"
#include "tests/stress/model/world.h"

namespace vds::stress {
namespace {

struct options {
  std::uint64_t clients = 32, calls = 400, seed = system_random().next() % 1'000'000;
  std::string socket;
};

bool number(const char* argument, const char* name, std::uint64_t& into) {
  const std::size_t n = std::strlen(name);
  if (std::strncmp(argument, name, n) != 0) return false;
  return std::from_chars(argument + n, argument + std::strlen(argument), into).ec == std::errc();
}

status run(world& w, const options& o, fleet& model) {
  std::vector<std::unique_ptr<connection>> connections;
  for (std::uint64_t i = 0; i <= o.clients; ++i) {
    auto c = w.connect();
    if (!c) return std::move(c).error();
    connections.push_back(std::move(*c));
  }
  const auto subsystem = subsystem_of(connections.front()->service().get());
  if (!subsystem) return subsystem.error();
  client alone(connections.back()->service(), *subsystem, model, o.seed);
  // The first LUN with parity takes room for a journal on its drives, which they keep.
  alone.make_one(VDS_LT_PARITY);
  alone.delete_everything();
  if (!alone.settle()) return failure(errc::timed_out, "the array does not come to rest");
  const std::uint64_t free = alone.free_bytes();
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < o.clients; ++i)
    threads.emplace_back([&, i] {
      client c(connections[i]->service(), *subsystem, model, o.seed * 1000 + i);
      for (std::uint64_t n = 0; n < o.calls && model.sound(); ++n) c.some_call();
    });
  for (auto& t : threads) t.join();
  model.judge_operations();
  if (const auto n = alone.unfinished(); n != 0) model.violated(fmt::format("{} operations go on for ever", n));
  model.judge_inventory(alone.inventory());
  alone.delete_everything();
  if (!alone.inventory().empty()) model.violated("there are LUNs after all have been deleted");
  if (!alone.settle()) model.violated("the array does not come to rest");
  if (const auto now = alone.free_bytes(); now != free)
    model.violated(fmt::format("{} bytes were free before, and {} are in the end", free, now));
  return {};
}

int main_of(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    if (number(argv[i], "--clients=", o.clients) || number(argv[i], "--calls=", o.calls) ||
        number(argv[i], "--seed=", o.seed))
      continue;
    if (std::strncmp(argv[i], "--socket=", 9) == 0) {
      o.socket = argv[i] + 9;
      continue;
    }
    fmt::print(stderr, "usage: concurrent_clients_test [--clients=N] [--calls=N] [--seed=N] [--socket=PATH]\n");
    return 2;
  }
  fmt::print("{} clients, {} calls each, --seed={}\n", o.clients, o.calls, o.seed);
  std::string directory = (std::filesystem::temp_directory_path() / "vds-stress-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 2;
  fleet model;
  status ended;
  {
    result<std::unique_ptr<world>> w =
        o.socket.empty() ? make_world_in_process(directory) : make_world_behind(o.socket);
    ended = w ? run(**w, o, model) : status(std::move(w).error());
  }
  std::filesystem::remove_all(directory);
  if (!ended) {
    fmt::print(stderr, "it could not be run: {}\n", ended.error().message());
    return 2;
  }
  for (const std::string& each : model.violations()) fmt::print(stderr, "{}\n", each);
  fmt::print("{}\n", model.summary());
  return model.sound() ? 0 : 1;
}

}  // namespace
}  // namespace vds::stress

int main(int argc, char** argv) { return vds::stress::main_of(argc, argv); }
