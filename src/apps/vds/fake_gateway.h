// fake_gateway.h: a service in memory for the tests of the command line: an array with a few drives whose operations
// end when the test says so. Records what was asked of it.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "apps/vds/command_error.h"
#include "apps/vds/gateway.h"

namespace vds::cli {

inline guid test_id(unsigned n, std::uint8_t kind) {
  guid id;
  id.bytes[0] = kind;
  id.bytes[1] = id.bytes[2] = id.bytes[3] = static_cast<std::uint8_t>(n);
  id.bytes[15] = static_cast<std::uint8_t>(n);
  return id;
}

// What outlives a connection: two gateways on one store are two connections to one service.
struct fake_store {
  service_view service{"4.0", 0, "/run/vds/vdsd.sock"};
  std::vector<provider_view> providers;
  std::vector<subsystem_view> subsystems;
  std::vector<drive_view> drives;
  std::vector<lun_view> luns;
  std::vector<plex_view> plexes;
  std::vector<target_view> targets;
  std::vector<portal_view> portals;
  std::vector<portal_group_view> portal_groups;
  std::deque<operation_view> operations;
  plan_view plan;
  std::vector<event_view> events;
  std::vector<std::string> calls;
  bool operations_end_at_once = true;
  std::int32_t next_result = 0;  // of the next operation
  std::string next_result_name;
  bool reachable = true;
  bool names_at_birth = true;
  unsigned gone_waits = 0;  // so many waits end with the service going away

