// iscsi_cdb: one SCSI command from the command line, as an initiator of a given name. For tests; never part of the
// product.
//
//   iscsi_cdb URL INITIATOR-IQN CDB-HEX [--out HEX | --in BYTES]
//
// Unit attentions are taken first. Prints "STATUS KEY ASC DATA-HEX": numbers in hexadecimal, "-" for none. Always the
// same ISID, so that the initiator port is the same every time.
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "iscsi_cdb: %s\n", why.c_str());
  std::exit(2);
}

std::vector<unsigned char> from_hex(const std::string& text) {
  std::vector<unsigned char> out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<unsigned char>(std::strtoul(text.substr(i, 2).c_str(), nullptr, 16)));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) give_up("iscsi_cdb URL INITIATOR-IQN CDB-HEX [--out HEX | --in BYTES]");
  std::vector<unsigned char> cdb = from_hex(argv[3]), out;
  int in = 0;
  for (int i = 4; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--out") == 0) out = from_hex(argv[i + 1]);
    if (std::strcmp(argv[i], "--in") == 0) in = std::atoi(argv[i + 1]);
  }
  iscsi_context* iscsi = iscsi_create_context(argv[2]);
  if (iscsi == nullptr) give_up("no context");
  iscsi_url* url = iscsi_parse_full_url(iscsi, argv[1]);
  if (url == nullptr) give_up(iscsi_get_error(iscsi));
  iscsi_set_targetname(iscsi, url->target);
  iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
  iscsi_set_isid_random(iscsi, 0x123456, 7);
  // full_connect takes unit attentions by TEST UNIT READY; a reservation conflict must not end it here.
  if (iscsi_connect_sync(iscsi, url->portal) != 0 || iscsi_login_sync(iscsi) != 0) give_up(iscsi_get_error(iscsi));
  for (int i = 0; i < 10; ++i) {
    scsi_task* ready = iscsi_testunitready_sync(iscsi, url->lun);
    const bool again = ready != nullptr && ready->status == SCSI_STATUS_CHECK_CONDITION &&
                       ready->sense.key == SCSI_SENSE_UNIT_ATTENTION;
    scsi_free_scsi_task(ready);
    if (!again) break;
  }
  const int direction = !out.empty() ? SCSI_XFER_WRITE : in != 0 ? SCSI_XFER_READ : SCSI_XFER_NONE;
  scsi_task* task = scsi_create_task(static_cast<int>(cdb.size()), cdb.data(), direction,
                                     out.empty() ? in : static_cast<int>(out.size()));
  iscsi_data data{out.size(), out.data()};
  if (iscsi_scsi_command_sync(iscsi, url->lun, task, out.empty() ? nullptr : &data) == nullptr)
    give_up(iscsi_get_error(iscsi));
  std::printf("%x", task->status);
  if (task->status == SCSI_STATUS_CHECK_CONDITION)
    std::printf(" %x %x ", task->sense.key, task->sense.ascq);
  else
    std::printf(" - - ");
  if (task->datain.size == 0) std::printf("-");
  for (int i = 0; i < task->datain.size; ++i) std::printf("%02x", task->datain.data[i]);
  std::printf("\n");
  scsi_free_scsi_task(task);
  iscsi_logout_sync(iscsi);
  iscsi_destroy_url(url);
  iscsi_destroy_context(iscsi);
  return 0;
}
