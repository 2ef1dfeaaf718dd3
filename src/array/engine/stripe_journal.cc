#include "array/engine/stripe_journal.h"

#include <algorithm>

#include "array/engine/lun_device.h"
#include "base/log.h"

namespace vds::array::engine {
namespace {
constexpr std::uint64_t batch_bytes = 4_MiB;  // of content, about
}  // namespace

std::uint64_t stripe_journal::bytes_for(std::uint64_t drive_bytes) {
  return std::clamp<std::uint64_t>(round_up(drive_bytes / 64, 64_KiB), 256_KiB, 32_MiB);
}

bool stripe_journal::on(const drive& d) const {
  const auto it = rings_.find(d.slot());
  return it != rings_.end() && it->second->on.get() == &d;
}

void stripe_journal::add_ring(std::shared_ptr<ring> r) {
  rings_.insert_or_assign(r->on->slot(), r);
  max_piece_ = 1_MiB;
  for (const auto& [slot, one] : rings_)
    max_piece_ = std::min(max_piece_, std::max<std::uint64_t>(16_KiB, round_down(one->bytes / 8, 4096)));
}

rt::task<status> stripe_journal::write_area(std::shared_ptr<ring> r, std::uint64_t at, std::shared_ptr<void> keep,
                                            std::vector<io::buffer> list, io::durability how) {
  const auto& sb = r->on->superblock;
  std::vector<rt::task<status>> writes;
  for (const auto& piece : layout::map_column(r->runs, sb.extent_bytes, at, io::total_size(list))) {
    const auto part = part_of(list, piece.at, piece.bytes);
    writes.push_back(
        r->on->write(sb.extent_offset(piece.extent) + piece.within, keep, {part.begin(), part.end()}, how));
  }
  if (writes.size() == 1) co_return co_await std::move(writes[0]);
  for (auto& s : co_await rt::when_all(std::move(writes)))
    if (!s) co_return std::move(s);
  co_return status();
}

rt::task<status> stripe_journal::write_head(std::shared_ptr<ring> r) {
  r->head.generation += 1;
  auto m = make_memory(format::format_block);
  format::encode(r->head, r->on->id(), std::span<std::byte, 4096>(m->data(), 4096));
  const std::uint64_t at = r->head.generation % format::stripe_heads * format::format_block;
  std::vector<io::buffer> list = {m->span()};
  co_return co_await write_area(r, at, m, std::move(list), io::durability::fua);
}

rt::task<status> stripe_journal::create(std::shared_ptr<drive> d, std::vector<layout::run> runs) {
  const auto self = shared_from_this();
  auto r = std::make_shared<ring>();
  r->on = d;
  for (const auto& one : runs) r->bytes += std::uint64_t{one.count} * d->superblock.extent_bytes;
  r->runs = std::move(runs);
  r->head.nonce = random_.next();
  r->head.retired = retired_;
  // Both: an older journal may have been here.
  for (std::size_t i = 0; i < format::stripe_heads; ++i) VDS_CO_RETURN_IF_FAILED(co_await write_head(r));
  add_ring(std::move(r));
  co_return status();
}

// Logging ------------------------------------------------------------------------------------------------------------

rt::task<stripe_journal::logged> stripe_journal::log(const guid& lun, std::size_t group, std::uint64_t members,
                                                     std::vector<piece> pieces, std::shared_ptr<void> keep) {
  const auto self = shared_from_this();
  logged out;
  out.entry = next_++;
  active_.insert(out.entry);
  auto state = std::make_shared<entry_state>(executor_);
  std::map<std::uint32_t, waiting> parts;
  for (auto& p : pieces) {
    auto& part = parts[p.slot];
    format::stripe_piece one;
    one.entry = out.entry;
    one.lun = lun;
    one.members = members;
    one.offset = p.offset;
    one.bytes = static_cast<std::uint32_t>(p.bytes);
    one.group = static_cast<std::uint16_t>(group);
    one.member = p.member;
    one.zeros = p.list.empty();
    one.content = std::move(p.list);
    part.pieces.push_back(std::move(one));
  }
  for (auto& [slot, part] : parts) {
    const auto it = rings_.find(slot);
    if (it == rings_.end() || !it->second->on->usable()) {
      out.bad.push_back({slot, failure(errc::unavailable, "a drive without a stripe journal")});
      continue;
    }
    part.keep = keep;
    part.entry = state;
    ++state->left;
    const auto& r = it->second;
    r->queue.push_back(std::move(part));
    if (std::exchange(r->pumping, true)) continue;
    // In a while: what arrives in this turn of the executor goes into the same batch.
    executor_.post([self, r] { rt::start(pump(self, r)); });
  }
  if (state->left > 0) co_await state->answered;
  out.bad.insert(out.bad.end(), state->bad.begin(), state->bad.end());
  co_return out;
}

void stripe_journal::done(std::uint64_t entry) {
  active_.erase(entry);
  if (progress_) std::exchange(progress_, nullptr)->set();
}

bool stripe_journal::allocate(ring& r, std::uint64_t bytes, std::uint64_t& place) const {
  place = r.next + bytes <= r.bytes ? r.next : format::stripe_ring_at;
  auto it = r.live_batches.lower_bound(place);
  if (it != r.live_batches.end() && it->first < place + bytes) return false;
  if (it != r.live_batches.begin() && (--it)->second.end > place) return false;
  return place + bytes <= r.bytes;
}

rt::task<status> stripe_journal::write_batch(std::shared_ptr<ring> r, std::uint64_t place,
                                             std::vector<waiting>& batch) {
  struct memories {
    io::aligned_buffer header, padding;
    std::vector<std::shared_ptr<void>> content;
  };
  auto keep = std::make_shared<memories>();
  std::vector<format::stripe_piece> pieces;
  std::uint64_t last = 0;
  for (auto& w : batch) {
    keep->content.push_back(w.keep);
    for (auto& p : w.pieces) last = std::max(last, p.entry), pieces.push_back(std::move(p));
  }
  keep->header = format::encode_stripe_header(pieces, r->head.nonce, place);
  std::vector<io::buffer> list = {keep->header.span()};
  std::uint64_t bytes = keep->header.size();
  for (auto& p : pieces)
    for (auto& s : p.content) list.push_back(s), bytes += s.size();
  if (const std::uint64_t rest = round_up(bytes, format::format_block) - bytes; rest > 0) {
    keep->padding = io::aligned_buffer::zeroed(rest);
    list.push_back(keep->padding.span());
    bytes += rest;
  }
  r->live_batches[place] = {place + bytes, last};
  r->used += bytes;
  r->next = place + bytes;
  ++batches_;
  co_return co_await write_area(r, place, std::move(keep), std::move(list), io::durability::fua);
}

rt::task<void> stripe_journal::pump(std::shared_ptr<stripe_journal> self, std::shared_ptr<ring> r) {
  while (!r->queue.empty()) {
    std::vector<waiting> batch;
    std::size_t pieces = 0;
    std::uint64_t content = 0;
    const std::uint64_t limit = std::min(batch_bytes, r->bytes / 4);
    const auto bytes_of = [](const waiting& w) {
      std::uint64_t n = 0;
      for (const auto& p : w.pieces) n += p.zeros ? 0 : p.bytes;
      return n;
    };
    while (!r->queue.empty()) {
      const auto& w = r->queue.front();
      const std::uint64_t n = bytes_of(w);
      if (!batch.empty() && (content + n > limit || pieces + w.pieces.size() > format::max_stripe_pieces)) break;
      content += n;
      pieces += w.pieces.size();
      batch.push_back(std::move(r->queue.front()));
      r->queue.pop_front();
    }
    const std::uint64_t bytes = round_up(format::stripe_header_bytes(pieces) + content, format::format_block);
    std::uint64_t place = 0;
    while (r->on->usable() && !self->allocate(*r, bytes, place)) {
      if (bytes > r->bytes - format::stripe_ring_at || self->broken_) break;
      co_await self->make_room();
    }
    status s = failure(errc::unavailable, "the drive failed");
    if (r->on->usable() && self->allocate(*r, bytes, place)) s = co_await self->write_batch(r, place, batch);
    for (auto& w : batch) {
      if (!s) w.entry->bad.push_back({r->on->slot(), s.error().in("writing the stripe journal")});
      if (--w.entry->left == 0) w.entry->answered.set();
    }
    // Ahead of need, so that nobody waits.
    if (r->used > r->bytes / 2 && !self->round_ && !self->broken_ && self->oldest_active() > self->retired_)
      rt::start(round(self));
  }
  r->pumping = false;
}

// Retiring -----------------------------------------------------------------------------------------------------------

rt::task<void> stripe_journal::make_room() {
  if (const auto other = round_) {
    co_await *other;
  } else if (oldest_active() > retired_) {
    co_await round(shared_from_this());
  } else {
    if (!progress_) progress_ = std::make_shared<rt::event>(executor_);
    const auto progress = progress_;
    co_await *progress;
  }
}

rt::task<void> stripe_journal::round(std::shared_ptr<stripe_journal> self) {
  stripe_journal& j = *self;
  const auto ended = j.round_ = std::make_shared<rt::event>(j.executor_);
  ++j.rounds_;
  const std::uint64_t cut = j.oldest_active();
  const auto owner = j.pool_.lock();
  std::vector<std::shared_ptr<ring>> rings;
  for (const auto& [slot, r] : j.rings_)
    if (r->on->usable()) rings.push_back(r);
  const auto lost = [&](std::vector<status> results) -> rt::task<void> {
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i] || j.broken_) continue;
      status s = errc::closing;
      if (owner) s = co_await owner->fail_drive(rings[i]->on->slot(), std::move(results[i]).error());
      if (!s) j.broken_ = true;  // not known to be lost: what it did not flush must be replayed
    }
  };
  std::vector<rt::task<status>> requests;
  for (const auto& r : rings) requests.push_back(r->on->flush());
  auto flushed = co_await rt::when_all(std::move(requests));
  co_await lost(std::move(flushed));
  if (!j.broken_) {
    std::erase_if(rings, [](const auto& r) { return !r->on->usable(); });
    requests.clear();
    for (const auto& r : rings) {
      r->head.retired = cut;
      requests.push_back(j.write_head(r));
    }
    auto written = co_await rt::when_all(std::move(requests));
    co_await lost(std::move(written));
  }
  if (!j.broken_) {
    j.retired_ = cut;
    for (const auto& [slot, r] : j.rings_) {
      std::erase_if(r->live_batches, [cut](const auto& b) { return b.second.last_entry < cut; });
      r->used = 0;
      for (const auto& [place, b] : r->live_batches) r->used += b.end - place;
    }
  }
  j.round_.reset();
  ended->set();
  if (j.broken_ && j.progress_) std::exchange(j.progress_, nullptr)->set();
}

