#include "array/engine/drive.h"

#include <fmt/format.h>

#include "array/engine/intents.h"
#include "array/engine/state.h"
#include "base/log.h"

namespace vds::array::engine {

drive::drive(std::unique_ptr<io::block_device> device, const format::superblock& sb, monotonic::duration deadline,
             checking checks)
    : superblock(sb),
      device_(std::move(device)),
      executor_(device_->executor()),
      deadline_(deadline),
      block_(device_->geometry().logical.bytes) {
  if (!sb.checksums()) return;
  auto checked =
      std::make_unique<integrity::checked_device>(std::move(device_), format::checksums_of(sb), checks.cached_regions);
  checks_ = checked.get();
  device_ = std::move(checked);
}
drive::~drive() = default;

failure drive::refusal() const {
  return failure(errc::unavailable, fmt::format("drive {} is {}", name(), to_string(state_)));
}

bool drive::fail(failure why) {
  if (state_ != drive_state::online) return false;
  become(state_, drive_state::failed);
  log::error("drive {} ({}) failed: {}", id(), name(), why);
  why_ = std::move(why);
  while (!in_flight_.empty()) give_up(*in_flight_.front(), refusal());
  return true;
}

void drive::give_up(request& r, const failure& why) {
  r.listed = false;
  r.answer = status(why);
  if (auto waiter = std::exchange(r.waiter, {})) executor_.post([waiter] { waiter.resume(); });
  in_flight_.erase(r.place);  // r may be gone now
}

void drive::arm() {
  if (armed_ || in_flight_.empty()) return;
  armed_ = true;
  executor_.run_at(in_flight_.front()->until, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->sweep();
  });
}

void drive::sweep() {
  armed_ = false;
  const auto now = executor_.now();
  while (!in_flight_.empty() && in_flight_.front()->until <= now) {
    give_up(*in_flight_.front(), failure(errc::timed_out, fmt::format("drive {} does not answer", name())));
  }
  arm();
}

rt::task<void> drive::perform(std::shared_ptr<drive> self, std::shared_ptr<request> r, std::shared_ptr<void> keep,
                              rt::task<status> op) {
  status s = co_await std::move(op);
  keep.reset();
  if (!r->listed) co_return;  // nobody waits any more
  r->listed = false;
  self->in_flight_.erase(r->place);
  r->answer = std::move(s);
  if (auto waiter = std::exchange(r->waiter, {})) waiter.resume();
}

rt::task<status> drive::run(std::shared_ptr<void> keep, rt::task<status> op) {
  const auto self = shared_from_this();
  if (!usable()) co_return refusal();
  auto r = std::make_shared<request>();
  r->until = executor_.now() + deadline_;
  r->place = in_flight_.insert(in_flight_.end(), r);
  arm();
  rt::start(perform(self, r, std::move(keep), std::move(op)));
  struct awaiter {
    request& r;
    bool await_ready() const noexcept { return r.answer.has_value(); }
    void await_suspend(std::coroutine_handle<> h) const noexcept { r.waiter = h; }
    void await_resume() const noexcept {}
  };
  co_await awaiter{*r};
  co_return std::move(*r->answer);
}

namespace {
struct read_keep {
  std::shared_ptr<void> m;
  std::vector<io::buffer> into;
};
struct write_keep {
  std::shared_ptr<void> m;
  std::vector<io::const_buffer> from;
};
}  // namespace

rt::task<status> drive::read(std::uint64_t offset, std::shared_ptr<void> m, std::vector<io::buffer> into) {
  auto keep = std::make_shared<read_keep>(read_keep{std::move(m), std::move(into)});
  if (!usable()) co_return refusal();
  if (cannot_be_read(offset, io::total_size(keep->into)))
    co_return failure(errc::medium_error, "it could not be read from any drive when it was copied here");
  auto op = device_->read(lba{offset / block_}, io::buffers(keep->into));
  co_return co_await run(std::move(keep), std::move(op));
}

