// The provider through its COM interfaces, over a real array on real files, and its LUNs through the real target's
// port.
#include "providers/array/provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "com/call_context.h"
#include "providers/array/testing/in_memory.h"
#include "providers/array/testing/vds_caller.h"

namespace vds::array_provider {
namespace {

using testing::caller;
using testing::list_in_memory;
constexpr ULONGLONG mib = 1 << 20;

class array_provider : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "vds-provider-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    start();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(host_->add_drive(dir_ + "/d" + std::to_string(i), {64 * mib}, false));
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
  caller& c() { return *call_; }
  IVdsSubSystem* sub() { return call_->subsystem.get(); }
  com_ptr<IVdsProviderPrivate> priv() { return c().provider.as<IVdsProviderPrivate>(); }

  list_in_memory list_;
  std::string dir_;
  std::shared_ptr<host> host_;
  std::unique_ptr<caller> call_;
};

TEST_F(array_provider, creates_each_type_and_tells_what_became_of_it) {
  struct row {
    VDS_LUN_TYPE asked;
    std::size_t drives;
    VDS_LUN_TYPE got;
    LONG plexes, survives;
  };
  const auto drives = c().drives();
  ASSERT_EQ(drives.size(), 3u);
  for (const row& r : {row{VDS_LT_SIMPLE, 0, VDS_LT_SIMPLE, 1, 0}, row{VDS_LT_SIMPLE, 1, VDS_LT_SIMPLE, 1, 0},
                       row{VDS_LT_SPAN, 2, VDS_LT_SPAN, 1, 0}, row{VDS_LT_STRIPE, 3, VDS_LT_STRIPE, 1, 0},
                       row{VDS_LT_MIRROR, 0, VDS_LT_MIRROR, 2, 1}, row{VDS_LT_MIRROR, 3, VDS_LT_MIRROR, 3, 2},
                       row{VDS_LT_PARITY, 0, VDS_LT_PARITY, 1, 1}, row{VDS_LT_RAID5, 3, VDS_LT_PARITY, 1, 1},
                       row{VDS_LT_FAULT_TOLERANT, 0, VDS_LT_MIRROR, 2, 1}}) {
    auto lun =
        c().create(r.asked, 4 * mib, {drives.begin(), drives.begin() + static_cast<std::ptrdiff_t>(r.drives)}, L"*");
    ASSERT_TRUE(lun) << r.asked << " on " << r.drives;
    const auto p = caller::of(lun.get());
    EXPECT_EQ(p.type, r.got);
    EXPECT_GE(p.size, 4 * mib);
    EXPECT_EQ(p.status, VDS_LS_ONLINE);
    EXPECT_EQ(p.health, VDS_H_HEALTHY);
    EXPECT_EQ(p.unmask, "*");
    const auto d = caller::details_of(lun.get());
    EXPECT_EQ(d.plexes, r.plexes);
    EXPECT_EQ(d.survives, r.survives);
    com_ptr<IEnumVdsObject> plexes;
    ASSERT_EQ(lun->QueryPlexes(plexes.put()), S_OK);
    EXPECT_EQ(testing::all_of(plexes.get()).size(), static_cast<std::size_t>(r.plexes));
    EXPECT_EQ(lun->Delete(), S_OK);
  }
  EXPECT_TRUE(c().luns().empty());
}

TEST_F(array_provider, wrong_arguments_are_refused_before_anything_happens_and_leave_nulls) {
  const auto drives = c().drives();
  IVdsAsync* const poison = reinterpret_cast<IVdsAsync*>(1);
  VDS_HINTS bad_hints{};
  bad_hints.ullHintMask = 1ull << 40;
  VDS_OBJECT_ID nowhere{1, 2, 3, {4}};
  VDS_OBJECT_ID twice[] = {drives[0], drives[0]};
  VDS_OBJECT_ID known = drives[0];
  wchar_t all[] = L"*", mixed[] = L"*;iqn.2020-01.a.b:c", junk[] = L"what?";
  struct row {
    const char* what;
    VDS_LUN_TYPE type;
    ULONGLONG size;
    VDS_OBJECT_ID* drives;
    LONG count;
    wchar_t* unmask;
    VDS_HINTS* hints;
    HRESULT expected;
  };
  for (const row& r : {
           row{"no type", VDS_LT_UNKNOWN, mib, nullptr, 0, all, nullptr, E_INVALIDARG},
           row{"not in the enum", static_cast<VDS_LUN_TYPE>(9), mib, nullptr, 0, all, nullptr, E_INVALIDARG},
           row{"not in the enum", static_cast<VDS_LUN_TYPE>(31), mib, nullptr, 0, all, nullptr, E_INVALIDARG},
           row{"RAID 4", VDS_LT_RAID4, mib, nullptr, 0, all, nullptr, VDS_E_NOT_SUPPORTED},
           row{"RAID 61", VDS_LT_RAID61, mib, nullptr, 0, all, nullptr, VDS_E_NOT_SUPPORTED},
           row{"no size", VDS_LT_SIMPLE, 0, nullptr, 0, all, nullptr, E_INVALIDARG},
           row{"negative count", VDS_LT_SIMPLE, mib, &known, -1, all, nullptr, E_INVALIDARG},
           row{"count without array", VDS_LT_SIMPLE, mib, nullptr, 1, all, nullptr, E_INVALIDARG},
           row{"array without count", VDS_LT_SIMPLE, mib, &known, 0, all, nullptr, E_INVALIDARG},
           row{"unknown drive", VDS_LT_SIMPLE, mib, &nowhere, 1, all, nullptr, VDS_E_OBJECT_NOT_FOUND},
           row{"a drive twice", VDS_LT_MIRROR, mib, twice, 2, all, nullptr, E_INVALIDARG},
           row{"drives for an automatic type", VDS_LT_DEFAULT, mib, &known, 1, all, nullptr, E_INVALIDARG},
           row{"mirror on one drive", VDS_LT_MIRROR, mib, &known, 1, all, nullptr, VDS_E_NOT_ENOUGH_DRIVE},
           row{"stripe on one drive", VDS_LT_STRIPE, mib, &known, 1, all, nullptr, VDS_E_NOT_ENOUGH_DRIVE},
           row{"no unmasking list", VDS_LT_SIMPLE, mib, nullptr, 0, nullptr, nullptr, E_INVALIDARG},
           row{"* among others", VDS_LT_SIMPLE, mib, nullptr, 0, mixed, nullptr, E_INVALIDARG},
           row{"no initiator name", VDS_LT_SIMPLE, mib, nullptr, 0, junk, nullptr, E_INVALIDARG},
           row{"unknown hint", VDS_LT_SIMPLE, mib, nullptr, 0, all, &bad_hints, E_INVALIDARG},
       }) {
    IVdsAsync* async = poison;
    EXPECT_EQ(sub()->CreateLun(r.type, r.size, r.drives, r.count, r.unmask, r.hints, &async), r.expected) << r.what;
    EXPECT_EQ(async, nullptr) << r.what;
  }
  EXPECT_EQ(sub()->CreateLun(VDS_LT_SIMPLE, mib, nullptr, 0, all, nullptr, nullptr), E_INVALIDARG);
  EXPECT_TRUE(c().luns().empty());
}

TEST_F(array_provider, too_large_a_lun_is_not_enough_space_and_leaves_nothing) {
  com_ptr<IVdsAsync> async;
  HRESULT hr = c().begin(VDS_LT_SPAN, 1ull << 40, {}, L"", async.put());
  if (SUCCEEDED(hr)) {
    ASSERT_TRUE(async);
    EXPECT_FALSE(c().made(async.get(), &hr));
  }
  EXPECT_EQ(hr, VDS_E_NOT_ENOUGH_SPACE);
  EXPECT_TRUE(c().luns().empty());
  ULONGLONG most = 0;
  EXPECT_EQ(sub()->QueryMaxLunCreateSize(VDS_LT_SPAN, nullptr, 0, nullptr, &most), S_OK);
  EXPECT_GT(most, 64 * mib);
  EXPECT_TRUE(c().create(VDS_LT_SPAN, most));
  EXPECT_EQ(sub()->QueryMaxLunCreateSize(VDS_LT_RAID3, nullptr, 0, nullptr, &most), VDS_E_NOT_SUPPORTED);
  EXPECT_EQ(most, 0u);
}

TEST_F(array_provider, a_deleted_lun_answers_deleted_and_is_found_no_more) {
  auto lun = c().create(VDS_LT_MIRROR, 4 * mib);
  const guid id = caller::id_of(lun.get());
  com_ptr<IEnumVdsObject> e;
  ASSERT_EQ(lun->QueryPlexes(e.put()), S_OK);
  auto plex = testing::all_of(e.get()).at(0).as<IVdsLunPlex>();
  VDS_LUN_PLEX_PROP before{};
  ASSERT_EQ(plex->GetProperties(&before), S_OK);
  ASSERT_EQ(lun->Delete(), S_OK);
  VDS_LUN_PROP p{};
  EXPECT_EQ(lun->GetProperties(&p), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(p.pwszUnmaskingList, nullptr);
  EXPECT_EQ(lun->Delete(), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(lun->SetMask(const_cast<wchar_t*>(L"*")), VDS_E_OBJECT_DELETED);
  VDS_LUN_PLEX_PROP pp{};
  EXPECT_EQ(plex->GetProperties(&pp), VDS_E_OBJECT_DELETED);
  IVdsAsync* async = reinterpret_cast<IVdsAsync*>(1);
  EXPECT_EQ(lun->Extend(mib, nullptr, 0, &async), VDS_E_OBJECT_DELETED);
  EXPECT_EQ(async, nullptr);
  IUnknown* found = reinterpret_cast<IUnknown*>(1);
  EXPECT_EQ(priv()->GetObject(to_com(id), VDS_OT_LUN, &found), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(found, nullptr);
  EXPECT_EQ(priv()->GetObject(before.id, VDS_OT_LUN_PLEX, &found), VDS_E_OBJECT_NOT_FOUND);
}

TEST_F(array_provider, objects_are_found_by_id_and_type_together) {
  auto lun = c().create(VDS_LT_SIMPLE, 4 * mib);
  const VDS_OBJECT_ID id = to_com(caller::id_of(lun.get()));
  com_ptr<IUnknown> found;
  EXPECT_EQ(priv()->GetObject(id, VDS_OT_LUN, found.put()), S_OK);
  EXPECT_EQ(caller::id_of(found.as<IVdsLun>().get()), from_com(id));
  EXPECT_EQ(priv()->GetObject(id, VDS_OT_DRIVE, found.put()), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(priv()->GetObject(c().drives()[0], VDS_OT_DRIVE, found.put()), S_OK);
  EXPECT_EQ(priv()->GetObject(to_com(host_->id()), VDS_OT_SUB_SYSTEM, found.put()), S_OK);
  EXPECT_EQ(priv()->GetObject(id, VDS_OT_UNKNOWN, found.put()), E_INVALIDARG);
  EXPECT_EQ(priv()->GetObject(id, VDS_OT_ASYNC, found.put()), E_INVALIDARG);
}

TEST_F(array_provider, a_new_lun_and_its_drives_are_told_in_one_call_when_they_can_be_asked_for) {
  auto lun = c().create(VDS_LT_MIRROR, 4 * mib);
  const guid id = caller::id_of(lun.get());
  const auto drives = caller::details_of(lun.get()).drives;
  ASSERT_EQ(drives.size(), 2u);
  auto call = c().sink->wait_for(VDS_NF_LUN_ARRIVE, id);
  for (const guid& d : drives) EXPECT_THAT(call, ::testing::Contains(std::pair<ULONG, guid>(VDS_NF_DRIVE_MODIFY, d)));
  ASSERT_EQ(lun->Delete(), S_OK);
  call = c().sink->wait_for(VDS_NF_LUN_DEPART, id);
  for (const guid& d : drives) EXPECT_THAT(call, ::testing::Contains(std::pair<ULONG, guid>(VDS_NF_DRIVE_MODIFY, d)));
}

TEST_F(array_provider, masks_are_kept_without_duplicates_and_replaced_whole) {
  auto lun = c().create(VDS_LT_SIMPLE, 4 * mib, {}, L"iqn.2020-01.a.b:C;iqn.2020-01.a.b:c;iqn.2020-01.a.b:d");
  EXPECT_EQ(caller::of(lun.get()).unmask, "iqn.2020-01.a.b:c;iqn.2020-01.a.b:d");
  EXPECT_EQ(lun->SetMask(const_cast<wchar_t*>(L"*")), S_OK);
  EXPECT_EQ(caller::of(lun.get()).unmask, "*");
  EXPECT_EQ(lun->SetMask(const_cast<wchar_t*>(L"?")), E_INVALIDARG);
  EXPECT_EQ(lun->SetMask(nullptr), E_INVALIDARG);
  EXPECT_EQ(caller::of(lun.get()).unmask, "*");
  c().sink->wait_for(VDS_NF_LUN_MODIFY, caller::id_of(lun.get()));
  EXPECT_EQ(lun->SetMask(const_cast<wchar_t*>(L"")), S_OK);
  EXPECT_EQ(caller::of(lun.get()).unmask, "");
}

TEST_F(array_provider, identification_is_stable_and_leads_back_to_the_lun) {
  auto lun = c().create(VDS_LT_SIMPLE, 4 * mib, {}, L"*");
  const guid id = caller::id_of(lun.get());
  VDS_LUN_INFORMATION info{};
  ASSERT_EQ(lun->GetIdentificationData(&info), S_OK);
  EXPECT_EQ(info.m_version, VER_VDS_LUN_INFORMATION);
  EXPECT_STREQ(info.m_szVendorId, "VDS");
  const auto details = caller::details_of(lun.get());
  EXPECT_EQ(std::string(info.m_szSerialNumber), details.serial);
  VDS_OBJECT_ID found{};
  auto hw = c().provider.as<IVdsHwProviderPrivate>();
  EXPECT_EQ(hw->QueryIfCreatedLun(const_cast<wchar_t*>(L"/dev/sda"), &info, &found), S_OK);
  EXPECT_EQ(from_com(found), id);
  info.m_deviceIdDescriptor.m_rgIdentifiers[0].m_rgbIdentifier[5] ^= 1;
  EXPECT_EQ(hw->QueryIfCreatedLun(const_cast<wchar_t*>(L"/dev/sda"), &info, &found), S_FALSE);
  EXPECT_EQ(from_com(found), guid{});
  for (ULONG i = 0; i < info.m_deviceIdDescriptor.m_cIdentifiers; ++i) {
    CoTaskMemFree(info.m_deviceIdDescriptor.m_rgIdentifiers[i].m_rgbIdentifier);
  }
  CoTaskMemFree(info.m_deviceIdDescriptor.m_rgIdentifiers);
  for (char* s : {info.m_szVendorId, info.m_szProductId, info.m_szProductRevision, info.m_szSerialNumber}) {
    CoTaskMemFree(s);
  }
  ULONG number = 99;
  EXPECT_EQ(lun.as<IVdsLunNumber>()->GetLunNumber(&number), S_OK);
  EXPECT_THAT(details.url, ::testing::EndsWith("/" + std::to_string(number)));

  lun.reset();
  restart();
  auto again = c().luns().at(0).as<IVdsLun>();
  EXPECT_EQ(caller::id_of(again.get()), id);
  EXPECT_EQ(caller::details_of(again.get()).serial, details.serial);
  EXPECT_EQ(caller::details_of(again.get()).naa, details.naa);
}

TEST_F(array_provider, one_operation_id_makes_one_lun_however_often_it_is_called) {
  call_context context;
  context.operation_id = guid{{7, 7, 7}};
  com_ptr<IVdsLun> first, second;
  {
    const scoped_call scope(context);
    first = c().create(VDS_LT_SIMPLE, 4 * mib);
    second = c().create(VDS_LT_SIMPLE, 4 * mib);
  }
  const guid id = caller::id_of(first.get());
  EXPECT_EQ(id, caller::id_of(second.get()));
  EXPECT_EQ(c().luns().size(), 1u);
  auto outcome_of = [&](const guid& operation) {
    VDSX_OPERATION_OUTCOME o{};
    EXPECT_EQ(c().provider.as<IVdsxProviderOperations>()->QueryOperation(to_com(operation), &o), S_OK);
    CoTaskMemFree(o.pwszPhase);
    return o;
  };
  EXPECT_EQ(outcome_of(context.operation_id).outcome, VDSX_OUTCOME_DONE);
  EXPECT_EQ(outcome_of(guid{{9}}).outcome, VDSX_OUTCOME_UNKNOWN);

  // The drives remember, when the process that did it is gone.
  first.reset();
  second.reset();
  restart();
  const auto o = outcome_of(context.operation_id);
  EXPECT_EQ(o.outcome, VDSX_OUTCOME_DONE);
  EXPECT_EQ(o.hrResult, S_OK);
  EXPECT_EQ(from_com(o.objectId), id);
  const scoped_call scope(context);
  EXPECT_EQ(caller::id_of(c().create(VDS_LT_SIMPLE, 4 * mib).get()), id);
  EXPECT_EQ(c().luns().size(), 1u);
}

TEST_F(array_provider, cancel_either_undoes_it_or_is_too_late) {
  for (int i = 0; i < 20; ++i) {
    com_ptr<IVdsAsync> async;
    ASSERT_EQ(c().begin(VDS_LT_MIRROR, 4 * mib, {}, L"", async.put()), S_OK);
    const HRESULT cancelled = async->Cancel();
    HRESULT result = S_OK;
    auto lun = c().made(async.get(), &result);
    if (cancelled == S_OK) {
      EXPECT_EQ(result, VDS_E_OPERATION_CANCELED);
      EXPECT_EQ(async->Cancel(), VDS_E_OPERATION_CANCELED);
      EXPECT_TRUE(c().luns().empty());
    } else {
      EXPECT_EQ(cancelled, VDS_E_CANCEL_TOO_LATE);
      ASSERT_TRUE(lun);
      EXPECT_EQ(lun->Delete(), S_OK);
    }
  }
}

// It ended with the reason for which it could not be done, as if nobody had cancelled it.
TEST_F(array_provider, a_cancel_that_is_accepted_is_what_it_ends_with_although_it_would_have_been_refused) {
  const auto other = c().create(VDS_LT_SIMPLE, 4 * mib), small = c().create(VDS_LT_SIMPLE, 1 * mib);
  for (int i = 0; i < 50; ++i) {
    com_ptr<IVdsAsync> first, second;  // the second one waits for its turn, and finds then that nothing would be left
    ASSERT_EQ(i % 2 == 0 ? other->Extend(mib, nullptr, 0, first.put()) : other->Shrink(mib, first.put()), S_OK);
    ASSERT_EQ(small->Shrink(8 * mib, second.put()), S_OK);
    const HRESULT cancelled = second->Cancel();
    HRESULT result = S_OK;
    VDS_ASYNC_OUTPUT out{};
    ASSERT_EQ(second->Wait(&result, &out), S_OK);
    EXPECT_EQ(result, cancelled == S_OK ? VDS_E_OPERATION_CANCELED : VDS_E_INVALID_SHRINK_SIZE);
    ASSERT_EQ(first->Wait(&result, &out), S_OK);
    EXPECT_EQ(result, S_OK);
  }
}

TEST_F(array_provider, many_threads_create_and_delete_at_once) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 10; ++i) {
        auto lun = c().create(i % 2 ? VDS_LT_SIMPLE : VDS_LT_MIRROR, mib);
        EXPECT_TRUE(lun && lun->Delete() == S_OK);
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_TRUE(c().luns().empty());
}

TEST_F(array_provider, drives_tell_what_is_on_them_and_in_use_they_stay) {
  auto drives = c().drives();
  auto lun = c().create(VDS_LT_SIMPLE, 4 * mib, {drives[1]});
  com_ptr<IUnknown> found;
  ASSERT_EQ(priv()->GetObject(drives[1], VDS_OT_DRIVE, found.put()), S_OK);
  auto drive = found.as<IVdsDrive>();
  EXPECT_EQ(caller::drive_prop(drive.get()).ulFlags, static_cast<ULONG>(VDS_DRF_ASSIGNED));
  EXPECT_EQ(caller::drive_prop(drive.get()).status, VDS_DRS_ONLINE);
  VDS_DRIVE_EXTENT* extents = nullptr;
  LONG n = 0;
  ASSERT_EQ(drive->QueryExtents(&extents, &n), S_OK);
  ASSERT_EQ(n, 2);
  EXPECT_TRUE(extents[0].bUsed);
  EXPECT_EQ(from_com(extents[0].LunId), caller::id_of(lun.get()));
  EXPECT_FALSE(extents[1].bUsed);
  CoTaskMemFree(extents);
  auto admin = c().subsystem.as<IVdsxDriveAdmin>();
  EXPECT_EQ(admin->RemoveDrive(drives[1]), VDS_E_DEVICE_IN_USE);
  EXPECT_EQ(admin->RemoveDrive(drives[2]), S_OK);
  EXPECT_EQ(admin->RemoveDrive(drives[2]), VDS_E_OBJECT_NOT_FOUND);
  c().sink->wait_for(VDS_NF_DRIVE_DEPART, from_com(drives[2]));
  EXPECT_EQ(drive->SetFlags(VDS_DRF_HOTSPARE), VDS_E_INVALID_OPERATION);  // it holds LUNs
  EXPECT_EQ(drive->SetFlags(VDS_DRF_ASSIGNED), E_INVALIDARG);
  EXPECT_EQ(drive->SetStatus(VDS_DRS_UNKNOWN), E_INVALIDARG);
  VDS_OBJECT_ID id{};
  EXPECT_EQ(admin->AddDrive(L"relative", 0, 0, &id), E_INVALIDARG);
  EXPECT_EQ(admin->AddDrive(L"/nowhere/at/all", 0, 0, &id), VDS_E_PATH_NOT_FOUND);
  EXPECT_EQ(admin->AddDrive(to_wide(dir_ + "/d0").c_str(), 0, 0, &id), VDS_E_OBJECT_EXISTS);
  EXPECT_EQ(admin->AddDrive(to_wide(dir_ + "/new").c_str(), 64 * mib, 2, &id), E_INVALIDARG);
  EXPECT_EQ(admin->AddDrive(to_wide(dir_ + "/new").c_str(), 64 * mib, 0, &id), S_OK);
  c().sink->wait_for(VDS_NF_DRIVE_ARRIVE, from_com(id));
}

// The process was killed between making a drive's file and giving it its size. It was tried again with every start, and
// its name could not be used any more.
TEST_F(array_provider, a_drive_that_was_not_yet_given_its_size_when_the_process_ended_can_be_made_again) {
  const std::string path = dir_ + "/unfinished";
  ASSERT_TRUE(list_.add_pending(path));
  std::ofstream(path).close();
  restart();
  EXPECT_EQ(c().drives().size(), 3u);
  EXPECT_EQ(list_.entries().size(), 3u);
  EXPECT_TRUE(host_->add_drive(path, {64 * mib}, false));
  EXPECT_EQ(c().drives().size(), 4u);
}

// Killed while it was written for the first time, it was taken for somebody else's and left alone for ever.
TEST_F(array_provider, a_drive_that_was_made_and_half_written_when_the_process_ended_becomes_a_member) {
  const auto half_written = [&](const std::string& path) {
    std::ofstream(path) << std::string(8192, 'x');
    std::filesystem::resize_file(path, 64 * mib);
    EXPECT_TRUE(list_.add_pending(path));
  };
  half_written(dir_ + "/made");
  ASSERT_TRUE(list_.made(dir_ + "/made"));
  half_written(dir_ + "/of-somebody-else");
  restart();
  EXPECT_EQ(c().drives().size(), 4u);
  ASSERT_EQ(list_.entries().size(), 4u);
  EXPECT_EQ(list_.entries()[3].path, dir_ + "/made");
  EXPECT_FALSE(list_.entries()[3].pending);
  std::ifstream other(dir_ + "/of-somebody-else");
  EXPECT_EQ(other.get(), 'x');
}

TEST_F(array_provider, what_is_not_made_yet_is_not_supported_and_says_so_without_an_object) {
  auto lun = c().create(VDS_LT_SIMPLE, 4 * mib);
  IVdsAsync* async = reinterpret_cast<IVdsAsync*>(1);
  EXPECT_EQ(lun->AddPlex(VDS_OBJECT_ID{}, &async), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(async, nullptr);
  EXPECT_EQ(lun->RemovePlex(VDS_OBJECT_ID{}, &async), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(lun->Recover(&async), VDS_E_INVALID_OPERATION);
  EXPECT_EQ(lun->SetStatus(VDS_LS_UNKNOWN), E_INVALIDARG);
  EXPECT_EQ(lun->SetStatus(VDS_LS_FAILED), VDS_E_NOT_SUPPORTED);
  EXPECT_EQ(lun->SetStatus(VDS_LS_OFFLINE), S_OK);
  EXPECT_EQ(caller::of(lun.get()).status, VDS_LS_OFFLINE);
  EXPECT_EQ(lun->SetStatus(VDS_LS_ONLINE), S_OK);
  EXPECT_FALSE(lun.as<IVdsLunMpio>());
  EXPECT_FALSE(lun.as<IVdsMaintenance>());
}

TEST_F(array_provider, is_one_storage_pool_that_is_found_by_what_it_is) {
  const auto pools = c().provider.as<IVdsHwProviderStoragePools>();
  ASSERT_TRUE(pools);
  const auto found = [&](ULONG flags, ULONGLONG least_free, VDS_POOL_ATTRIBUTES* attributes) {
    com_ptr<IEnumVdsObject> list;
    EXPECT_EQ(pools->QueryStoragePools(flags, least_free, attributes, list.put()), S_OK);
    return testing::all_of(list.get());
  };
  VDS_POOL_ATTRIBUTES thick{}, thin{}, striped{};
  thick.ullAttributeMask = thin.ullAttributeMask = VDS_POOL_ATTRIB_THIN_PROVISION;
  thin.bIsThinProvisioned = TRUE;
  striped.ullAttributeMask = VDS_POOL_ATTRIB_STRIPE_SIZE;
  EXPECT_EQ(found(1, 0, nullptr).size(), 0u);  // raw ones only
  EXPECT_EQ(found(2, 0, nullptr).size(), 1u);
  EXPECT_EQ(found(0, 1ull << 40, nullptr).size(), 0u);
  EXPECT_EQ(found(0, 0, &thick).size(), 1u);
  EXPECT_EQ(found(0, 0, &thin).size(), 0u);
  EXPECT_EQ(found(0, 0, &striped).size(), 0u);
  com_ptr<IEnumVdsObject> none;
  EXPECT_EQ(pools->QueryStoragePools(8, 0, nullptr, none.put()), E_INVALIDARG);

  const auto all = found(0, 0, nullptr);
  ASSERT_EQ(all.size(), 1u);
  const auto pool = all[0].as<IVdsStoragePool>();
  ASSERT_TRUE(pool);
  const auto look = [&] {
    VDS_STORAGE_POOL_PROP p{};
    EXPECT_EQ(pool->GetProperties(&p), S_OK);
    CoTaskMemFree(p.pwszName);
    CoTaskMemFree(p.pwszDescription);
    p.pwszName = p.pwszDescription = nullptr;
    return p;
  };
  const auto before = look();
  EXPECT_EQ(before.type, VDS_SPT_CONCRETE);
  EXPECT_EQ(before.ullTotalManagedSpace, 3 * 64 * mib);
  EXPECT_LE(before.ullRemainingFreeSpace, before.ullTotalManagedSpace);
  ASSERT_TRUE(c().create(VDS_LT_MIRROR, 4 * mib));
  EXPECT_LE(look().ullRemainingFreeSpace, before.ullRemainingFreeSpace - 8 * mib);
  com_ptr<IEnumVdsObject> luns;
  ASSERT_EQ(pool->QueryAllocatedLuns(luns.put()), S_OK);
  EXPECT_EQ(testing::all_of(luns.get()).size(), 1u);
  com_ptr<IUnknown> again;
  EXPECT_EQ(priv()->GetObject(before.id, VDS_OT_STORAGE_POOL, again.put()), S_OK);
  EXPECT_EQ(priv()->GetObject(to_com(guid{{9}}), VDS_OT_STORAGE_POOL, again.put()), VDS_E_OBJECT_NOT_FOUND);
}

TEST_F(array_provider, names_are_kept_and_cut_at_whole_characters) {
  auto lun = c().create(VDS_LT_SIMPLE, 4 * mib);
  auto naming = lun.as<IVdsLunNaming>();
  EXPECT_EQ(naming->SetFriendlyName(const_cast<wchar_t*>(L"gr\u00fcn")), S_OK);
  EXPECT_EQ(caller::of(lun.get()).name, "gr\u00fcn");
  std::wstring lengthy(200, L'\u00fc');
  EXPECT_EQ(naming->SetFriendlyName(lengthy.data()), VDS_S_NAME_TRUNCATED);
  EXPECT_EQ(caller::of(lun.get()).name.size(), 254u);
  EXPECT_EQ(naming->SetFriendlyName(nullptr), E_INVALIDARG);
}

TEST_F(array_provider, before_it_is_loaded_and_after_it_is_closed_it_says_so) {
  auto fresh = make_provider(host_);
  com_ptr<IEnumVdsObject> e;
  EXPECT_EQ(fresh.as<IVdsHwProvider>()->QuerySubSystems(e.put()), VDS_E_INITIALIZE_NOT_CALLED);
  EXPECT_EQ(fresh.as<IVdsProviderPrivate>()->OnLoad(const_cast<wchar_t*>(L""), nullptr), E_INVALIDARG);
  VDS_PROVIDER_PROP p{};
  EXPECT_EQ(fresh.as<IVdsProvider>()->GetProperties(&p), S_OK);
  EXPECT_EQ(p.type, VDS_PT_HARDWARE);
  CoTaskMemFree(p.pwszName);
  CoTaskMemFree(p.pwszVersion);
  auto lun = c().create(VDS_LT_SIMPLE, 4 * mib);
  host_->close();
  VDS_LUN_PROP lp{};
  EXPECT_EQ(lun->GetProperties(&lp), VDS_E_PROVIDER_EXITING);
}

}  // namespace
}  // namespace vds::array_provider
