#include "array/engine/journal.h"

#include <fmt/format.h>

#include "array/engine/intents.h"
#include "base/log.h"
#include "base/units.h"

namespace vds::array::engine {
namespace {

constexpr std::size_t batch_goal = 512_KiB;   // a batch stops collecting at this
constexpr std::size_t later_goal = 64_KiB;    // so much waits for a batch before one is made for it
constexpr std::size_t chunk_goal = 128_KiB;   // of a snapshot
constexpr std::size_t failure_room = 32_KiB;  // of each area, kept for recording failed drives

void add(format::bytes& to, const format::bytes& from) { to.insert(to.end(), from.begin(), from.end()); }

// The first records that fit together; at least one.
std::size_t first_piece(std::span<const std::byte> records, std::size_t goal) {
  std::size_t n = 0;
  while (n < records.size()) {
    const std::size_t next = n + 8 + load<le32>(records.data() + n + 4);
    if (n > 0 && next > goal) break;
    n = next;
  }
  return n;
}

}  // namespace

journal::journal(rt::executor& ex, random_source& random, assembly::config initial)
    : executor_(ex), random_(random), config_(std::move(initial)), turn_(ex) {}

std::vector<std::shared_ptr<drive>> journal::members() const {
  std::vector<std::shared_ptr<drive>> out;
  for (const auto& [slot, d] : drives_) {
    const auto it = config_.drives.find(slot);
    if (d->usable() && (d == admitting_ || (it != config_.drives.end() && it->second.member))) out.push_back(d);
  }
  return out;
}

status journal::room_for(std::size_t record_bytes) const {
  std::size_t least = SIZE_MAX, used = 8_KiB + config_.encoded_bytes + 40 * config_.operations.size() + record_bytes;
  for (const auto& [slot, set] : config_.dirty) used += 300 + 12 * set.run_count();
  for (const auto& d : members()) least = std::min(least, d->superblock.log_bytes);
  if (record_bytes > 1_MiB) return failure(errc::too_large, "the LUN's extents are too scattered");
  if (used > least / 8 * 5)
    return failure(errc::no_space, "the configuration log of the smallest drive holds no more LUNs");
  return {};
}

void journal::answer(std::vector<std::shared_ptr<waiting>>& list, const status& s) {
  for (auto& w : list) {
    w->answer = s;
    if (auto h = std::exchange(w->waiter, {})) executor_.post([h] { h.resume(); });
  }
  list.clear();
}

rt::task<status> journal::wait(std::shared_ptr<waiting> w) {
  struct awaiter {
    waiting& w;
    bool await_ready() const noexcept { return w.answer.has_value(); }
    void await_suspend(std::coroutine_handle<> h) const noexcept { w.waiter = h; }
    void await_resume() const noexcept {}
  };
  co_await awaiter{*w};
  co_return *w->answer;
}

rt::task<status> journal::commit(format::bytes records, bool raise) {
  const auto self = shared_from_this();
  if (offline_) co_return failure(errc::unavailable, "the array is offline: too many drives failed");
  if (members().empty()) co_return failure(errc::no_space, "the array has no drives");
  auto w = std::make_shared<waiting>();
  w->records = std::move(records);
  queue_.push_back(w);
  if (raise) raise_ = true;
  start_pump();
  co_return co_await wait(w);
}

void journal::later(format::bytes records) {
  add(later_, records);
  if (later_.size() < later_goal || offline_ || members().empty()) return;
  queue_.push_back(std::make_shared<waiting>());  // nobody waits for it, but it takes them along
  start_pump();
}

void journal::mark_failed(const std::shared_ptr<drive>& d, failure why) {
  if (!d->fail(why)) return;
  const auto it = config_.drives.find(d->slot());
  if (it != config_.drives.end() && it->second.member) {
    failing_.emplace(d->slot(), std::move(why));
    start_pump();
  }
  if (on_failed) on_failed(*d);
}

rt::task<status> journal::fail_drive(std::uint32_t slot, failure why) {
  const auto self = shared_from_this();
  if (const auto d = find(slot)) mark_failed(d, std::move(why));
  if (offline_) co_return failure(errc::unavailable, "the array is offline: too many drives failed");
  const auto it = config_.drives.find(slot);
  if (it == config_.drives.end() || !it->second.member) {
    // Recorded, or so in memory while its batch still waits for another failure to be recorded.
    if (held_.empty() && failing_.empty()) co_return status();
  }
  auto w = std::make_shared<waiting>();
  queue_.push_back(w);
  start_pump();
  co_return co_await wait(w);
}

void journal::start_pump() {
  if (pumping_ || must_seal_ == sealing::snapshot_first) return;
  pumping_ = true;
  // Through the executor, so that changes asked for in the same turn share the first batch.
  executor_.post([self = shared_from_this()] { rt::start(pump(self)); });
}

rt::task<void> journal::pump(std::shared_ptr<journal> self) {
  journal& j = *self;
  for (;;) {
    auto turn = co_await j.turn_.take();
    while (!j.offline_ && (!j.queue_.empty() || !j.failing_.empty() || !j.held_.empty() || j.raise_))
      co_await j.write_one();
    if (j.offline_) {
      const failure why(errc::unavailable, "the array is offline: too many drives failed");
      j.answer(j.held_, why);
      std::vector<std::shared_ptr<waiting>> rest(j.queue_.begin(), j.queue_.end());
      j.queue_.clear();
      j.answer(rest, why);
    }
    if (j.queue_.empty() && (j.failing_.empty() || j.offline_)) break;
  }
  j.pumping_ = false;
  if (j.idle_ != nullptr) j.idle_->set();
}

format::bytes journal::epoch_raise() {
  format::bytes out;
  for (auto& [slot, why] : failing_) {
    auto d = config_.drives.at(slot);
    d.member = false;
    d.why = why.message();
    format::append(out, format::record(std::move(d)));
  }
  auto e = config_.epoch;
  if (e.epoch > 0) e.ancestors.push_back({e.epoch, e.incarnation, config_.sequence});
  if (e.ancestors.size() > format::max_ancestors) e.ancestors.erase(e.ancestors.begin());
  e.epoch += 1;
  e.incarnation = random_.next();
  format::append(out, format::record(std::move(e)));
  return out;
}

// One batch to every member. Returns how many took it; the others are marked as failed.
rt::task<std::size_t> journal::write_batch(std::vector<std::shared_ptr<drive>> to, bool next_area,
                                           format::batch_header header, std::shared_ptr<format::bytes> payload) {
  std::vector<rt::task<status>> writes;
  const std::size_t size = format::batch_bytes(payload->size());
  for (const auto& d : to) {
    const log_cursor& at = next_area ? d->next_log : d->log;
    co_await d->ground.wait(at.area, at.tail, at.tail + size);
  }
  for (const auto& d : to) {
    log_cursor& at = next_area ? d->next_log : d->log;
    header.array_id = config_.array_id;
    header.place = d->superblock.log_area(at.area) + at.tail;
    header.cycle = at.cycle;
    header.index = at.index;
    header.previous_crc = at.crc;
    auto m = make_memory(format::encode_batch(header, *payload, at.crc));
    always(at.tail + m->size() <= d->superblock.log_bytes);
    at.tail += m->size();
    at.index += 1;
    writes.push_back(d->write(header.place, std::move(m), io::durability::fua));
  }
  const auto results = co_await rt::when_all(std::move(writes));
  std::size_t good = 0;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (results[i])
      ++good;
    else
      mark_failed(to[i], failure(results[i].error()).in("writing the configuration log of", to[i]->name()));
    const log_cursor& at = next_area ? to[i]->next_log : to[i]->log;
    log_ground::prepare(to[i], at.area, at.tail);
  }
  co_return good;
}

