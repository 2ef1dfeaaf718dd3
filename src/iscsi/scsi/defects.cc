// READ DEFECT DATA: a LUN of an array has no defect lists of its own; its drives' are theirs. Both lists are empty.
#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

std::byte lists_asked_for(std::uint8_t field) { return static_cast<std::byte>(field & 0x1f); }  // PLIST, GLIST, format

}  // namespace

rt::task<void> do_read_defects10(lun&, command& c) {
  std::vector<std::byte> data(4);
  data[1] = lists_asked_for(c.byte(2));
  c.answer(std::move(data), c.get<be16>(7));
  co_return;
}

rt::task<void> do_read_defects12(lun&, command& c) {
  std::vector<std::byte> data(8);
  data[1] = lists_asked_for(c.byte(1));
  c.answer(std::move(data), c.get<be32>(6));
  co_return;
}

}  // namespace vds::iscsi
