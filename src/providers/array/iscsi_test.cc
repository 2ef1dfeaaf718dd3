// Targets, portal groups and portals through their COM objects, over a real array; what initiators may is in
// tests/iscsi, what a whole service makes of it in tests/e2e.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vdsxadmin.h>

#include <filesystem>

#include "com/call_context.h"
#include "providers/array/provider.h"
#include "providers/array/testing/in_memory.h"
#include "providers/array/testing/vds_caller.h"

namespace vds::array_provider {
namespace {

using testing::all_of;
using testing::caller;
using testing::ear;
constexpr ULONGLONG mib = 1 << 20;
constexpr auto initiator = L"iqn.2026-01.test:initiator";

wchar_t* w(const wchar_t* text) { return const_cast<wchar_t*>(text); }

struct shared_secret {
  explicit shared_secret(std::string s) : text(std::move(s)) {
    raw.pSharedSecret = reinterpret_cast<UCHAR*>(text.data());
    raw.ulSharedSecretSize = static_cast<ULONG>(text.size());
  }
  std::string text;
  VDS_ISCSI_SHARED_SECRET raw{};
};

class array_targets : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "vds-targets-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    start();
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(host_->add_drive(dir_ + "/d" + std::to_string(i), {64 * mib}, false));
    call_ = std::make_unique<caller>(make_provider(host_));
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(dir_);
  }
  void start() {
    auto h =
        host::start({.id = guid{{1, 2, 3}}, .name = "test", .portal = "127.0.0.1:0", .preferred_portal = {}}, list_);
    ASSERT_TRUE(h) << h.error().message();
    host_ = std::move(*h);
  }
  void stop() {
    call_.reset();
    if (host_) host_->close();
    host_.reset();
  }
  void restart() {
    stop();
    start();
    call_ = std::make_unique<caller>(make_provider(host_));
  }
  com_ptr<IVdsSubSystemIscsi> sub() { return call_->subsystem.as<IVdsSubSystemIscsi>(); }
  com_ptr<IVdsxPortalAdmin> admin() { return call_->subsystem.as<IVdsxPortalAdmin>(); }
  ear& heard() { return *call_->sink; }