// Sees to it that the payload fits behind the log or behind a finished snapshot. False: it never will.
rt::task<bool> journal::make_room(std::size_t payload) {
  for (;;) {
    if (snapshot_ == snapshot::ready) {
      bool fits = true;
      if (snapshot_changes_.size() > batch_goal) {
        auto to = snapshot_drives_;
        fits = co_await write_chunks(std::move(to), std::exchange(snapshot_changes_, {}));
      }
      for (const auto& d : snapshot_drives_)
        if (d->usable() && d->next_log.tail + format::batch_bytes(payload + snapshot_changes_.size()) + failure_room >
                               d->superblock.log_bytes)
          fits = false;
      if (fits) co_return true;
      snapshot_ = snapshot::none;  // it filled its area: of no use
    }
    if (must_seal_ != sealing::done) co_return false;
    bool fits = true;
    for (const auto& d : members()) {
      const std::size_t reserve = failing_.empty() ? failure_room : 0;
      if (d->log.tail + format::batch_bytes(payload) + reserve > d->superblock.log_bytes) fits = false;
    }
    if (fits) co_return true;
    if (snapshot_ == snapshot::none) begin_snapshot();
    const auto done = snapshot_done_;
    co_await *done;
    if (snapshot_ != snapshot::ready) co_return false;
  }
}

