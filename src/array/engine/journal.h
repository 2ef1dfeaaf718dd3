// journal.h: makes configuration changes durable on all members, and decides who is a member.
//
// Changes that wait together share a batch: one FUA write per drive, all drives at once (group commit). A batch is
// acknowledged when it is durable on every member; a member that cannot take it is failed, and the survivors durably
// know so, before anything further is acknowledged. With fewer than half of the members left the journal is offline:
// nothing is acknowledged any more (assembly/quorum.h says why).
// When half of what a snapshot left of a log area is used, the next one is written into the other area in the
// background, chunk by chunk, with the changes of the meantime between the chunks; the next batch behind it seals it.
// So no change waits for a snapshot, unless the area is full before. Thread: the array's executor. Lifetime: shared;
// the loop keeps it alive.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>

#include "array/assembly/config.h"
#include "array/engine/drive.h"
#include "array/format/batch.h"
#include "base/random.h"
#include "rt/sync.h"

namespace vds::array::engine {

class journal : public std::enable_shared_from_this<journal> {
 public:
  journal(rt::executor& ex, random_source& random, assembly::config initial);

  const assembly::config& config() const { return config_; }
  const std::map<std::uint32_t, std::shared_ptr<drive>>& drives() const { return drives_; }
  std::shared_ptr<drive> find(std::uint32_t slot) const {
    const auto it = drives_.find(slot);
    return it == drives_.end() ? nullptr : it->second;
  }
  bool offline() const { return offline_; }

  // At assembly: members believed, with their cursors at their best area. Writes a snapshot into the other areas under
  // a new epoch that knows the absent members as lost.
  rt::task<status> open(std::vector<std::shared_ptr<drive>> members, bool forced);
  // Joins a drive: formats its log and write-intent blocks, then commits `with`.
  rt::task<status> admit(std::shared_ptr<drive> d, std::vector<format::record> with);

  rt::task<status> commit(format::bytes records, bool raise = false);  // raise: members change
  void later(format::bytes records);  // goes with the next batch; lost if there is none
  // Durable on the survivors when it returns. Joins a failure under way. Non-ok: no quorum left.
  rt::task<status> fail_drive(std::uint32_t slot, failure why);
  // Nothing is written any more when it returns. After the last commit.
  rt::task<void> close();
  // After the commit of its drive_gone record.
  void forget_drive(std::uint32_t slot) { drives_.erase(slot); }

  // Room for another LUN of that many bytes of record?
  status room_for(std::size_t record_bytes) const;
  // Nothing waits for being recorded: what config() says of members is durable.
  bool settled() const { return failing_.empty() && held_.empty(); }
  void limit_operations(std::size_t n) { config_.operation_limit = n; }
  std::uint64_t batches() const { return batches_; }  // written since the start, for tests and benchmarks

  std::function<void(drive&)> on_failed;  // a drive went from online to failed

 private:
  struct waiting {
    format::bytes records;
    std::optional<status> answer;
    std::coroutine_handle<> waiter;
  };
  enum class sealing : std::uint8_t { snapshot_first, batch_next, done };  // of what was found at assembly
  enum class snapshot : std::uint8_t { none, running, ready };

  std::vector<std::shared_ptr<drive>> members() const;
  rt::task<status> wait(std::shared_ptr<waiting> w);
  void start_pump();
  static rt::task<void> pump(std::shared_ptr<journal> self);
  rt::task<void> write_one();
  rt::task<bool> make_room(std::size_t payload);
  void mark_failed(const std::shared_ptr<drive>& d, failure why);
  rt::task<std::size_t> write_batch(std::vector<std::shared_ptr<drive>> to, bool next_area, format::batch_header header,
                                    std::shared_ptr<format::bytes> payload);
  void answer(std::vector<std::shared_ptr<waiting>>& list, const status& s);
  format::bytes epoch_raise();

  void begin_snapshot();
  static rt::task<void> snapshot_loop(std::shared_ptr<journal> self);
  rt::task<bool> write_chunks(std::vector<std::shared_ptr<drive>> to, format::bytes records);

  rt::executor& executor_;
  random_source& random_;
  assembly::config config_;
  std::map<std::uint32_t, std::shared_ptr<drive>> drives_;  // present; members and failed ones
  std::deque<std::shared_ptr<waiting>> queue_;
  std::vector<std::shared_ptr<waiting>> held_;  // durable, but a drive failed meanwhile
  std::map<std::uint32_t, failure> failing_;    // to be recorded
  format::bytes later_;
  bool pumping_ = false, offline_ = false, raise_ = false, forced_ = false, closing_ = false;
  sealing must_seal_ = sealing::done;
  std::shared_ptr<drive> admitting_;  // not a member yet, but part of the next batch
  rt::mutex turn_;
  rt::event* idle_ = nullptr;  // close() waits for the pump to end
  snapshot snapshot_ = snapshot::none;
  std::vector<std::shared_ptr<drive>> snapshot_drives_;
  format::bytes snapshot_changes_;  // applied since the last chunk was made
  std::shared_ptr<rt::event> snapshot_done_;
  std::uint64_t batches_ = 0;
};

}  // namespace vds::array::engine