  template <class I>
  std::vector<com_ptr<I>> list(HRESULT hr, com_ptr<IEnumVdsObject> e) {
    EXPECT_EQ(hr, S_OK);
    std::vector<com_ptr<I>> out;
    if (e)
      for (auto& each : all_of(e.get())) out.push_back(each.template as<I>());
    return out;
  }
  std::vector<com_ptr<IVdsIscsiTarget>> targets_now() {
    com_ptr<IEnumVdsObject> e;
    const HRESULT hr = sub()->QueryTargets(e.put());
    return list<IVdsIscsiTarget>(hr, e);
  }
  std::vector<com_ptr<IVdsIscsiPortal>> portals_now() {
    com_ptr<IEnumVdsObject> e;
    const HRESULT hr = sub()->QueryPortals(e.put());
    return list<IVdsIscsiPortal>(hr, e);
  }
  std::vector<com_ptr<IVdsIscsiPortalGroup>> groups_of(const com_ptr<IVdsIscsiTarget>& t) {
    com_ptr<IEnumVdsObject> e;
    const HRESULT hr = t->QueryPortalGroups(e.put());
    return list<IVdsIscsiPortalGroup>(hr, e);
  }
  std::set<guid> luns_of(const com_ptr<IVdsIscsiTarget>& t) {
    com_ptr<IEnumVdsObject> e;
    const HRESULT hr = t->QueryAssociatedLuns(e.put());
    std::set<guid> out;
    for (auto& l : list<IVdsLun>(hr, e)) out.insert(caller::id_of(l.get()));
    return out;
  }
  struct target_prop {
    guid id;
    std::string iqn, name;
    bool chap;
  };
  target_prop of(const com_ptr<IVdsIscsiTarget>& t) {
    VDS_ISCSI_TARGET_PROP p{};
    EXPECT_EQ(t->GetProperties(&p), S_OK);
    target_prop out{from_com(p.id), to_utf8(p.pwszIscsiName), to_utf8(p.pwszFriendlyName), p.bChapEnabled != FALSE};
    CoTaskMemFree(p.pwszIscsiName);
    CoTaskMemFree(p.pwszFriendlyName);
    return out;
  }
  VDS_ISCSI_PORTAL_PROP of(const com_ptr<IVdsIscsiPortal>& p) {
    VDS_ISCSI_PORTAL_PROP out{};
    EXPECT_EQ(p->GetProperties(&out), S_OK);
    return out;
  }
  VDS_ISCSI_PORTALGROUP_PROP of(const com_ptr<IVdsIscsiPortalGroup>& g) {
    VDS_ISCSI_PORTALGROUP_PROP out{};
    EXPECT_EQ(g->GetProperties(&out), S_OK);
    return out;
  }
  // The end of an asynchronous method, with the object it made.
  com_ptr<IUnknown> ended(HRESULT hr, const com_ptr<IVdsAsync>& async, VDS_ASYNC_OUTPUT_TYPE type) {
    EXPECT_EQ(hr, S_OK);
    if (!async) return {};
    HRESULT result = E_FAIL;
    VDS_ASYNC_OUTPUT out{};
    EXPECT_EQ(async->Wait(&result, &out), S_OK);
    EXPECT_EQ(result, S_OK);
    EXPECT_EQ(out.type, type);
    if (type == VDS_ASYNCOUT_CREATETARGET) return adopt(out.ct.pTargetUnk);
    if (type == VDS_ASYNCOUT_CREATEPORTALGROUP) return adopt(out.cpg.pPortalGroupUnk);
    return {};
  }
  com_ptr<IVdsIscsiTarget> create(const wchar_t* iqn, const wchar_t* name) {
    com_ptr<IVdsAsync> a;
    const HRESULT hr = sub()->CreateTarget(w(iqn), w(name), a.put());
    return ended(hr, a, VDS_ASYNCOUT_CREATETARGET).as<IVdsIscsiTarget>();
  }
  com_ptr<IVdsIscsiPortalGroup> create_group(const com_ptr<IVdsIscsiTarget>& t) {
    com_ptr<IVdsAsync> a;
    const HRESULT hr = t->CreatePortalGroup(a.put());
    return ended(hr, a, VDS_ASYNCOUT_CREATEPORTALGROUP).as<IVdsIscsiPortalGroup>();
  }

  testing::list_in_memory list_;
  std::string dir_;
  std::shared_ptr<host> host_;
  std::unique_ptr<caller> call_;
};

TEST_F(array_targets, an_array_begins_with_one_target_that_has_every_lun_and_one_portal) {
  const auto all = targets_now();
  ASSERT_EQ(all.size(), 1u);
  const auto t = of(all[0]);
  EXPECT_EQ(t.name, "test");
  EXPECT_FALSE(t.chap);
  EXPECT_EQ(t.iqn, host_->iqn());
  const auto ports = portals_now();
  ASSERT_EQ(ports.size(), 1u);
  EXPECT_EQ(of(ports[0]).status, VDS_IPS_ONLINE);
  EXPECT_EQ(of(ports[0]).address.type, VDS_IPT_IPV4);
  EXPECT_EQ(of(ports[0]).address.ipv4Address, 0x0100007fu);
  const auto groups = groups_of(all[0]);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(of(groups[0]).tag, 1);
  com_ptr<IEnumVdsObject> e;
  ASSERT_EQ(groups[0]->QueryAssociatedPortals(e.put()), S_OK);
  EXPECT_EQ(all_of(e.get()).size(), 1u);
  ASSERT_EQ(ports[0]->QueryAssociatedPortalGroups(e.put()), S_OK);
  EXPECT_EQ(all_of(e.get()).size(), 1u);
  auto lun = call_->create(VDS_LT_SIMPLE, 4 * mib, {}, L"*");
  EXPECT_EQ(luns_of(all[0]), std::set<guid>{caller::id_of(lun.get())});
  VDS_SUB_SYSTEM_PROP p{};
  ASSERT_EQ(call_->subsystem->GetProperties(&p), S_OK);
  const ULONG expected =
      VDS_SF_SUPPORTS_SIMPLE_TARGET_CONFIG | VDS_SF_SUPPORTS_AUTH_CHAP | VDS_SF_SUPPORTS_AUTH_MUTUAL_CHAP;
  EXPECT_EQ(p.ulFlags & expected, expected);
  CoTaskMemFree(p.pwszFriendlyName);
  CoTaskMemFree(p.pwszIdentification);
  const auto id = t.id;
  restart();
  EXPECT_EQ(of(targets_now().at(0)).id, id);
  EXPECT_EQ(luns_of(targets_now().at(0)).size(), 1u);
}

