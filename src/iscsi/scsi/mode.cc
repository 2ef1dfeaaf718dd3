// MODE SENSE and MODE SELECT: the caching, control and informational exceptions pages. What is changed without being
// saved lasts until the LUN is reset.
#include <algorithm>
#include <array>
#include <cstring>

#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

enum page_control { current = 0, changeable = 1, defaults = 2, saved = 3 };

// Bodies are whole pages, header included.
std::vector<std::byte> recovery_page(const mode_parameters&, bool, const lun&) {
  std::vector<std::byte> page(12);
  page[0] = std::byte{0x01};
  page[1] = std::byte{10};
  return page;
}

std::vector<std::byte> caching_page(const mode_parameters& m, bool mask, const lun& l) {
  std::vector<std::byte> page(20);
  page[0] = std::byte{0x08};
  page[1] = std::byte{18};
  // WCE can be turned off, and on again where there is a cache to turn on.
  if (mask ? l.has_volatile_cache() : m.write_cache) page[2] |= std::byte{0x04};
  return page;
}

std::vector<std::byte> control_page(const mode_parameters& m, bool mask, const lun&) {
  std::vector<std::byte> page(12);
  page[0] = std::byte{0x0a};
  page[1] = std::byte{10};
  if (mask || m.descriptor_sense) page[2] |= std::byte{0x04};        // D_SENSE
  if (!mask) page[3] |= std::byte{0x10};                             // QUEUE ALGORITHM MODIFIER: unrestricted
  if (mask || m.software_write_protect) page[4] |= std::byte{0x08};  // SWP
  if (!mask) store(&page[8], be16(0xffff));                          // BUSY TIMEOUT PERIOD: unlimited
  return page;
}

std::vector<std::byte> exceptions_page(const mode_parameters&, bool mask, const lun&) {
  std::vector<std::byte> page(12);
  page[0] = std::byte{0x1c};
  page[1] = std::byte{10};
  if (!mask) page[2] = std::byte{0x08};  // DEXCPT: nothing is reported this way
  return page;
}

struct page_row {
  std::uint8_t code;
  std::vector<std::byte> (*make)(const mode_parameters&, bool mask, const lun&);
};
constexpr auto pages = std::to_array<page_row>(
    {{0x01, recovery_page}, {0x08, caching_page}, {0x0a, control_page}, {0x1c, exceptions_page}});

void take(mode_parameters& m, std::uint8_t code, const std::byte* page) {
  if (code == 0x08) m.write_cache = (page[2] & std::byte{0x04}) != std::byte{0};
  if (code == 0x0a) {
    m.descriptor_sense = (page[2] & std::byte{0x04}) != std::byte{0};
    m.software_write_protect = (page[4] & std::byte{0x08}) != std::byte{0};
  }
}

std::vector<std::byte> block_descriptor(const lun& l, bool is_long) {
  std::vector<std::byte> d(is_long ? 16 : 8);
  if (is_long) {
    store(&d[0], be64(l.blocks().n));
    store(&d[12], be32(l.block().bytes));
  } else {
    store(&d[0], be32(static_cast<std::uint32_t>(std::min<std::uint64_t>(l.blocks().n, 0xffffffff))));
    store(&d[4], be32(l.block().bytes & 0xffffff));
  }
  return d;
}

}  // namespace

rt::task<void> do_mode_sense(lun& l, command& c) {
  const bool ten = c.op->cdb_length == 10;
  const bool no_descriptors = c.bit(1, 3), long_lba = ten && c.bit(1, 4);
  const auto control = static_cast<page_control>(c.byte(2) >> 6);
  const std::uint8_t code = c.byte(2) & 0x3f, sub = c.byte(3);
  if (control == saved && !l.can_save()) {
    c.fail(illegal(senses::saving_not_supported));
    co_return;
  }
  if (sub != 0 && !(sub == 0xff && code == 0x3f)) {
    c.fail(bad_cdb_field(3));
    co_return;
  }
  const mode_parameters shown = control == defaults ? l.default_mode() : control == saved ? l.saved_mode() : l.mode();
  std::vector<std::byte> body;
  if (!no_descriptors) body = block_descriptor(l, long_lba);
  const std::size_t descriptors = body.size();
  bool found = code == 0x3f;
  for (const page_row& row : pages) {
    if (code != 0x3f && code != row.code) continue;
    found = true;
    auto page = row.make(shown, control == changeable, l);
    if (l.can_save()) page[0] |= std::byte{0x80};  // PS
    body.insert(body.end(), page.begin(), page.end());
  }
  if (!found) {
    c.fail(bad_cdb_field(2));
    co_return;
  }
  std::vector<std::byte> data(ten ? 8 : 4);
  std::byte device_specific{0x10};  // DPOFUA
  if (l.mode().software_write_protect) device_specific |= std::byte{0x80};
  if (ten) {
    store(&data[0], be16(static_cast<std::uint16_t>(body.size() + 6)));
    data[3] = device_specific;
    if (long_lba && !no_descriptors) data[4] = std::byte{1};
    store(&data[6], be16(static_cast<std::uint16_t>(descriptors)));
  } else {
    data[0] = static_cast<std::byte>(body.size() + 3);
    data[2] = device_specific;
    data[3] = static_cast<std::byte>(descriptors);
  }
  data.insert(data.end(), body.begin(), body.end());
  c.answer(std::move(data), ten ? static_cast<std::uint32_t>(c.get<be16>(7)) : c.byte(4));
}

