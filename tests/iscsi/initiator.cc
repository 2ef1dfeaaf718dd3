#include "initiator.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/checksum.h"

namespace vds::iscsi::testing {

std::string text(std::initializer_list<std::string> pairs) {
  std::string out;
  for (const std::string& p : pairs) out += p + '\0';
  return out;
}

std::string value_of(const pdu& p, std::string_view key) {
  const std::string_view all(reinterpret_cast<const char*>(p.data.data()), p.data.size());
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\0', at), all.size());
    const std::string_view pair = all.substr(at, end - at);
    if (pair.starts_with(key) && pair.size() > key.size() && pair[key.size()] == '=')
      return std::string(pair.substr(key.size() + 1));
    at = end + 1;
  }
  return {};
}

bytes pattern(std::size_t size, int seed) {
  bytes b(size);
  for (std::size_t i = 0; i < size; ++i)
    b[i] = static_cast<std::byte>(static_cast<std::size_t>(seed) + i * 7 + (i >> 9));
  return b;
}

rt::task<bool> initiator::send_raw(bytes all) {
  const io::const_buffer list[] = {all};
  auto done = co_await stream->write_all(list);
  co_return done.has_value();
}

rt::task<bool> initiator::send(bhs header, bytes data) {
  header.data_length = static_cast<std::uint32_t>(data.size());
  bytes all(sizeof header);
  std::memcpy(all.data(), &header, sizeof header);
  if (digests_on && agreed.header_digest) {
    all.resize(52);
    store(&all[48], le32(crc32c({all.data(), 48})));
  }
  all.insert(all.end(), data.begin(), data.end());
  const std::size_t padding = padded(data.size()) - data.size();
  all.resize(all.size() + padding);
  if (digests_on && agreed.data_digest && !data.empty()) {
    const auto sum = crc32c({all.data() + all.size() - data.size() - padding, data.size() + padding});
    all.resize(all.size() + 4);
    store(&all[all.size() - 4], le32(sum));
  }
  co_return co_await send_raw(std::move(all));
}

rt::task<pdu> initiator::receive() {
  pdu p;
  bytes head(48 + (digests_on && agreed.header_digest ? 4 : 0));
  auto got = co_await stream->read_exactly(head);
  if (!got) {
    p.gone = closed = true;
    co_return p;
  }
  std::memcpy(&p.header, head.data(), 48);
  if (head.size() == 52) {
    EXPECT_EQ(load<le32>(&head[48]), crc32c({head.data(), 48})) << "header digest";
  }
  EXPECT_EQ(p.header.ahs_words, 0);
  const std::uint32_t length = p.header.data_length;
  const bool logging_in = p.op() == opcode::login_response;
  EXPECT_LE(length, logging_in ? 8192u : std::max(agreed.max_recv, 8192u));
  p.data.resize(padded(length));
  if (length != 0) {
    got = co_await stream->read_exactly(p.data);
    if (!got) {
      p.gone = closed = true;
      co_return p;
    }
    if (digests_on && agreed.data_digest) {
      bytes sum(4);
      (void)co_await stream->read_exactly(sum);
      EXPECT_EQ(load<le32>(sum.data()), crc32c(p.data)) << "data digest";
    }
  }
  for (std::size_t i = length; i < p.data.size(); ++i) EXPECT_EQ(p.data[i], std::byte{0}) << "padding";
  p.data.resize(length);
  const auto numbers = p.as<nop_in>();  // at the same place in all
  const auto status_bit = p.op() != opcode::data_in || (p.header.flags & data_in_pdu::status_bit) != 0;
  const bool uses = status_bit && p.op() != opcode::r2t && !(p.op() == opcode::nop_in && numbers.task_tag == no_tag);
  if (uses) {
    if (numbers_known_) {
      EXPECT_EQ(numbers.stat_sn, exp_stat_sn);
    }
    numbers_known_ = true;
    exp_stat_sn = numbers.stat_sn + 1;
  }
  if (!logging_in) {
    EXPECT_FALSE(serial_before(numbers.max_cmd_sn, max_cmd_sn)) << "the window went back";
  }
  max_cmd_sn = numbers.max_cmd_sn;
  co_return p;
}

