#include "service/operations/journal.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace vds::service {

result<std::unique_ptr<journal>> journal::open(journal_options options, contents& out) {
  std::unique_ptr<journal> made(new journal(std::move(options)));
  const std::string& path = made->options_.path;
  auto kept = history::open(path, made->options_.history);
  if (!kept) return std::move(kept).error().in("opening the journal", path);
  made->history_ = std::move(*kept);
  operation_log::found found;
  auto log = operation_log::open(path + ".log", made->options_.log_area_bytes, made->history_->applied(), found);
  if (!log) return std::move(log).error().in("opening the journal", path);
  made->log_ = std::move(*log);
  VDS_RETURN_IF_FAILED(made->history_->follow(made->log_->id()));
  if (auto done = made->history_->apply(found.changes, found.last); !done)
    return std::move(done).error().in("bringing the history up to date", path);
  made->sequence_ = made->applied_ = found.last;
  if (auto loaded = made->history_->load(out); !loaded) return std::move(loaded).error().in("reading", path);
  made->thread_ = std::thread([j = made.get()] { j->run(); });
  return made;
}

journal::~journal() { close(); }

void journal::close() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    work_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  history_.reset();
  log_.reset();
}

status journal::begin(const operation_record& r) {
  step("begin");
  status done;
  {
    std::unique_lock lock(mutex_);
    if (stopping_) return errc::closing;
    done = commit(lock, {change{change::what::begin, r}, nullptr, {}});
  }
  step("answered");
  return done;
}

void journal::end(const operation_record& r, std::function<void()> durable) {
  std::vector<entry> one;
  one.push_back({change{change::what::end, r}, nullptr, std::move(durable)});
  add_lazy(std::move(one));
}

// Both in one commit: it is never found begun and not ended.
void journal::note(const operation_record& r) {
  std::vector<entry> both;
  both.push_back({change{change::what::begin, r}, nullptr, {}});
  both.push_back({change{change::what::end, r}, nullptr, {}});
  add_lazy(std::move(both));
}

void journal::drop(const guid& id) {
  change c{change::what::drop, {}};
  c.record.id = id;
  std::vector<entry> one;
  one.push_back({std::move(c), nullptr, {}});
  add_lazy(std::move(one));
}

status journal::flush() {
  std::unique_lock lock(mutex_);
  if (stopping_) return errc::closing;
  auto done = commit(lock, {});
  tell(lock);
  told_.wait(lock, [this] { return telling_ == 0; });
  return done;
}

void journal::add_lazy(std::vector<entry> entries) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;  // the next start asks the provider
  for (entry& e : entries) queue_.push_back(std::move(e));
  if (lazy_due_) return;
  lazy_due_ = monotonic::now() + options_.lazy;
  work_.notify_one();
}

status journal::commit(std::unique_lock<std::mutex>& lock, entry e) {
  waiter me;
  e.who = &me;
  queue_.push_back(std::move(e));
  while (!me.answer) {
    if (writing_)
      me.wake.wait(lock);
    else
      lead(lock);
  }
  return *std::move(me.answer);
}

// Takes all that is queued; one write for all of it. The next leader is one of those who came meanwhile.
void journal::lead(std::unique_lock<std::mutex>& lock) {
  std::vector<entry> batch;
  batch.swap(queue_);
  writing_ = true;
  lock.unlock();
  const status done = write(batch);
  lock.lock();
  writing_ = false;
  if (!done) log::error("journal: {}", done.error());
  for (entry& e : batch) {
    if (done && e.durable) durable_.push_back(std::move(e.durable));
    // An end that could not be written: the next start asks the provider.
    if (done && e.what) unfolded_.changes.push_back(std::move(*e.what));
    if (e.who != nullptr) {
      e.who->answer = done;
      e.who->wake.notify_one();  // under the lock: its frame may be gone right after
    }
  }
  if (done) {
    unfolded_.through = sequence_;
    area_ends_[log_->area()] = sequence_;
  }
  if (!durable_.empty() && !lazy_due_) {
    lazy_due_ = monotonic::now() + options_.lazy;  // told soon, and not by somebody who is waited for
    work_.notify_one();
  }
  for (const entry& e : queue_) {
    if (e.who == nullptr) continue;
    e.who->wake.notify_one();
    break;
  }
}

