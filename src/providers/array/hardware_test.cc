// The subsystem and its drives through their smaller interfaces: name, interconnects, lights.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vdsxarray.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <thread>

#include "providers/array/provider.h"
#include "providers/array/testing/in_memory.h"
#include "providers/array/testing/vds_caller.h"

namespace vds::array_provider {
namespace {

using testing::caller;
constexpr ULONGLONG mib = 1 << 20;

class array_hardware : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "vds-hardware-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    start("box");
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(host_->add_drive(dir_ + "/d" + std::to_string(i), {64 * mib}, false));
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(dir_);
  }
  void start(const char* called) {
    auto h =
        host::start({.id = guid{{1, 2, 3}}, .name = called, .portal = "127.0.0.1:0", .preferred_portal = {}}, list_);
    ASSERT_TRUE(h) << h.error().message();
    host_ = std::move(*h);
    call_ = std::make_unique<caller>(make_provider(host_));
  }
  void stop() {
    call_.reset();
    if (host_) host_->close();
    host_.reset();
  }
  IVdsSubSystem* sub() { return call_->subsystem.get(); }
  std::string called() {
    VDS_SUB_SYSTEM_PROP p{};
    EXPECT_EQ(sub()->GetProperties(&p), S_OK);
    std::string name = to_utf8(p.pwszFriendlyName);
    CoTaskMemFree(p.pwszFriendlyName);
    CoTaskMemFree(p.pwszIdentification);
    return name;
  }
  HRESULT name(std::wstring to) { return com_ptr(sub()).as<IVdsSubSystemNaming>()->SetFriendlyName(to.data()); }
  std::vector<com_ptr<IVdsDrive>> drives() {
    com_ptr<IEnumVdsObject> e;
    EXPECT_EQ(sub()->QueryDrives(e.put()), S_OK);
    std::vector<com_ptr<IVdsDrive>> out;
    for (const auto& d : testing::all_of(e.get())) out.push_back(d.as<IVdsDrive>());
    return out;
  }
  static bool lit(const com_ptr<IVdsDrive>& d) {
    VDSX_DRIVE_PROP p{};
    EXPECT_EQ(d.as<IVdsxDrive>()->GetDetails(&p), S_OK);
    CoTaskMemFree(p.pwszPath);
    return p.bLocating != FALSE;
  }

  testing::list_in_memory list_;
  std::string dir_;
  std::shared_ptr<host> host_;
  std::unique_ptr<caller> call_;
};

TEST_F(array_hardware, the_subsystems_name_is_told_kept_and_given_back) {
  EXPECT_EQ(called(), "box");
  EXPECT_EQ(name(L"rack 7, unten \u00e4"), S_OK);
  (void)call_->sink->wait_for(VDS_NF_SUB_SYSTEM_MODIFY, host_->id());
  EXPECT_EQ(called(), "rack 7, unten \xc3\xa4");
  stop();
  start("another machine's");
  EXPECT_EQ(called(), "rack 7, unten \xc3\xa4");
  EXPECT_EQ(name(std::wstring(200, L'\u00e4')), VDS_S_NAME_TRUNCATED);
  EXPECT_EQ(called().size(), 254u);  // 127 whole characters
  EXPECT_EQ(name(L""), S_OK);
  EXPECT_EQ(called(), "another machine's");
}

TEST_F(array_hardware, a_name_that_it_has_already_sends_nothing) {
  EXPECT_EQ(name(L"box"), S_OK);
  EXPECT_EQ(name(L"other"), S_OK);  // the first event that comes is of this one
  const auto first = call_->sink->wait_for(VDS_NF_SUB_SYSTEM_MODIFY, host_->id());
  EXPECT_EQ(call_->sink->count(VDS_NF_SUB_SYSTEM_MODIFY), 1u);
}

TEST_F(array_hardware, hosts_reach_it_by_iscsi_only) {
  ULONG flags = 0;
  ASSERT_EQ(com_ptr(sub()).as<IVdsSubSystemInterconnect>()->GetSupportedInterconnects(&flags), S_OK);
  EXPECT_EQ(flags, static_cast<ULONG>(VDS_ITF_ISCSI));
}

