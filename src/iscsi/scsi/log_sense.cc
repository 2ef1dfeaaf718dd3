// LOG SENSE: what the LUN counts. Nothing in it tells of other LUNs or initiators.
#include <algorithm>
#include <array>

#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

void put_parameter(std::vector<std::byte>& page, std::uint16_t code, std::vector<std::byte> value) {
  const std::size_t at = page.size();
  page.resize(at + 4);
  store(&page[at], be16(code));
  page[at + 2] = std::byte{0x03};  // a binary list that is not saved
  page[at + 3] = static_cast<std::byte>(value.size());
  page.insert(page.end(), value.begin(), value.end());
}

std::vector<std::byte> supported(const lun&);
std::vector<std::byte> supported_subpages(const lun&);

// SPC-4 7.3.8. Weights and times are not measured.
std::vector<std::byte> general_statistics(const lun& l) {
  const lun_statistics& s = l.statistics();
  std::vector<std::byte> value(64);
  store(&value[0], be64(s.reads));
  store(&value[8], be64(s.writes));
  store(&value[16], be64(s.blocks_read));
  store(&value[24], be64(s.blocks_written));
  std::vector<std::byte> page;
  put_parameter(page, 1, std::move(value));
  return page;
}

std::vector<std::byte> exceptions(const lun&) {
  std::vector<std::byte> page;
  put_parameter(page, 0, std::vector<std::byte>(4));  // no exception; the temperature is nobody's
  return page;
}

struct page_row {
  std::uint8_t code, subpage;
  std::vector<std::byte> (*body)(const lun&);
};
constexpr auto pages = std::to_array<page_row>({
    {0x00, 0x00, supported},
    {0x00, 0xff, supported_subpages},
    {0x19, 0x00, general_statistics},
    {0x2f, 0x00, exceptions},
});

std::vector<std::byte> supported(const lun&) {
  std::vector<std::byte> body;
  for (const page_row& row : pages)
    if (row.subpage == 0) body.push_back(static_cast<std::byte>(row.code));
  return body;
}

std::vector<std::byte> supported_subpages(const lun&) {
  std::vector<std::byte> body;
  for (const page_row& row : pages) {
    body.push_back(static_cast<std::byte>(row.code));
    body.push_back(static_cast<std::byte>(row.subpage));
  }
  return body;
}

}  // namespace

rt::task<void> do_log_sense(lun& l, command& c) {
  const std::uint8_t code = c.byte(2) & 0x3f, sub = c.byte(3);
  if (c.bit(1, 0)) {  // SP: nothing is saved
    c.fail(bad_cdb_field(1, 0));
    co_return;
  }
  const auto row =
      std::find_if(pages.begin(), pages.end(), [&](const page_row& r) { return r.code == code && r.subpage == sub; });
  // PARAMETER POINTER: the whole page or nothing of it.
  if (row == pages.end() || c.get<be16>(5) > 1) {
    c.fail(bad_cdb_field(row == pages.end() ? 2 : 5));
    co_return;
  }
  const auto body = row->body(l);
  std::vector<std::byte> data(4);
  data[0] = static_cast<std::byte>(code | (sub != 0 ? 0x40 : 0));
  data[1] = static_cast<std::byte>(sub);
  store(&data[2], be16(static_cast<std::uint16_t>(body.size())));
  data.insert(data.end(), body.begin(), body.end());
  c.answer(std::move(data), c.get<be16>(7));
}

}  // namespace vds::iscsi
