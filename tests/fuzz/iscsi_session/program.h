// program.h: an input of the fuzzer is a program of an initiator: what is agreed on at login, then steps. A step is
// eight bytes, so that one can be changed, repeated or left out without moving the meaning of the others; text, raw
// bytes and CDBs follow their step.
//
//   what a b c | how at value more      the step, and what goes wrong with the PDU that it sends
//
// The same types are written by make_seeds.cc and read by iscsi_session_fuzz.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace vds::iscsi::fuzz {

enum class action : std::uint8_t {
  write,    // at block a; b: blocks, and which command; c: LUN, how its data goes, attribute (see write_how)
  read,     // the same
  data,     // Data-Out for what is owed, number a; b: size of a PDU in blocks; c: data_how
  manage,   // task function a; of the command b before the last; c: LUN
  ping,     // NOP-Out with a bytes; b&1: immediate; b&2: an answer to the target's
  text,     // the a bytes that follow; c: text_how
  logout,   // for reason a
  cdb,      // the 16 bytes that follow; a: data-out bytes sent; b: Expected Data Transfer Length / 16; c: cdb_how
  raw,      // the a bytes that follow, as they are
  other,    // a PDU with opcode a, flags b, c bytes of data
  resync,   // asks for ExpCmdSN and goes on from there
  device,   // a: device_how
  time,     // a quarter of a second, a times
  reading,  // a&1: takes what the target says, or does not
  connect,  // as peer a: login (login_how in b), which may reinstate
  turn_to,  // peer a goes on
  close,    // peer a's connection
  admin,    // a: admin_how
  cork,     // a&1: PDUs are gathered, and sent together by the first step that uncorks
  actions
};

enum write_how : std::uint8_t {
  lun_bits = 0x03,        // an index into luns
  data_bits = 0x0c,       // immediate as far as it goes; half, then unsolicited; unsolicited only; all solicited
  attribute_bits = 0x60,  // untagged, simple, ordered, head of queue
  immediate_command = 0x10,
  data_later = 0x80,  // unsolicited Data-Out is left to steps of its own
};
enum data_how : std::uint8_t { never_final = 1, keep = 2, one_piece = 4 };
enum text_how : std::uint8_t { text_final = 1, text_continue = 2, text_immediate = 4, text_goes_on = 8 };
enum cdb_how : std::uint8_t { cdb_lun = 0x03, cdb_reads = 4, cdb_writes = 8, cdb_immediate = 0x10 };
enum device_how : std::uint8_t { stall_writes, stall_reads, stall_all, let_go, fail_writes, fail_nothing, devices };
enum login_how : std::uint8_t { own_isid = 1, other_name = 2, wrong_secret = 4, discovery = 8, no_login = 16 };
// retire: the target goes, so that everybody is asked to log out, and comes back when the last has gone.
enum admin_how : std::uint8_t { mask, unmask, unpublish, publish, grow, retire, admins };

inline constexpr std::array<std::uint16_t, 4> luns = {0, 1, 9, 300};  // 9 is somebody else's, 300 does not exist

enum class wrong : std::uint8_t {
  nothing,
  set_byte,      // header byte `at` is `value`
  flip,          // header byte `at` xor `value`
  length_lie,    // DataSegmentLength says at*256+value, the data stays
  length,        // the data has at*256+value bytes
  cut,           // only the first at*256+value bytes of the PDU are sent
  dropped,       // not sent at all
  repeated,      // sent twice
  swapped,       // sent after the next PDU
  ahs,           // `at` words of AHS: type `value`, length `more`
  command_sn,    // CmdSN off by `value`, signed
  task_tag,      // that of the command `at` before
  transfer_tag,  // off by `value`
  offset,        // Buffer Offset off by value*256, DataSN by `at`
  damaged,       // byte at*256+value of what is sent, after the digests were made
  wrongs
};

struct step {
  action what = action::resync;
  std::uint8_t a = 0, b = 0, c = 0;
  wrong how = wrong::nothing;
  std::uint8_t at = 0, value = 0, more = 0;
  std::span<const std::uint8_t> rest{};  // what follows

  std::size_t follows() const { return what == action::text || what == action::raw ? a : what == action::cdb ? 16 : 0; }
};

// What is agreed on before; three bytes.
struct agreement {
  bool chap = false, header_digest = false, data_digest = false, initial_r2t = false, immediate_data = true;
  std::uint8_t sizes = 0;  // two bits each: FirstBurstLength, MaxBurstLength, MaxRecvDataSegmentLength (ours)
  std::uint8_t order = 0;  // of what is ready at the same time: a seed, 0 first come first served

  std::uint32_t first_burst() const { return std::array{65536u, 512u, 2048u, 8192u}[sizes & 3]; }
  std::uint32_t max_burst() const { return std::array{262144u, 512u, 4096u, 16384u}[sizes >> 2 & 3]; }
  std::uint32_t max_recv() const { return std::array{65536u, 512u, 1024u, 8192u}[sizes >> 4 & 3]; }
};

class program_reader {
 public:
  explicit program_reader(std::span<const std::uint8_t> input) : left_(input) {}

  agreement terms() {
    const std::uint8_t f = byte();
    return {.chap = (f & 1) != 0,
            .header_digest = (f & 2) != 0,
            .data_digest = (f & 4) != 0,
            .initial_r2t = (f & 8) != 0,
            .immediate_data = (f & 16) == 0,
            .sizes = byte(),
            .order = byte()};
  }
  bool next(step& s) {
    if (left_.size() < 8) return false;
    s.what = static_cast<action>(byte() % static_cast<unsigned>(action::actions));
    s.a = byte(), s.b = byte(), s.c = byte();
    s.how = static_cast<wrong>(byte() % static_cast<unsigned>(wrong::wrongs));
    s.at = byte(), s.value = byte(), s.more = byte();
    s.rest = left_.first(std::min(s.follows(), left_.size()));
    left_ = left_.subspan(s.rest.size());
    return true;
  }

 private:
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t b = left_[0];
    left_ = left_.subspan(1);
    return b;
  }
  std::span<const std::uint8_t> left_;
};

// For seeds: the same bytes, written.
class program_writer {
 public:
  explicit program_writer(const agreement& t) {
    bytes_ = {static_cast<std::uint8_t>(t.chap | t.header_digest << 1 | t.data_digest << 2 | t.initial_r2t << 3 |
                                        !t.immediate_data << 4),
              t.sizes, t.order};
  }
  // `rest`: what follows the step; for text and raw bytes its length is a.
  program_writer& add(step s, std::string_view rest = {}) {
    if (s.what == action::text || s.what == action::raw) s.a = static_cast<std::uint8_t>(rest.size());
    for (const auto b :
         {static_cast<std::uint8_t>(s.what), s.a, s.b, s.c, static_cast<std::uint8_t>(s.how), s.at, s.value, s.more})
      bytes_.push_back(b);
    bytes_.insert(bytes_.end(), rest.begin(), rest.end());
    return *this;
  }
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace vds::iscsi::fuzz