TEST_F(array_hardware, a_drives_light_goes_on_and_off_and_each_change_is_told) {
  const auto all = drives();
  const auto m = all[0].as<IVdsMaintenance>();
  const guid id = from_com(caller::drive_prop(all[0].get()).id);
  EXPECT_EQ(m->StopMaintenance(BlinkLight), S_OK);  // it does not blink
  EXPECT_EQ(m->StartMaintenance(BlinkLight), S_OK);
  EXPECT_EQ(m->StartMaintenance(BlinkLight), S_OK);
  (void)call_->sink->wait_for(VDS_NF_DRIVE_MODIFY, id);
  EXPECT_TRUE(lit(all[0]));
  EXPECT_FALSE(lit(all[1]));
  EXPECT_EQ(m->StopMaintenance(BlinkLight), S_OK);
  EXPECT_FALSE(lit(all[0]));
  EXPECT_EQ(m->PulseMaintenance(BlinkLight, 100), S_OK);
  EXPECT_TRUE(lit(all[0]));
  EXPECT_EQ(m->PulseMaintenance(BlinkLight, 0), E_INVALIDARG);
}

TEST_F(array_hardware, the_light_of_the_subsystem_is_that_of_all_its_drives) {
  const auto m = com_ptr(sub()).as<IVdsMaintenance>();
  EXPECT_EQ(m->StartMaintenance(BlinkLight), S_OK);
  for (const auto& d : drives()) EXPECT_TRUE(lit(d));
  EXPECT_EQ(m->StopMaintenance(BlinkLight), S_OK);
  for (const auto& d : drives()) EXPECT_FALSE(lit(d));
}

TEST_F(array_hardware, files_neither_spin_nor_beep_and_drives_that_are_gone_say_so) {
  const auto all = drives();
  const auto m = all[2].as<IVdsMaintenance>();
  for (const auto what : {BeepAlarm, SpinDown, SpinUp}) {
    EXPECT_EQ(m->StartMaintenance(what), VDS_E_NOT_SUPPORTED);
    EXPECT_EQ(m->StopMaintenance(what), VDS_E_NOT_SUPPORTED);
    EXPECT_EQ(m->PulseMaintenance(what, 1), VDS_E_NOT_SUPPORTED);
  }
  EXPECT_EQ(m->StartMaintenance(static_cast<VDS_MAINTENANCE_OPERATION>(6)), E_INVALIDARG);
  EXPECT_EQ(m->PulseMaintenance(Ping, 3), S_OK);
  EXPECT_EQ(m->StartMaintenance(BlinkLight), S_OK);
  ASSERT_TRUE(host_->remove_drive(from_com(caller::drive_prop(all[2].get()).id)));
  for (const auto what : {BlinkLight, Ping, SpinUp}) EXPECT_EQ(m->StartMaintenance(what), VDS_E_OBJECT_DELETED) << what;
}

TEST_F(array_hardware, hints_reach_the_only_plex_and_are_refused_to_one_of_several) {
  VDS_HINTS wish{}, now{};
  wish.sRebuildPriority = 9;
  const auto plex_of = [](const com_ptr<IVdsLun>& l) {
    com_ptr<IEnumVdsObject> e;
    EXPECT_EQ(l->QueryPlexes(e.put()), S_OK);
    return testing::all_of(e.get()).front().as<IVdsLunPlex>();
  };
  const auto simple = call_->create(VDS_LT_SIMPLE, 4 * mib);
  EXPECT_EQ(plex_of(simple)->ApplyHints(&wish), S_OK);
  EXPECT_EQ(simple->QueryHints(&now), S_OK);
  EXPECT_EQ(now.sRebuildPriority, 9);
  EXPECT_EQ(now.bHardwareChecksumEnabled, FALSE) << "its drives keep none";
  const auto mirror = call_->create(VDS_LT_MIRROR, 4 * mib);
  EXPECT_EQ(plex_of(mirror)->ApplyHints(&wish), VDS_E_NOT_SUPPORTED);
  EXPECT_EQ(mirror->ApplyHints(&wish), S_OK);
  EXPECT_EQ(plex_of(mirror)->ApplyHints(&wish), S_OK);  // it has them
}