status journal::write(const std::vector<entry>& batch) {
  payload_.clear();
  for (const entry& e : batch)
    if (e.what) log_format::append(payload_, *e.what);
  if (payload_.empty()) return {};
  step("before-commit");
  VDS_RETURN_IF_FAILED(make_room(payload_.size()));
  VDS_RETURN_IF_FAILED(log_->append(sequence_ + 1, payload_));
  ++sequence_;
  step("after-commit");
  return {};
}

// Into the other area, when this one is full: once all of that one is in the history.
status journal::make_room(std::size_t payload) {
  if (log_->fits(payload)) return {};
  if (!log_->ever_fits(payload)) return failure(errc::too_large, "more at once than the log of operations holds");
  std::unique_lock lock(mutex_);
  const std::uint64_t must = area_ends_[1 - log_->area()];
  fold_failed_.reset();
  if (std::this_thread::get_id() == thread_.get_id()) {
    fold(lock);
  } else {
    fold_now_ = true;
    work_.notify_one();
    folded_.wait(lock, [&] { return applied_ >= must || fold_failed_; });
  }
  if (applied_ < must) return failure(*fold_failed_).in("making room in the log of operations");
  log_->next_area();
  return {};
}

void journal::tell(std::unique_lock<std::mutex>& lock) {
  while (!durable_.empty()) {
    auto functions = std::exchange(durable_, {});
    ++telling_;
    lock.unlock();
    for (auto& each : functions) {
      each();
      each = nullptr;  // gone before the next one is told: what it holds may be about to end
    }
    lock.lock();
    if (--telling_ == 0) told_.notify_all();
  }
}

// On the journal's thread.
void journal::fold(std::unique_lock<std::mutex>& lock) {
  fold_now_ = false;
  if (unfolded_.changes.empty()) {
    applied_ = std::max(applied_, unfolded_.through);
    folded_.notify_all();
    return;
  }
  window now = std::exchange(unfolded_, {});
  lock.unlock();
  step("before-fold");
  const status done = history_->apply(now.changes, now.through);
  step("after-fold");
  lock.lock();
  if (done) {
    applied_ = now.through;
    if (unfolded_.through == 0) unfolded_.through = now.through;
  } else {
    log::error("journal: bringing the history up to date: {}", done.error());
    fold_failed_ = done.error();
    now.changes.insert(now.changes.end(), std::make_move_iterator(unfolded_.changes.begin()),
                       std::make_move_iterator(unfolded_.changes.end()));
    unfolded_.changes = std::move(now.changes);
    unfolded_.through = std::max(unfolded_.through, now.through);
  }
  folded_.notify_all();
}

void journal::run() {
  pthread_setname_np(pthread_self(), "journal");
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto due = [this] { return lazy_due_ && *lazy_due_ <= monotonic::now(); };
    while (!stopping_ && !fold_now_ && !due()) {
      if (lazy_due_)
        work_.wait_until(lock, *lazy_due_);
      else
        work_.wait(lock);
    }
    if (fold_now_) {
      fold(lock);
      continue;
    }
    lazy_due_.reset();
    if (writing_) {
      // Never to wait for a leader here: it may be waiting for a fold.
      lazy_due_ = monotonic::now() + std::chrono::milliseconds(1);
      work_.wait_until(lock, *lazy_due_);
      continue;
    }
    if (!queue_.empty()) lead(lock);
    tell(lock);
    if (stopping_ && !writing_ && queue_.empty() && durable_.empty()) break;
  }
  fold(lock);
}

}  // namespace vds::service
