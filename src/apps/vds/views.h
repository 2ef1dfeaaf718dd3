// views.h: what the service says about its objects, as plain values in UTF-8. The verbs, tables and documents see only
// these; com_gateway.cc fills them from the API's structures.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/guid.h"

namespace vds::cli {

struct service_view {
  std::string version;
  std::uint32_t flags = 0;
  std::string socket;  // where it was reached
};

struct provider_view {
  guid id;
  std::string name;
  std::string version;
  std::uint32_t type = 0;
  std::uint32_t state = 0;
  std::uint32_t pid = 0;
  std::uint32_t restarts = 0;
  std::int32_t last_hresult = 0;
  std::string last;  // what happened last, in words
  std::uint64_t since_ns = 0;
  std::uint64_t retry_ns = 0;  // when a provider that backs off is started again
};

struct provider_registration {
  guid id, class_id, version_id;
  std::string name, version, program;
};

struct subsystem_view {
  guid id, provider;
  std::string name, identification;
  std::uint32_t flags = 0, status = 0, health = 0;
};

struct drive_view {
  guid id, subsystem;
  std::string name, path;
  std::uint64_t size_bytes = 0, free_bytes = 0;
  std::uint32_t status = 0, health = 0, flags = 0;
  bool locating = false;  // its light is on
};

struct lun_view {
  guid id, subsystem;
  std::string name;
  std::uint32_t type = 0, status = 0, health = 0, transition_state = 0;
  std::uint64_t size_bytes = 0;
  std::string unmasking_list, serial, iscsi_url;
  std::uint32_t plexes = 0;
  std::vector<guid> drives;
  std::int32_t survives_drive_losses = 0;
};

struct plex_view {
  guid id, lun;
  std::uint32_t type = 0, status = 0, health = 0, transition_state = 0;
  std::uint64_t size_bytes = 0, stripe_bytes = 0;
  std::vector<guid> drives;
};

struct target_view {
  guid id, subsystem;
  std::string iqn, name;
  bool chap = false;
  std::vector<guid> portal_groups, luns;
  std::vector<std::string> initiators;  // logged in now
};

struct portal_view {
  guid id, subsystem;
  std::string address;
  std::uint32_t status = 0;
  std::vector<guid> portal_groups;
};

struct portal_group_view {
  guid id, target;
  std::string target_name;
  std::uint32_t tag = 0;
  std::vector<guid> portals;
};

struct operation_view {
  guid id;
  std::string kind;
  guid object;
  std::uint32_t object_type = 0;
  std::uint32_t state = 0;
  std::uint32_t percent = 0;
  std::string phase;
  std::uint64_t bytes_done = 0, bytes_total = 0;
  std::int32_t hresult = 0;  // meaningful when the state is done
  std::string hresult_name;
  std::string owner;
  std::uint64_t begun_ns = 0, ended_ns = 0;
  std::uint64_t bytes_per_second = 0;         // 0: not known
  std::optional<std::uint64_t> seconds_left;  // none: not known
  std::string waiting_for;                    // in words; empty: it does not wait
};
constexpr std::uint32_t operation_done = 5;  // VDSX_OS_DONE

constexpr std::uint32_t object_type_drive = 32, object_type_lun = 33;

// What a change would do.
struct plan_view {
  struct step {
    guid object;
    std::uint32_t object_type = 0, action = 0;
    std::uint64_t bytes_taken = 0, bytes_freed = 0, bytes_to_write = 0;
    std::int32_t survives_before = 0, survives_meanwhile = 0, survives_after = 0;  // -1: it is not there
  };
  std::int32_t hresult = 0;  // what it would be refused with
  std::string hresult_name;
  std::uint32_t type = 0;
  std::uint64_t size_bytes = 0;
  std::vector<step> steps;
};

struct event_view {
  std::uint64_t sequence = 0, unix_ns = 0;
  std::uint32_t code = 0, object_type = 0;
  guid object;
};

struct event_page {
  std::vector<event_view> events;
  std::uint64_t next = 0;
  bool lost = false;  // events before these are gone
};

struct lun_request {
  guid subsystem;
  std::uint64_t size_bytes = 0;
  std::uint32_t type = 0;
  std::vector<guid> drives;
  std::string name;
  std::string unmask;
  std::map<std::string, std::uint64_t> hints;  // by the names of hints.h
  guid operation;                              // nil: the service chooses
};

}  // namespace vds::cli