TEST_F(array_hardware, a_drive_that_is_declared_failed_is_told_with_all_that_follows_and_cannot_be_the_last) {
  const auto lun = call_->create(VDS_LT_MIRROR, 4 * mib);
  const guid id = caller::details_of(lun.get()).drives.front();
  com_ptr<IVdsDrive> on;
  for (const auto& d : drives())
    if (from_com(caller::drive_prop(d.get()).id) == id) on = d;
  EXPECT_EQ(on->SetStatus(VDS_DRS_ONLINE), S_OK);  // it is
  EXPECT_EQ(on->SetStatus(VDS_DRS_OFFLINE), VDS_E_NOT_SUPPORTED);
  EXPECT_EQ(on->SetStatus(VDS_DRS_FAILED), S_OK);
  EXPECT_EQ(on->SetStatus(VDS_DRS_FAILED), S_OK);
  EXPECT_EQ(on->SetStatus(VDS_DRS_ONLINE), VDS_E_NOT_SUPPORTED);
  const auto told = call_->sink->wait_for(VDS_NF_SUB_SYSTEM_MODIFY, host_->id());
  EXPECT_NE(std::find(told.begin(), told.end(), std::pair<ULONG, guid>(VDS_NF_DRIVE_MODIFY, id)), told.end());
  (void)call_->sink->wait_for(VDS_NF_LUN_MODIFY, caller::id_of(lun.get()));
  const auto p = caller::drive_prop(on.get());
  EXPECT_EQ(p.status, VDS_DRS_FAILED);
  EXPECT_EQ(p.health, VDS_H_FAILED);
  EXPECT_EQ(caller::of(lun.get()).health, VDS_H_FAILED_REDUNDANCY);
  EXPECT_EQ(caller::of(lun.get()).status, VDS_LS_ONLINE);
  EXPECT_EQ(caller::details_of(lun.get()).survives, 0);
  EXPECT_EQ(on.as<IVdsMaintenance>()->StartMaintenance(Ping), VDS_E_OBJECT_STATUS_FAILED);
  VDS_SUB_SYSTEM_PROP s{};
  ASSERT_EQ(sub()->GetProperties(&s), S_OK);
  EXPECT_EQ(s.health, VDS_H_DEGRADED);
  CoTaskMemFree(s.pwszFriendlyName);
  CoTaskMemFree(s.pwszIdentification);
  int refused = 0;
  for (const auto& d : drives()) refused += d->SetStatus(VDS_DRS_FAILED) == VDS_E_OPERATION_DENIED;
  EXPECT_EQ(refused, 1);
}

TEST_F(array_hardware, a_hot_spare_takes_over_when_a_drive_is_declared_failed) {
  const auto lun = call_->create(VDS_LT_MIRROR, 4 * mib);
  const auto on = caller::details_of(lun.get()).drives;
  com_ptr<IVdsDrive> spare, doomed;
  for (const auto& d : drives()) {
    const guid id = from_com(caller::drive_prop(d.get()).id);
    if (id == on.front()) doomed = d;
    if (std::find(on.begin(), on.end(), id) == on.end()) spare = d;
  }
  ASSERT_EQ(spare->SetFlags(VDS_DRF_HOTSPARE), S_OK);
  const ULONG standing_by = VDS_DRF_HOTSPARE | VDS_DRF_HOTSPARE_STANDBY | VDS_DRF_UNASSIGNED;
  EXPECT_EQ(caller::drive_prop(spare.get()).ulFlags, standing_by);
  ASSERT_EQ(doomed->SetStatus(VDS_DRS_FAILED), S_OK);
  for (int i = 0; i < 500 && caller::of(lun.get()).health != VDS_H_HEALTHY; ++i) std::this_thread::sleep_for(20ms);
  EXPECT_EQ(caller::of(lun.get()).health, VDS_H_HEALTHY);
  const auto now = caller::details_of(lun.get()).drives;
  EXPECT_EQ(std::find(now.begin(), now.end(), on.front()), now.end());
  EXPECT_EQ(caller::drive_prop(spare.get()).ulFlags, ULONG{VDS_DRF_HOTSPARE_IN_USE | VDS_DRF_ASSIGNED});
}