rt::task<void> journal::write_one() {
  auto payload = std::make_shared<format::bytes>(std::move(later_));
  later_.clear();
  std::vector<std::shared_ptr<waiting>> taken;
  while (!queue_.empty() && (payload->empty() || payload->size() + queue_.front()->records.size() < batch_goal)) {
    add(*payload, queue_.front()->records);
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  const auto give_up = [&] {
    offline_ = true;
    log::error("array {}: too many drives failed, going offline", config_.array_id);
    answer(taken, failure(errc::unavailable, "too many drives failed at once"));
  };
  if (payload->empty() && failing_.empty() && !raise_) {
    answer(taken, {});  // waited only for what came before
    answer(held_, {});
    co_return;
  }
  if (!co_await make_room(payload->size() + 8_KiB)) {
    if (members().empty() || !failing_.empty()) {
      give_up();
    } else {
      raise_ = false;
      answer(taken, failure(errc::no_space, "the configuration log is full"));
      answer(held_, {});
    }
    co_return;
  }
  const std::size_t before = config_.members();
  const bool raising = raise_ || !failing_.empty();
  if (raising) add(*payload, epoch_raise());
  const auto recorded = std::exchange(failing_, {});
  raise_ = false;

  // With the snapshot ready, this batch is its seal.
  const bool seals = snapshot_ == snapshot::ready;
  auto written = payload;
  if (seals) {
    written = std::make_shared<format::bytes>(std::exchange(snapshot_changes_, {}));
    add(*written, *payload);
  }
  std::vector<std::shared_ptr<drive>> to;
  for (const auto& d : seals ? snapshot_drives_ : members())
    if (d->usable() && !recorded.contains(d->slot())) to.push_back(d);
  format::batch_header header;
  header.sequence = config_.sequence + 1;
  header.flags = seals ? static_cast<std::uint32_t>(format::seal) : 0;
  header.epoch = config_.epoch.epoch;
  header.incarnation = config_.epoch.incarnation;
  if (raising) {  // the header speaks of the configuration after this batch
    (void)format::for_each(*payload, [&header](format::record&& r) {
      if (const auto* e = std::get_if<format::epoch_record>(&r)) {
        header.epoch = e->epoch;
        header.incarnation = e->incarnation;
      }
      return status();
    });
  }
  const std::size_t good = co_await write_batch(to, seals, header, written);
  ++batches_;
  if (seals) {
    for (const auto& d : to) {
      d->log = d->next_log;
      d->log.sealed = d->log.tail;
    }
    snapshot_ = snapshot::none;
    must_seal_ = sealing::done;
  }
  const auto admitted = std::exchange(admitting_, nullptr);
  if (before == 0 && good == 0) {  // the first drive of an array that does not exist yet
    answer(taken, failure(errc::io_error, "writing the configuration log"));
    co_return;
  }
  if (good == 0 || (good * 2 < before && !std::exchange(forced_, false))) {
    give_up();
    co_return;
  }
  always(config_.apply(*payload).has_value());
  config_.sequence = header.sequence;
  if (snapshot_ == snapshot::running) add(snapshot_changes_, *payload);
  if (admitted && !admitted->usable()) {  // a member now, and failed in the same batch
    failing_.emplace(admitted->slot(), admitted->why() != nullptr ? *admitted->why() : failure(errc::io_error));
  }
  held_.insert(held_.end(), taken.begin(), taken.end());
  if (raising) {
    // The superblocks learn the epoch after the log: one that is ahead of its log proves that the log lost something.
    std::vector<rt::task<status>> writes;
    std::vector<std::shared_ptr<drive>> survivors;
    for (const auto& d : to) {
      if (!d->usable()) continue;
      d->superblock.epoch = config_.epoch.epoch;
      d->superblock.generation += 1;
      writes.push_back(write_superblock(d));
      survivors.push_back(d);
    }
    const auto results = co_await rt::when_all(std::move(writes));
    for (std::size_t i = 0; i < results.size(); ++i)
      if (!results[i]) mark_failed(survivors[i], results[i].error());
  }
  if (failing_.empty()) answer(held_, {});
  if (snapshot_ == snapshot::none && !closing_) {
    for (const auto& d : members())
      if (d->log.tail > d->log.sealed + (d->superblock.log_bytes - d->log.sealed) / 2) {
        begin_snapshot();
        break;
      }
  }
}

rt::task<void> journal::close() {
  const auto self = shared_from_this();
  closing_ = true;
  if (snapshot_ == snapshot::running) {
    const auto done = snapshot_done_;
    co_await *done;
  }
  if (!pumping_) co_return;
  rt::event idle(executor_);
  idle_ = &idle;
  co_await idle;
  idle_ = nullptr;
}

void journal::begin_snapshot() {
  snapshot_ = snapshot::running;
  snapshot_done_ = std::make_shared<rt::event>(executor_);
  snapshot_changes_.clear();
  snapshot_drives_ = members();
  for (const auto& d : snapshot_drives_)
    d->next_log = {1 - d->log.area, std::max(d->log.cycle, d->next_log.cycle) + 1, 0, 0, 0};
  executor_.post([self = shared_from_this()] { rt::start(snapshot_loop(self)); });
}

rt::task<bool> journal::write_chunks(std::vector<std::shared_ptr<drive>> to, format::bytes records) {
  std::span<const std::byte> left(records);
  while (!left.empty()) {
    const std::size_t n = first_piece(left, chunk_goal);
    auto payload = std::make_shared<format::bytes>(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(n));
    left = left.subspan(n);
    std::erase_if(to, [](const auto& d) { return !d->usable(); });
    for (const auto& d : to)
      if (d->next_log.tail + format::batch_bytes(n) + failure_room > d->superblock.log_bytes) co_return false;
    format::batch_header header;
    header.flags = format::chunk;
    header.sequence = config_.sequence;
    header.epoch = config_.epoch.epoch;
    header.incarnation = config_.epoch.incarnation;
    if (co_await write_batch(to, true, header, std::move(payload)) == 0) co_return false;
  }
  co_return true;
}

// Chunks are made and the changes before them taken in one turn: so their order in the new area is the order in memory.
rt::task<void> journal::snapshot_loop(std::shared_ptr<journal> self) {
  journal& j = *self;
  format::bytes chunk;
  j.config_.encode_head(chunk);
  std::vector<guid> ids;
  ids.reserve(j.config_.luns.size());
  for (const auto& [id, lun] : j.config_.luns) ids.push_back(id);
  bool good = true;
  for (std::size_t i = 0; good && !j.closing_ && i < ids.size();) {
    for (; i < ids.size() && chunk.size() < chunk_goal; ++i)
      if (const auto it = j.config_.luns.find(ids[i]); it != j.config_.luns.end()) format::append(chunk, *it->second);
    auto to = j.snapshot_drives_;
    good = co_await j.write_chunks(std::move(to), std::exchange(chunk, {}));
    chunk = std::exchange(j.snapshot_changes_, {});
  }
  j.config_.encode_tail(chunk);
  for (bool first = true; good && (first || chunk.size() > chunk_goal); first = false) {
    auto to = j.snapshot_drives_;
    good = co_await j.write_chunks(std::move(to), std::exchange(chunk, {}));
    chunk = std::exchange(j.snapshot_changes_, {});
  }
  chunk.insert(chunk.end(), j.snapshot_changes_.begin(), j.snapshot_changes_.end());
  j.snapshot_changes_ = std::move(chunk);
  if (j.closing_) good = false;  // whoever opens the array makes another
  if (!good && !j.closing_)
    log::error("array {}: the configuration does not fit into half of the log", j.config_.array_id);
  j.snapshot_ = good ? snapshot::ready : snapshot::none;
  j.snapshot_done_->set();
  if (!j.failing_.empty()) j.start_pump();
}

rt::task<status> journal::open(std::vector<std::shared_ptr<drive>> members, bool forced) {
  const auto self = shared_from_this();
  // Nothing may be appended to what was found: the drives' logs may differ in their last batches.
  must_seal_ = sealing::snapshot_first;
  forced_ = forced;
  for (const auto& d : members) drives_.emplace(d->slot(), d);
  for (const auto& [slot, d] : config_.drives)
    if (d.member && !drives_.contains(slot)) failing_.emplace(slot, failure(errc::unavailable, "absent at assembly"));
  begin_snapshot();
  const auto done = snapshot_done_;
  co_await *done;
  if (snapshot_ != snapshot::ready) co_return failure(errc::io_error, "writing the configuration log");
  must_seal_ = sealing::batch_next;
  format::bytes records;
  format::append(records, format::record(format::shutdown_record{false}));
  co_return co_await commit(std::move(records), true);
}

rt::task<status> journal::admit(std::shared_ptr<drive> d, std::vector<format::record> with) {
  const auto self = shared_from_this();
  for (;;) {  // while no snapshot is being written: it would not be on this drive
    auto turn = co_await turn_.take();
    if (snapshot_ == snapshot::running) {
      const auto done = snapshot_done_;
      turn.release();
      co_await *done;
      continue;
    }
    if (offline_) co_return failure(errc::unavailable, "the array is offline");
    snapshot_ = snapshot::none;  // one that is ready is given up: the next batch starts another
    const auto& sb = d->superblock;
    VDS_CO_RETURN_IF_FAILED(co_await d->zero(sb.log_offset, 2 * sb.log_bytes, false, io::durability::fua));
    VDS_CO_RETURN_IF_FAILED(co_await d->intent->format());
    VDS_CO_RETURN_IF_FAILED(co_await d->format_checks());
    // The log as it is now, whole, in the first area.
    d->next_log = {0, 1, 0, 0, 0};
    format::bytes head;
    config_.encode_head(head);
    for (const auto& [id, lun] : config_.luns) format::append(head, *lun);
    config_.encode_tail(head);
    std::vector<std::shared_ptr<drive>> to = {d};
    bool written = co_await write_chunks(to, std::move(head));
    if (written) {
      format::batch_header header;
      header.flags = format::seal;
      header.sequence = config_.sequence;
      header.epoch = config_.epoch.epoch;
      header.incarnation = config_.epoch.incarnation;
      written = co_await write_batch(to, true, header, std::make_shared<format::bytes>()) == 1;
    }
    if (!written) {
      if (d->why() != nullptr) co_return *d->why();
      co_return failure(errc::no_space, "the drive is too small for the array's configuration");
    }
    d->log = d->next_log;
    d->log.sealed = d->log.tail;
    VDS_CO_RETURN_IF_FAILED(co_await write_superblock(d));
    // From here on it takes part in every batch, the one that makes it a member first. Queued before the turn ends.
    auto w = std::make_shared<waiting>();
    for (const auto& r : with) format::append(w->records, r);
    drives_.insert_or_assign(d->slot(), d);
    admitting_ = d;
    raise_ = true;
    queue_.push_front(w);
    start_pump();
    turn.release();
    auto s = co_await wait(w);
    if (!s) drives_.erase(d->slot());
    co_return s;
  }
}

}  // namespace vds::array::engine
