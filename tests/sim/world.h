// world.h: an array on simulated drives that go wrong at chosen requests, LUNs on it, and for each a model of what its
// content may be (content.h). Every read is judged. One thread, one seed: the same seed gives the same trace.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "array/testing/rig.h"
#include "tests/sim/content.h"

namespace vds::sim {

using array::lun_health;
using array::lun_type;

// What is wrong with a drive, also over restarts.
struct drive_faults {
  std::set<std::uint64_t> unreadable;  // blocks
  bool cured_by_writing = true;
  bool write_errors = false;
  bool gone = false;  // and not offered at the next start
};

struct lun {
  guid id;
  lun_type type{};
  std::uint64_t row_sectors = 32;  // of data: what a full-stripe write writes
  content bytes;
};

class world {
 public:
  world(std::size_t drives, std::uint64_t seed, std::uint64_t drive_bytes = 4 << 20);
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  // Power and starts. boot() offers what is not gone; faults and timed events act from its first request on.
  status boot();
  status shut_down();
  void arm(std::size_t drive);        // a drive opened otherwise
  void power_off();                   // what is unflushed survives by chance, sector by sector
  void cut_after(std::uint64_t more)  // that many requests; in the middle of that one
  {
    cut_at_ = requests_ + more;
  }
  bool cut() const { return cut_; }

  // Faults.
  void at_request(std::uint64_t more, std::function<void()> what) { due_.emplace(requests_ + more, std::move(what)); }
  void all_due();  // those that no request came for
  void vanish(std::size_t drive);
  void come_back(std::size_t drive);
  void corrupt(std::size_t drive, std::uint64_t block);                // a bit on the medium; of what is flushed
  void hang(std::size_t drive) { r.drives[drive]->set_latency(90s); }  // three times the array's deadline
  std::vector<drive_faults> faults;

  // LUNs. Null: the array refused.
  std::shared_ptr<lun> create(lun_type type, std::uint64_t bytes, unsigned plexes, const std::vector<std::size_t>& on);

  // Requests, judged. They end by themselves; errors are counted in `errors` unless the power is gone.
  rt::task<void> write(std::shared_ptr<lun> to, std::uint64_t at, std::uint64_t count, bool fua, bool zeros);
  rt::task<void> read(std::shared_ptr<lun> from, std::uint64_t at, std::uint64_t count);
  rt::task<void> flush(std::shared_ptr<lun> of);
  enum class load : std::uint8_t { none, reads, small_writes, full_rows, mixed };
  void start_some(const std::shared_ptr<lun>& on, load what, random_source& chance);  // one to three, not waited for
  void play(const std::shared_ptr<lun>& on, load what, int rounds, random_source& chance);
  void let_run(random_source& chance);  // a few steps, or until all is quiet
  // Longer than anything waits. Not until no timer is left: where a block is lost on all members the array looks at
  // its marks again and again.
  void quiet() { r.ex.advance(150s); }

  // Reads all of it while nothing else goes on. Blocks that cannot be read are counted in `errors`.
  void judge(const std::shared_ptr<lun>& what);
  // Redundant data agrees: only when the LUN is healthy and nothing is going on.
  void scrub(const std::shared_ptr<lun>& what);
  void wrong(std::string what) { wrongs.push_back(std::move(what)); }

  std::vector<std::string> wrongs;
  std::uint64_t errors = 0;
  std::string first_error;
  std::uint64_t trace() const { return trace_; }
  std::uint64_t requests() const { return requests_; }

 private:
  io::fault on_request(std::size_t drive, const io::faulty_device::call& c);
  void failed(const char* doing, const failure& why);

  std::uint64_t requests_ = 0, cut_at_ = UINT64_MAX, trace_ = 14695981039346656037ULL;
  bool cut_ = false;
  std::multimap<std::uint64_t, std::function<void()>> due_;

 public:
  array::testing::rig r;  // last: goes first, while what its requests refer to is still there
};

// Prints what to call to repeat this life when the process dies in it.
void living(const std::string& how_to_repeat);
// Value of "--name=" in the arguments, or null.
const char* argument(int argc, char** argv, const char* name);
// VDS_SIM_SEEDS, or this many.
std::uint64_t seeds(std::uint64_t few);

}  // namespace vds::sim
