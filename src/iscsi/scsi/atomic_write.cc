// WRITE ATOMIC(16): after a loss of power all of its blocks are new, or none. Where the device promises that itself
// (logical_unit::atomic) it is a write. Elsewhere the LUN keeps the data first (persistence.h, redo), then writes it
// with FUA, then forgets what it kept; whoever opens the LUN next writes again what it finds kept, before anything else
// touches those blocks. One at a time: this is for the page of a database, not for streams.
#include <cstring>

#include "base/log.h"
#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

// docs/format/lun_settings.md
constexpr char magic[8] = {'V', 'D', 'S', 'R', 'E', 'D', 'O', '\0'};
constexpr std::size_t header = 24;

std::vector<std::byte> encode_redo(lba at, block_count count, const std::vector<io::const_buffer>& data) {
  std::vector<std::byte> out(header);
  std::memcpy(out.data(), magic, sizeof magic);
  store(&out[8], le64(at.n));
  store(&out[16], le64(count.n));
  for (const io::const_buffer b : data) out.insert(out.end(), b.begin(), b.end());
  return out;
}

}  // namespace

bool has_atomic_writes(const lun& l) { return l.atomic_blocks().n != 0; }

bool redo_is_whole(std::span<const std::byte> redo, block_size block) {
  if (redo.size() < header || std::memcmp(redo.data(), magic, sizeof magic) != 0) return false;
  const std::uint64_t count = load<le64>(&redo[16]);
  return count <= max_redo_bytes && count * block.bytes == redo.size() - header;
}

block_count lun::atomic_blocks() const noexcept {
  if (identity_.atomic.n != 0) return std::min(identity_.atomic, transfer_limit());
  return block_count{keep_redo_ ? max_redo_bytes / block().bytes : 0};
}

rt::task<void> do_write_atomic(lun& l, command& c) {
  if (c.planned.count.n == 0) co_return;
  if (!l.redoes()) {
    co_await do_write(l, c);
    co_return;
  }
  // The range is ours alone until we return (execute()).
  auto done = co_await l.write_with_redo(c.planned.at, c.planned.count, c.data_out, c);
  if (!done) c.fail(sense_from(done.error(), true));
}

rt::task<status> lun::write_with_redo(lba at, block_count count, const std::vector<io::const_buffer>& data,
                                      const command& c) {
  auto turn = co_await redo_mutex_.take();
  if (c.aborted()) co_return status();
  std::vector<std::byte> record = encode_redo(at, count, data);
  auto kept = co_await keep_redo_(std::move(record));
  if (!kept) co_return kept;
  // From here on it will be written, now or by whoever opens the LUN next; an abort waits for it.
  auto written = co_await device_.write(at, io::const_buffers(data), io::durability::fua);
  co_await forget_redo();
  co_return written;
}

// What is kept must not come back over what is written later.
rt::task<void> lun::forget_redo() {
  std::vector<std::byte> nothing;
  auto forgotten = co_await keep_redo_(std::move(nothing));
  if (forgotten) co_return;
  log::error("LUN {}: takes no more writes until it is opened again: forgetting what was written: {}", identity_.number,
             forgotten.error());
  redo_stuck_ = true;
}

rt::task<void> lun::replay(std::shared_ptr<lun> self, std::vector<std::byte> redo) {
  lun& l = *self;
  const auto held = l.gate_.hold();
  const lba at{load<le64>(&redo[8])};
  const block_count count{load<le64>(&redo[16])};
  range_lock::held range(l.ranges_, at, count, true);  // before any command asks for it
  co_await range;
  auto turn = co_await l.redo_mutex_.take();
  status done;
  if (at.n <= l.blocks().n && count.n <= l.blocks().n - at.n) {
    const io::const_buffer data = std::span<const std::byte>(redo).subspan(header);
    done = co_await l.device_.write(at, data, io::durability::fua);
  }
  if (done) {
    co_await l.forget_redo();
  } else {
    log::error("LUN {}: takes no writes: writing again what was being written: {}", l.identity_.number, done.error());
    l.redo_stuck_ = true;
  }
}

}  // namespace vds::iscsi