  fake_store() {
    providers.push_back({test_id(1, 0xa0), "VDS array", "1.0", 2, 2, 4711, 0, 0, "ready", 1'000'000'000, 0});
    subsystems.push_back({test_id(1, 0xb0), test_id(1, 0xa0), "tank", "tank-1", 0x600, 1, 1});
    for (unsigned i = 1; i <= 4; ++i)
      drives.push_back({test_id(i, 0xd0), test_id(1, 0xb0), "drive" + std::to_string(i), "/srv/d" + std::to_string(i),
                        1ull << 30, (1ull << 30) - i * (1ull << 20), 1, 1, 4});
  }
  lun_view& add_lun(unsigned n, const std::string& name, const std::string& unmask = "") {
    lun_view l;
    l.id = test_id(n, 0xc0);
    l.subsystem = test_id(1, 0xb0);
    l.name = name;
    l.type = 13;
    l.status = l.health = l.transition_state = 1;
    l.size_bytes = 256ull << 20;
    l.unmasking_list = unmask;
    l.serial = "VDS0000000" + std::to_string(n);
    l.iscsi_url = "iscsi://127.0.0.1:3260/iqn.2026-01.io.vds:tank/" + std::to_string(n);
    l.plexes = 2;
    l.drives = {test_id(1, 0xd0), test_id(2, 0xd0)};
    l.survives_drive_losses = 1;
    luns.push_back(l);
    return luns.back();
  }
};

class fake_operation final : public operation {
 public:
  fake_operation(fake_store& store, guid id) : store_(store), id_(id) {}
  operation_view status() override {
    for (auto& v : store_.operations)
      if (v.id == id_) return v;
    throw command_error("asking for an operation", hresult_of(0x80042405), "VDS_E_OBJECT_NOT_FOUND", "there is none");
  }
  void when_done(std::function<void()> callback) override {
    gone_ = store_.gone_waits > 0;
    if (gone_) --store_.gone_waits;
    if (gone_ || status().state == operation_done) callback();
  }
  guid finish() override {
    if (gone_) throw service_gone("waiting", hresult_of(0x80010108), "RPC_E_DISCONNECTED", "the service went away");
    const auto v = status();
    if (v.hresult < 0) throw command_error("creating the LUN", v.hresult, v.hresult_name, "it failed");
    return v.object;
  }
  void cancel() override { store_.calls.push_back("cancel"); }

 private:
  fake_store& store_;
  guid id_;
  bool gone_ = false;
};

class fake_gateway final : public gateway {
 public:
  explicit fake_gateway(fake_store& store) : store_(store) {
    if (!store.reachable)
      throw command_error("connecting to /run/vds/vdsd.sock", hresult_of(0x800706ba), "RPC_S_SERVER_UNAVAILABLE",
                          "nothing listens there");
  }
  service_view service() override { return store_.service; }
  std::vector<provider_view> providers() override { return store_.providers; }
  void register_provider(const provider_registration& what) override { note("register " + what.name); }
  void unregister_provider(const guid&) override { note("unregister"); }
  std::vector<subsystem_view> subsystems() override { return store_.subsystems; }
  void rename_subsystem(const guid&, const std::string& name) override { note("rename subsystem " + name); }
  std::vector<drive_view> drives() override { return store_.drives; }
  guid add_drive(const guid&, const std::string& path, std::uint64_t create, bool force) override {
    note("add " + path + " " + std::to_string(create) + (force ? " force" : ""));
    return store_.drives.front().id;
  }
  void remove_drive(const guid&, const guid&) override { note("remove drive"); }
  void set_hot_spare(const guid&, bool spare) override { note(spare ? "spare" : "no spare"); }
  void locate_drive(const guid&, bool on) override { note(on ? "light on" : "light off"); }
  void fail_drive(const guid&) override { note("fail drive"); }
  void use_drive_again(const guid&) override { note("drive online"); }
  void replace_drive(const guid&, const guid&, const guid&) override { note("replace"); }
  std::vector<lun_view> luns() override { return store_.luns; }
  lun_view lun(const guid& id) override {
    for (const auto& l : store_.luns)
      if (l.id == id) return l;
    throw command_error("asking for a LUN", hresult_of(0x80042405), "VDS_E_OBJECT_NOT_FOUND", "there is none");
  }
  std::uint64_t max_lun_size(const lun_request&) override { return 3ull << 30; }
  bool can_name_at_birth(const guid&) override { return store_.names_at_birth; }
  operation_ptr create_lun(const lun_request& r) override {
    last_request = r;
    lun_view& l = store_.add_lun(static_cast<unsigned>(store_.luns.size() + 1), store_.names_at_birth ? r.name : "");
    l.size_bytes = r.size_bytes;
    l.type = r.type == 1 ? 13 : r.type;
    l.unmasking_list = r.unmask;
    return begin("create_lun", l.id);
  }
  void delete_lun(const guid& id) override { note("delete " + to_string(id).substr(0, 4)); }
  void set_lun_name(const guid& id, const std::string& name) override {
    for (auto& l : store_.luns)
      if (l.id == id) l.name = name;
  }
  void set_lun_mask(const guid& id, const std::string& list) override {
    for (auto& l : store_.luns)
      if (l.id == id) l.unmasking_list = list;
  }
  void set_lun_status(const guid&, std::uint32_t status) override { note("status " + std::to_string(status)); }
  operation_ptr extend_lun(const guid& id, std::uint64_t, const std::vector<guid>&) override {
    return begin("extend_lun", id);
  }
  operation_ptr shrink_lun(const guid&, std::uint64_t) override {
    throw command_error("shrinking the LUN", hresult_of(0x80042400), "VDS_E_NOT_SUPPORTED",
                        "the array cannot do this.");
  }
  guid scrub_lun(const guid& id) override {
    (void)begin("scrub", id);
    return store_.operations.back().id;
  }
  plan_view plan_create(const lun_request&) override { return store_.plan; }
  plan_view plan_delete(const guid&, const guid&) override { return store_.plan; }
  plan_view plan_extend(const guid&, const guid&, std::uint64_t, const std::vector<guid>&) override {
    return store_.plan;
  }
  plan_view plan_replace(const guid&, const guid&, const guid&) override { return store_.plan; }
  operation_ptr recover_lun(const guid& id) override { return begin("recover_lun", id); }
  std::vector<plex_view> plexes(const guid&) override { return store_.plexes; }
  operation_ptr add_plex(const guid& id, const guid&) override { return begin("add_plex", id); }
  operation_ptr remove_plex(const guid& id, const guid&) override { return begin("remove_plex", id); }
  iscsi_gateway& iscsi() override { return iscsi_; }
  std::vector<operation_view> operations(bool also_ended) override {
    std::vector<operation_view> out;
    for (const auto& v : store_.operations)
      if (also_ended || v.state != operation_done) out.push_back(v);
    return out;
  }
  operation_view operation_status(const guid& id) override { return fake_operation(store_, id).status(); }
  operation_ptr open_operation(const guid& id) override {
    note("open operation");
    return std::make_unique<fake_operation>(store_, id);
  }
  event_page events(std::uint64_t since, std::uint32_t most, std::uint32_t) override {
    event_page page;
    page.next = since;
    page.lost = !store_.events.empty() && store_.events.front().sequence > since + 1;
    for (const auto& e : store_.events)
      if (e.sequence > since && page.events.size() < most) {
        page.events.push_back(e);
        page.next = e.sequence;
      }
    return page;
  }

  static inline lun_request last_request;

 private:
  void note(std::string call) { store_.calls.push_back(std::move(call)); }
  operation_ptr begin(const std::string& kind, const guid& object) {
    operation_view v;
    v.id = test_id(static_cast<unsigned>(store_.operations.size() + 1), 0xe0);
    v.kind = kind;
    v.object = object;
    v.object_type = 33;
    v.state = store_.operations_end_at_once ? operation_done : 2;
    v.percent = store_.operations_end_at_once ? 100 : 45;
    v.phase = store_.operations_end_at_once ? "" : "wiping";
    v.hresult = store_.next_result;
    v.hresult_name = store_.next_result_name;
    v.owner = "root";
    v.begun_ns = 1'700'000'000'123'000'000;
    v.ended_ns = store_.operations_end_at_once ? v.begun_ns + 5'000'000 : 0;
    store_.operations.push_back(v);
    return std::make_unique<fake_operation>(store_, v.id);
  }
  fake_store& store_;

  class fake_iscsi final : public iscsi_gateway {
   public:
    explicit fake_iscsi(fake_gateway& g) : g_(g) {}
    std::vector<target_view> targets() override { return g_.store_.targets; }
    operation_ptr create_target(const guid& subsystem, const std::string& iqn, const std::string& name) override {
      const guid id = test_id(static_cast<unsigned>(g_.store_.targets.size() + 1), 0xf0);
      g_.store_.targets.push_back({id, subsystem, iqn.empty() ? "iqn.made.up" : iqn, name, false, {}, {}, {}});
      return g_.begin("create_target", id);
    }
    operation_ptr delete_target(const guid& id) override { return g_.begin("delete_target", id); }
    void rename_target(const guid&, const std::string& name) override { g_.note("rename target " + name); }
    void set_secret(const guid&, const std::optional<std::string>& initiator,
                    const std::optional<std::string>& secret) override {
      g_.note("secret of " + initiator.value_or("everybody") + " is " + secret.value_or("none"));
    }
    void set_mutual_secret(const guid&, const std::string& initiator,
                           const std::optional<std::string>& secret) override {
      g_.note("secret for " + initiator + " is " + secret.value_or("none"));
    }
    void associate(const guid& lun, const std::vector<guid>& targets) override {
      g_.note("associate " + to_string(lun).substr(0, 4) + " with " + std::to_string(targets.size()));
    }
    std::vector<portal_view> portals() override { return g_.store_.portals; }
    guid add_portal(const guid& subsystem, const std::string& address) override {
      const guid id = test_id(static_cast<unsigned>(g_.store_.portals.size() + 1), 0xf1);
      g_.store_.portals.push_back({id, subsystem, address, 1, {}});
      return id;
    }
    void remove_portal(const guid&, const guid&) override { g_.note("remove portal"); }
    void set_portal_status(const guid&, std::uint32_t status) override {
      g_.note("portal status " + std::to_string(status));
    }
    std::vector<portal_group_view> portal_groups() override { return g_.store_.portal_groups; }
    operation_ptr create_portal_group(const guid& target) override {
      const guid id = test_id(static_cast<unsigned>(g_.store_.portal_groups.size() + 1), 0xf2);
      g_.store_.portal_groups.push_back({id, target, "t", 1, {}});
      return g_.begin("create_portal_group", id);
    }
    operation_ptr delete_portal_group(const guid& id) override { return g_.begin("delete_portal_group", id); }
    operation_ptr join_portal(const guid& group, const guid& portal) override {
      for (auto& v : g_.store_.portal_groups)
        if (v.id == group) v.portals.push_back(portal);
      return g_.begin("add_portal", group);
    }
    operation_ptr leave_portal(const guid& group, const guid&) override { return g_.begin("remove_portal", group); }

   private:
    fake_gateway& g_;
  };
  fake_iscsi iscsi_{*this};
};

}  // namespace vds::cli
