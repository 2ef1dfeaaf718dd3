#include "service/service.h"

#include "sdk/notifier.h"
#include "service/service_core.h"
#include "service/testing/scene.h"

namespace vds::service::testing {
namespace {

class service_test : public scene {
 protected:
  static std::string mask_of(IVdsLun* l) {
    VDS_LUN_PROP p{};
    EXPECT_EQ(l->GetProperties(&p), S_OK);
    const std::string out = to_utf8(p.pwszUnmaskingList);
    CoTaskMemFree(p.pwszFriendlyName);
    CoTaskMemFree(p.pwszUnmaskingList);
    return out;
  }
};

TEST_F(service_test, the_way_every_vds_program_goes) {
  array->add_lun(1 << 20);
  start();
  const auto loader = running->loader().as<IVdsServiceLoader>();
  com_ptr<IVdsService> service;
  EXPECT_EQ(loader->LoadService(nullptr, service.put()), S_OK);
  WCHAR local[] = L"", remote[] = L"elsewhere";
  EXPECT_EQ(loader->LoadService(local, service.put()), S_OK);
  com_ptr<IVdsService> none;
  EXPECT_EQ(loader->LoadService(remote, none.put()), VDS_E_NOT_SUPPORTED);
  char own[256] = {};
  ASSERT_EQ(::gethostname(own, sizeof own - 1), 0);
  for (const std::string& name :
       {std::string(own), std::string("localhost"), std::string("LOCALHOST"), std::string(".")})
    EXPECT_EQ(loader->LoadService(to_wide(name).data(), service.put()), S_OK) << name;
  EXPECT_EQ(service->WaitForServiceReady(), S_OK);
  EXPECT_EQ(service->IsServiceReady(), S_OK);
  com_ptr<IEnumVdsObject> e;
  ASSERT_EQ(service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, e.put()), S_OK);
  com_ptr<IUnknown> unknown;
  ASSERT_EQ(e->Next(1, unknown.put(), nullptr), S_OK);
  const auto provider = unknown.as<IVdsHwProvider>();
  ASSERT_TRUE(provider);
  ASSERT_EQ(provider->QuerySubSystems(e.put()), S_OK);
  ASSERT_EQ(e->Next(1, unknown.put(), nullptr), S_OK);
  const auto subsystem = unknown.as<IVdsSubSystem>();
  ASSERT_EQ(subsystem->QueryLuns(e.put()), S_OK);
  const auto found = all<IVdsLun>(e.get());
  ASSERT_EQ(found.size(), 1u);
  com_ptr<IVdsSubSystem> up;
  ASSERT_EQ(found[0]->GetSubSystem(up.put()), S_OK);
  EXPECT_TRUE(same_object(up.get(), subsystem.get()));
  com_ptr<IVdsProvider> top;
  ASSERT_EQ(subsystem->GetProvider(top.put()), S_OK);
  EXPECT_TRUE(same_object(top.get(), provider.get()));
  ASSERT_EQ(found[0]->QueryPlexes(e.put()), S_OK);
  EXPECT_EQ(all<IVdsLunPlex>(e.get()).size(), 1u);
}

TEST_F(service_test, masks_and_types_that_make_no_sense_are_refused) {
  start();
  com_ptr<IEnumVdsObject> e;
  com_ptr<IUnknown> o;
  EXPECT_EQ(as<IVdsService>()->QueryProviders(0, e.put()), E_INVALIDARG);
  EXPECT_EQ(as<IVdsService>()->QueryProviders(8, e.put()), E_INVALIDARG);
  EXPECT_EQ(as<IVdsService>()->QueryProviders(1, nullptr), E_INVALIDARG);
  EXPECT_EQ(as<IVdsService>()->QueryProviders(VDS_QUERY_SOFTWARE_PROVIDERS, e.put()), S_OK);
  EXPECT_TRUE(all<IUnknown>(e.get()).empty());
  for (const auto type : {VDS_OT_UNKNOWN, VDS_OT_PROVIDER, VDS_OT_ASYNC, VDS_OT_ENUM})
    EXPECT_EQ(as<IVdsService>()->GetObject(to_com(array->subsystem_id), type, o.put()), E_INVALIDARG);
  EXPECT_EQ(as<IVdsService>()->GetObject(to_com(array->subsystem_id), VDS_OT_LUN, o.put()), VDS_E_OBJECT_NOT_FOUND);
}

TEST_F(service_test, one_id_is_one_object_and_has_only_the_interfaces_its_provider_has) {
  const guid id = array->add_lun(1 << 20);
  start();
  const auto a = lun(id), b = luns()[0];
  EXPECT_TRUE(same_object(a.get(), b.get()));
  EXPECT_TRUE(a.as<IVdsLunNaming>());
  EXPECT_FALSE(a.as<IVdsLunIscsi>());
  EXPECT_FALSE(a.as<IVdsDrive>());
  EXPECT_TRUE(same_object(a.as<IVdsLunNaming>().get(), a.get()));
}

TEST_F(service_test, lists_and_properties_come_from_the_model_while_the_provider_hangs) {
  const guid id = array->add_lun(1 << 20);
  start();
  com_ptr<IEnumVdsObject> e;
  ASSERT_EQ(luns()[0]->QueryPlexes(e.put()), S_OK);
  array->before = [](const std::string&) { return fake_array::hang(); };
  const auto begin = monotonic::now();
  EXPECT_EQ(luns().size(), 1u);
  EXPECT_EQ(mask_of(lun(id).get()), "");
  EXPECT_EQ(providers().size(), 1u);
  EXPECT_LT(monotonic::now() - begin, options.provider.call_limit);
  VDS_HINTS hints;
  EXPECT_EQ(lun(id)->QueryHints(&hints), RPC_E_TIMEOUT);
  EXPECT_GE(monotonic::now() - begin, options.provider.call_limit);
}

TEST_F(service_test, plexes_that_are_just_being_read_are_listed_all_the_same) {
  const guid id = array->add_lun(1 << 20);
  std::atomic<int> reading = 0;
  std::atomic<bool> release = false;
  array->before = [&](const std::string& m) {
    if (m == "QueryPlexes" && ++reading == 1)
      while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return S_OK;
  };
  start();
  until([&] { return reading > 0; }, "the service's own reading");
  com_ptr<IEnumVdsObject> e;
  EXPECT_EQ(lun(id)->QueryPlexes(e.put()), S_OK);
  EXPECT_EQ(all<IVdsLunPlex>(e.get()).size(), 1u);
  release = true;
  stop();  // the reading ends before what it looks at
}

TEST_F(service_test, a_change_is_seen_by_who_made_it_at_once) {
  const guid id = array->add_lun(1 << 20);
  start();
  WCHAR mask[] = L"iqn.2000-01.com.example:host";
  EXPECT_EQ(lun(id)->SetMask(mask), S_OK);
  EXPECT_EQ(mask_of(lun(id).get()), "iqn.2000-01.com.example:host");
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(lun(id)->Extend(1 << 20, nullptr, 0, async.put()), S_OK);
  EXPECT_EQ(wait(async.get()).result, S_OK);
  VDS_LUN_PROP p{};
  EXPECT_EQ(lun(id)->GetProperties(&p), S_OK);
  EXPECT_EQ(p.ullSize, 2u << 20);
  CoTaskMemFree(p.pwszFriendlyName);
  CoTaskMemFree(p.pwszUnmaskingList);
}

TEST_F(service_test, who_changed_what_is_in_the_history_also_without_an_operation_and_after_a_restart) {
  const guid id = array->add_lun(1 << 20);
  options.history = 3;
  start();
  {
    call_context context = current_call();
    context.caller = "a test";
    const scoped_call scope(context);
    WCHAR mask[] = L"*";
    for (int i = 0; i < 5; ++i) EXPECT_EQ(lun(id)->SetMask(mask), S_OK);
    EXPECT_EQ(lun(id)->SetStatus(VDS_LS_OFFLINE), VDS_E_NOT_SUPPORTED);
    EXPECT_EQ(lun(id)->Delete(), S_OK);
  }
  for (const bool after_a_restart : {false, true}) {
    const auto seen = operations(true);
    ASSERT_EQ(seen.size(), 3u) << after_a_restart;  // as many as are kept, the newest
    EXPECT_EQ(seen[0].kind, "lun_set_mask");
    EXPECT_EQ(seen[1].kind, "lun_set_status");
    EXPECT_EQ(seen[1].result, VDS_E_NOT_SUPPORTED);
    EXPECT_EQ(seen[2].kind, "lun_delete");
    EXPECT_EQ(seen[2].owner, "a test");
    EXPECT_EQ(operations(false).size(), 0u);
    stop();
    start();
  }
}

TEST_F(service_test, what_is_deleted_says_so_for_ever) {
  const guid id = array->add_lun(1 << 20);
  start();
  const auto gone = lun(id);
  EXPECT_EQ(gone->Delete(), S_OK);
  EXPECT_EQ(gone->Delete(), VDS_E_OBJECT_DELETED);
  VDS_LUN_PROP p{};
  VDS_HINTS hints{};
  com_ptr<IEnumVdsObject> e;
  com_ptr<IVdsAsync> async;
  EXPECT_EQ(gone->GetProperties(&p), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(gone->QueryPlexes(e.put()), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(gone->QueryHints(&hints), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(gone->Extend(1, nullptr, 0, async.put()), VDS_E_OBJECT_DELETED);
  EXPECT_FALSE(lun(id));
  EXPECT_TRUE(luns().empty());
}

TEST_F(service_test, answers_that_cannot_be_are_not_passed_on) {
  const guid id = array->add_lun(1 << 20);
  start();
  com_ptr<IEnumVdsObject> e;
  EXPECT_EQ(lun(id)->QueryActiveControllers(e.put()), E_UNEXPECTED) << "success without an enumeration";
  com_ptr<IVdsDrive> drive;
  EXPECT_EQ(subsystem()->GetDrive(0, 1, drive.put()), E_UNEXPECTED) << "success without an object";
  EXPECT_EQ(subsystem()->GetDrive(0, 0, drive.put()), S_OK);
  VDS_DRIVE_EXTENT* extents = nullptr;
  LONG n = 1;
  EXPECT_EQ(drive->QueryExtents(&extents, &n), VDS_E_BAD_PROVIDER_DATA) << "five of nothing";
  EXPECT_EQ(n, 0);
  array->before = [](const std::string& m) { return m == "QueryHints" ? static_cast<HRESULT>(0x8badf00d) : S_OK; };
  VDS_HINTS hints;
  EXPECT_EQ(lun(id)->QueryHints(&hints), static_cast<HRESULT>(0x8badf00d)) << "an unknown failure is a failure";
}

TEST_F(service_test, objects_stay_valid_while_their_provider_dies_and_comes_back) {
  const guid kept = array->add_lun(1 << 20), lost = array->add_lun(1 << 20);
  start();
  const auto a = lun(kept), b = lun(lost);
  launcher.fails = true;
  launcher.lose("fake", "its process was lost: killed by signal 9 (Killed)");
  VDS_HINTS hints;
  until([&] { return a->QueryHints(&hints) == VDS_E_PROVIDER_FAILURE; }, "a clean error");
  until([&] { return status().state == VDSX_PS_BACKING_OFF; }, "backing off");
  EXPECT_EQ(mask_of(a.get()), "") << "from the model";
  EXPECT_EQ(luns().size(), 2u);
  com_ptr<IVdsAsync> async;
  EXPECT_EQ(create(subsystem().get(), async.put()), VDS_E_PROVIDER_FAILURE);
  array->remove_lun(lost);
  const guid fresh = array->add_lun(1 << 20);
  launcher.fails = false;
  until([&] { return status().state == VDSX_PS_READY; }, "its return");
  EXPECT_EQ(a->QueryHints(&hints), S_OK);
  EXPECT_TRUE(same_object(a.get(), lun(kept).get()));
  EXPECT_EQ(b->QueryHints(&hints), VDS_E_OBJECT_DELETED);
  EXPECT_TRUE(lun(fresh));
  EXPECT_GE(status().restarts, 1u);
}

TEST_F(service_test, a_provider_that_cannot_start_refuses_or_hangs_leaves_the_others_alone) {
  const auto refusing = std::make_shared<fake_array>("refusing"), hanging = std::make_shared<fake_array>("hanging");
  refusing->before = [](const std::string& m) { return m == "OnLoad" ? VDS_E_INITIALIZED_FAILED : S_OK; };
  hanging->before = [](const std::string& m) { return m == "OnLoad" ? fake_array::hang() : S_OK; };
  launcher.add(refusing);
  launcher.add(hanging);
  options.provider.load_limit = std::chrono::milliseconds(300);
  for (const char* name : {"refusing", "hanging", "missing"}) options.providers.push_back(launcher.spec(name));
  start();
  EXPECT_EQ(providers().size(), 1u);
  EXPECT_EQ(status().state, VDSX_PS_READY);
  until([&] { return status("refusing").state == VDSX_PS_REFUSED; }, "refused");
  EXPECT_NE(status("refusing").last.find("VDS_E_INITIALIZED_FAILED"), std::string::npos) << status("refusing").last;
  until([&] { return status("hanging").state == VDSX_PS_BACKING_OFF; }, "given up");
  until([&] { return status("missing").state == VDSX_PS_BACKING_OFF; }, "not there");
  EXPECT_NE(status("missing").last.find("no such program"), std::string::npos) << status("missing").last;
  until([&] { return status("missing").restarts > 2; }, "tried again and again");
  refusing->before = nullptr;
  until([&] { return providers().size() == 2; }, "it changed its mind");
}

TEST_F(service_test, a_provider_that_hangs_is_ended_and_started_again_unless_it_carries_io) {
  options.provider.hung_calls = 2;
  start();
  const auto hang = [&](const std::string& m) { return m == "Ping" || m == "SetStatus" ? fake_array::hang() : S_OK; };
  array->before = hang;
  EXPECT_EQ(subsystem()->SetStatus(VDS_SSS_ONLINE), RPC_E_TIMEOUT);
  until([&] { return status().state != VDSX_PS_READY; }, "given up");
  EXPECT_NE(status().last.size(), 0u);
  array->before = nullptr;
  until([&] { return status().state == VDSX_PS_READY; }, "started again");
  EXPECT_GE(launcher.launches, 2);
  stop();
  options.providers[0].restart_when_hung = false;
  start();
  const int launches = launcher.launches;
  array->before = hang;
  EXPECT_EQ(subsystem()->SetStatus(VDS_SSS_ONLINE), RPC_E_TIMEOUT);
  until([&] { return status().last.find("left running") != std::string::npos; }, "words about it");
  EXPECT_EQ(status().state, VDSX_PS_READY);
  EXPECT_EQ(launcher.launches, launches);
  array->before = nullptr;
}

TEST_F(service_test, registered_providers_are_kept_and_unregistered_ones_depart) {
  const auto more = std::make_shared<fake_array>("more");
  launcher.add(more);
  start();
  WCHAR name[] = L"more", version[] = L"1.0", empty[] = L"";
  const auto admin = as<IVdsAdmin>();
  const GUID id = to_com(more->provider_id), some = to_com(guid{{1}}), none{};
  EXPECT_EQ(admin->RegisterProvider(none, some, name, VDS_PT_HARDWARE, nullptr, version, some),
            VDS_E_INVALID_PROVIDER_ID);
  EXPECT_EQ(admin->RegisterProvider(id, none, name, VDS_PT_HARDWARE, nullptr, version, some),
            VDS_E_INVALID_PROVIDER_CLSID);
  EXPECT_EQ(admin->RegisterProvider(id, some, empty, VDS_PT_HARDWARE, nullptr, version, some),
            VDS_E_INVALID_PROVIDER_NAME);
  EXPECT_EQ(admin->RegisterProvider(id, some, name, VDS_PT_UNKNOWN, nullptr, version, some),
            VDS_E_INVALID_PROVIDER_TYPE);
  EXPECT_EQ(admin->RegisterProvider(id, some, name, VDS_PT_HARDWARE, nullptr, version, none),
            VDS_E_INVALID_PROVIDER_VERSION_GUID);
  EXPECT_EQ(admin->RegisterProvider(id, some, name, VDS_PT_HARDWARE, nullptr, version, some), S_OK);
  EXPECT_EQ(admin->RegisterProvider(id, some, name, VDS_PT_HARDWARE, nullptr, version, some), VDS_E_ALREADY_REGISTERED);
  until([&] { return providers().size() == 2; }, "the registered one");
  stop();
  start();
  EXPECT_EQ(providers().size(), 2u);
  EXPECT_EQ(as<IVdsAdmin>()->UnregisterProvider(id), S_OK);
  EXPECT_EQ(providers().size(), 1u);
  EXPECT_EQ(as<IVdsAdmin>()->UnregisterProvider(id), VDS_E_OBJECT_NOT_FOUND);
}

// --- events

class recorder final : public implements<IVdsAdviseSink> {
 public:
  HRESULT STDMETHODCALLTYPE OnNotify(LONG n, VDS_NOTIFICATION* events) noexcept override {
    if (on_notify) on_notify();
    const std::lock_guard lock(mutex);
    calls.emplace_back(events, events + n);
    return answer;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return calls.size();
  }
  std::mutex mutex;
  std::vector<std::vector<VDS_NOTIFICATION>> calls;
  std::function<void()> on_notify;
  std::atomic<HRESULT> answer = S_OK;
};

TEST_F(service_test, sinks_hear_what_belongs_together_in_one_call_and_after_it_is_true) {
  start();
  const auto sink = make<recorder>();
  DWORD cookie = 0;
  ASSERT_EQ(as<IVdsService>()->Advise(sink.get(), &cookie), S_OK);
  EXPECT_NE(cookie, 0u);
  const guid id = array->add_lun(1 << 20);
  bool reachable = false;
  sink->on_notify = [&] { reachable = static_cast<bool>(lun(id)); };
  array->notify(
      {sdk::hardware_event(VDS_NF_LUN_ARRIVE, id), sdk::hardware_event(VDS_NF_DRIVE_MODIFY, array->drive_id)});
  until([&] { return sink->count() == 1; }, "the arrival");
  EXPECT_EQ(sink->calls[0].size(), 2u);
  EXPECT_TRUE(reachable);
  sink->on_notify = nullptr;
  EXPECT_EQ(lun(id)->Delete(), S_OK);
  until([&] { return sink->count() == 2; }, "the departure");
  EXPECT_EQ(sink->calls[1].size(), 2u);
  EXPECT_EQ(sdk::event_code(sink->calls[1][0]), static_cast<ULONG>(VDS_NF_LUN_DEPART));
  EXPECT_EQ(as<IVdsService>()->Unadvise(cookie), S_OK);
  EXPECT_EQ(as<IVdsService>()->Unadvise(cookie), VDS_E_BAD_COOKIE);
}

TEST_F(service_test, what_a_provider_forgets_to_announce_is_announced_all_the_same) {
  start();
  const auto sink = make<recorder>();
  DWORD cookie;
  ASSERT_EQ(as<IVdsService>()->Advise(sink.get(), &cookie), S_OK);
  array->create = [&](IVdsAsync** out) {
    const auto a = sdk::make_async(VDS_ASYNCOUT_CREATELUN);
    const guid id = array->add_lun(1);
    a->finish_with(array->object(id, VDS_OT_LUN).get(), id);
    *out = com_ptr<IVdsAsync>(a).detach();
    return S_OK;
  };
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(create(subsystem().get(), async.put()), S_OK);
  EXPECT_EQ(wait(async.get()).result, S_OK);
  until([&] { return sink->count() == 1; }, "the arrival");
  EXPECT_EQ(sdk::event_code(sink->calls[0][0]), static_cast<ULONG>(VDS_NF_LUN_ARRIVE));
}

// The second of two calls that found it gone took back what the first had noted: nobody was told.
TEST_F(service_test, what_two_delete_at_once_is_told_to_be_gone_once) {
  options.provider.gather = std::chrono::milliseconds(500);  // so that the news comes after both
  const guid id = array->add_lun(1 << 20);
  start();
  const auto sink = make<recorder>();
  DWORD cookie;
  ASSERT_EQ(as<IVdsService>()->Advise(sink.get(), &cookie), S_OK);
  const auto held = lun(id), other = lun(id);
  std::atomic<int> inside = 0;
  std::atomic<bool> go = false;
  array->before = [&](const std::string& method) -> HRESULT {
    if (method == "Delete" && inside++ == 0)
      while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return S_OK;
  };
  HRESULT late = S_OK;
  std::thread second([&] { late = held->Delete(); });
  until([&] { return inside == 1; }, "the second one on its way");
  EXPECT_EQ(other->Delete(), S_OK);
  go = true;
  second.join();
  EXPECT_EQ(late, VDS_E_OBJECT_DELETED);
  const auto departures = [&] {
    int n = 0;
    const std::lock_guard lock(sink->mutex);
    for (const auto& call : sink->calls)
      for (const auto& e : call) n += sdk::event_code(e) == static_cast<ULONG>(VDS_NF_LUN_DEPART) ? 1 : 0;
    return n;
  };
  until([&] { return departures() == 1; }, "the departure");
  array->notify({sdk::hardware_event(VDS_NF_DRIVE_MODIFY, array->drive_id)});
  until([&] { return sink->count() >= 2; }, "what came later");
  EXPECT_EQ(departures(), 1);
}

// It answered S_OK with what was true before the change.
TEST_F(service_test, what_is_gone_when_a_change_is_read_back_is_not_shown_as_it_was) {
  const guid id = array->add_lun(1 << 20);
  start();
  const auto held = lun(id);
  ASSERT_TRUE(held);
  array->before = [](const std::string& method) -> HRESULT {
    return method == "GetProperties" ? VDS_E_OBJECT_DELETED : S_OK;
  };
  WCHAR mask[] = L"*";
  EXPECT_EQ(held->SetMask(mask), S_OK);
  VDS_LUN_PROP p{};
  EXPECT_EQ(held->GetProperties(&p), VDS_E_OBJECT_DELETED);
  EXPECT_FALSE(lun(id));
}

TEST_F(service_test, a_slow_or_dead_sink_harms_nobody) {
  start();
  const auto slow = make<recorder>(), dead = make<recorder>(), good = make<recorder>();
  std::atomic<bool> release = false;
  slow->on_notify = [&] {
    while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  dead->answer = RPC_E_DISCONNECTED;
  DWORD a, b, c;
  ASSERT_EQ(as<IVdsService>()->Advise(slow.get(), &a), S_OK);
  ASSERT_EQ(as<IVdsService>()->Advise(dead.get(), &b), S_OK);
  ASSERT_EQ(as<IVdsService>()->Advise(good.get(), &c), S_OK);
  for (int i = 0; i < 50; ++i) array->notify({sdk::hardware_event(VDS_NF_DRIVE_MODIFY, array->drive_id)});
  until([&] { return good->count() == 50; }, "the good sink's events");
  until([&] { return as<IVdsService>()->Unadvise(b) == VDS_E_BAD_COOKIE; }, "the dead one dropped");
  release = true;
  until([&] { return slow->count() == 50; }, "the slow sink's events");
}

TEST_F(service_test, events_are_read_by_a_cursor_that_says_what_it_lost) {
  options.events.ring = 10;
  start();
  const auto events = as<IVdsxEvents>();
  VDSX_EVENT* rows = nullptr;
  LONG n = 0;
  ULONGLONG next = 0;
  BOOL lost = FALSE;
  const auto read = [&](ULONGLONG since, ULONG max, ULONG timeout) {
    CoTaskMemFree(rows);
    return events->Read(since, max, timeout, &rows, &n, &next, &lost);
  };
  ASSERT_EQ(read(0, 100, 0), S_OK);
  EXPECT_EQ(n, 0);
  EXPECT_FALSE(lost);
  const ULONGLONG from = next;
  std::thread later([&] { array->notify({sdk::hardware_event(VDS_NF_DRIVE_MODIFY, array->drive_id)}); });
  ASSERT_EQ(read(from, 100, 20'000), S_OK);
  later.join();
  ASSERT_EQ(n, 1);
  EXPECT_EQ(rows[0].ulEventCode, static_cast<ULONG>(VDS_NF_DRIVE_MODIFY));
  EXPECT_EQ(from_com(rows[0].id), array->drive_id);
  EXPECT_EQ(next, from + 1);
  EXPECT_FALSE(lost);
  ASSERT_EQ(read(next, 100, 10), S_OK);
  EXPECT_EQ(n, 0) << "the time is up";
  for (int i = 0; i < 30; ++i) array->notify({sdk::hardware_event(VDS_NF_DRIVE_MODIFY, array->drive_id)});
  until(
      [&] {
        EXPECT_EQ(read(from, 100, 0), S_OK);
        return next == from + 31;
      },
      "all events");
  EXPECT_TRUE(lost);
  EXPECT_EQ(n, 10);
  const ULONGLONG cursor = next;
  stop();
  start();
  const auto anew = as<IVdsxEvents>();
  CoTaskMemFree(rows);
  ASSERT_EQ(anew->Read(cursor, 100, 0, &rows, &n, &next, &lost), S_OK);
  EXPECT_TRUE(lost) << "what happened while the service was down, nobody knows";
  EXPECT_GT(next, cursor) << "numbers are never used twice";
  CoTaskMemFree(rows);
}

// --- size

TEST_F(service_test, ten_thousand_luns_are_loaded_listed_and_changed_one_at_a_time) {
  for (int i = 0; i < 10'000; ++i) array->add_lun(1 << 20);
  std::atomic<int> plexes_read = 0;
  array->before = [&](const std::string& m) {
    plexes_read += m == "QueryPlexes" ? 1 : 0;
    return S_OK;
  };
  const auto begin = monotonic::now();
  start();
  const auto loaded = monotonic::now();
  EXPECT_EQ(luns().size(), 10'000u);
  RecordProperty("load_ms",
                 static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(loaded - begin).count()));
  EXPECT_LT(loaded - begin, std::chrono::seconds(20));
  // The plexes are read in the background; then a new LUN costs calls of its own only.
  until([&] { return plexes_read == 10'000; }, "the background reading to end", std::chrono::seconds(60));
  const int before = array->calls;
  const guid id = array->add_lun(1);
  array->notify({sdk::hardware_event(VDS_NF_LUN_ARRIVE, id)});
  until([&] { return static_cast<bool>(lun(id)); }, "the new one");
  EXPECT_LT(array->calls - before, 20);
  stop();
}

TEST_F(service_test, refresh_finds_what_came_and_went_without_a_word) {
  const guid gone = array->add_lun(1);
  start();
  array->remove_lun(gone);
  const guid came = array->add_lun(2);
  EXPECT_EQ(as<IVdsService>()->Refresh(), S_OK);
  EXPECT_FALSE(lun(gone));
  EXPECT_TRUE(lun(came));
  array->before = [](const std::string& m) { return m == "Refresh" ? E_FAIL : S_OK; };
  EXPECT_EQ(as<IVdsService>()->Refresh(), S_FALSE);
}

}  // namespace
}  // namespace vds::service::testing
