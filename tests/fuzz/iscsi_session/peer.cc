#include "peer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/checksum.h"

namespace vds::iscsi::fuzz {
namespace {

constexpr std::size_t cmd_sn_at = 24, transfer_tag_at = 20, data_sn_at = 36, buffer_offset_at = 40;
constexpr std::uint32_t target_takes = 65536;  // MaxRecvDataSegmentLength of the target

lun_field address(std::uint8_t index) {
  const std::uint16_t n = luns[index & 3];
  return {static_cast<std::uint8_t>(n < 256 ? 0 : 0x40 | n >> 8), static_cast<std::uint8_t>(n)};
}

// What a command writes: known from its tag and the place in it.
bytes pattern(std::uint32_t tag, std::uint32_t offset, std::size_t size) {
  bytes b(size);
  for (std::size_t i = 0; i < size; ++i) b[i] = static_cast<std::byte>(tag * 31 + (offset + i) * 7 + (offset >> 9));
  return b;
}

void shift(bhs& h, std::size_t at, std::uint32_t by) {
  auto* raw = reinterpret_cast<std::byte*>(&h) + at;
  store(raw, be32(load<be32>(raw) + by));
}

}  // namespace

void broken(const char* what) {
  std::fprintf(stderr, "iscsi_session_fuzz: %s\n", what);
  std::abort();
}

void settle(rt::manual_executor& ex) {
  for (int i = 0; i < 2'000'000; ++i)
    if (!ex.step()) return;
  broken("the target does not come to rest");
}

peer::peer(rt::manual_executor& ex, std::unique_ptr<io::memory_stream> s, const agreement& terms)
    : ex_(ex), stream_(std::move(s)), terms_(terms) {}

peer::~peer() {
  close();
  settle(ex_);  // who writes is let go
}

void peer::close() {
  closed_ = true;
  stream_->close();
}

bytes peer::on_wire(const bhs& h, const bytes& ahs, const bytes& data) const {
  bytes all(sizeof h);
  std::memcpy(all.data(), &h, sizeof h);
  all.insert(all.end(), ahs.begin(), ahs.end());
  const auto digest = [&all](std::size_t from) {
    const le32 sum(crc32c(std::span(all).subspan(from)));
    all.resize(all.size() + 4);
    store(&all[all.size() - 4], sum);
  };
  if (digests_ && terms_.header_digest) digest(0);
  const std::size_t begin = all.size();
  all.insert(all.end(), data.begin(), data.end());
  all.resize(begin + padded(data.size()));
  if (digests_ && terms_.data_digest && !data.empty()) digest(begin);
  return all;
}

void peer::emit(bhs h, bytes data, const step& s) {
  auto* raw = reinterpret_cast<std::uint8_t*>(&h);
  const std::size_t number = s.at * std::size_t{256} + s.value;
  bytes ahs;
  if (s.how != wrong::nothing) loose_ = true;
  if (s.how == wrong::length) data.resize(number, std::byte{0x3c});
  h.data_length = static_cast<std::uint32_t>(data.size());
  switch (s.how) {
    case wrong::set_byte:
      raw[s.at % sizeof h] = s.value;
      break;
    case wrong::flip:
      raw[s.at % sizeof h] ^= s.value;
      break;
    case wrong::length_lie:
      h.data_length = static_cast<std::uint32_t>(number);
      break;
    case wrong::ahs:
      h.ahs_words = s.at;
      ahs.assign(s.at * std::size_t{4}, std::byte{0x11});
      if (!ahs.empty()) store(ahs.data(), be16(s.more)), ahs[2] = std::byte{s.value};
      break;
    case wrong::command_sn:
      shift(h, cmd_sn_at, static_cast<std::uint32_t>(static_cast<std::int8_t>(s.value)));
      break;
    case wrong::task_tag:
      h.task_tag = s.at == 255 ? no_tag : tag_ - 1 - s.at;
      break;
    case wrong::transfer_tag:
      shift(h, transfer_tag_at, s.value);
      break;
    case wrong::offset:
      shift(h, buffer_offset_at, s.value * 256u);
      shift(h, data_sn_at, s.at);
      break;
    default:
      break;
  }
  bytes all = on_wire(h, ahs, data);
  if (s.how == wrong::damaged) all[number % all.size()] ^= std::byte{0x40};
  if (s.how == wrong::cut) all.resize(std::min(all.size(), number));
  if (s.how == wrong::dropped) return;
  if (s.how == wrong::swapped && held_.empty()) {
    held_ = std::move(all);
    return;
  }
  if (s.how == wrong::repeated) send(all);
  send(std::move(all));
  if (!held_.empty()) send(std::exchange(held_, {}));
}

void peer::send(bytes all) {
  outbox_.insert(outbox_.end(), all.begin(), all.end());
  if (!corked_) pump();
}

void peer::pump() {
  if (sending_ || closed_ || outbox_.empty()) return;
  sending_ = true;
  rt::start([](peer& p) -> rt::task<void> {
    while (!p.outbox_.empty()) {
      const bytes now = std::exchange(p.outbox_, {});
      const io::const_buffer list[] = {now};
      auto sent = co_await p.stream_->write_all(list);
      if (sent) continue;
      p.closed_ = true;
      break;
    }
    p.sending_ = false;
  }(*this));
}

void peer::cork(bool on) {
  corked_ = on;
  if (!on) pump();
}

void peer::command(scsi_command_pdu c, bytes immediate, std::uint32_t owed_until, bool owe_later, const step& s) {
  const std::uint32_t tag = tag_++;
  const auto given = static_cast<std::uint32_t>(immediate.size());
  c.task_tag = tag;
  c.cmd_sn = take_cmd_sn((c.opcode_byte & immediate_bit) != 0);
  c.exp_stat_sn = exp_stat_sn_;
  const bool more = owed_until > given;
  if (!more) c.flags |= final_bit;
  open_[tag] = {c.reads() ? std::uint32_t{c.expected_length} : 0};
  emit(generic(c), std::move(immediate), s);
  if (!more) return;
  owed_.push_back({tag, no_tag, given, owed_until, 0, c.lun});
  if (owe_later) return;
  while (!owed_.empty() && owed_.back().tag == tag) {
    const std::size_t before = owed_.size();
    send_data(owed_.back(), 8192, {});
    if (owed_.back().offset >= owed_.back().end) owed_.pop_back();
    if (owed_.size() < before) break;
  }
}

void peer::write(const step& s) {
  const std::uint32_t blocks = s.b & 63, size = blocks * 512;
  scsi_command_pdu c;
  c.opcode_byte = (s.c & immediate_command) != 0 ? 0x41 : 0x01;
  c.flags = static_cast<std::uint8_t>(scsi_command_pdu::write_bit | (s.c >> 5 & 3));
  c.lun = address(s.c & lun_bits);
  c.expected_length = size;
  c.cdb[0] = std::array<std::uint8_t, 4>{0x2a, 0x8a, 0x2e, 0x89}[s.b >> 6];
  if (c.cdb[0] == 0x89) {  // COMPARE AND WRITE has both halves in its data
    c.cdb[9] = s.a;
    c.cdb[13] = static_cast<std::uint8_t>(blocks / 2);
  } else if (c.cdb[0] == 0x8a) {
    c.cdb[1] = 8;  // FUA
    c.cdb[9] = s.a;
    c.cdb[13] = static_cast<std::uint8_t>(blocks);
  } else {
    c.cdb[5] = s.a;
    c.cdb[8] = static_cast<std::uint8_t>(blocks);
  }
  const std::uint32_t burst = std::min(terms_.first_burst(), terms_.max_burst()), may = std::min(size, burst);
  const int how = s.c >> 2 & 3;
  const bool unsolicited = !terms_.initial_r2t && (how == 1 || how == 2);
  const std::uint32_t immediate = !terms_.immediate_data || how >= 2 ? 0 : how == 1 ? may / 2 : may;
  command(c, pattern(tag_, 0, immediate), unsolicited ? may : 0, (s.c & data_later) != 0, s);
}

void peer::read(const step& s) {
  const std::uint32_t blocks = s.b & 63;
  scsi_command_pdu c;
  c.opcode_byte = (s.c & immediate_command) != 0 ? 0x41 : 0x01;
  c.flags = static_cast<std::uint8_t>((blocks != 0 ? scsi_command_pdu::read_bit : 0) | (s.c >> 5 & 3));
  c.lun = address(s.c & lun_bits);
  c.expected_length = blocks * 512;
  c.cdb[0] = (s.b & 64) != 0 ? 0x88 : 0x28;
  c.cdb[c.cdb[0] == 0x88 ? 9 : 5] = s.a;
  c.cdb[c.cdb[0] == 0x88 ? 13 : 8] = static_cast<std::uint8_t>(blocks);
  command(c, {}, 0, false, s);
}

void peer::cdb(const step& s) {
  scsi_command_pdu c;
  c.opcode_byte = (s.c & cdb_immediate) != 0 ? 0x41 : 0x01;
  c.flags = 1;
  if ((s.c & cdb_reads) != 0) c.flags |= scsi_command_pdu::read_bit;
  if ((s.c & cdb_writes) != 0) c.flags |= scsi_command_pdu::write_bit;
  c.lun = address(s.c & cdb_lun);
  std::copy(s.rest.begin(), s.rest.end(), c.cdb.begin());
  const bool writes = (s.c & cdb_writes) != 0;
  c.expected_length = writes ? std::max<std::uint32_t>(s.a, s.b * 16u) : s.b * 16u;
  const std::uint32_t immediate = writes && terms_.immediate_data ? s.a : 0;
  command(c, bytes(immediate), 0, false, s);  // zeroes: a parameter list that says nothing
}

void peer::send_data(owed& d, std::uint32_t piece, const step& s) {
  const std::uint32_t n = std::min({d.end - d.offset, std::max(piece, 1u), target_takes});
  data_out_pdu p;
  p.lun = d.lun;
  p.task_tag = d.tag;
  p.transfer_tag = d.transfer_tag;
  p.exp_stat_sn = exp_stat_sn_;
  p.data_sn = d.data_sn++;
  p.buffer_offset = d.offset;
  if (d.offset + n == d.end && (s.what != action::data || (s.c & never_final) == 0)) p.flags = final_bit;
  bytes content = pattern(d.tag, d.offset, n);
  d.offset += n;
  emit(generic(p), std::move(content), s);
}

void peer::data(const step& s) {
  if (owed_.empty()) return;
  const auto at = owed_.begin() + static_cast<std::ptrdiff_t>(s.a % owed_.size());
  owed d = *at;
  if ((s.c & (never_final | keep)) != 0) loose_ = true;
  if ((s.c & keep) == 0) owed_.erase(at);
  const std::uint32_t piece = (s.b % 64 + 1) * 512u;
  bool first = true;
  while (d.offset < d.end) {
    step plain = s;
    if (!std::exchange(first, false)) plain.how = wrong::nothing;
    send_data(d, piece, plain);
    if ((s.c & one_piece) != 0) break;
  }
  if (d.offset < d.end && (s.c & keep) == 0) owed_.push_back(d);
}

void peer::feed_everything() {
  settle(ex_);
  hear();
  for (int rounds = 0; !owed_.empty() && rounds < 4096; ++rounds) {
    owed d = owed_.front();
    owed_.pop_front();
    while (d.offset < d.end) send_data(d, 8192, {});
    settle(ex_);
    hear();
  }
}

void peer::manage(const step& s) {
  managed_ = true;
  task_management_pdu t;
  t.opcode_byte = 0x42;
  t.flags = static_cast<std::uint8_t>(final_bit | (s.a & 0x7f));
  t.lun = address(s.c & lun_bits);
  t.task_tag = tag_++;
  t.referenced_tag = t.task_tag - 1 - s.b;
  t.cmd_sn = take_cmd_sn(true);
  t.exp_stat_sn = exp_stat_sn_;
  requests_.insert(t.task_tag);
  emit(generic(t), {}, s);
}

void peer::ping(const step& s) {
  const bool immediate = (s.b & 1) != 0, answers = (s.b & 2) != 0;
  nop_out n;
  n.opcode_byte = immediate || answers ? 0x40 : 0x00;
  n.task_tag = answers ? no_tag : tag_++;
  n.transfer_tag = answers ? ping_tag_ : no_tag;
  n.cmd_sn = take_cmd_sn(immediate || answers);
  if (!answers) requests_.insert(n.task_tag);
  n.exp_stat_sn = exp_stat_sn_;
  emit(generic(n), bytes(s.a), s);
}

void peer::text(const step& s) {
  loose_ = true;
  text_request_pdu t;
  t.opcode_byte = (s.c & text_immediate) != 0 ? 0x44 : 0x04;
  t.flags = static_cast<std::uint8_t>(((s.c & text_final) != 0 ? final_bit : 0) |
                                      ((s.c & text_continue) != 0 ? text_request_pdu::continue_bit : 0));
  const bool goes_on = (s.c & text_goes_on) != 0;
  if (!goes_on) text_tag_ = tag_++;
  t.task_tag = text_tag_;
  t.transfer_tag = goes_on ? text_transfer_tag_ : no_tag;
  t.cmd_sn = take_cmd_sn((s.c & text_immediate) != 0);
  t.exp_stat_sn = exp_stat_sn_;
  const auto said = std::as_bytes(s.rest);
  emit(generic(t), bytes(said.begin(), said.end()), s);
}

void peer::logout(const step& s) {
  left_ = true;
  logout_request_pdu l;
  l.opcode_byte = 0x46;
  l.flags = static_cast<std::uint8_t>(final_bit | (s.a & 0x7f));
  l.task_tag = tag_++;
  l.cid = 1;
  l.cmd_sn = take_cmd_sn(true);
  l.exp_stat_sn = exp_stat_sn_;
  emit(generic(l), {}, s);
}

void peer::raw(const step& s) {
  loose_ = true;
  const auto all = std::as_bytes(s.rest);
  send(bytes(all.begin(), all.end()));
}

void peer::other(const step& s) {
  loose_ = true;
  nop_out n;
  n.opcode_byte = s.a;
  n.flags = s.b;
  n.task_tag = tag_++;
  n.transfer_tag = no_tag;
  n.cmd_sn = take_cmd_sn((s.a & immediate_bit) != 0);
  n.exp_stat_sn = exp_stat_sn_;
  emit(generic(n), bytes(s.c), s);
}

void peer::resync() {
  const std::uint32_t asks = tag_;
  ping({.what = action::ping, .b = 1});
  settle(ex_);
  hear();
  // Not answered (yet, or it does not take answers): what it knows is of before, and would send it back.
  if (!requests_.contains(asks)) cmd_sn_ = exp_cmd_sn_;
}

bool peer::lost() {
  resync();
  return closed_;
}

int peer::run(std::uint16_t lun, const std::vector<int>& what, bytes out, std::uint32_t in) {
  scsi_command_pdu c;
  c.flags = static_cast<std::uint8_t>(1 | (out.empty() ? 0 : scsi_command_pdu::write_bit) |
                                      (in == 0 ? 0 : scsi_command_pdu::read_bit));
  c.lun[1] = static_cast<std::uint8_t>(lun);
  c.expected_length = out.empty() ? in : static_cast<std::uint32_t>(out.size());
  for (std::size_t i = 0; i < what.size() && i < c.cdb.size(); ++i) c.cdb[i] = static_cast<std::uint8_t>(what[i]);
  received_.clear();
  const std::uint32_t tag = tag_;
  command(c, std::move(out), 0, false, {});
  settle(ex_);
  hear();
  return last_answered_ == tag ? last_status_ : -1;
}

}  // namespace vds::iscsi::fuzz