TEST_F(array_hardware, recovering_what_is_in_step_is_done_at_once_and_what_has_no_copies_cannot_be) {
  for (const auto type : {VDS_LT_MIRROR, VDS_LT_PARITY}) {
    const auto lun = call_->create(type, 4 * mib);
    com_ptr<IVdsAsync> async;
    ASSERT_EQ(lun->Recover(async.put()), S_OK) << type;
    VDS_ASYNC_OUTPUT out{};
    HRESULT result = E_FAIL;
    EXPECT_EQ(async->Wait(&result, &out), S_OK);
    EXPECT_EQ(result, S_OK);
    EXPECT_EQ(out.type, VDS_ASYNCOUT_RECOVERLUN);
    EXPECT_EQ(lun->Delete(), S_OK);
    EXPECT_EQ(lun->Recover(async.put()), VDS_E_OBJECT_DELETED);
  }
  com_ptr<IVdsAsync> none;
  EXPECT_EQ(call_->create(VDS_LT_STRIPE, 4 * mib)->Recover(none.put()), VDS_E_INVALID_OPERATION);
  EXPECT_FALSE(none);
}

TEST_F(array_hardware, a_plan_says_what_creating_and_deleting_then_do_and_does_nothing) {
  const auto planning = com_ptr(sub()).as<IVdsxPlanning>();
  const auto free = [this] {
    std::map<guid, ULONGLONG> out;
    for (const auto& d : drives()) {
      VDSX_DRIVE_PROP p{};
      EXPECT_EQ(d.as<IVdsxDrive>()->GetDetails(&p), S_OK);
      CoTaskMemFree(p.pwszPath);
      out[from_com(caller::drive_prop(d.get()).id)] = p.ullFreeBytes;
    }
    return out;
  };
  const auto before = free();
  VDSX_PLAN plan{};
  ASSERT_EQ(planning->PlanCreateLun(VDS_LT_MIRROR, 4 * mib, nullptr, 0, nullptr, &plan), S_OK);
  EXPECT_EQ(plan.hrResult, S_OK);
  EXPECT_EQ(plan.type, VDS_LT_MIRROR);
  EXPECT_EQ(plan.ullSizeInBytes, 4 * mib);
  EXPECT_EQ(free(), before);
  ASSERT_EQ(plan.lNumberOfSteps, 3);
  EXPECT_EQ(plan.pSteps[0].objectType, VDS_OT_LUN);
  EXPECT_EQ(plan.pSteps[0].action, VDSX_PA_CREATED);
  EXPECT_EQ(plan.pSteps[0].lSurvivesBefore, -1);
  EXPECT_EQ(plan.pSteps[0].lSurvivesAfter, 1);
  auto expected = before;
  for (LONG i = 1; i < plan.lNumberOfSteps; ++i)
    expected[from_com(plan.pSteps[i].objectId)] -= plan.pSteps[i].ullBytesTaken;
  CoTaskMemFree(plan.pSteps);
  const auto lun = call_->create(VDS_LT_MIRROR, 4 * mib);
  EXPECT_EQ(free(), expected);

  ASSERT_EQ(planning->PlanDeleteLun(to_com(caller::id_of(lun.get())), &plan), S_OK);
  ASSERT_EQ(plan.lNumberOfSteps, 3);
  EXPECT_EQ(plan.pSteps[0].action, VDSX_PA_DELETED);
  EXPECT_EQ(plan.pSteps[0].lSurvivesBefore, 1);
  ULONGLONG freed = 0;
  for (LONG i = 1; i < plan.lNumberOfSteps; ++i) freed += plan.pSteps[i].ullBytesFreed;
  CoTaskMemFree(plan.pSteps);
  EXPECT_EQ(freed, 8 * mib);
  EXPECT_EQ(caller::of(lun.get()).health, VDS_H_HEALTHY);
}