rt::task<void> stripe_journal::retire_all() {
  const auto self = shared_from_this();
  const std::uint64_t want = next_;
  while (retired_ < want && !broken_) co_await make_room();
}

// Opening ------------------------------------------------------------------------------------------------------------

rt::task<stripe_journal::opened> stripe_journal::open(std::map<std::uint32_t, std::vector<layout::run>> journals,
                                                      bool clean) {
  const auto self = shared_from_this();
  const auto owner = pool_.lock();
  opened out;
  struct content {
    std::shared_ptr<ring> r;
    memory area;
  };
  std::vector<content> found;
  std::vector<rt::task<status>> reads;
  const auto read = [&](std::shared_ptr<ring> r, memory into) -> rt::task<status> {
    const auto& sb = r->on->superblock;
    std::vector<rt::task<status>> parts;
    for (const auto& piece : layout::map_column(r->runs, sb.extent_bytes, 0, into->size())) {
      std::vector<io::buffer> list = {into->span().subspan(piece.at, piece.bytes)};
      parts.push_back(r->on->read(sb.extent_offset(piece.extent) + piece.within, into, std::move(list)));
    }
    for (auto& s : co_await rt::when_all(std::move(parts)))
      if (!s) co_return std::move(s);
    co_return status();
  };
  for (auto& [slot, runs] : journals) {
    auto d = owner ? owner->find_drive(slot) : nullptr;
    if (!d || !d->usable()) continue;
    auto r = std::make_shared<ring>();
    r->on = std::move(d);
    for (const auto& one : runs) r->bytes += std::uint64_t{one.count} * r->on->superblock.extent_bytes;
    r->runs = std::move(runs);
    auto m = make_memory(clean ? format::stripe_ring_at : r->bytes);
    reads.push_back(read(r, m));
    found.push_back({std::move(r), std::move(m)});
  }
  auto results = co_await rt::when_all(std::move(reads));
  for (std::size_t i = 0; i < found.size(); ++i) {
    auto& [r, area] = found[i];
    status s = std::move(results[i]);
    bool headed = false;
    for (std::size_t k = 0; s && k < format::stripe_heads; ++k) {
      const auto head = format::decode_stripe_head(
          std::span<const std::byte, 4096>(area->data() + k * format::format_block, 4096), r->on->id());
      if (!head || (headed && head->generation < r->head.generation)) continue;
      r->head = *head;
      headed = true;
    }
    if (s && !headed) {
      const auto heads = area->span().first(format::stripe_ring_at);
      const bool blank = std::all_of(heads.begin(), heads.end(), [](auto b) { return b == std::byte{0}; });
      s = failure(blank ? errc::not_ours : errc::corrupt, "no readable head");  // blank: never written
    }
    if (!s) {
      out.unreadable.push_back({r->on->slot(), std::move(s).error().in("opening the stripe journal")});
      r.reset();
      continue;
    }
    retired_ = std::max(retired_, r->head.retired);
  }
  next_ = retired_;
  for (auto& [r, area] : found) {
    if (!r) continue;
    if (!clean) {
      for (auto& p : format::scan_stripes(area->span(), r->head.nonce)) {
        next_ = std::max(next_, p.entry + 1);
        const auto entry = p.entry;
        if (entry >= retired_) out.to_replay[entry].push_back({r->on->slot(), std::move(p)});
      }
      out.memory.push_back(area);
    }
    add_ring(r);
  }
  // Until they are replayed and retired nothing may overwrite them.
  for (const auto& [entry, pieces] : out.to_replay) active_.insert(entry);
  if (!out.to_replay.empty())
    for (const auto& [slot, r] : rings_) r->live_batches[format::stripe_ring_at] = {r->bytes, next_ - 1};
  co_return out;
}

}  // namespace vds::array::engine
