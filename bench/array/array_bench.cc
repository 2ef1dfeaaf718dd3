// array_bench: the array's own engine, without service or iSCSI, on file drives. One level in one state for each run:
//   array_bench DIR LEVEL STATE [--drives N] [--size MIB] [--seconds S] [--checksums on|off]
// LEVEL: simple stripe mirror raid10 parity raid6; STATE: healthy degraded rebuilding. Makes its drives in DIR and
// removes them. array_bench memory: what ISA-L and memcpy do in memory. Prints a line of JSON for each load:
// requests of the drives, too, because what a level makes inevitable is counted in those. compare.py runs it.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "array/array.h"
#include "array/parity/codec.h"
#include "base/random.h"
#include "counting_device.h"
#include "io/aligned_buffer.h"
#include "io/uring/file_device.h"
#include "rt/sync.h"

namespace {

using namespace vds;
using bench::counting_device;
using bench::request_counts;
using steady = std::chrono::steady_clock;
namespace fs = std::filesystem;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "array_bench: %s\n", why.c_str());
  std::exit(1);
}
void must(const status& s, const char* what) {
  if (!s) die(fmt::format("{}: {}", what, s.error().message()));
}

double seconds_since(steady::time_point t) { return std::chrono::duration<double>(steady::now() - t).count(); }

// --- the array ---

struct arguments {
  fs::path dir;
  std::string level, state;
  std::size_t drives = 6;
  std::uint64_t size = 128 << 20;  // of the LUN, for each drive that holds data
  double seconds = 1;
  bool checksums = false;
};

const std::map<std::string, array::lun_type> levels = {
    {"simple", array::lun_type::simple}, {"stripe", array::lun_type::stripe}, {"mirror", array::lun_type::mirror},
    {"raid10", array::lun_type::raid10}, {"parity", array::lun_type::parity}, {"raid6", array::lun_type::raid6}};

constexpr std::uint32_t stripe_unit = 65536;

struct shape {
  std::size_t drives, data;  // of the LUN; that hold data
};
shape shape_of(const std::string& level, std::size_t drives) {
  if (level == "simple") return {1, 1};
  if (level == "mirror") return {2, 1};
  if (level == "stripe") return {drives, drives};
  if (level == "raid10") return {drives / 2 * 2, drives / 2};
  return {drives, drives - (level == "raid6" ? 2 : 1)};
}

struct load {
  const char* name;
  std::uint64_t bytes;
  bool write, random;
  unsigned depth;
};

struct outcome {
  std::uint64_t operations = 0;
  double seconds = 0;
  std::vector<double> us;
};

rt::task<void> worker(io::block_device& on, const load& l, std::uint64_t& next, std::uint64_t size,
                      random_source& random, steady::time_point until, outcome& out, rt::gate::held) {
  io::aligned_buffer memory(l.bytes);
  random.fill(memory.span());
  const std::uint64_t places = size / l.bytes, block = on.geometry().logical.bytes;
  while (steady::now() < until) {
    const std::uint64_t place = l.random ? random.below(places) : next++ % places;
    const auto begun = steady::now();
    const lba at{place * l.bytes / block};
    status s;
    if (l.write)
      s = co_await on.write(at, io::const_buffer(memory.span()));
    else
      s = co_await on.read(at, memory.span());
    must(s, l.name);
    out.us.push_back(std::chrono::duration<double, std::micro>(steady::now() - begun).count());
    ++out.operations;
  }
}

rt::task<outcome> measure(io::block_device& on, const load& l, std::uint64_t size, double seconds) {
  outcome out;
  std::uint64_t next = 0;
  seeded_random random(7);
  rt::gate all(on.executor());
  const auto begun = steady::now();
  const auto until = begun + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(seconds));
  for (unsigned i = 0; i < l.depth; ++i) rt::start(worker(on, l, next, size, random, until, out, all.hold()));
  co_await all.close();
  out.seconds = seconds_since(begun);
  std::sort(out.us.begin(), out.us.end());
  co_return out;
}

void print(const arguments& a, const load& l, const outcome& o, const request_counts& c) {
  const auto per = [&o](std::uint64_t n) { return static_cast<double>(n) / static_cast<double>(o.operations); };
  fmt::print(R"({{"level":"{}","state":"{}","load":"{}","iops":{:.0f},"mb_s":{:.1f},"p50_us":{:.1f},"p99_us":{:.1f},)"
             R"("reads":{:.2f},"writes":{:.2f},"flushes":{:.3f},"read_bytes":{:.0f},"written_bytes":{:.0f}}})"
             "\n",
             a.level, a.state, l.name, static_cast<double>(o.operations) / o.seconds,
             static_cast<double>(o.operations * l.bytes) / o.seconds / 1e6, o.us[o.us.size() / 2],
             o.us[o.us.size() * 99 / 100], per(c.reads), per(c.writes), per(c.flushes), per(c.read_bytes),
             per(c.written_bytes));
  std::fflush(stdout);
}

class run_of_level {
 public:
  explicit run_of_level(arguments a) : a_(std::move(a)), shape_(shape_of(a_.level, a_.drives)) {
    auto made = io::reactor_thread::start("array");
    if (!made) die(made.error().message());
    reactor_ = std::move(*made);
  }

  void run() {
    fs::create_directories(a_.dir);
    rt::block_on(reactor_->reactor(), [this] { return all(); });
    for (std::size_t i = 0; i < counts_.size(); ++i) fs::remove(path(i));
  }

 private:
  fs::path path(std::size_t i) const { return a_.dir / fmt::format("drive{}", i); }