TEST_F(array_hardware, a_plan_of_what_is_refused_says_with_what) {
  const auto planning = com_ptr(sub()).as<IVdsxPlanning>();
  struct row {
    VDS_LUN_TYPE type;
    ULONGLONG size;
    HRESULT hr;
  };
  for (const row& r :
       {row{VDS_LT_SIMPLE, 1ull << 40, VDS_E_NOT_ENOUGH_SPACE}, {VDS_LT_RAID60, mib, VDS_E_NOT_ENOUGH_DRIVE}}) {
    VDSX_PLAN plan{};
    EXPECT_EQ(planning->PlanCreateLun(r.type, r.size, nullptr, 0, nullptr, &plan), S_OK);
    EXPECT_EQ(plan.hrResult, r.hr);
    EXPECT_EQ(plan.lNumberOfSteps, 0);
    EXPECT_EQ(plan.pSteps, nullptr);
  }
  VDSX_PLAN plan{};
  EXPECT_EQ(planning->PlanCreateLun(VDS_LT_SIMPLE, 0, nullptr, 0, nullptr, &plan), E_INVALIDARG);
  EXPECT_EQ(planning->PlanCreateLun(static_cast<VDS_LUN_TYPE>(4711), mib, nullptr, 0, nullptr, &plan), E_INVALIDARG);
  EXPECT_EQ(planning->PlanCreateLun(VDS_LT_SIMPLE, mib, nullptr, -1, nullptr, &plan), E_INVALIDARG);
  EXPECT_EQ(planning->PlanCreateLun(VDS_LT_SIMPLE, mib, nullptr, 0, nullptr, nullptr), E_INVALIDARG);
  EXPECT_EQ(planning->PlanDeleteLun(to_com(guid{{9}}), &plan), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(planning->PlanDeleteLun(to_com(guid{{9}}), nullptr), E_INVALIDARG);
}

TEST_F(array_hardware, wiping_deleted_data_is_listed_until_it_has_ended) {
  const auto jobs = com_ptr(sub()).as<IVdsxJobs>();
  const auto all = [&] {
    VDSX_JOB_PROP* list = nullptr;
    LONG n = 0;
    EXPECT_EQ(jobs->QueryJobs(&list, &n), S_OK);
    std::vector<std::pair<guid, VDSX_OPERATION_STATE>> out;
    for (LONG i = 0; i < n; ++i) {
      EXPECT_STREQ(list[i].pwszKind, L"wipe");
      EXPECT_EQ(list[i].objectType, VDS_OT_DRIVE);
      out.emplace_back(from_com(list[i].id), list[i].state);
      CoTaskMemFree(list[i].pwszKind);
      CoTaskMemFree(list[i].pwszPhase);
      CoTaskMemFree(list[i].pwszWaitingFor);
    }
    CoTaskMemFree(list);
    return out;
  };
  EXPECT_TRUE(all().empty());
  const auto lun = call_->create(VDS_LT_SIMPLE, 8 * mib);
  EXPECT_EQ(lun->Delete(), S_OK);
  const auto running = all();  // it begins only a moment after the LUN is gone
  ASSERT_EQ(running.size(), 1u);
  EXPECT_EQ(running[0].second, VDSX_OS_RUNNING);
  EXPECT_EQ(jobs->CancelJob(to_com(running[0].first)), VDS_E_NOT_SUPPORTED);
  for (int i = 0; i < 1000 && all()[0].second != VDSX_OS_DONE; ++i) std::this_thread::sleep_for(20ms);
  ASSERT_EQ(all().size(), 1u);
  EXPECT_EQ(all()[0].second, VDSX_OS_DONE);
  EXPECT_EQ(jobs->CancelJob(to_com(running[0].first)), VDS_E_CANCEL_TOO_LATE);
  VDSX_JOB_PROP one{};
  EXPECT_EQ(jobs->GetJob(to_com(guid{{9}}), &one), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(jobs->CancelJob(to_com(guid{{9}})), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(jobs->GetJob(to_com(running[0].first), &one), S_OK);
  EXPECT_EQ(one.ulPercent, 100u);
  EXPECT_EQ(one.hrResult, S_OK);
  CoTaskMemFree(one.pwszKind);
  CoTaskMemFree(one.pwszPhase);
}

}  // namespace
}  // namespace vds::array_provider