rt::task<pdu> initiator::receive(opcode expected) {
  for (;;) {
    pdu p = co_await receive();
    if (p.gone || p.op() == expected) co_return p;
    if (p.op() == opcode::nop_in && p.as<nop_in>().task_tag == no_tag) continue;
    ADD_FAILURE() << "unexpected PDU " << static_cast<int>(p.op());
    co_return p;
  }
}

login_request_pdu initiator::login_request(std::uint8_t current, std::uint8_t next, bool transit) const {
  login_request_pdu r;
  r.flags = static_cast<std::uint8_t>((transit ? 0x80 : 0) | current << 2 | (transit ? next : 0));
  r.isid = agreed.isid;
  r.task_tag = 0x10u;
  r.cid = 1;
  r.cmd_sn = cmd_sn;
  r.exp_stat_sn = exp_stat_sn;
  return r;
}

rt::task<pdu> initiator::login_step(login_request_pdu request, std::string said) {
  const auto* raw = reinterpret_cast<const std::byte*>(said.data());
  co_await send(generic(request), bytes(raw, raw + said.size()));
  pdu answer = co_await receive();
  if (!answer.gone) {
    EXPECT_EQ(answer.op(), opcode::login_response);
    EXPECT_EQ(answer.as<login_response_pdu>().task_tag, request.task_tag);
  }
  co_return answer;
}

rt::task<std::uint16_t> initiator::login(login_options o) {
  agreed = o;
  auto yes = [](bool b) { return b ? std::string("Yes") : std::string("No"); };
  std::string said = text({"InitiatorName=" + o.initiator});
  if (o.target.empty())
    said += text({"SessionType=Discovery"});
  else
    said += text({"SessionType=Normal", "TargetName=" + o.target});
  said += text({"AuthMethod=None"});
  pdu first = co_await login_step(login_request(0, 1), said);
  if (first.gone) co_return 0xffff;
  if (const std::uint16_t s = first.as<login_response_pdu>().status; s != 0) co_return s;
  std::string keys = text({"HeaderDigest=" + std::string(o.header_digest ? "CRC32C" : "None"),
                           "DataDigest=" + std::string(o.data_digest ? "CRC32C" : "None"),
                           "MaxRecvDataSegmentLength=" + std::to_string(o.max_recv), "DefaultTime2Wait=2",
                           "DefaultTime2Retain=0", "ErrorRecoveryLevel=0"});
  if (!o.target.empty())
    keys += text({"InitialR2T=" + yes(o.initial_r2t), "ImmediateData=" + yes(o.immediate_data),
                  "MaxBurstLength=" + std::to_string(o.max_burst), "FirstBurstLength=" + std::to_string(o.first_burst),
                  "MaxConnections=1", "MaxOutstandingR2T=1"});
  pdu second = co_await login_step(login_request(1, 3), keys);
  if (second.gone) co_return 0xffff;
  const auto r = second.as<login_response_pdu>();
  if (r.status != 0) co_return r.status;
  EXPECT_NE(r.tsih, 0);
  EXPECT_EQ(r.flags, 0x87);
  digests_on = true;
  if (!o.target.empty()) {
    agreed.first_burst = static_cast<std::uint32_t>(std::stoul(value_of(second, "FirstBurstLength")));
    agreed.max_burst = static_cast<std::uint32_t>(std::stoul(value_of(second, "MaxBurstLength")));
  }
  co_return 0;
}

