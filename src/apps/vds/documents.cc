#include "apps/vds/documents.h"

#include <algorithm>

#include "apps/vds/command_error.h"
#include "apps/vds/names.h"
#include "apps/vds/when.h"

namespace vds::cli {
namespace {

json id_or_null(const guid& id) { return id ? json(to_string(id)) : json(nullptr); }
json time_or_null(std::uint64_t ns) { return ns == 0 ? json(nullptr) : json(utc(ns)); }

json ids(const std::vector<guid>& all) {
  json out = json::array();
  for (const guid& id : all) out.push_back(to_string(id));
  return out;
}

}  // namespace

json document(const service_view& v, const std::vector<provider_view>& providers,
              const std::vector<operation_view>& operations) {
  json out;
  out["version"] = v.version;
  out["ready"] = true;  // the gateway waits for the service to be ready before it answers
  out["socket"] = v.socket;
  out["flags"] = flags_of(words::service_flag, v.flags);
  out["operations_running"] =
      std::count_if(operations.begin(), operations.end(), [](const auto& o) { return o.state != operation_done; });
  out["providers"] = document(providers);
  return out;
}

json document(const provider_view& v) {
  return {{"id", to_string(v.id)},
          {"name", v.name},
          {"version", v.version},
          {"type", name_of(words::provider_type, v.type)},
          {"state", name_of(words::provider_state, v.state)},
          {"pid", v.pid == 0 ? json(nullptr) : json(v.pid)},
          {"restarts", v.restarts},
          {"last_hresult", hex_hresult(v.last_hresult)},
          {"last", v.last},
          {"since", time_or_null(v.since_ns)},
          {"retry", time_or_null(v.retry_ns)}};
}

json document(const subsystem_view& v) {
  return {{"id", to_string(v.id)},
          {"name", v.name},
          {"identification", v.identification},
          {"provider", id_or_null(v.provider)},
          {"status", name_of(words::subsystem_status, v.status)},
          {"health", name_of(words::health, v.health)},
          {"flags", flags_of(words::subsystem_flag, v.flags)}};
}

std::vector<std::string> flags_of(const drive_view& v) {
  auto out = flags_of(words::drive_flag, v.flags);
  if (v.locating) out.emplace_back("locating");
  return out;
}

json document(const drive_view& v) {
  return {{"id", to_string(v.id)},
          {"name", v.name},
          {"path", v.path},
          {"size_bytes", v.size_bytes},
          {"free_bytes", v.free_bytes},
          {"status", name_of(words::drive_status, v.status)},
          {"health", name_of(words::health, v.health)},
          {"flags", flags_of(v)}};
}

json document(const lun_view& v) {
  return {{"id", to_string(v.id)},
          {"name", v.name},
          {"type", name_of(words::lun_type, v.type)},
          {"size_bytes", v.size_bytes},
          {"status", name_of(words::lun_status, v.status)},
          {"health", name_of(words::health, v.health)},
          {"transition_state", name_of(words::transition_state, v.transition_state)},
          {"unmasking_list", v.unmasking_list},
          {"serial", v.serial},
          {"iscsi_url", v.iscsi_url.empty() ? json(nullptr) : json(v.iscsi_url)},
          {"plexes", v.plexes},
          {"drives", ids(v.drives)},
          {"survives_drive_losses", v.survives_drive_losses}};
}

json document(const plex_view& v) {
  return {{"id", to_string(v.id)},
          {"lun", to_string(v.lun)},
          {"type", name_of(words::lun_type, v.type)},
          {"size_bytes", v.size_bytes},
          {"status", name_of(words::lun_status, v.status)},
          {"health", name_of(words::health, v.health)},
          {"transition_state", name_of(words::transition_state, v.transition_state)},
          {"stripe_bytes", v.stripe_bytes},
          {"drives", ids(v.drives)}};
}

json document(const target_view& v) {
  return {{"id", to_string(v.id)},
          {"iscsi_name", v.iqn},
          {"friendly_name", v.name},
          {"chap_enabled", v.chap},
          {"portal_groups", ids(v.portal_groups)},
          {"luns", ids(v.luns)},
          {"connected_initiators", v.initiators}};
}

json document(const portal_view& v) {
  return {{"id", to_string(v.id)},
          {"address", v.address},
          {"status", name_of(words::lun_status, v.status)},
          {"portal_groups", ids(v.portal_groups)}};
}

json document(const portal_group_view& v) {
  return {{"id", to_string(v.id)}, {"target", to_string(v.target)}, {"tag", v.tag}, {"portals", ids(v.portals)}};
}

json document(const operation_view& v) {
  return {{"id", to_string(v.id)},
          {"kind", v.kind},
          {"object", id_or_null(v.object)},
          {"state", name_of(words::operation_state, v.state)},
          {"percent", v.percent},
          {"phase", v.phase},
          {"hresult", v.state == operation_done ? json(hex_hresult(v.hresult)) : json(nullptr)},
          {"owner", v.owner},
          {"begun", time_or_null(v.begun_ns)},
          {"ended", time_or_null(v.ended_ns)},
          {"bytes_done", v.bytes_done},
          {"bytes_total", v.bytes_total},
          {"bytes_per_second", v.bytes_per_second == 0 ? json(nullptr) : json(v.bytes_per_second)},
          {"seconds_left", v.seconds_left ? json(*v.seconds_left) : json(nullptr)},
          {"waiting_for", v.waiting_for.empty() ? json(nullptr) : json(v.waiting_for)}};
}

json document(const plan_view& v) {
  json steps = json::array();
  for (const auto& s : v.steps) {
    json step{{"object", id_or_null(s.object)},
              {"object_type", name_of(words::object_type, s.object_type)},
              {"action", name_of(words::plan_action, s.action)},
              {"bytes_taken", s.bytes_taken},
              {"bytes_freed", s.bytes_freed},
              {"bytes_to_write", s.bytes_to_write}};
    if (s.object_type == object_type_lun) {
      const auto or_null = [](std::int32_t n) { return n < 0 ? json(nullptr) : json(n); };
      step["survives_drive_losses_before"] = or_null(s.survives_before);
      step["survives_drive_losses_meanwhile"] = or_null(s.survives_meanwhile);
      step["survives_drive_losses_after"] = or_null(s.survives_after);
    }
    steps.push_back(std::move(step));
  }
  return {{"possible", v.hresult >= 0},
          {"hresult", hex_hresult(v.hresult)},
          {"type", name_of(words::lun_type, v.type)},
          {"size_bytes", v.size_bytes},
          {"steps", steps}};
}

json document(const event_view& v) {
  return {{"sequence", v.sequence},
          {"time", time_or_null(v.unix_ns)},
          {"event", name_of(words::event, v.code)},
          {"object_type", name_of(words::object_type, v.object_type)},
          {"object", id_or_null(v.object)}};
}

std::string dump(const json& doc, bool compact) {
  return doc.dump(compact ? -1 : 2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace vds::cli
