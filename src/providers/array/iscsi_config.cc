#include "providers/array/iscsi_config.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <nlohmann/json.hpp>
#include <set>

#include "iscsi/pdu/iscsi_name.h"

namespace vds::array_provider {

namespace {

using json = nlohmann::json;
constexpr int version = 1;

setting_bytes to_bytes(const json& j) {
  const std::string text = j.dump(-1, ' ', true, json::error_handler_t::replace);
  const auto* raw = reinterpret_cast<const std::byte*>(text.data());
  return {raw, raw + text.size()};
}

json ids(const std::vector<guid>& all) {
  json out = json::array();
  for (const guid& id : all) out.push_back(to_string(id));
  return out;
}

json secret(const iscsi::chap_secret& s) { return iscsi::encode_binary(s.bytes()); }

json secrets(const std::map<std::string, iscsi::chap_secret>& all) {
  json out = json::object();
  for (const auto& [name, s] : all) out[name] = secret(s);
  return out;
}

failure corrupt(std::string_view what) { return {errc::corrupt, fmt::format("iSCSI settings: {}", what)}; }

// The record as an object of a version that we know.
result<json> parse(std::span<const std::byte> record) {
  const auto* text = reinterpret_cast<const char*>(record.data());
  json j = json::parse(text, text + record.size(), nullptr, false);
  if (!j.is_object()) return corrupt("not a JSON object");
  const auto v = j.find("version");
  if (v == j.end() || !v->is_number_unsigned()) return corrupt("no version");
  if (v->get<std::uint64_t>() > version)
    return failure(errc::too_new, fmt::format("iSCSI settings of version {}", v->get<std::uint64_t>()));
  return j;
}

// Reads members one after the other; what is missing or of another kind makes the whole record corrupt.
class reader {
 public:
  explicit reader(const json& j) : j_(j) {}
  bool good() const { return good_; }

  std::string text(const char* key, std::size_t most = 255) {
    const json* v = find(key, json::value_t::string);
    if (v == nullptr) return {};
    std::string s = v->get<std::string>();
    good_ = good_ && s.size() <= most;
    return s;
  }
  guid id(const char* key) {
    const auto parsed = parse_guid(text(key));
    good_ = good_ && parsed;
    return parsed.value_or(guid{});
  }
  bool flag(const char* key) {
    const json* v = find(key, json::value_t::boolean);
    return v != nullptr && v->get<bool>();
  }
  std::uint32_t number(const char* key, std::uint32_t low, std::uint32_t high) {
    const json* v = find(key, json::value_t::number_unsigned);
    const std::uint64_t n = v == nullptr ? 0 : v->get<std::uint64_t>();
    good_ = good_ && n >= low && n <= high;
    return static_cast<std::uint32_t>(n);
  }
  const json& array(const char* key, std::size_t most) {
    static const json none = json::array();
    const json* v = find(key, json::value_t::array);
    good_ = good_ && (v == nullptr || v->size() <= most);
    return v == nullptr || !good_ ? none : *v;
  }
  const json& object(const char* key, std::size_t most) {
    static const json none = json::object();
    const json* v = find(key, json::value_t::object);
    good_ = good_ && (v == nullptr || v->size() <= most);
    return v == nullptr || !good_ ? none : *v;
  }
  std::vector<guid> ids(const char* key, std::size_t most) {
    std::vector<guid> out;
    for (const json& each : array(key, most)) {
      const auto parsed = each.is_string() ? parse_guid(each.get_ref<const std::string&>()) : std::nullopt;
      good_ = good_ && parsed;
      if (parsed) out.push_back(*parsed);
    }
    return out;
  }
  std::optional<iscsi::chap_secret> secret(const json& v) {
    if (v.is_null()) return std::nullopt;
    auto bytes =
        v.is_string() ? iscsi::decode_binary(v.get_ref<const std::string&>(), iscsi::max_secret) : std::nullopt;
    auto made = bytes ? iscsi::chap_secret::from(*bytes) : result<iscsi::chap_secret>(errc::corrupt);
    if (bytes) OPENSSL_cleanse(bytes->data(), bytes->size());
    good_ = good_ && made;
    return made ? std::optional(std::move(*made)) : std::nullopt;
  }
  std::optional<iscsi::chap_secret> secret_at(const char* key) {
    const auto at = j_.find(key);
    good_ = good_ && at != j_.end();
    return at == j_.end() ? std::nullopt : secret(*at);
  }
  std::map<std::string, iscsi::chap_secret> secrets(const char* key) {
    std::map<std::string, iscsi::chap_secret> out;
    for (const auto& [name, v] : object(key, max_target_secrets).items()) {
      auto s = secret(v);
      good_ = good_ && s && iscsi::normalised_name(name) == name;
      if (s) out.emplace(name, std::move(*s));
    }
    return out;
  }
  void spoil() { good_ = false; }

