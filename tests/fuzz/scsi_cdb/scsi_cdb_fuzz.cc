// CDBs and parameter lists on a LUN over memory. Input: a sequence of 16 bytes of CDB, one byte of flags (which of two
// nexuses, task attribute), two of data-out length, the data-out.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "io/memory/memory_device.h"
#include "iscsi/scsi/dispatch.h"
#include "iscsi/scsi/handlers.h"
#include "iscsi/scsi/lun_directory.h"
#include "iscsi/scsi/persistence.h"
#include "rt/manual_executor.h"

using namespace vds;
using namespace vds::iscsi;

namespace {
struct plain_command final : command {};

struct all_luns final : lun_directory {
  std::shared_ptr<lun> first, second;
  std::shared_ptr<lun> find_lun(std::uint32_t n, const std::string&) const override {
    return n == 3 ? first : n == 4 ? second : nullptr;
  }
  std::shared_ptr<lun> find_lun(std::span<const std::uint8_t> naa, const std::string&) const override {
    for (const auto& l : {first, second})
      if (std::equal(naa.begin(), naa.end(), l->identity().naa.begin(), l->identity().naa.end())) return l;
    return nullptr;
  }
  std::vector<std::uint32_t> inventory(const std::string&) const override { return {3, 4}; }
};
rt::task<status> fine() { co_return status(); }
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rt::manual_executor ex;
  io::memory_device device(ex, "m", block_size{512}, block_count{4096});
  io::memory_device beside(ex, "n", block_size{4096}, block_count{64});
  std::vector<std::byte> kept;
  const auto keep = [&kept](std::vector<std::byte> b) -> rt::task<status> {
    kept = std::move(b);
    return fine();
  };
  const auto forget = [](std::vector<std::byte>) { return fine(); };
  const auto ports = std::make_shared<target_ports>(std::vector<std::uint16_t>{1, 2});
  auto make = [&](std::uint16_t number, io::block_device& on, lun_persistence p) {
    const auto settings = decode_settings(p.saved);
    if (!settings) __builtin_trap();
    return std::make_shared<lun>(
        lun_identity{.number = number,
                     .id = {},
                     .naa = std::vector<std::uint8_t>(16, static_cast<std::uint8_t>(0x60 + number)),
                     .serial = "SERIAL",
                     .vendor = "VDS",
                     .product = "DISK",
                     .revision = "1",
                     .target_name = "iqn.2026-01.t:t",
                     .ports = ports,
                     .atomic = block_count{256}},
        on, *settings, std::move(p));
  };
  all_luns luns;
  auto unit = luns.first = make(3, device, {{}, keep, {}, forget});
  luns.second = make(4, beside, {});
  nexus nexuses[2];
  nexuses[0].id = 1;
  nexuses[0].initiator = "iqn.a:a";
  nexuses[1].id = 2;
  nexuses[1].initiator = "iqn.b:b";
  const auto all = std::as_bytes(std::span(data, size));
  static std::vector<std::byte> room(lun::max_transfer_bytes);  // 8 MiB: too much to clear for each input
  for (std::size_t at = 0; at + 19 <= size;) {
    plain_command c;
    std::memcpy(c.cdb.data(), &all[at], 16);
    c.from = &nexuses[data[at + 16] & 1];
    c.attribute = static_cast<task_attribute>(data[at + 16] >> 1 & 7);
    const std::size_t wanted = data[at + 17] << 8 | data[at + 18];
    at += 19;
    const auto out = all.subspan(at, std::min(wanted, size - at));
    at += out.size();
    c.expected_out = static_cast<std::uint32_t>(out.size());
    c.expected_in = 262144;
    c.inventory = {0, 3, 300};
    c.directory = &luns;
    prepare(*unit, c);
    if (!c.planned.bad && c.planned.taken != 0) {
      if (c.planned.taken > out.size()) __builtin_trap();
      c.data_out = {out.first(c.planned.taken)};
    }
    if (!c.planned.bad && c.planned.in_bytes != 0)
      c.data_in = std::span(room).first(std::min<std::size_t>(c.planned.in_bytes, c.expected_in));
    ex.run(unit->run(c));
    if (c.status == scsi_status::check_condition) {
      if (!c.problem) __builtin_trap();
      (void)encode(*c.problem, c.descriptor_sense);
    }
    if (c.data_in_size > c.data_in.size()) __builtin_trap();
    plain_command nowhere;
    nowhere.cdb = c.cdb;
    nowhere.from = c.from;
    nowhere.inventory = c.inventory;
    answer_without_lun(nowhere);
  }
  // What was kept must be what comes back.
  const bool aptpl = unit->persistent().aptpl();
  const std::size_t registrants = unit->persistent().registrants().size();
  ex.run(unit->close());
  ex.run(luns.second->close());
  const auto back = decode_settings(kept);
  if (!back || (aptpl && back->reservations.registrants().size() != registrants)) __builtin_trap();
  return 0;
}
