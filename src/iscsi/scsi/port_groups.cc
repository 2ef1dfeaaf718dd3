// REPORT and SET TARGET PORT GROUPS. A group is one target port, which is one portal group.
#include <algorithm>

#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

constexpr std::byte supported_states{0x0f};  // unavailable, standby, active/non-optimised, active/optimised

}  // namespace

rt::task<void> do_report_port_groups(lun& l, command& c) {
  const int format = c.byte(1) >> 5;
  if (format > 1) {
    c.fail(bad_cdb_field(1, 7));
    co_return;
  }
  std::vector<std::byte> data(format == 1 ? 8 : 4);
  if (format == 1) data[4] = std::byte{0x10};  // extended header; implicit transition time not said
  for (const std::uint16_t tag : l.port_tags()) {
    const std::size_t at = data.size();
    data.resize(at + 12);
    data[at] = static_cast<std::byte>(l.ports_access().of(tag));
    data[at + 1] = supported_states;
    store(&data[at + 2], be16(tag));
    data[at + 5] = std::byte{l.ports_access().by_command() ? std::uint8_t{1} : std::uint8_t{0}};  // STATUS CODE
    data[at + 7] = std::byte{1};                                                                  // one port
    store(&data[at + 10], be16(tag));
  }
  store(&data[0], be32(static_cast<std::uint32_t>(data.size() - 4)));
  c.answer(std::move(data), c.get<be32>(6));
}

void plan_groups(const lun&, const command& c, plan& p) {
  p.out_bytes = c.get<be32>(6);
  if (p.out_bytes > 65536) {
    p.bad = true;
    p.why = bad_cdb_field(6);
  }
}

rt::task<void> do_set_port_groups(lun& l, command& c) {
  const std::vector<std::byte> list = gathered(c);
  if (list.empty()) co_return;
  if (list.size() < 4 || list.size() % 4 != 0) {
    c.fail(illegal(senses::parameter_list_length));
    co_return;
  }
  const auto tags = l.port_tags();
  // All of the list or nothing of it.
  for (std::size_t at = 4; at < list.size(); at += 4) {
    const int state = std::to_integer<int>(list[at]) & 0x0f;
    const std::uint16_t group = load<be16>(&list[at + 2]);
    if (state > 3) {
      c.fail(bad_list_field(static_cast<std::uint16_t>(at)));
      co_return;
    }
    if (std::find(tags.begin(), tags.end(), group) == tags.end()) {
      c.fail(bad_list_field(static_cast<std::uint16_t>(at + 2)));
      co_return;
    }
  }
  bool changed = false;
  for (std::size_t at = 4; at < list.size(); at += 4) {
    const auto state = static_cast<port_state>(std::to_integer<int>(list[at]) & 0x0f);
    const std::uint16_t group = load<be16>(&list[at + 2]);
    if (l.ports_access().set(group, state)) changed = true;
  }
  if (changed) l.attention_others(*c.from, senses::asymmetric_access_changed);
}

}  // namespace vds::iscsi