scsi_command_pdu initiator::command(std::uint32_t lun, std::vector<int> cdb, std::uint32_t out, std::uint32_t in) {
  scsi_command_pdu c;
  c.flags = static_cast<std::uint8_t>(final_bit | 1 | (out != 0 ? 0x20 : 0) | (in != 0 ? 0x40 : 0));
  c.lun = lun_address(lun);
  c.task_tag = tag++;
  c.expected_length = out != 0 ? out : in;
  c.cmd_sn = cmd_sn++;
  c.exp_stat_sn = exp_stat_sn;
  for (std::size_t i = 0; i < cdb.size() && i < 16; ++i) c.cdb[i] = static_cast<std::uint8_t>(cdb[i]);
  return c;
}

rt::task<std::uint32_t> initiator::begin(std::uint32_t lun, std::vector<int> cdb, bytes out, std::uint32_t in) {
  auto c = command(lun, std::move(cdb), static_cast<std::uint32_t>(out.size()), in);
  const std::uint32_t mine = c.task_tag;
  bytes immediate;
  const std::uint32_t may = std::min<std::uint32_t>(agreed.first_burst, static_cast<std::uint32_t>(out.size()));
  if (agreed.immediate_data && !out.empty())
    immediate.assign(out.begin(), out.begin() + std::min<std::uint32_t>(may, agreed.initial_r2t ? may : may / 2));
  const bool more = !agreed.initial_r2t && !out.empty() && immediate.size() < may;
  if (more) c.flags &= 0x7f;
  pending p;
  p.out = std::move(out);
  p.sent = static_cast<std::uint32_t>(immediate.size());
  const std::uint32_t sent = p.sent;
  pending_[mine] = std::move(p);
  co_await send(generic(c), std::move(immediate));
  if (more) co_await send_data(mine, no_tag, sent, may - sent);
  co_return mine;
}

rt::task<bool> initiator::send_data(std::uint32_t to, std::uint32_t transfer_tag, std::uint32_t offset,
                                    std::uint32_t length) {
  std::uint32_t sn = 0;
  const std::uint32_t end = offset + length;
  while (offset < end) {
    const std::uint32_t n = std::min<std::uint32_t>(end - offset, 8192);
    data_out_pdu d;
    d.task_tag = to;
    d.transfer_tag = transfer_tag;
    d.data_sn = sn++;
    d.buffer_offset = offset;
    d.exp_stat_sn = exp_stat_sn;
    if (offset + n == end) d.flags = final_bit;
    const bytes& all = pending_[to].out;
    if (!co_await send(generic(d), bytes(all.begin() + offset, all.begin() + offset + n))) co_return false;
    offset += n;
  }
  co_return true;
}

rt::task<bool> initiator::take_one() {
  pdu p = co_await receive();
  if (p.gone) co_return false;
  switch (p.op()) {
    case opcode::r2t: {
      const auto r = p.as<r2t_pdu>();
      EXPECT_LE(r.desired_length, agreed.max_burst);
      if (!pending_.contains(r.task_tag)) break;
      EXPECT_LE(r.buffer_offset + r.desired_length, pending_[r.task_tag].out.size());
      co_await send_data(r.task_tag, r.transfer_tag, r.buffer_offset, r.desired_length);
      break;
    }
    case opcode::data_in: {
      const auto d = p.as<data_in_pdu>();
      EXPECT_TRUE(pending_.contains(d.task_tag));
      outcome& o = pending_[d.task_tag].result;
      EXPECT_EQ(d.buffer_offset, o.data.size());
      o.data.insert(o.data.end(), p.data.begin(), p.data.end());
      if ((d.flags & data_in_pdu::status_bit) != 0) {
        o.status = d.status;
        o.residual_flags = d.flags & 6;
        o.residual = d.residual;
        pending_[d.task_tag].done = true;
      }
      break;
    }
    case opcode::scsi_response: {
      const auto r = p.as<scsi_response_pdu>();
      EXPECT_TRUE(pending_.contains(r.task_tag)) << "answer to a command that was aborted or never sent";
      outcome& o = pending_[r.task_tag].result;
      o.status = r.status;
      o.residual_flags = r.flags & 6;
      o.residual = r.residual;
      if (p.data.size() > 2) o.sense.assign(p.data.begin() + 2, p.data.end());
      pending_[r.task_tag].done = true;
      break;
    }
    case opcode::task_management_response: {
      const auto r = p.as<task_management_response_pdu>();
      managed_[r.task_tag] = r.response;
      break;
    }
    case opcode::nop_in: {
      const auto n = p.as<nop_in>();
      if (n.transfer_tag == no_tag) break;
      nop_out answer;
      answer.opcode_byte = 0x40;
      answer.task_tag = no_tag;
      answer.transfer_tag = n.transfer_tag;
      answer.cmd_sn = cmd_sn;
      co_await send(generic(answer));
      break;
    }
    case opcode::async_message:
      break;
    default:
      ADD_FAILURE() << "unexpected PDU " << static_cast<int>(p.op());
      break;
  }
  co_return true;
}