rt::task<status> drive::write(std::uint64_t offset, std::shared_ptr<void> m, std::vector<io::const_buffer> from,
                              io::durability how) {
  const auto self = shared_from_this();
  auto keep = std::make_shared<write_keep>(write_keep{std::move(m), std::move(from)});
  if (!usable()) co_return refusal();
  const auto bytes = io::total_size(keep->from);
  const bool rewrites = cannot_be_read(offset, bytes);
  if (rewrites) how = io::durability::fua;
  auto op = device_->write(lba{offset / block_}, io::const_buffers(keep->from), how);
  status s = co_await run(std::move(keep), std::move(op));
  if (how == io::durability::cached || !s) ++written_;
  if (s && rewrites) s = co_await after_rewriting(offset, bytes);
  co_return s;
}

rt::task<status> drive::after_rewriting(std::uint64_t offset, std::uint64_t bytes) {
  const auto self = shared_from_this();
  unreadable.remove(offset - superblock.data_offset, bytes);
  if (!readable_again) co_return status();
  auto recorded = readable_again();
  co_return co_await std::move(recorded);
}

rt::task<status> drive::write(std::uint64_t offset, memory whole, io::durability how) {
  std::vector<io::const_buffer> list = {whole->span()};
  return write(offset, std::move(whole), std::move(list), how);
}

std::optional<status> drive::try_read(std::uint64_t offset, io::buffer into) {
  if (!usable() || cannot_be_read(offset, into.size())) return std::nullopt;
  return device_->try_read(lba{offset / block_}, into);
}

std::optional<status> drive::try_write(std::uint64_t offset, io::const_buffer from, io::durability how) {
  if (!usable() || cannot_be_read(offset, from.size())) return std::nullopt;
  auto s = device_->try_write(lba{offset / block_}, from, how);
  if (how == io::durability::cached || !s || !*s) ++written_;
  return s;
}

rt::task<status> drive::zero(std::uint64_t offset, std::uint64_t bytes, bool may_unmap, io::durability how) {
  const auto self = shared_from_this();
  if (!usable()) co_return refusal();
  const bool rewrites = cannot_be_read(offset, bytes);
  if (rewrites) how = io::durability::fua;
  auto op = device_->write_zeroes(lba{offset / block_}, block_count{bytes / block_}, may_unmap, how);
  status s = co_await run(nullptr, std::move(op));
  if (how == io::durability::cached || !s) ++written_;
  if (s && rewrites) s = co_await after_rewriting(offset, bytes);
  co_return s;
}

rt::task<status> drive::flush() {
  const auto self = shared_from_this();
  const std::uint64_t need = written_;
  for (;;) {
    if (!usable()) co_return refusal();
    if (flushed_ >= need) co_return status();
    if (auto other = flushing_) {
      co_await other->done;
      if (other->covers >= need) co_return other->answer;
      continue;
    }
    auto mine = std::make_shared<flushing>(executor_);
    mine->covers = written_;
    flushing_ = mine;
    auto op = device_->flush();
    mine->answer = co_await run(nullptr, std::move(op));
    if (mine->answer) flushed_ = std::max(flushed_, mine->covers);
    flushing_.reset();
    mine->done.set();
    co_return mine->answer;
  }
}

rt::task<status> drive::open_checks() {
  if (checks_ == nullptr) co_return status();
  co_return co_await run(nullptr, checks_->open());
}

rt::task<status> drive::format_checks() {
  if (checks_ == nullptr) co_return status();
  co_return co_await run(nullptr, checks_->format());
}

bool drive::wants_settling(monotonic::time_point before, bool learn) const {
  return checks_ != nullptr && usable() && checks_->idle_since(before, learn);
}

rt::task<status> drive::settle_checks(monotonic::time_point before, bool learn) {
  const auto self = shared_from_this();
  co_return co_await run(nullptr, checks_->settle(before, learn));
}

void drive::exempt_from_checks(std::uint32_t first_extent, std::uint32_t extents) {
  if (checks_ != nullptr)
    checks_->exempt(superblock.extent_offset(first_extent), std::uint64_t{extents} * superblock.extent_bytes);
}

rt::task<status> write_superblock(std::shared_ptr<drive> d) {
  for (const std::uint64_t place : format::superblock_places(d->superblock.drive_bytes)) {
    auto m = make_memory(format::format_block);
    format::encode(d->superblock, place, std::span<std::byte, 4096>(m->data(), 4096));
    auto s = co_await d->write(place, std::move(m), io::durability::fua);
    if (!s) co_return std::move(s).error().in("writing superblock of", d->name());
  }
  co_return status();
}

}  // namespace vds::array::engine