  rt::task<guid> add_drive() {
    const std::size_t i = counts_.size();
    fs::remove(path(i));
    auto file = io::open_file_device(reactor_->reactor(), path(i), {.create = byte_count{a_.size + (256 << 20)}});
    if (!file) die(file.error().message());
    counts_.emplace_back();
    auto drive = std::make_unique<counting_device>(std::move(*file), counts_.back());
    auto joined = co_await array_->add_drive(std::move(drive), {.zeroed = true, .sparse = true});
    if (!joined) die(joined.error().message());
    co_return joined->id;
  }
  request_counts sum() const {
    request_counts s;
    for (const auto& c : counts_) s.add(c);
    return s;
  }

  rt::task<int> all() {
    array::array_options o;
    o.rebuild_bytes_per_second = 16 << 20;  // it is to last as long as we measure
    o.checksums = a_.checksums;
    auto made = co_await array::array::assemble(reactor_->reactor(), {}, std::move(o));
    if (!made) die(made.error().message());
    array_ = std::move(*made);
    std::vector<guid> drives;
    for (std::size_t i = 0; i < shape_.drives; ++i) drives.push_back(co_await add_drive());
    array::lun_spec spec;
    spec.type = levels.at(a_.level);
    spec.size = byte_count{a_.size * shape_.data};
    spec.drives = drives;
    spec.stripe_bytes = stripe_unit;
    auto lun = co_await array_->create_lun(spec);
    if (!lun) die(lun.error().message());
    io::block_device& on = *array_->device(lun->id);

    const std::uint64_t row = std::uint64_t{stripe_unit} * shape_.data, size = spec.size.n / row * row;
    co_await fill(on, row, size);
    if (a_.state == "rebuilding") must(co_await array_->set_spare(co_await add_drive(), true), "the spare");
    if (a_.state != "healthy") must(co_await array_->fail_drive(drives[0]), "failing a drive");

    const load loads[] = {{"rows write", row, true, false, 8},         {"rows read", row, false, false, 8},
                          {"64k random write", 65536, true, true, 16}, {"64k random read", 65536, false, true, 16},
                          {"4k random write", 4096, true, true, 32},   {"4k random read", 4096, false, true, 32}};
    for (const load& l : loads) {
      auto before = sum();
      const outcome out = co_await measure(on, l, size, a_.seconds);
      auto used = sum();
      used.add(before, -1);
      if (a_.state == "rebuilding" && array_->lun(lun->id)->health != array::lun_health::degraded)
        die("the rebuild ended before the measurements; give it a larger --size");
      print(a_, l, out, used);
    }
    must(co_await array_->close(), "closing");
    array_.reset();
    co_return 0;
  }

  rt::task<void> fill(io::block_device& on, std::uint64_t row, std::uint64_t size) {
    io::aligned_buffer memory(row);
    seeded_random(3).fill(memory.span());
    for (std::uint64_t at = 0; at < size; at += row)
      must(co_await on.write(lba{at / on.geometry().logical.bytes}, io::const_buffer(memory.span())), "filling");
    must(co_await on.flush(), "filling");
  }

  const arguments a_;
  const shape shape_;
  std::unique_ptr<io::reactor_thread> reactor_;
  std::deque<request_counts> counts_;
  std::unique_ptr<array::array> array_;
};

// --- memory ---

// GB/s of data columns: what a level's mathematics could do at most on one core.
void memory_figures(std::size_t data) {
  constexpr std::size_t length = 65536, rounds = 4000;
  std::vector<io::aligned_buffer> columns;
  for (std::size_t i = 0; i < data + 2; ++i) {
    columns.emplace_back(length);
    seeded_random(i + 1).fill(columns.back().span());
  }
  array::parity::columns row;
  for (auto& c : columns) row.push_back(c.data());
  const auto figure = [&](const char* name, const auto& once) {
    const auto begun = steady::now();
    for (std::size_t i = 0; i < rounds; ++i) once();
    fmt::print(R"({{"memory":"{}","gb_s":{:.2f}}})"
               "\n",
               name, static_cast<double>(rounds * length * data) / seconds_since(begun) / 1e9);
  };
  figure("memcpy", [&] {
    for (std::size_t i = 0; i < data; ++i) std::memcpy(columns[i + 1].data(), columns[i].data(), length);
  });
  row[data + 1] = nullptr;
  figure("P", [&] { array::parity::encode(row, data, length); });
  row[data + 1] = columns[data + 1].data();
  figure("P and Q", [&] { array::parity::encode(row, data, length); });
  const std::size_t lost[] = {0, 1};
  figure("two lost columns back", [&] { array::parity::reconstruct(row, data, lost, length); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "memory") == 0) {
    memory_figures(4);
    return 0;
  }
  if (argc < 4)
    die("usage: array_bench DIR LEVEL STATE [--drives N] [--size MIB] [--seconds S] [--checksums on|off] | array_bench "
        "memory");
  arguments a{.dir = argv[1], .level = argv[2], .state = argv[3]};
  for (int i = 4; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--drives") a.drives = std::strtoul(argv[i + 1], nullptr, 10);
    if (option == "--size") a.size = std::strtoul(argv[i + 1], nullptr, 10) << 20;
    if (option == "--seconds") a.seconds = std::strtod(argv[i + 1], nullptr);
    if (option == "--checksums") a.checksums = std::string_view(argv[i + 1]) == "on";
  }
  if (!levels.contains(a.level)) die("no level " + a.level);
  if (a.state != "healthy" && a.state != "degraded" && a.state != "rebuilding") die("no state " + a.state);
  if (a.state != "healthy" && (a.level == "simple" || a.level == "stripe")) die(a.level + " survives no lost drive");
  if (a.drives < 4) die("at least four drives");
  run_of_level(std::move(a)).run();
}