rt::task<outcome> initiator::finish(std::uint32_t mine) {
  while (!pending_[mine].done)
    if (!co_await take_one()) break;
  outcome o = std::move(pending_[mine].result);
  pending_.erase(mine);
  co_return o;
}

rt::task<outcome> initiator::run(std::uint32_t lun, std::vector<int> cdb, bytes out, std::uint32_t in) {
  const std::uint32_t mine = co_await begin(lun, std::move(cdb), std::move(out), in);
  co_return co_await finish(mine);
}

namespace {
std::vector<int> cdb16(int code, int flags, std::uint64_t lba, std::uint32_t count) {
  std::vector<int> c(16);
  c[0] = code;
  c[1] = flags;
  for (int i = 0; i < 8; ++i) c[static_cast<std::size_t>(2 + i)] = static_cast<int>(lba >> (56 - 8 * i) & 0xff);
  for (int i = 0; i < 4; ++i) c[static_cast<std::size_t>(10 + i)] = static_cast<int>(count >> (24 - 8 * i) & 0xff);
  return c;
}
}  // namespace

rt::task<outcome> initiator::write(std::uint32_t lun, std::uint64_t lba, bytes data, bool fua) {
  const auto blocks = static_cast<std::uint32_t>(data.size() / 512);
  co_return co_await run(lun, cdb16(0x8a, fua ? 8 : 0, lba, blocks), std::move(data));
}

rt::task<outcome> initiator::read(std::uint32_t lun, std::uint64_t lba, std::uint32_t blocks, std::uint32_t block) {
  co_return co_await run(lun, cdb16(0x88, 0, lba, blocks), {}, blocks * block);
}

rt::task<void> initiator::clear_attentions(std::uint32_t lun) {
  for (int i = 0; i < 8; ++i) {
    std::vector<int> test_unit_ready(6);
    const outcome o = co_await run(lun, std::move(test_unit_ready));
    if (o.status != 2 || o.key() != 6) co_return;
  }
}

task_management_pdu initiator::management(task_function f, std::uint32_t lun, std::uint32_t referenced) {
  task_management_pdu t;
  t.opcode_byte = 0x42;
  t.flags = static_cast<std::uint8_t>(0x80 | static_cast<int>(f));
  t.lun = lun_address(lun);
  t.task_tag = tag++;
  t.referenced_tag = referenced;
  t.cmd_sn = cmd_sn;
  t.exp_stat_sn = exp_stat_sn;
  return t;
}

rt::task<int> initiator::manage(task_function f, std::uint32_t lun, std::uint32_t referenced) {
  const auto request = management(f, lun, referenced);
  const std::uint32_t mine = request.task_tag;
  co_await send(generic(request));
  while (!managed_.contains(mine))
    if (!co_await take_one()) co_return -1;
  co_return managed_[mine];
}

}  // namespace vds::iscsi::testing
