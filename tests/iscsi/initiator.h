// initiator.h: an iSCSI initiator for tests: PDUs as bytes, over any io::stream. It follows the protocol only as far as
// it is told to: every field of every PDU can be wrong on purpose. What it receives is checked as strictly as it can
// be.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "io/stream.h"
#include "iscsi/pdu/bhs.h"

namespace vds::iscsi::testing {

using bytes = std::vector<std::byte>;

struct pdu {
  bhs header{};
  bytes data;
  bool gone = false;  // the target closed the connection instead
  template <class P>
  P as() const {
    return iscsi::as<P>(header);
  }
  opcode op() const { return header.op(); }
};

// What became of a SCSI command.
struct outcome {
  int status = -1;  // -1: no answer, the connection ended
  bytes data, sense;
  std::uint8_t residual_flags = 0;
  std::uint32_t residual = 0;
  int key() const { return sense.size() < 3 ? -1 : std::to_integer<int>(sense[2]) & 0xf; }
  int code() const {  // ASC and ASCQ
    return sense.size() < 14 ? -1 : std::to_integer<int>(sense[12]) << 8 | std::to_integer<int>(sense[13]);
  }
};

struct login_options {
  std::string initiator = "iqn.2026-01.test:initiator", target;  // no target: discovery
  isid_field isid{0x80, 1, 2, 3, 4, 5};
  bool header_digest = false, data_digest = false;
  bool initial_r2t = false, immediate_data = true;
  std::uint32_t first_burst = 65536, max_burst = 262144, max_recv = 65536;
};

class initiator {
 public:
  explicit initiator(std::unique_ptr<io::stream> s) : stream(std::move(s)) {}

  rt::task<bool> send(bhs header, bytes data = {});  // lengths, padding and digests are filled in
  rt::task<bool> send_raw(bytes all);                // or not
  rt::task<pdu> receive();                           // checks StatSN and the digests
  rt::task<pdu> receive(opcode expected);            // skipping R2T, NOP-In pings are answered; others fail the test

  // Login. request() fills in what a sensible login request has; text has its NULs.
  login_request_pdu login_request(std::uint8_t current, std::uint8_t next, bool transit = true) const;
  rt::task<pdu> login_step(login_request_pdu request, std::string text);
  rt::task<std::uint16_t> login(login_options options);  // the status; 0 is success, 0xffff closed

  // Commands. begin() sends the request (with what may go unasked); finish() feeds R2Ts until the answer is there.
  scsi_command_pdu command(std::uint32_t lun, std::vector<int> cdb, std::uint32_t out, std::uint32_t in);
  rt::task<std::uint32_t> begin(std::uint32_t lun, std::vector<int> cdb, bytes out = {}, std::uint32_t in = 0);
  rt::task<outcome> finish(std::uint32_t tag);
  rt::task<outcome> run(std::uint32_t lun, std::vector<int> cdb, bytes out = {}, std::uint32_t in = 0);
  rt::task<outcome> write(std::uint32_t lun, std::uint64_t lba, bytes data, bool fua = false);
  rt::task<outcome> read(std::uint32_t lun, std::uint64_t lba, std::uint32_t blocks, std::uint32_t block = 512);
  rt::task<void> clear_attentions(std::uint32_t lun);  // TEST UNIT READY until GOOD

  task_management_pdu management(task_function f, std::uint32_t lun, std::uint32_t referenced = no_tag);
  rt::task<int> manage(task_function f, std::uint32_t lun, std::uint32_t referenced = no_tag);  // the response

  std::unique_ptr<io::stream> stream;
  login_options agreed;
  std::uint32_t cmd_sn = 1, tag = 1, max_cmd_sn = 0;
  std::uint32_t exp_stat_sn = 0;
  bool digests_on = false;
  bool closed = false;

 private:
  struct pending {
    bytes out;
    std::uint32_t sent = 0;
    outcome result;
    bool done = false;
  };
  rt::task<bool> take_one();  // one PDU from the target, to whom it belongs
  rt::task<bool> send_data(std::uint32_t tag, std::uint32_t transfer_tag, std::uint32_t offset, std::uint32_t length);
  std::map<std::uint32_t, pending> pending_;
  std::map<std::uint32_t, int> managed_;
  std::uint64_t buffered_ = 0;
  bool numbers_known_ = false;
};

inline lun_field lun_address(std::uint32_t number) {
  lun_field f{};
  if (number > 0x3fff) {  // extended flat space addressing
    f = {0xd2, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
         static_cast<std::uint8_t>(number)};
    return f;
  }
  f[0] = static_cast<std::uint8_t>(number < 256 ? 0 : 0x40 | number >> 8);
  f[1] = static_cast<std::uint8_t>(number);
  return f;
}

// "a=b", "c=d" -> with their NULs.
std::string text(std::initializer_list<std::string> pairs);
std::string value_of(const pdu& p, std::string_view key);  // "" if it is not there
bytes pattern(std::size_t size, int seed);

}  // namespace vds::iscsi::testing