TEST_F(array_targets, a_target_is_made_named_and_deleted_and_stays_over_a_restart) {
  auto t = create(L"IQN.2026-01.test:Mine", L"mine");
  ASSERT_TRUE(t);
  const guid id = of(t).id;
  heard().wait_for(VDS_NF_TARGET_ARRIVE, id);
  EXPECT_EQ(of(t).iqn, "iqn.2026-01.test:mine");
  com_ptr<IVdsAsync> a;
  EXPECT_EQ(sub()->CreateTarget(w(L"iqn.2026-01.test:mine"), w(L"again"), a.put()), VDS_E_NAME_NOT_UNIQUE);
  EXPECT_EQ(sub()->CreateTarget(w(L"no name"), w(L""), a.put()), VDS_E_INVALID_ISCSI_TARGET_NAME);
  EXPECT_EQ(sub()->CreateTarget(nullptr, nullptr, a.put()), E_INVALIDARG);
  EXPECT_FALSE(a);
  EXPECT_THAT(of(create(nullptr, L"generated")).iqn, ::testing::StartsWith("iqn."));
  EXPECT_EQ(t->SetFriendlyName(w(L"other")), S_OK);
  heard().wait_for(VDS_NF_TARGET_MODIFY, id);
  restart();
  ASSERT_EQ(targets_now().size(), 3u);
  com_ptr<IUnknown> found;
  ASSERT_EQ(call_->provider.as<IVdsProviderPrivate>()->GetObject(to_com(id), VDS_OT_TARGET, found.put()), S_OK);
  t = found.as<IVdsIscsiTarget>();
  EXPECT_EQ(of(t).name, "other");
  ended(t->Delete(a.put()), a, VDS_ASYNCOUT_DELETETARGET);
  heard().wait_for(VDS_NF_TARGET_DEPART, id);
  VDS_ISCSI_TARGET_PROP p{};
  EXPECT_EQ(t->GetProperties(&p), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(t->Delete(a.put()), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(t->CreatePortalGroup(a.put()), VDS_E_OBJECT_DELETED);
  restart();
  EXPECT_EQ(targets_now().size(), 2u);
}

TEST_F(array_targets, portal_groups_have_tags_and_portals_one_of_each_for_a_target) {
  auto t = create(L"iqn.2026-01.test:t", L"t");
  auto a = create_group(t), b = create_group(t);
  EXPECT_EQ(of(a).tag, 2);  // 1 is the automatic target's: tags differ over all of them
  EXPECT_EQ(of(b).tag, 3);
  heard().wait_for(VDS_NF_PORTAL_GROUP_ARRIVE, from_com(of(a).id));
  const auto portal = of(portals_now().at(0)).id;
  com_ptr<IVdsAsync> async;
  ended(a->AddPortal(portal, async.put()), async, VDS_ASYNCOUT_ADDPORTAL);
  ended(a->AddPortal(portal, async.put()), async, VDS_ASYNCOUT_ADDPORTAL);  // is there already
  EXPECT_EQ(b->AddPortal(portal, async.put()), VDS_E_OBJECT_EXISTS);
  EXPECT_EQ(b->RemovePortal(portal, async.put()), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(b->AddPortal(of(a).id, async.put()), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(a->Delete(async.put()), VDS_E_ASSOCIATED_PORTALS_EXIST);
  restart();
  for (auto& each : targets_now())
    if (of(each).name == "t") t = each;
  auto groups = groups_of(t);
  ASSERT_EQ(groups.size(), 2u);
  a = groups[0];
  b = groups[1];
  ended(a->RemovePortal(portal, async.put()), async, VDS_ASYNCOUT_REMOVEPORTAL);
  heard().wait_for(VDS_NF_PORTAL_GROUP_MODIFY, from_com(of(a).id));
  const guid id = from_com(of(a).id);
  ended(a->Delete(async.put()), async, VDS_ASYNCOUT_DELETEPORTALGROUP);
  heard().wait_for(VDS_NF_PORTAL_GROUP_DEPART, id);
  EXPECT_EQ(a->Delete(async.put()), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(of(create_group(t)).tag, 2);
  // A target goes with its groups.
  ended(t->Delete(async.put()), async, VDS_ASYNCOUT_DELETETARGET);
  VDS_ISCSI_PORTALGROUP_PROP p{};
  EXPECT_EQ(b->GetProperties(&p), VDS_E_OBJECT_DELETED);
}

TEST_F(array_targets, portals_come_and_go_at_run_time_and_are_remembered) {
  VDS_OBJECT_ID id{};
  EXPECT_EQ(admin()->AddPortal(L"localhost:1", &id), E_INVALIDARG);
  EXPECT_EQ(admin()->AddPortal(to_wide(host_->portal()).c_str(), &id), VDS_E_OBJECT_EXISTS);
  ASSERT_EQ(admin()->AddPortal(L"[::1]:0", &id), S_OK);
  heard().wait_for(VDS_NF_PORTAL_ARRIVE, from_com(id));
  const auto find = [&] {
    for (auto& p : portals_now())
      if (from_com(of(p).id) == from_com(id)) return p;
    return com_ptr<IVdsIscsiPortal>();
  };
  auto p = find();
  ASSERT_TRUE(p);
  EXPECT_EQ(of(p).address.type, VDS_IPT_IPV6);
  const ULONG port = of(p).address.ulPort;
  EXPECT_NE(port, 0u);
  const auto group = groups_of(targets_now().at(0)).at(0);
  com_ptr<IVdsAsync> a;
  ended(group->AddPortal(id, a.put()), a, VDS_ASYNCOUT_ADDPORTAL);
  EXPECT_EQ(admin()->RemovePortal(id), VDS_E_ASSOCIATED_PORTALS_EXIST);
  EXPECT_EQ(p->SetStatus(VDS_IPS_OFFLINE), S_OK);
  EXPECT_EQ(of(p).status, VDS_IPS_OFFLINE);
  EXPECT_EQ(p->SetStatus(VDS_IPS_FAILED), VDS_E_NOT_SUPPORTED);
  EXPECT_EQ(p->SetStatus(VDS_IPS_UNKNOWN), E_INVALIDARG);
  restart();
  p = find();
  ASSERT_TRUE(p);
  EXPECT_EQ(of(p).status, VDS_IPS_OFFLINE);
  EXPECT_EQ(of(p).address.ulPort, port);
  EXPECT_EQ(p->SetStatus(VDS_IPS_ONLINE), S_OK);
  EXPECT_EQ(of(p).status, VDS_IPS_ONLINE);
  EXPECT_EQ(of(p).address.ulPort, port);
  const auto again = groups_of(targets_now().at(0)).at(0);
  ended(again->RemovePortal(id, a.put()), a, VDS_ASYNCOUT_REMOVEPORTAL);
  EXPECT_EQ(admin()->RemovePortal(id), S_OK);
  heard().wait_for(VDS_NF_PORTAL_DEPART, from_com(id));
  EXPECT_EQ(admin()->RemovePortal(id), VDS_E_OBJECT_NOT_FOUND);
  VDS_ISCSI_PORTAL_PROP prop{};
  EXPECT_EQ(p->GetProperties(&prop), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(admin()->RemovePortal(of(portals_now().at(0)).id), VDS_E_NOT_SUPPORTED);
  VDS_IPADDRESS somewhere{};
  ULONGLONG flags = 7;
  EXPECT_EQ(portals_now().at(0)->GetIpsecSecurity(&somewhere, &flags), VDS_E_NOT_SUPPORTED);
  EXPECT_EQ(portals_now().at(0)->SetIpsecSecurity(&somewhere, 0, nullptr), VDS_E_NOT_SUPPORTED);
  EXPECT_EQ(portals_now().at(0)->SetIpsecTunnelAddress(&somewhere, &somewhere), VDS_E_NOT_SUPPORTED);
  EXPECT_EQ(sub()->SetIpsecGroupPresharedKey(nullptr), VDS_E_NOT_SUPPORTED);
}

TEST_F(array_targets, luns_are_associated_with_the_named_targets_and_no_other) {
  const auto first = targets_now().at(0);
  auto t = create(L"iqn.2026-01.test:t", L"t");
  auto lun = call_->create(VDS_LT_SIMPLE, 4 * mib, {}, L"*"), other = call_->create(VDS_LT_SIMPLE, 4 * mib, {}, L"*");
  const guid id = caller::id_of(lun.get());
  const auto iscsi = lun.as<IVdsLunIscsi>();
  VDS_OBJECT_ID both[] = {to_com(of(t).id), to_com(of(first).id)};
  EXPECT_EQ(iscsi->AssociateTargets(both, 2), S_OK);
  heard().wait_for(VDS_NF_LUN_MODIFY, id);
  EXPECT_EQ(luns_of(t), std::set<guid>{id});
  EXPECT_EQ(luns_of(first).size(), 2u);
  EXPECT_EQ(iscsi->AssociateTargets(both, 1), S_OK);
  EXPECT_EQ(luns_of(first).size(), 1u);
  VDS_OBJECT_ID wrong = to_com(id);
  EXPECT_EQ(iscsi->AssociateTargets(&wrong, 1), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(iscsi->AssociateTargets(nullptr, 1), E_INVALIDARG);
  com_ptr<IVdsAsync> a;
  EXPECT_EQ(t->Delete(a.put()), VDS_E_ASSOCIATED_LUNS_EXIST);
  restart();
  com_ptr<IUnknown> found;
  ASSERT_EQ(call_->provider.as<IVdsProviderPrivate>()->GetObject(both[0], VDS_OT_TARGET, found.put()), S_OK);
  t = found.as<IVdsIscsiTarget>();
  EXPECT_EQ(luns_of(t), std::set<guid>{id});
  for (auto& l : call_->luns())
    if (caller::id_of(l.as<IVdsLun>().get()) == id) lun = l.as<IVdsLun>();
  // No target at all: nobody reaches it.
  EXPECT_EQ(lun.as<IVdsLunIscsi>()->AssociateTargets(nullptr, 0), S_OK);
  EXPECT_EQ(caller::details_of(lun.get()).url, "");
  com_ptr<IEnumVdsObject> e;
  EXPECT_EQ(lun.as<IVdsLunIscsi>()->QueryAssociatedTargets(e.put()), S_OK);
  EXPECT_TRUE(all_of(e.get()).empty());
  EXPECT_EQ(lun.as<IVdsLunIscsi>()->AssociateTargets(both, 1), S_OK);
  EXPECT_EQ(lun->Delete(), S_OK);
  ended(t->Delete(a.put()), a, VDS_ASYNCOUT_DELETETARGET);
}

TEST_F(array_targets, without_the_automatic_target_new_luns_belong_to_nobody_until_somebody_says) {
  const auto first = targets_now().at(0);
  com_ptr<IVdsAsync> a;
  ended(first->Delete(a.put()), a, VDS_ASYNCOUT_DELETETARGET);
  restart();
  EXPECT_TRUE(targets_now().empty());
  auto lun = call_->create(VDS_LT_SIMPLE, 4 * mib, {}, L"*");
  EXPECT_EQ(caller::details_of(lun.get()).url, "");
  VDS_SUB_SYSTEM_PROP p{};
  ASSERT_EQ(call_->subsystem->GetProperties(&p), S_OK);
  EXPECT_EQ(p.ulFlags & VDS_SF_SUPPORTS_SIMPLE_TARGET_CONFIG, 0u);
  CoTaskMemFree(p.pwszFriendlyName);
  CoTaskMemFree(p.pwszIdentification);
  auto t = create(L"iqn.2026-01.test:t", L"t");
  VDS_OBJECT_ID id = to_com(of(t).id);
  EXPECT_EQ(lun.as<IVdsLunIscsi>()->AssociateTargets(&id, 1), S_OK);
  EXPECT_EQ(caller::details_of(lun.get()).url, "");  // no portal yet
  auto g = create_group(t);
  ended(g->AddPortal(of(portals_now().at(0)).id, a.put()), a, VDS_ASYNCOUT_ADDPORTAL);
  EXPECT_EQ(caller::details_of(lun.get()).url, "iscsi://" + host_->portal() + "/iqn.2026-01.test:t/0");
}

TEST_F(array_targets, secrets_are_taken_and_never_given) {
  const auto t = targets_now().at(0);
  shared_secret everybody("everybody's secret"), brief("too short"), own("what we prove"), same("everybody's secret");
  EXPECT_EQ(t->SetSharedSecret(&brief.raw, nullptr), E_INVALIDARG);
  EXPECT_EQ(t->SetSharedSecret(&everybody.raw, nullptr), S_OK);
  heard().wait_for(VDS_NF_TARGET_MODIFY, of(t).id);
  EXPECT_TRUE(of(t).chap);
  EXPECT_EQ(t->RememberInitiatorSharedSecret(w(initiator), &own.raw), S_OK);
  EXPECT_EQ(t->RememberInitiatorSharedSecret(w(initiator), &same.raw), E_INVALIDARG);
  EXPECT_EQ(t->RememberInitiatorSharedSecret(w(L"no name"), &own.raw), E_INVALIDARG);
  EXPECT_EQ(t->SetSharedSecret(&own.raw, w(initiator)), E_INVALIDARG);  // what we prove ourselves with
  EXPECT_EQ(t->SetSharedSecret(&everybody.raw, w(L"no name")), E_INVALIDARG);
  restart();
  const auto again = targets_now().at(0);
  EXPECT_TRUE(of(again).chap);
  EXPECT_EQ(again->SetSharedSecret(nullptr, nullptr), S_OK);
  EXPECT_FALSE(of(again).chap);
  EXPECT_EQ(again->SetSharedSecret(&everybody.raw, w(initiator)), S_OK);
  EXPECT_TRUE(of(again).chap);
  shared_secret none("");
  EXPECT_EQ(again->SetSharedSecret(&none.raw, w(initiator)), S_OK);
  EXPECT_FALSE(of(again).chap);
  LPWSTR* names = nullptr;
  LONG count = 7;
  EXPECT_EQ(again->GetConnectedInitiators(&names, &count), S_OK);
  EXPECT_EQ(count, 0);
}

TEST_F(array_targets, a_repeated_operation_joins_the_first_also_after_a_restart) {
  const guid op{{9, 9, 9}};
  const auto call = [&]() -> guid {
    call_context context;
    context.operation_id = op;
    const scoped_call scope(context);
    com_ptr<IVdsAsync> a;
    const HRESULT hr = sub()->CreateTarget(nullptr, w(L"once"), a.put());
    return of(ended(hr, a, VDS_ASYNCOUT_CREATETARGET).as<IVdsIscsiTarget>()).id;
  };
  const guid made = call();
  EXPECT_EQ(call(), made);
  restart();
  VDSX_OPERATION_OUTCOME outcome{};
  ASSERT_EQ(call_->provider.as<IVdsxProviderOperations>()->QueryOperation(to_com(op), &outcome), S_OK);
  EXPECT_EQ(outcome.outcome, VDSX_OUTCOME_DONE);
  EXPECT_EQ(from_com(outcome.objectId), made);
  EXPECT_EQ(call(), made);
  EXPECT_EQ(targets_now().size(), 2u);
}

}  // namespace
}  // namespace vds::array_provider
