#include "sdk/operation_table.h"

#include <gtest/gtest.h>

#include <thread>

#include "com/strings.h"

namespace vds::sdk {
namespace {

guid id_of(int n) { return name_guid(guid{{9}}, std::to_string(n)); }

VDSX_OPERATION_OUTCOME asked(operation_table& t, const guid& id) {
  VDSX_OPERATION_OUTCOME o{};
  EXPECT_EQ(t.query(to_com(id), &o), S_OK);
  CoTaskMemFree(o.pwszPhase);
  o.pwszPhase = nullptr;
  return o;
}

TEST(operation_table, joins_a_repeated_id_and_knows_its_outcome) {
  operation_table t;
  const auto first = t.begin(id_of(1), VDS_ASYNCOUT_CREATELUN);
  EXPECT_FALSE(first.joined);
  const auto again = t.begin(id_of(1), VDS_ASYNCOUT_CREATELUN);
  EXPECT_TRUE(again.joined);
  EXPECT_EQ(again.async, first.async);
  EXPECT_EQ(asked(t, id_of(1)).outcome, VDSX_OUTCOME_RUNNING);
  first.async->finish_with(com_ptr<IVdsAsync>(make_async(VDS_ASYNCOUT_CLEAN)).get(), id_of(77));
  const auto done = asked(t, id_of(1));
  EXPECT_EQ(done.outcome, VDSX_OUTCOME_DONE);
  EXPECT_EQ(done.hrResult, S_OK);
  EXPECT_EQ(from_com(done.objectId), id_of(77));
  EXPECT_EQ(done.objectType, VDS_OT_LUN);
  EXPECT_TRUE(t.begin(id_of(1), VDS_ASYNCOUT_CREATELUN).joined);
}

TEST(operation_table, does_not_join_an_id_of_another_method) {
  operation_table t;
  (void)t.begin(id_of(1), VDS_ASYNCOUT_CREATELUN);
  EXPECT_FALSE(t.begin(id_of(1), VDS_ASYNCOUT_EXTENDLUN).async);
}

TEST(operation_table, does_not_know_what_it_never_saw_forgot_or_abandoned) {
  operation_table t;
  EXPECT_EQ(asked(t, id_of(1)).outcome, VDSX_OUTCOME_UNKNOWN);
  t.begin(id_of(1), VDS_ASYNCOUT_EXTENDLUN).async->finish(S_OK);
  EXPECT_EQ(t.forget(to_com(id_of(1))), S_OK);
  EXPECT_EQ(asked(t, id_of(1)).outcome, VDSX_OUTCOME_UNKNOWN);
  (void)t.begin(id_of(2), VDS_ASYNCOUT_EXTENDLUN);
  EXPECT_EQ(t.forget(to_com(id_of(2))), VDS_E_OPERATION_PENDING);
  t.abandon(id_of(2));
  EXPECT_EQ(asked(t, id_of(2)).outcome, VDSX_OUTCOME_UNKNOWN);
}

TEST(operation_table, forgets_the_oldest_that_ended_and_never_one_that_runs) {
  operation_table t(10);
  (void)t.begin(id_of(0), VDS_ASYNCOUT_EXTENDLUN);
  for (int i = 1; i <= 100; ++i) t.begin(id_of(i), VDS_ASYNCOUT_EXTENDLUN).async->finish(S_OK);
  EXPECT_EQ(asked(t, id_of(0)).outcome, VDSX_OUTCOME_RUNNING);
  EXPECT_EQ(asked(t, id_of(1)).outcome, VDSX_OUTCOME_UNKNOWN);
  EXPECT_EQ(asked(t, id_of(100)).outcome, VDSX_OUTCOME_DONE);
}

TEST(operation_table, asks_what_is_durable_about_ids_from_an_earlier_life) {
  operation_table t;
  bool forgotten = false;
  t.use_durable(
      [](const guid& id) -> std::optional<operation_outcome> {
        if (id != id_of(1)) return {};
        return operation_outcome{false, S_OK, VDS_ASYNCOUT_CREATELUN, id_of(50)};
      },
      [](const guid&, VDS_OBJECT_TYPE) {
        return com_ptr<IUnknown>(com_ptr<IVdsAsync>(make_async(VDS_ASYNCOUT_CLEAN)));
      },
      [&](const guid&) { forgotten = true; });
  EXPECT_EQ(asked(t, id_of(1)).outcome, VDSX_OUTCOME_DONE);
  const auto again = t.begin(id_of(1), VDS_ASYNCOUT_CREATELUN);
  EXPECT_TRUE(again.joined);
  EXPECT_EQ(again.async->object_id(), id_of(50));
  com_ptr<IVdsAsync> opened;
  EXPECT_EQ(t.open(to_com(id_of(1)), opened.put()), S_OK);
  EXPECT_EQ(t.open(to_com(id_of(2)), opened.put()), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(t.forget(to_com(id_of(1))), S_OK);
  EXPECT_TRUE(forgotten);
}

TEST(operation_table, an_operation_whose_caller_looked_for_itself_ends_as_it_did_before) {
  operation_table t;
  int looked = 0;
  t.use_durable([&](const guid&) -> std::optional<operation_outcome> { return ++looked, std::nullopt; },
                [](const guid&, VDS_OBJECT_TYPE) {
                  return com_ptr<IUnknown>(com_ptr<IVdsAsync>(make_async(VDS_ASYNCOUT_CLEAN)));
                },
                {});
  const auto begun = t.begin(id_of(1), VDS_ASYNCOUT_CREATELUN, false);
  EXPECT_FALSE(begun.joined);
  EXPECT_EQ(looked, 0);
  EXPECT_EQ(t.ended_before(id_of(1), begun.async, {false, S_OK, VDS_ASYNCOUT_CREATELUN, id_of(50)}), S_OK);
  EXPECT_TRUE(begun.async->state().ended());
  EXPECT_EQ(begun.async->object_id(), id_of(50));
  EXPECT_TRUE(t.begin(id_of(1), VDS_ASYNCOUT_CREATELUN).joined);
  const auto other = t.begin(id_of(2), VDS_ASYNCOUT_CREATELUN, false);
  EXPECT_EQ(t.ended_before(id_of(2), other.async, {false, S_OK, VDS_ASYNCOUT_CREATETARGET, id_of(50)}), E_INVALIDARG);
  EXPECT_TRUE(other.async->state().ended());
  EXPECT_FALSE(t.begin(id_of(2), VDS_ASYNCOUT_CREATELUN, false).joined);
}

TEST(operation_table, lets_one_of_many_threads_begin) {
  operation_table t;
  std::atomic<int> began = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) began += t.begin(id_of(n), VDS_ASYNCOUT_EXTENDLUN).joined ? 0 : 1;
    });
  for (auto& each : threads) each.join();
  EXPECT_EQ(began, 200);
}

}  // namespace
}  // namespace vds::sdk
