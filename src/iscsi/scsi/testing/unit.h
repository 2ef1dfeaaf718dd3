// unit.h: a LUN on memory, two initiators, and a place to keep settings that can refuse; all in one deterministic
// thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/faulty/faulty_device.h"
#include "io/memory/memory_device.h"
#include "iscsi/scsi/handlers.h"
#include "iscsi/scsi/lun_directory.h"
#include "rt/manual_executor.h"

namespace vds::iscsi::testing {

using bytes = std::vector<std::byte>;

struct plain final : command {};

// LUNs and who may not see them.
struct directory final : lun_directory {
  std::map<std::uint32_t, std::shared_ptr<lun>> all;
  std::map<std::uint32_t, std::string> hidden_from;
  std::shared_ptr<lun> seen(std::uint32_t n, const std::string& by) const {
    const auto hidden = hidden_from.find(n);
    return hidden != hidden_from.end() && hidden->second == by ? nullptr : all.at(n);
  }
  std::shared_ptr<lun> find_lun(std::uint32_t n, const std::string& by) const override {
    return all.contains(n) ? seen(n, by) : nullptr;
  }
  std::shared_ptr<lun> find_lun(std::span<const std::uint8_t> naa, const std::string& by) const override {
    for (const auto& [n, l] : all)
      if (std::equal(naa.begin(), naa.end(), l->identity().naa.begin(), l->identity().naa.end())) return seen(n, by);
    return nullptr;
  }
  std::vector<std::uint32_t> inventory(const std::string& by) const override {
    std::vector<std::uint32_t> out;
    for (const auto& [n, l] : all)
      if (seen(n, by)) out.push_back(n);
    return out;
  }
};

// What a LUN keeps, in memory; refuses on cue.
struct keeper {
  bytes kept;
  std::size_t times = 0;
  bool refuse = false;
  lun_persistence persistence() {
    return {kept, [this](bytes b) { return keep(std::move(b)); }, {}, {}};
  }
  rt::task<status> keep(bytes b) {
    ++times;
    if (refuse) co_return errc::io_error;
    kept = std::move(b);
    co_return status();
  }
};

struct unit : ::testing::Test {
  unit() {
    a.id = 1;
    a.initiator = "iqn.a:a";
    b.id = 2;
    b.initiator = "iqn.a:b";
    ports->set({1, 7});
    restart();
  }
  ~unit() override { stop(); }

  static std::vector<std::uint8_t> naa_of(std::uint32_t number) {
    return {0x50, 1, 2, 3, 4, 5, 6, static_cast<std::uint8_t>(number)};
  }
  std::shared_ptr<lun> make(std::uint32_t number, io::block_device& on, lun_persistence p) {
    auto settings = decode_settings(p.saved);
    EXPECT_TRUE(settings);
    auto made = std::make_shared<lun>(lun_identity{.number = number,
                                                   .id = {},
                                                   .naa = naa_of(number),
                                                   .serial = "SERIAL-1",
                                                   .vendor = "VDS",
                                                   .product = "DISK",
                                                   .revision = "1",
                                                   .target_name = "iqn.a:t",
                                                   .ports = ports},
                                      on, *settings, std::move(p));
    made->resume();
    return made;
  }
  void stop() {
    for (auto& [n, unit] : luns.all) ex.run(unit->close());
    luns.all.clear();
    l.reset();
  }
  // As after a crash: nothing is left but the medium and what was kept.
  void restart() {
    stop();
    l = luns.all[5] = make(5, drive, keeps.persistence());
    luns.all[6] = make(6, other, {});
  }

  // One command; data-out is as long as it is.
  const plain& run(nexus& from, std::vector<int> cdb, bytes out = {}, std::shared_ptr<lun> on = nullptr) {
    if (on == nullptr) on = l;
    last = std::make_unique<plain>();
    begin(*last, from, cdb, out, *on);
    ex.run(on->run(*last));
    return *last;
  }
  // `out` stays the caller's.
  void begin(plain& c, nexus& from, const std::vector<int>& cdb, const bytes& out, const lun& on) {
    c.from = &from;
    c.directory = &luns;
    for (std::size_t i = 0; i < cdb.size(); ++i) c.cdb[i] = static_cast<std::byte>(cdb[i]);
    c.expected_out = static_cast<std::uint32_t>(out.size());
    c.expected_in = 65536;
    prepare(on, c);
    if (!c.planned.bad && c.planned.taken != 0) c.data_out = {io::const_buffer(out).first(c.planned.taken)};
    room.assign(c.planned.bad ? 0 : c.planned.in_bytes, std::byte{0xee});
    c.data_in = room;
  }
  int code(nexus& from, std::vector<int> cdb, bytes out = {}) {
    const plain& c = run(from, std::move(cdb), std::move(out));
    return c.status == scsi_status::good ? 0 : c.problem ? c.problem->code : -static_cast<int>(c.status);
  }
  void ready() {
    for (nexus* n : {&a, &b})
      for (const auto& [number, unit] : luns.all)
        while (run(*n, {0, 0, 0, 0, 0, 0}, {}, unit).status == scsi_status::check_condition) {
        }
  }
  std::string text(std::size_t at, std::size_t size) const {
    return {reinterpret_cast<const char*>(last->reply.data()) + at, size};
  }
  bytes medium(io::memory_device& of, std::uint64_t at, std::uint64_t count) {
    bytes out(count * 512);
    of.peek(lba{at}, out);
    return out;
  }

  rt::manual_executor ex;
  seeded_random random{1};
  io::memory_device device{ex, "m", block_size{512}, block_count{1000}};
  io::faulty_device drive{device, random};
  io::memory_device other{ex, "n", block_size{512}, block_count{6000}};
  std::shared_ptr<target_ports> ports = std::make_shared<target_ports>();
  keeper keeps;
  directory luns;
  std::shared_ptr<lun> l;  // number 5
  nexus a, b;
  std::unique_ptr<plain> last;
  std::vector<std::byte> room;
};

inline std::vector<int> write10(int at, int count) { return {0x2a, 0, 0, 0, 0, at, 0, 0, count, 0}; }
inline std::vector<int> read10(int at, int count) { return {0x28, 0, 0, 0, 0, at, 0, 0, count, 0}; }

}  // namespace vds::iscsi::testing