rt::task<void> do_mode_select(lun& l, command& c) {
  const bool ten = c.op->cdb_length == 10;
  const std::vector<std::byte> list = gathered(c);
  const bool save = c.bit(1, 0);
  if (save && !l.can_save()) {
    c.fail(bad_cdb_field(1, 0));
    co_return;
  }
  if (list.empty()) co_return;
  const std::size_t header = ten ? 8 : 4;
  if (!c.bit(1, 4)) {  // PF
    c.fail(bad_cdb_field(1, 4));
    co_return;
  }
  if (list.size() < header) {
    c.fail(illegal(senses::parameter_list_length));
    co_return;
  }
  const std::size_t descriptors =
      ten ? static_cast<std::size_t>(load<be16>(&list[6])) : std::to_integer<std::size_t>(list[3]);
  std::size_t at = header + descriptors;
  if (at > list.size()) {
    c.fail(illegal(senses::parameter_list_length));
    co_return;
  }
  if (descriptors != 0) {
    // The block length and number of blocks are what they are; saying them again is fine.
    const bool is_long = ten && (list[4] & std::byte{1}) != std::byte{0};
    const auto mine = block_descriptor(l, is_long);
    const std::uint32_t length = descriptors != mine.size() ? 0
                                 : is_long                  ? static_cast<std::uint32_t>(load<be32>(&list[header + 12]))
                                                            : (load<be32>(&list[header + 4]) & 0xffffff);
    if (length != l.block().bytes) {
      c.fail(bad_list_field(static_cast<std::uint16_t>(header)));
      co_return;
    }
  }
  auto turn = co_await l.settings_turn();
  if (c.aborted()) co_return;
  mode_parameters wanted = l.mode();
  while (at < list.size()) {
    const std::uint8_t code = std::to_integer<std::uint8_t>(list[at]) & 0x3f;
    const auto row = std::find_if(pages.begin(), pages.end(), [code](const page_row& r) { return r.code == code; });
    if (row == pages.end() || (list[at] & std::byte{0x40}) != std::byte{0}) {
      c.fail(bad_list_field(static_cast<std::uint16_t>(at)));
      co_return;
    }
    if (at + 2 > list.size()) {
      c.fail(illegal(senses::parameter_list_length));
      co_return;
    }
    const auto now = row->make(l.mode(), false, l), mask = row->make(l.mode(), true, l);
    if (list[at + 1] != now[1]) {
      c.fail(bad_list_field(static_cast<std::uint16_t>(at + 1)));
      co_return;
    }
    if (at + now.size() > list.size()) {
      c.fail(illegal(senses::parameter_list_length));
      co_return;
    }
    for (std::size_t i = 2; i < now.size(); ++i)
      if (((list[at + i] ^ now[i]) & ~mask[i]) != std::byte{0}) {  // a change of what cannot be changed
        c.fail(bad_list_field(static_cast<std::uint16_t>(at + i)));
        co_return;
      }
    take(wanted, code, &list[at]);
    at += now.size();
  }
  const bool changes = wanted != l.mode();
  if (!changes && !(save && wanted != l.saved_mode())) co_return;
  if (l.mode().write_cache && !wanted.write_cache) {
    // From now on GOOD means durable, for what was answered before as well.
    auto flushed = co_await l.device().flush();
    if (!flushed) {
      c.fail(sense_from(flushed.error(), true));
      co_return;
    }
  }
  if (save) {
    lun_settings next = l.settings();
    next.mode = wanted;
    auto kept = co_await l.change_settings(std::move(next));
    if (!kept) {
      c.fail(sense_from(kept.error(), true));
      co_return;
    }
  }
  if (!changes) co_return;
  l.set_mode(wanted);
  l.attention_others(*c.from, senses::mode_parameters_changed);
}

}  // namespace vds::iscsi
