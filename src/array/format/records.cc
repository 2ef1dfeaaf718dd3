#include "array/format/records.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace vds::array::format {
namespace {

enum kind : std::uint16_t {  // never reused, never renumbered
  kind_array = 1,
  kind_epoch = 2,
  kind_drive = 3,
  kind_drive_gone = 4,
  kind_dirty = 5,
  kind_wiped = 6,
  kind_lun = 7,
  kind_lun_gone = 8,
  kind_operation = 9,
  kind_forget = 10,
  kind_shutdown = 11,
  kind_setting = 12,
  kind_setting_gone = 13,
  kind_stripe_journal = 14,
  kind_lun_filling = 15,
  kind_unreadable = 16,
};
constexpr std::uint64_t whole = ~std::uint64_t{0};  // of what is filled
constexpr std::uint16_t flag_optional = 1;          // who does not know this kind may skip it

void put_runs(writer& w, const std::vector<run>& runs) {
  w.put(static_cast<std::uint32_t>(runs.size()));
  for (const run& r : runs) w.put(r.slot), w.put(r.start), w.put(r.count);
}
std::vector<run> get_runs(reader& in) {
  std::vector<run> runs(in.get_count(12));
  for (run& r : runs) {
    r.slot = in.get<std::uint32_t>();
    r.start = in.get<std::uint32_t>();
    r.count = in.get<std::uint32_t>();
    if (r.count == 0 || r.end() > UINT32_MAX) in.fail();
  }
  return runs;
}

kind put(writer& w, const array_record& r) {
  w.put(r.extent_bytes), w.put(r.next_slot);
  return kind_array;
}
kind put(writer& w, const epoch_record& r) {
  w.put(r.epoch), w.put(r.incarnation), w.put(static_cast<std::uint32_t>(r.ancestors.size()));
  for (const ancestor& a : r.ancestors) w.put(a.epoch), w.put(a.incarnation), w.put(a.last_sequence);
  return kind_epoch;
}
kind put(writer& w, const drive_record& r) {
  w.put(r.slot), w.put(r.id), w.put(r.bytes), w.put(r.extents), w.put(r.logical_block);
  w.put(static_cast<std::uint8_t>(r.member)), w.put(static_cast<std::uint8_t>(r.sparse)), w.put(r.why);
  return kind_drive;
}
kind put(writer& w, const drive_gone_record& r) {
  w.put(r.slot);
  return kind_drive_gone;
}
kind put(writer& w, const dirty_record& r) {
  w.put(r.slot), w.put(static_cast<std::uint8_t>(r.more)), put_runs(w, r.runs);
  return kind_dirty;
}
kind put(writer& w, const wiped_record& r) {
  put_runs(w, r.runs);
  return kind_wiped;
}
kind put(writer& w, const lun_record& r) {
  w.put(r.id), w.put(r.size), w.put(r.block), w.put(static_cast<std::uint16_t>(r.number)),
      w.put(static_cast<std::uint8_t>(r.type));
  w.put(static_cast<std::uint8_t>(r.offline)), w.put(r.name), w.put(static_cast<std::uint32_t>(r.unmask.size()));
  for (const auto& entry : r.unmask) w.put(entry);
  const lun_hints& h = r.hints;
  w.put(h.mask), w.put(h.flags), w.put(h.expected_maximum_size.n);
  w.put(h.optimal_read_bytes), w.put(h.optimal_read_alignment), w.put(h.optimal_write_bytes);
  w.put(h.optimal_write_alignment), w.put(h.maximum_drives), w.put(h.stripe_bytes), w.put(h.bus_type);
  w.put(h.rebuild_priority);
  w.put(static_cast<std::uint32_t>(r.plexes.size()));
  for (const auto& p : r.plexes) {
    w.put(p.stripe_bytes), w.put(static_cast<std::uint32_t>(p.columns.size()));
    for (const auto& column : p.columns) put_runs(w, column);
  }
  w.put(r.groups);
  for (const auto& p : r.plexes) w.put(p.id);
  w.put(static_cast<std::uint16_t>(r.number >> 16));
  if (!r.filling()) return kind_lun;
  for (const auto& p : r.plexes) w.put(p.filled.value_or(whole));
  return kind_lun_filling;
}
kind put(writer& w, const lun_gone_record& r) {
  w.put(r.id), put_runs(w, r.freed);
  return kind_lun_gone;
}
kind put(writer& w, const operation_record& r) {
  w.put(r.id), w.put(r.lun);
  return kind_operation;
}
kind put(writer& w, const forget_record& r) {
  w.put(r.id);
  return kind_forget;
}
kind put(writer& w, const stripe_journal_record& r) {
  w.put(r.slot), put_runs(w, r.runs);
  return kind_stripe_journal;
}
kind put(writer& w, const unreadable_record& r) {
  w.put(r.slot), w.put(static_cast<std::uint32_t>(r.bytes.size()));
  for (const auto& [from, to] : r.bytes) w.put(from), w.put(to);
  return kind_unreadable;
}
kind put(writer& w, const shutdown_record& r) {
  w.put(static_cast<std::uint8_t>(r.clean));
  return kind_shutdown;
}

kind put(writer& w, const setting_record& r) {
  w.put(r.key), w.put(r.value);
  return kind_setting;
}
kind put(writer& w, const setting_gone_record& r) {
  w.put(r.key);
  return kind_setting_gone;
}

template <class Record>
void append_one(bytes& out, const Record& r) {
  const std::size_t head = out.size();
  out.resize(head + 8);
  writer w(out);
  const kind k = put(w, r);
  store<le16>(out.data() + head, std::uint16_t{k});
  store<le16>(out.data() + head + 2, std::uint16_t{0});
  store<le32>(out.data() + head + 4, static_cast<std::uint32_t>(out.size() - head - 8));
}

lun_record get_lun(reader& in, bool filling) {
  lun_record r;
  r.id = in.get_guid();
  r.size = in.get<std::uint64_t>();
  r.block = in.get<std::uint32_t>();
  r.number = in.get<std::uint16_t>();
  r.type = static_cast<lun_type>(in.get<std::uint8_t>());
  r.offline = in.get<std::uint8_t>() != 0;
  r.name = in.get_text(max_name);
  r.unmask.resize(in.get_count(4));
  for (auto& entry : r.unmask) entry = in.get_text(max_unmask_text);
  lun_hints& h = r.hints;
  h.mask = in.get<std::uint64_t>();
  h.flags = in.get<std::uint64_t>();
  h.expected_maximum_size.n = in.get<std::uint64_t>();
  h.optimal_read_bytes = in.get<std::uint32_t>();
  h.optimal_read_alignment = in.get<std::uint32_t>();
  h.optimal_write_bytes = in.get<std::uint32_t>();
  h.optimal_write_alignment = in.get<std::uint32_t>();
  h.maximum_drives = in.get<std::uint32_t>();
  h.stripe_bytes = in.get<std::uint32_t>();
  h.bus_type = in.get<std::uint32_t>();
  h.rebuild_priority = in.get<std::uint16_t>();
  r.plexes.resize(in.get_count(8));
  for (auto& p : r.plexes) {
    p.stripe_bytes = in.get<std::uint32_t>();
    p.columns.resize(in.get_count(4));
    for (auto& column : p.columns) column = get_runs(in);
  }
  if (!in.at_end()) r.groups = in.get<std::uint32_t>();  // records from before there was parity end here
  if (!in.at_end())                                      // before plexes kept their ids, here
    for (auto& p : r.plexes) p.id = in.get_guid();
  if (!in.at_end()) r.number |= std::uint32_t{in.get<std::uint16_t>()} << 16;  // before there were so many LUNs, here
  for (auto& p : r.plexes) {
    if (!filling) break;
    if (const auto n = in.get<std::uint64_t>(); n != whole) p.filled = n;
  }
  return r;
}

bool decode(std::uint16_t k, reader& in, record& out) {
  switch (k) {
    case kind_array:
      out = array_record{in.get<std::uint32_t>(), in.get<std::uint32_t>()};
      return true;
    case kind_epoch: {
      epoch_record r{in.get<std::uint64_t>(), in.get<std::uint64_t>(), {}};
      r.ancestors.resize(in.get_count(24));
      for (auto& a : r.ancestors) a = {in.get<std::uint64_t>(), in.get<std::uint64_t>(), in.get<std::uint64_t>()};
      out = std::move(r);
      return true;
    }
    case kind_drive: {
      drive_record r;
      r.slot = in.get<std::uint32_t>();
      r.id = in.get_guid();
      r.bytes = in.get<std::uint64_t>();
      r.extents = in.get<std::uint32_t>();
      r.logical_block = in.get<std::uint32_t>();
      r.member = in.get<std::uint8_t>() != 0;
      r.sparse = in.get<std::uint8_t>() != 0;
      r.why = in.get_text(4096);
      out = std::move(r);
      return true;
    }
    case kind_drive_gone:
      out = drive_gone_record{in.get<std::uint32_t>()};
      return true;
    case kind_dirty: {
      dirty_record r{in.get<std::uint32_t>(), in.get<std::uint8_t>() != 0, {}};
      r.runs = get_runs(in);
      out = std::move(r);
      return true;
    }
    case kind_wiped:
      out = wiped_record{get_runs(in)};
      return true;
    case kind_lun:
    case kind_lun_filling:
      out = get_lun(in, k == kind_lun_filling);
      return true;
    case kind_lun_gone: {
      lun_gone_record r{in.get_guid(), {}};
      r.freed = get_runs(in);
      out = std::move(r);
      return true;
    }
    case kind_operation:
      out = operation_record{in.get_guid(), in.get_guid()};
      return true;
    case kind_forget:
      out = forget_record{in.get_guid()};
      return true;
    case kind_stripe_journal: {
      stripe_journal_record r{in.get<std::uint32_t>(), {}};
      r.runs = get_runs(in);
      out = std::move(r);
      return true;
    }
    case kind_unreadable: {
      unreadable_record r{in.get<std::uint32_t>(), {}};
      r.bytes.resize(in.get_count(16));
      for (auto& [from, to] : r.bytes) {
        from = in.get<std::uint64_t>();
        to = in.get<std::uint64_t>();
        if (from >= to) in.fail();
      }
      if (r.bytes.size() > max_unreadable) in.fail();
      out = std::move(r);
      return true;
    }
    case kind_shutdown:
      out = shutdown_record{in.get<std::uint8_t>() != 0};
      return true;
    case kind_setting: {
      setting_record r{in.get_text(max_setting_key), {}};
      r.value = in.get_bytes(max_setting_value);
      if (r.key.empty()) in.fail();
      out = std::move(r);
      return true;
    }
    case kind_setting_gone:
      out = setting_gone_record{in.get_text(max_setting_key)};
      return true;
    default:
      return false;
  }
}

}  // namespace

