// SANITIZE: OVERWRITE and EXIT FAILURE MODE. BLOCK ERASE and CRYPTOGRAPHIC ERASE are not offered: the drives below keep
// no key, and what lies unmapped on them is not ours to say.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "io/aligned_buffer.h"
#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

constexpr std::size_t list_header = 4;
constexpr std::uint64_t piece_bytes = 1u << 20;

}  // namespace

void plan_sanitize(const lun& l, const command& c, plan& p) {
  const std::uint16_t length = c.get<be16>(7);
  auto bad = [&p](sense s) {
    p.bad = true;
    p.why = s;
  };
  if (c.bit(1, 6)) return bad(bad_cdb_field(1, 6));  // ZNR: no zones
  for (std::uint16_t i = 2; i < 7; ++i)
    if (c.byte(i) != 0) return bad(bad_cdb_field(i));
  const bool overwrites = (c.byte(1) & 0x1f) == 1;
  if (overwrites ? length <= list_header || length > list_header + l.block().bytes : length != 0)
    return bad(bad_cdb_field(7));
  p.out_bytes = length;
}

rt::task<void> do_sanitize_overwrite(lun& l, command& c) {
  const std::vector<std::byte> list = gathered(c);
  sanitize_order order;
  order.invert = (list[0] & std::byte{0x80}) != std::byte{0};
  order.passes = std::to_integer<std::uint8_t>(list[0]) & 0x1f;
  order.may_exit_failure = c.bit(1, 5);
  const std::size_t pattern = load<be16>(&list[2]);
  if (order.passes == 0 || (list[0] & std::byte{0x60}) != std::byte{0}) {
    c.fail(bad_list_field(0));
    co_return;
  }
  if (pattern == 0 || pattern > l.block().bytes || pattern + list_header > list.size()) {
    c.fail(bad_list_field(2));
    co_return;
  }
  order.pattern.assign(list.begin() + list_header, list.begin() + static_cast<std::ptrdiff_t>(list_header + pattern));
  {
    auto turn = co_await l.settings_turn();
    if (c.aborted()) co_return;
    if (l.sanitize().running()) {
      c.fail(sense{sense_key::not_ready, senses::sanitizing, {}, {}, l.sanitize().progress});
      co_return;
    }
    lun_settings next = l.settings();
    next.sanitize = order;
    auto kept = co_await l.change_settings(std::move(next));
    if (!kept) {
      c.fail(sense_from(kept.error(), true));
      co_return;
    }
    l.run_sanitize();
  }
  if (c.bit(1, 7)) co_return;  // IMMED
  co_await l.sanitized(c);
  if (l.sanitize().order) c.fail(sense{sense_key::medium_error, senses::sanitize_failed, {}, {}});
}

rt::task<void> do_sanitize_exit(lun& l, command& c) {
  auto turn = co_await l.settings_turn();
  if (!l.sanitize().order) co_return;
  if (!l.sanitize().order->may_exit_failure) {
    c.fail(bad_cdb_field(1, 4));
    co_return;
  }
  lun_settings next = l.settings();
  next.sanitize.reset();
  auto kept = co_await l.change_settings(std::move(next));
  if (!kept)
    c.fail(sense_from(kept.error(), true));
  else
    l.sanitize().order.reset();
}

void lun::run_sanitize() {
  sanitize_.order = settings_.sanitize;
  sanitize_.progress = 0;
  rt::start(overwrite(shared_from_this()));
}

void lun::resume() {
  if (!redo_.empty()) rt::start(replay(shared_from_this(), std::exchange(redo_, {})));
  if (sanitize_.running()) run_sanitize();
}

rt::task<void> lun::sanitized(const command& c) {
  // Pulsed with every piece, so that an aborted command need not wait for the end.
  while (sanitize_.running() && !c.aborted() && !closed()) {
    sanitize_moved_.reset();
    co_await sanitize_moved_;
  }
}

rt::task<void> lun::overwrite(std::shared_ptr<lun> self) {
  lun& l = *self;
  const auto held = l.gate_.hold();
  if (!held) co_return;
  const sanitize_order order = *l.sanitize_.order;
  status done;
  {
    // Whoever waits behind us finds that the LUN is not ready (execute()).
    range_lock::held all(l.ranges_, lba{0}, l.blocks(), true);
    co_await all;
    const std::uint64_t total = (l.blocks() * l.block()).n;
    io::aligned_buffer piece(std::min(total, piece_bytes));
    for (unsigned pass = 0; pass < order.passes && done; ++pass) {
      const std::byte flip{static_cast<unsigned char>(order.invert && pass % 2 == 1 ? 0xff : 0)};
      for (std::size_t at = 0; at < piece.size(); at += l.block().bytes)
        for (std::size_t i = 0; i < l.block().bytes; ++i)
          piece.data()[at + i] = order.pattern[i % order.pattern.size()] ^ flip;
      for (std::uint64_t at = 0; at < total && done; at += piece.size()) {
        if (l.gate_.closing()) co_return;  // goes on in the next life, if it is kept
        const io::const_buffer part(piece.data(), std::min<std::uint64_t>(piece.size(), total - at));
        done = co_await l.device_.write(lba{at / l.block().bytes}, part, io::durability::cached);
        const double whole = static_cast<double>(total) * order.passes;
        l.sanitize_.progress =
            static_cast<std::uint16_t>((static_cast<double>(total) * pass + static_cast<double>(at)) / whole * 65535.0);
        l.sanitize_moved_.set();
      }
      if (done) done = co_await l.device_.flush();
    }
  }
  auto turn = co_await l.settings_turn();
  lun_settings next = l.settings_;
  if (done) {
    next.sanitize.reset();
  } else {
    log::error("LUN {}: sanitize: {}", l.identity_.number, done.error());
    next.sanitize->failed = true;
  }
  const auto kept = co_await l.change_settings(std::move(next));
  if (kept)
    l.sanitize_.order = l.settings_.sanitize;
  else
    l.sanitize_.order->failed = true;
  l.sanitize_moved_.set();
}

}  // namespace vds::iscsi
