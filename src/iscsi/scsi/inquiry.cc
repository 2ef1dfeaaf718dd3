// INQUIRY: the standard data and the vital product data pages, one row each.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

void put_text(std::byte* at, std::size_t size, std::string_view text) {
  std::memset(at, ' ', size);
  std::memcpy(at, text.data(), std::min(size, text.size()));
}

void append(std::vector<std::byte>& to, std::string_view text) {
  for (char ch : text) to.push_back(static_cast<std::byte>(ch));
}

std::vector<std::byte> page_supported(const lun&, const nexus&);

std::vector<std::byte> page_serial(const lun& l, const nexus&) {
  std::vector<std::byte> body;
  append(body, l.identity().serial);
  return body;
}

void put_designator(std::vector<std::byte>& body, int code_set, int association, int type,
                    std::span<const std::byte> value) {
  const bool port_or_device = association != 0;
  body.push_back(static_cast<std::byte>((port_or_device ? 0x50 : 0) | code_set));  // protocol identifier 5: iSCSI
  body.push_back(static_cast<std::byte>((port_or_device ? 0x80 : 0) | association << 4 | type));
  body.push_back(std::byte{0});
  body.push_back(static_cast<std::byte>(value.size()));
  body.insert(body.end(), value.begin(), value.end());
}

void put_name_designator(std::vector<std::byte>& body, int association, std::string name) {
  name.resize((name.size() + 4) & ~std::size_t{3});  // ends with a NUL, in fours (SPC-4 7.8.6.11)
  put_designator(body, 3, association, 8, std::as_bytes(std::span(name)));
}

// A LUN may be shown by several targets: each initiator hears of the one that it came to.
const std::string& target_of(const lun& l, const nexus& from) {
  return from.target.empty() ? l.identity().target_name : from.target;
}
std::string port_name(const lun& l, const nexus& from, std::uint16_t tag) {
  return fmt::format("{},t,0x{:04x}", target_of(l, from), tag);
}

std::vector<std::byte> page_identification(const lun& l, const nexus& from) {
  std::vector<std::byte> body;
  put_designator(body, 1, 0, 3, std::as_bytes(std::span(l.identity().naa)));
  std::vector<std::byte> vendor(8);
  put_text(vendor.data(), 8, l.identity().vendor);
  append(vendor, l.identity().serial);
  put_designator(body, 2, 0, 1, vendor);
  // The port that the question came through: its relative identifier, its group (the same number), its name.
  std::array<std::byte, 4> port{};
  store(&port[2], be16(from.portal_group));
  put_designator(body, 1, 1, 4, port);
  put_designator(body, 1, 1, 5, port);
  put_name_designator(body, 1, port_name(l, from, from.portal_group));
  put_name_designator(body, 2, target_of(l, from));
  return body;
}

// There is no address to manage the target at that an initiator should know.
std::vector<std::byte> page_management(const lun&, const nexus&) { return {}; }

std::vector<std::byte> page_mode_policy(const lun&, const nexus&) {
  return {std::byte{0x3f}, std::byte{0xff}, std::byte{0x00}, std::byte{0}};  // all pages: shared by all nexuses
}

std::vector<std::byte> page_ports(const lun& l, const nexus& from) {
  std::vector<std::byte> body;
  for (const std::uint16_t tag : l.port_tags()) {
    std::vector<std::byte> names;
    put_name_designator(names, 1, port_name(l, from, tag));
    const std::size_t at = body.size();
    body.resize(at + 12);  // no initiator port TransportIDs
    store(&body[at + 2], be16(tag));
    store(&body[at + 10], be16(static_cast<std::uint16_t>(names.size())));
    body.insert(body.end(), names.begin(), names.end());
  }
  return body;
}

std::vector<std::byte> page_extended(const lun& l, const nexus&) {
  std::vector<std::byte> body(60);
  body[1] = std::byte{0x07};                              // HEADSUP, ORDSUP, SIMPSUP
  if (l.has_volatile_cache()) body[2] = std::byte{0x01};  // V_SUP
  return body;
}