bool lun_record::filling() const {
  return std::any_of(plexes.begin(), plexes.end(), [](const auto& p) { return p.filled.has_value(); });
}
guid first_plex_id(const guid& lun, std::size_t ordinal) { return name_guid(lun, fmt::format("plex {}", ordinal)); }

void append(bytes& out, const lun_record& r) { append_one(out, r); }
void append(bytes& out, const record& r) {
  std::visit([&out](const auto& one) { append_one(out, one); }, r);
}

status for_each(std::span<const std::byte> payload, const std::function<status(record&&)>& visit) {
  while (!payload.empty()) {
    if (payload.size() < 8) return failure(errc::corrupt, "a record cut off in its header");
    const std::uint16_t k = load<le16>(payload.data()), flags = load<le16>(payload.data() + 2);
    const std::uint32_t length = load<le32>(payload.data() + 4);
    if (length > payload.size() - 8) return failure(errc::corrupt, "a record longer than its batch");
    reader in(payload.subspan(8, length));
    payload = payload.subspan(8 + length);
    record r;
    if (!decode(k, in, r)) {
      if ((flags & flag_optional) != 0) continue;
      return failure(errc::too_new, fmt::format("a record of unknown kind {}", k));
    }
    // A later minor may have put more behind what we know; less is damage.
    if (!in.ok()) return failure(errc::corrupt, fmt::format("a record of kind {} that makes no sense", k));
    VDS_RETURN_IF_FAILED(visit(std::move(r)));
  }
  return {};
}

}  // namespace vds::array::format
