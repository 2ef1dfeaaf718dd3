#include "iscsi/session/send_queue.h"

#include <cstddef>
#include <iterator>

#include "base/checksum.h"

namespace vds::iscsi {
namespace {

// StatSN, ExpCmdSN and MaxCmdSN stand at the same place in every PDU that a target sends.
constexpr std::size_t stat_sn_at = offsetof(nop_in, stat_sn), exp_cmd_sn_at = offsetof(nop_in, exp_cmd_sn),
                      max_cmd_sn_at = offsetof(nop_in, max_cmd_sn);
static_assert(stat_sn_at == offsetof(login_response_pdu, stat_sn) && stat_sn_at == offsetof(data_in_pdu, stat_sn) &&
              stat_sn_at == offsetof(r2t_pdu, stat_sn) && stat_sn_at == offsetof(reject_pdu, stat_sn) &&
              stat_sn_at == offsetof(scsi_response_pdu, stat_sn) &&
              stat_sn_at == offsetof(async_message_pdu, stat_sn) &&
              max_cmd_sn_at == offsetof(logout_response_pdu, max_cmd_sn));

}  // namespace

void send_queue::push(outgoing pdu) {
  if (closed_ || complete_) return;
  own_bytes_ += pdu.bytes.size();
  if (pdu.data.empty() && !pdu.bytes.empty()) pdu.data = pdu.bytes;
  data_pushed_ += pdu.data.size();
  waiting_.push_back(std::move(pdu));
  idle_.reset();
  if (!work_.is_set()) work_.set();
}

void send_queue::push_last(outgoing pdu) {
  push(std::move(pdu));
  complete_ = true;
}

void send_queue::close() {
  if (closed_) return;
  closed_ = true;
  work_.set();
}

rt::task<void> send_queue::wait_for_room() {
  while (full() && !closed_) {
    room_.reset();
    co_await room_;
  }
}

rt::task<void> send_queue::flushed() {
  if (nothing_waits() && batch_.empty()) co_return;
  if (closed_) co_return;
  co_await idle_;
}

void send_queue::gather() {
  std::size_t bytes = 0, count = 0;
  for (auto p = waiting_.begin() + static_cast<std::ptrdiff_t>(sent_);
       p != waiting_.end() && count < batch_pdus && bytes < batch_bytes; ++p, ++count) {
    own_bytes_ -= p->bytes.size();
    bytes += p->data.size();
  }
  if (sent_ == 0 && count == waiting_.size()) {
    batch_.swap(waiting_);
  } else {
    const auto from = waiting_.begin() + static_cast<std::ptrdiff_t>(sent_);
    batch_.assign(std::move_iterator(from), std::move_iterator(from + static_cast<std::ptrdiff_t>(count)));
    sent_ += count;
    if (2 * sent_ >= waiting_.size()) {
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(sent_));
      sent_ = 0;
    }
  }
  // The vectors no longer grow: pieces may point into them.
  tails_.resize(batch_.size());
  pieces_.clear();
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    outgoing& p = batch_[i];
    tail& t = tails_[i];
    auto* header = reinterpret_cast<std::byte*>(&p.header);
    p.header.data_length = static_cast<std::uint32_t>(p.data.size());
    if (p.number != numbering::none) store(header + stat_sn_at, be32(stat_sn_));
    if (p.number == numbering::status) ++stat_sn_;
    store(header + exp_cmd_sn_at, be32(window_.exp_cmd_sn));
    store(header + max_cmd_sn_at, be32(window_.max_cmd_sn));
    pieces_.emplace_back(header, sizeof(bhs));
    if (header_digest_) {
      store(t.header_digest.data(), le32(crc32c({header, sizeof(bhs)})));
      pieces_.emplace_back(t.header_digest);
    }
    if (p.data.empty()) continue;
    pieces_.push_back(p.data);
    const std::size_t padding = padded(p.data.size()) - p.data.size();
    std::size_t size = padding;
    t.bytes = {};
    if (data_digest_) {
      store(t.bytes.data() + padding, le32(crc32c({t.bytes.data(), padding}, crc32c(p.data))));
      size += sizeof(le32);
    }
    if (size != 0) pieces_.emplace_back(t.bytes.data(), size);
  }
}

rt::task<status> send_queue::run() {
  status ended;
  while (!closed_) {
    if (nothing_waits()) {
      work_.reset();
      co_await work_;
      continue;
    }
    gather();
    room_.set();
    writing_since_ = to_.executor().now();
    ended = co_await to_.write_all(pieces_);
    writing_since_.reset();
    batch_.clear();
    if (!ended) break;
    if (nothing_waits()) idle_.set();
  }
  closed_ = true;
  drop_waiting();
  own_bytes_ = 0;
  room_.set();
  idle_.set();
  co_return ended;
}

}  // namespace vds::iscsi
