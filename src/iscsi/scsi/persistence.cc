#include "iscsi/scsi/persistence.h"

#include <cstring>

#include "base/endian.h"

namespace vds::iscsi {
namespace {

// docs/format/lun_settings.md. Integers little-endian.
constexpr char magic[8] = {'V', 'D', 'S', 'L', 'U', 'N', 'S', '\0'};
constexpr std::uint16_t major = 1, minor = 0;
enum class record : std::uint16_t { mode = 1, reservations = 2, sanitize = 3 };

class writer {
 public:
  std::vector<std::byte> bytes;
  template <class T>
  void put(T v) {
    const auto* raw = reinterpret_cast<const std::byte*>(&v);
    bytes.insert(bytes.end(), raw, raw + sizeof v);
  }
  void put_bytes(std::span<const std::byte> b) { bytes.insert(bytes.end(), b.begin(), b.end()); }
  void put_record(record type, const writer& body) {
    put(le16(static_cast<std::uint16_t>(type)));
    put(le32(static_cast<std::uint32_t>(body.bytes.size())));
    put_bytes(body.bytes);
  }
};

class reader {
 public:
  explicit reader(std::span<const std::byte> b) : bytes_(b) {}
  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return bytes_.empty(); }
  std::span<const std::byte> take(std::size_t n) {
    if (n > bytes_.size()) {
      good_ = false;
      return {};
    }
    const auto out = bytes_.first(n);
    bytes_ = bytes_.subspan(n);
    return out;
  }
  template <class Ordered>
  auto get() {
    const auto raw = take(sizeof(Ordered));
    Ordered v{};
    if (!raw.empty()) std::memcpy(&v, raw.data(), sizeof v);
    return v;
  }
  std::uint8_t byte() {
    const auto raw = take(1);
    return raw.empty() ? 0 : std::to_integer<std::uint8_t>(raw[0]);
  }

 private:
  std::span<const std::byte> bytes_;
  bool good_ = true;
};

writer mode_body(const mode_parameters& m) {
  writer w;
  w.put(static_cast<std::uint8_t>((m.write_cache ? 1 : 0) | (m.descriptor_sense ? 2 : 0) |
                                  (m.software_write_protect ? 4 : 0)));
  return w;
}

writer reservations_body(const persistent_reservations& pr) {
  writer w;
  w.put(static_cast<std::uint8_t>(pr.type() ? static_cast<std::uint8_t>(*pr.type()) : 0));
  w.put(le16(static_cast<std::uint16_t>(pr.registrants().size())));
  for (const auto& r : pr.registrants()) {
    w.put(le64(r.key));
    w.put(le16(r.who.target));
    w.put(static_cast<std::uint8_t>(pr.holder() == r.who ? 1 : 0));
    w.put(le16(static_cast<std::uint16_t>(r.who.initiator.size())));
    w.put_bytes(std::as_bytes(std::span(r.who.initiator)));
  }
  return w;
}

writer sanitize_body(const sanitize_order& s) {
  writer w;
  w.put(static_cast<std::uint8_t>((s.invert ? 1 : 0) | (s.may_exit_failure ? 2 : 0) | (s.failed ? 4 : 0)));
  w.put(s.passes);
  w.put(le16(static_cast<std::uint16_t>(s.pattern.size())));
  w.put_bytes(s.pattern);
  return w;
}

bool read_mode(reader& r, lun_settings& s) {
  const std::uint8_t flags = r.byte();
  s.mode = mode_parameters{(flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0};
  return r.good();
}

bool read_reservations(reader& r, lun_settings& s) {
  const std::uint8_t type = r.byte();
  const std::size_t count = r.get<le16>();
  if (count > persistent_reservations::max_registrants) return false;
  std::vector<persistent_reservations::registrant> all;
  std::optional<persistent_reservations::port_pair> holder;
  for (std::size_t i = 0; i < count && r.good(); ++i) {
    persistent_reservations::registrant one;
    one.key = r.get<le64>();
    one.who.target = r.get<le16>();
    const bool holds = r.byte() != 0;
    const auto name = r.take(r.get<le16>());
    if (name.empty() || name.size() > 255) return false;
    one.who.initiator.assign(reinterpret_cast<const char*>(name.data()), name.size());
    if (holds && holder) return false;
    if (holds) holder = one.who;
    all.push_back(std::move(one));
  }
  const auto kind = reservation_type_from(type);
  return r.good() && (type == 0 || kind) && s.reservations.restore(std::move(all), kind, std::move(holder));
}

bool read_sanitize(reader& r, lun_settings& s) {
  sanitize_order order;
  const std::uint8_t flags = r.byte();
  order.invert = (flags & 1) != 0;
  order.may_exit_failure = (flags & 2) != 0;
  order.failed = (flags & 4) != 0;
  order.passes = r.byte();
  const auto pattern = r.take(r.get<le16>());
  order.pattern.assign(pattern.begin(), pattern.end());
  if (!r.good() || order.passes == 0 || order.passes > 31 || pattern.empty() || pattern.size() > 4096) return false;
  s.sanitize = std::move(order);
  return true;
}

}  // namespace

std::vector<std::byte> encode(const lun_settings& s) {
  writer w;
  w.put_bytes(std::as_bytes(std::span(magic)));
  w.put(le16(major));
  w.put(le16(minor));
  if (s.mode) w.put_record(record::mode, mode_body(*s.mode));
  if (s.reservations.aptpl()) w.put_record(record::reservations, reservations_body(s.reservations));
  if (s.sanitize) w.put_record(record::sanitize, sanitize_body(*s.sanitize));
  return std::move(w.bytes);
}

result<lun_settings> decode_settings(std::span<const std::byte> bytes) {
  lun_settings out;
  if (bytes.empty()) return out;
  const failure damaged(errc::corrupt, "what was kept for the LUN's SCSI side cannot be read");
  reader r(bytes);
  const auto mark = r.take(sizeof magic);
  if (!r.good() || std::memcmp(mark.data(), magic, sizeof magic) != 0) return damaged;
  const std::uint16_t version = r.get<le16>();
  (void)r.get<le16>();
  if (!r.good()) return damaged;
  if (version != major) return failure(errc::too_new, "kept by a later version");
  while (!r.at_end()) {
    const auto type = static_cast<record>(std::uint16_t{r.get<le16>()});
    const std::uint32_t size = r.get<le32>();
    reader body(r.take(size));
    if (!r.good()) return damaged;
    bool fine = true;
    if (type == record::mode)
      fine = read_mode(body, out);
    else if (type == record::reservations)
      fine = read_reservations(body, out);
    else if (type == record::sanitize)
      fine = read_sanitize(body, out);
    // Another: a later minor version's, which can be left unread.
    if (!fine) return damaged;
  }
  return out;
}

}  // namespace vds::iscsi
