// stage.h: what the programs play on: a target with two LUNs for everybody (devices that stall and fail on cue), one
// LUN of somebody else that nobody here may touch, and what an administrator does meanwhile. Everything is bounded and
// everything is watched: within_bounds() after each step, nothing_left() at the end.
// Thread: one manual_executor.
#pragma once

#include <memory>
#include <string>

#include "base/random.h"
#include "io/faulty/faulty_device.h"
#include "io/memory/memory_device.h"
#include "iscsi/target/portal_server.h"
#include "peer.h"
#include "stalling_device.h"

namespace vds::iscsi::fuzz {

class stage {
 public:
  explicit stage(const agreement& terms);
  ~stage();

  std::unique_ptr<peer> connect(const agreement& terms);
  void device(std::uint8_t how);
  void admin(std::uint8_t how);
  void let_everything_go();  // devices work again, nothing is under way, LUN 1 is there for everybody

  void within_bounds() const;
  void nothing_left() const;  // no connection, no session, the masked LUN never touched

  rt::manual_executor ex;

 private:
  struct disk {
    disk(rt::executor& e, random_source& r);
    io::memory_device medium;
    io::faulty_device drive;
    testing::stalling_device slow;
  };
  logical_unit describe(std::uint16_t number);
  rt::task<void> run_admin(std::uint8_t how);

  seeded_random random_{1};
  disk disks_[3];  // of LUN 0, of LUN 1, of the masked one
  target target_{{"iqn.2026-01.t:t", ""}};
  io::memory_listener* listener_ = nullptr;
  std::unique_ptr<portal_server> server_;
  const std::size_t allocated_before_;
  bool admin_under_way_ = false;
  bool stalling_ = false;
  int addresses_ = 0;
};

}  // namespace vds::iscsi::fuzz
