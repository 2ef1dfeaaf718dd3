// PERSISTENT RESERVE IN and OUT: between CDBs, parameter lists and persistent_reservations.
#include <algorithm>

#include "iscsi/scsi/handlers.h"
#include "iscsi/scsi/transport_id.h"

namespace vds::iscsi {
namespace {

constexpr std::size_t out_list_size = 24;

void header(std::vector<std::byte>& data, const persistent_reservations& pr) {
  store(&data[0], be32(pr.generation()));
  store(&data[4], be32(static_cast<std::uint32_t>(data.size() - 8)));
}

std::vector<std::byte> keys(const persistent_reservations& pr) {
  std::vector<std::byte> data(8 + 8 * pr.registrants().size());
  for (std::size_t i = 0; i < pr.registrants().size(); ++i) store(&data[8 + 8 * i], be64(pr.registrants()[i].key));
  header(data, pr);
  return data;
}

std::vector<std::byte> reservation(const persistent_reservations& pr) {
  std::vector<std::byte> data(pr.type() ? 24 : 8);
  if (pr.type()) {
    store(&data[8], be64(pr.holder_key()));
    data[21] = static_cast<std::byte>(*pr.type());  // scope 0: the logical unit
  }
  header(data, pr);
  return data;
}

std::vector<std::byte> capabilities(const lun& l) {
  std::vector<std::byte> data(8);
  store(&data[0], be16(8));
  data[2] = std::byte{0x0c};                               // SIP_C, ATP_C
  if (l.can_save()) data[2] |= std::byte{0x01};            // PTPL_C
  data[3] = std::byte{0x80};                               // TMV: the type mask is valid
  if (l.persistent().aptpl()) data[3] |= std::byte{0x01};  // PTPL_A
  data[4] = std::byte{0xea};  // write and exclusive: all registrants, registrants only, plain
  data[5] = std::byte{0x01};  // exclusive access, all registrants
  return data;
}

std::vector<std::byte> full_status(const persistent_reservations& pr) {
  std::vector<std::byte> data(8);
  for (const auto& r : pr.registrants()) {
    const std::size_t at = data.size();
    const auto id = encode_transport_id(r.who.initiator);
    data.resize(at + 24);
    store(&data[at], be64(r.key));
    if (pr.holds(r.who)) {
      data[at + 12] = std::byte{1};  // R_HOLDER
      data[at + 13] = static_cast<std::byte>(*pr.type());
    }
    store(&data[at + 18], be16(r.who.target));
    store(&data[at + 20], be32(static_cast<std::uint32_t>(id.size())));
    data.insert(data.end(), id.begin(), id.end());
  }
  header(data, pr);
  return data;
}

enum action : std::uint8_t {
  act_register = 0,
  act_reserve = 1,
  act_release = 2,
  act_clear = 3,
  act_preempt = 4,
  act_preempt_and_abort = 5,
  act_register_and_ignore = 6,
  act_register_and_move = 7,
};

using port_pair = persistent_reservations::port_pair;
using outcome = persistent_reservations::outcome;

outcome refused(sense s) { return {.problem = s, .conflict = false, .notices = {}, .aborts = {}}; }

bool flag(const std::vector<std::byte>& list, std::size_t at, int bit) {
  return (list[at] >> bit & std::byte{1}) != std::byte{0};
}

// The initiator ports that the TransportIDs of SPEC_I_PT name, or what is wrong with them.
tl::expected<std::vector<std::string>, sense> named_ports(const lun& l, std::span<const std::byte> list) {
  constexpr std::uint16_t length_field = 24, first = 28;
  if (list.size() < first) return tl::unexpected(illegal(senses::parameter_list_length));
  const std::size_t length = load<be32>(&list[length_field]);
  if (length != list.size() - first) return tl::unexpected(illegal(senses::parameter_list_length));
  std::vector<std::string> names;
  for (std::size_t at = first; at < list.size();) {
    auto one = parse_transport_id(list.subspan(at));
    const sense wrong = bad_list_field(static_cast<std::uint16_t>(at));
    if (one.size == 0) return tl::unexpected(wrong);
    std::vector<std::string> ports;
    if (one.id.has_isid)
      ports.push_back(std::move(one.id.name));
    else
      ports = l.known_ports(one.id.name);
    if (ports.empty()) return tl::unexpected(wrong);
    for (std::string& p : ports) {
      if (std::find(names.begin(), names.end(), p) != names.end()) return tl::unexpected(wrong);
      names.push_back(std::move(p));
    }
    if (names.size() > persistent_reservations::max_registrants)
      return tl::unexpected(illegal(senses::insufficient_registrations));
    at += one.size;
  }
  return names;
}

outcome register_by_list(const lun& l, const command& c, const std::vector<std::byte>& list,
                         persistent_reservations& pr, std::uint64_t key, std::uint64_t new_key) {
  const bool ignore = (c.byte(1) & 0x1f) == act_register_and_ignore;
  const bool named = flag(list, 20, 3), all_ports = flag(list, 20, 2), aptpl = flag(list, 20, 0);
  const port_pair who = persistent_reservations::ports_of(*c.from);
  if (aptpl && !l.can_save()) return refused(bad_list_field(20, 0));
  if (named && (ignore || new_key == 0)) return refused(bad_list_field(20, 3));
  std::vector<std::string> names;
  if (named) {
    auto parsed = named_ports(l, list);
    if (!parsed) return refused(parsed.error());
    names = std::move(*parsed);
  }
  names.push_back(who.initiator);
  std::vector<port_pair> also;
  if (new_key != 0)
    for (const std::string& name : names) {
      const auto tags = all_ports ? l.port_tags() : std::vector<std::uint16_t>{who.target};
      for (const std::uint16_t tag : tags)
        if (port_pair other{name, tag}; other != who) also.push_back(std::move(other));
    }
  outcome done = pr.register_several(who, key, new_key, ignore, also);
  if (!done.problem && !done.conflict) pr.set_aptpl(aptpl);
  return done;
}

outcome move_by_list(const lun& l, const command& c, const std::vector<std::byte>& list, persistent_reservations& pr,
                     std::uint64_t key, std::uint64_t new_key) {
  const bool unregister = flag(list, 17, 1), aptpl = flag(list, 17, 0);
  if (aptpl && !l.can_save()) return refused(bad_list_field(17, 0));
  const std::uint16_t tag = load<be16>(&list[18]);
  if (load<be32>(&list[20]) != list.size() - 24) return refused(illegal(senses::parameter_list_length));
  const auto to = parse_transport_id(std::span(list).subspan(24));
  const auto tags = l.port_tags();
  if (std::find(tags.begin(), tags.end(), tag) == tags.end()) return refused(bad_list_field(18));
  if (to.size != list.size() - 24 || !to.id.has_isid) return refused(bad_list_field(24));
  outcome done = pr.move(persistent_reservations::ports_of(*c.from), key, {to.id.name, tag}, new_key, unregister);
  if (!done.problem && !done.conflict) pr.set_aptpl(aptpl);
  return done;
}

// On a copy.
outcome apply(const lun& l, const command& c, const std::vector<std::byte>& list, persistent_reservations& pr) {
  const auto what = static_cast<action>(c.byte(1) & 0x1f);
  const std::uint64_t key = load<be64>(&list[0]), action_key = load<be64>(&list[8]);
  const port_pair who = persistent_reservations::ports_of(*c.from);
  const auto type = reservation_type_from(c.byte(2) & 0x0f);
  const bool needs_type =
      what == act_reserve || what == act_release || what == act_preempt || what == act_preempt_and_abort;
  if (needs_type && (!type || (c.byte(2) & 0xf0) != 0)) return refused(bad_cdb_field(2, type ? 7 : 3));
  switch (what) {
    case act_reserve:
      return pr.reserve(who, key, *type);
    case act_release:
      return pr.release(who, key, *type);
    case act_clear:
      return pr.clear(who, key);
    case act_preempt:
    case act_preempt_and_abort:
      return pr.preempt(who, key, action_key, *type);
    case act_register_and_move:
      return move_by_list(l, c, list, pr, key, action_key);
    default:
      return register_by_list(l, c, list, pr, key, action_key);
  }
}

}  // namespace

rt::task<void> do_persistent_in(lun& l, command& c) {
  const auto& pr = l.persistent();
  const std::uint16_t allocation = c.get<be16>(7);
  switch (c.byte(1) & 0x1f) {
    case 0:
      c.answer(keys(pr), allocation);
      break;
    case 1:
      c.answer(reservation(pr), allocation);
      break;
    case 2:
      c.answer(capabilities(l), allocation);
      break;
    default:
      c.answer(full_status(pr), allocation);
      break;
  }
  co_return;
}

rt::task<void> do_persistent_out(lun& l, command& c) {
  const std::vector<std::byte> list = gathered(c);
  const int what = c.byte(1) & 0x1f;
  // SPEC_I_PT is for REGISTER alone, and only with it is the list longer (SPC-4 6.16.3).
  const bool registers = what == act_register || what == act_register_and_ignore;
  const bool longer = what == act_register_and_move || (registers && list.size() >= out_list_size && flag(list, 20, 3));
  if (list.size() < out_list_size || (!longer && list.size() != out_list_size)) {
    c.fail(illegal(senses::parameter_list_length));
    co_return;
  }
  // Others go on by the old state until the new one is durable.
  auto turn = co_await l.settings_turn();
  if (c.aborted()) co_return;
  lun_settings next = l.settings();
  const outcome done = apply(l, c, list, next.reservations);
  if (done.problem) {
    c.fail(*done.problem);
    co_return;
  }
  if (done.conflict) {
    c.fail(scsi_status::reservation_conflict);
    co_return;
  }
  if (next.reservations.aptpl() && encode(next).size() > max_settings_bytes) {
    c.fail(illegal(senses::insufficient_registrations));
    co_return;
  }
  auto kept = co_await l.change_settings(std::move(next));
  if (!kept) {
    c.fail(sense_from(kept.error(), true));
    co_return;
  }
  for (const auto& notice : done.notices) l.attention_ports(notice.who, notice.code);
  turn.release();
  if (what != act_preempt_and_abort) co_return;
  const port_pair who = persistent_reservations::ports_of(*c.from);
  for (const port_pair& victim : done.aborts)
    if (victim != who) co_await l.abort_ports(victim);
}

}  // namespace vds::iscsi