std::vector<std::byte> page_block_limits(const lun& l, const nexus&) {
  std::vector<std::byte> page(64);  // places as in SBC-3, header included
  const std::uint32_t granularity = std::max(l.physical_block().bytes, l.block().bytes) / l.block().bytes;
  page[4] = std::byte{1};  // WSNZ
  page[5] = static_cast<std::byte>(lun::max_compare_blocks);
  store(&page[6], be16(static_cast<std::uint16_t>(granularity)));
  store(&page[8], be32(static_cast<std::uint32_t>(l.transfer_limit().n)));
  store(&page[12],
        be32(static_cast<std::uint32_t>(std::min<std::uint64_t>(l.transfer_limit().n, (1u << 20) / l.block().bytes))));
  if (l.can_unmap()) {
    store(&page[20], be32(static_cast<std::uint32_t>(lun::max_unmap_blocks)));
    store(&page[24], be32(static_cast<std::uint32_t>(lun::max_unmap_descriptors)));
    store(&page[28], be32(granularity));
  }
  store(&page[36], be64(lun::max_same_blocks));
  if (l.atomic_blocks().n != 0) {
    store(&page[44], be32(static_cast<std::uint32_t>(l.atomic_blocks().n)));
    store(&page[48], be32(1));  // alignment
    store(&page[52], be32(1));  // granularity
  }
  return {page.begin() + 4, page.end()};
}

std::vector<std::byte> page_characteristics(const lun&, const nexus&) {
  std::vector<std::byte> body(60);
  store(&body[0], be16(1));  // non-rotating
  body[3] = std::byte{0};    // WABEREQ, WACEREQ: no such erasing
  return body;
}

std::vector<std::byte> page_provisioning(const lun& l, const nexus&) {
  std::vector<std::byte> body(4);
  if (l.can_unmap()) {
    body[1] = std::byte{0xe4};  // LBPU, LBPWS, LBPWS10, LBPRZ
    body[2] = std::byte{0x02};  // thin
  }
  return body;
}

struct page_row {
  std::uint8_t code;
  std::vector<std::byte> (*body)(const lun&, const nexus&);
};
constexpr auto pages = std::to_array<page_row>({
    {0x00, page_supported},
    {0x80, page_serial},
    {0x83, page_identification},
    {0x85, page_management},
    {0x86, page_extended},
    {0x87, page_mode_policy},
    {0x88, page_ports},
    {0x8f, page_third_party_copy},
    {0xb0, page_block_limits},
    {0xb1, page_characteristics},
    {0xb2, page_provisioning},
});

std::vector<std::byte> page_supported(const lun&, const nexus&) {
  std::vector<std::byte> body;
  for (const page_row& row : pages) body.push_back(static_cast<std::byte>(row.code));
  return body;
}

}  // namespace

std::vector<std::byte> standard_inquiry(const lun* l) {
  std::vector<std::byte> data(96);
  data[0] = l != nullptr ? std::byte{0x00} : std::byte{0x7f};
  data[2] = std::byte{0x06};  // SPC-4
  data[3] = std::byte{0x12};  // HISUP, response data format 2
  data[4] = static_cast<std::byte>(data.size() - 5);
  if (l != nullptr) data[5] = std::byte{0x38};  // TPGS: explicit and implicit; 3PC
  data[7] = std::byte{0x02};                    // CMDQUE
  put_text(&data[8], 8, l != nullptr ? l->identity().vendor : "VDS");
  put_text(&data[16], 16, l != nullptr ? l->identity().product : "");
  put_text(&data[32], 4, l != nullptr ? l->identity().revision : "");
  const std::uint16_t standards[] = {0x00a0, 0x0960, 0x0460, 0x04c0};  // SAM-5, iSCSI, SPC-4, SBC-3
  for (std::size_t i = 0; i < std::size(standards); ++i) store(&data[58 + 2 * i], be16(standards[i]));
  return data;
}

rt::task<void> do_inquiry(lun& l, command& c) {
  const std::uint16_t allocation = c.get<be16>(3);
  if (!c.bit(1, 0)) {
    if (c.byte(2) != 0)
      c.fail(bad_cdb_field(2));
    else
      c.answer(standard_inquiry(&l), allocation);
    co_return;
  }
  const auto row = std::find_if(pages.begin(), pages.end(), [&c](const page_row& r) { return r.code == c.byte(2); });
  if (row == pages.end()) {
    c.fail(bad_cdb_field(2));
    co_return;
  }
  const std::vector<std::byte> body = row->body(l, *c.from);
  std::vector<std::byte> data(4);
  data[1] = static_cast<std::byte>(row->code);
  store(&data[2], be16(static_cast<std::uint16_t>(body.size())));
  data.insert(data.end(), body.begin(), body.end());
  c.answer(std::move(data), allocation);
}

}  // namespace vds::iscsi