 private:
  const json* find(const char* key, json::value_t kind) {
    const auto at = j_.find(key);
    if (at == j_.end() || at->type() != kind) {
      good_ = false;
      return nullptr;
    }
    return &*at;
  }
  const json& j_;
  bool good_ = true;
};

}  // namespace

setting_bytes encode(const iscsi_target& t) {
  json groups = json::array();
  for (const iscsi_group& g : t.groups)
    groups.push_back({{"id", to_string(g.id)}, {"tag", g.tag}, {"portals", ids(g.portals)}});
  return to_bytes({{"version", version},
                   {"id", to_string(t.id)},
                   {"iqn", t.iqn},
                   {"name", t.name},
                   {"deleted", t.deleted},
                   {"groups", groups},
                   {"everybody", t.secrets.everybody ? secret(*t.secrets.everybody) : json(nullptr)},
                   {"initiators", secrets(t.secrets.initiators)},
                   {"ours", secrets(t.secrets.ours)}});
}

setting_bytes encode(const iscsi_portal& p) {
  return to_bytes({{"version", version}, {"id", to_string(p.id)}, {"address", p.address}, {"offline", p.offline}});
}

setting_bytes encode(const std::vector<guid>& targets) {
  return to_bytes({{"version", version}, {"targets", ids(targets)}});
}

setting_bytes encode(const std::vector<iscsi_operation>& operations) {
  json all = json::array();
  for (const auto& o : operations)
    all.push_back({{"id", to_string(o.id)}, {"type", o.type}, {"object", to_string(o.object)}});
  return to_bytes({{"version", version}, {"operations", all}});
}

result<iscsi_target> decode_target(std::span<const std::byte> record) {
  const auto j = parse(record);
  if (!j) return j.error();
  reader r(*j);
  iscsi_target out;
  out.id = r.id("id");
  out.iqn = r.text("iqn");
  out.name = r.text("name");
  out.deleted = r.flag("deleted");
  if (iscsi::normalised_name(out.iqn) != out.iqn) r.spoil();
  std::set<std::uint16_t> tags;
  std::set<guid> members;
  for (const json& each : r.array("groups", max_groups)) {
    if (!each.is_object()) return corrupt("a portal group that is none");
    reader g(each);
    iscsi_group group{g.id("id"), static_cast<std::uint16_t>(g.number("tag", 1, 65535)), g.ids("portals", max_portals)};
    if (!g.good() || !tags.insert(group.tag).second) return corrupt("a portal group that cannot be");
    for (const guid& p : group.portals)
      if (!members.insert(p).second) return corrupt("a portal in two groups");
    out.groups.push_back(std::move(group));
  }
  out.secrets.everybody = r.secret_at("everybody");
  out.secrets.initiators = r.secrets("initiators");
  out.secrets.ours = r.secrets("ours");
  if (!r.good() || !out.id || out.secrets.reflects()) return corrupt("a target that cannot be");
  return out;
}

result<iscsi_portal> decode_portal(std::span<const std::byte> record) {
  const auto j = parse(record);
  if (!j) return j.error();
  reader r(*j);
  iscsi_portal out{r.id("id"), r.text("address"), r.flag("offline")};
  if (!r.good()) return corrupt("a portal that cannot be");
  return out;
}

result<std::vector<guid>> decode_association(std::span<const std::byte> record) {
  const auto j = parse(record);
  if (!j) return j.error();
  reader r(*j);
  auto out = r.ids("targets", max_lun_targets);
  if (!r.good()) return corrupt("an association that cannot be");
  return out;
}

result<std::vector<iscsi_operation>> decode_operations(std::span<const std::byte> record) {
  const auto j = parse(record);
  if (!j) return j.error();
  reader r(*j);
  std::vector<iscsi_operation> out;
  for (const json& each : r.array("operations", kept_operations)) {
    if (!each.is_object()) return corrupt("an operation that is none");
    reader o(each);
    out.push_back({o.id("id"), o.id("object"), o.number("type", 0, 0xffff)});
    if (!o.good()) return corrupt("an operation that cannot be");
  }
  if (!r.good()) return corrupt("operations that cannot be");
  return out;
}

std::optional<guid> id_of_key(std::string_view key, std::string_view prefix) {
  return key.starts_with(prefix) ? parse_guid(key.substr(prefix.size())) : std::nullopt;
}

}  // namespace vds::array_provider
