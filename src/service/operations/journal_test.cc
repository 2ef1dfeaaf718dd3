#include "service/operations/journal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>

#include "base/random.h"
#include "service/testing/scene.h"

namespace vds::service {
namespace {

using testing::temporary_directory;

operation_record record(int n) {
  operation_record r;
  r.id = name_guid(guid{{1}}, std::to_string(n));
  r.kind = "create_lun";
  r.type = VDS_ASYNCOUT_CREATELUN;
  r.owner = "somebody";
  r.begun_ns = 1000 + static_cast<std::uint64_t>(n);
  return r;
}

std::unique_ptr<journal> opened(const std::string& path, journal::contents& found, std::size_t history = 100,
                                std::function<void(std::string_view)> at_step = {},
                                std::uint64_t log_area_bytes = 4 << 20) {
  journal_options o;
  o.log_area_bytes = log_area_bytes;
  o.path = path;
  o.history = history;
  o.lazy = std::chrono::milliseconds(1);
  o.at_step = std::move(at_step);
  auto j = journal::open(std::move(o), found);
  EXPECT_TRUE(j) << j.error().message();
  return std::move(*j);
}

TEST(journal, gives_back_what_was_begun_and_not_ended) {
  temporary_directory dir;
  const std::string path = dir.path() + "/j";
  journal::contents found;
  {
    auto j = opened(path, found);
    for (int n = 0; n < 4; ++n) ASSERT_TRUE(j->begin(record(n)));
    operation_record r = record(1);
    r.ended_ns = 5;
    r.result = VDS_E_RETRY;
    r.output = guid{{9}};
    j->end(r);
    j->drop(record(2).id);
  }
  auto j = opened(path, found);
  ASSERT_EQ(found.unfinished.size(), 2u);
  EXPECT_EQ(found.unfinished[0].id, record(0).id);
  EXPECT_EQ(found.unfinished[1].id, record(3).id);
  EXPECT_EQ(found.unfinished[0].owner, "somebody");
  ASSERT_EQ(found.ended.size(), 1u);
  EXPECT_EQ(found.ended[0].result, VDS_E_RETRY);
  EXPECT_EQ(found.ended[0].output, guid{{9}});
}

// A client's object may hold an old journal while the next start opens its own: both wrote the same rows.
TEST(journal, once_closed_the_next_may_be_opened_whoever_still_holds_it) {
  temporary_directory dir;
  const std::string path = dir.path() + "/j";
  journal::contents found;
  auto old = opened(path, found);
  operation_record ended = record(1);
  ended.ended_ns = 5;
  ASSERT_TRUE(old->begin(record(0)));
  ASSERT_TRUE(old->begin(record(1)));
  bool told = false;
  old->end(ended, [&] { told = true; });
  old->close();
  EXPECT_TRUE(told);
  auto next = opened(path, found);
  EXPECT_EQ(found.unfinished.size(), 1u);
  EXPECT_EQ(found.ended.size(), 1u);
  ASSERT_TRUE(next->begin(record(2)));
  EXPECT_EQ(old->begin(record(3)).error().code(), errc::closing);
  ended = record(0);
  ended.ended_ns = 5;
  old->end(ended);  // the next start finds out
  old->note(record(4));
  EXPECT_EQ(old->flush().error().code(), errc::closing);
  old.reset();
  next.reset();
  found = {};
  next = opened(path, found);
  ASSERT_EQ(found.unfinished.size(), 2u);
  EXPECT_EQ(found.unfinished[0].id, record(0).id);
  EXPECT_EQ(found.unfinished[1].id, record(2).id);
  EXPECT_EQ(found.ended.size(), 1u);
}

TEST(journal, keeps_a_bounded_history_and_every_unfinished_one) {
  temporary_directory dir;
  journal::contents found;
  {
    auto j = opened(dir.path() + "/j", found, 50);
    ASSERT_TRUE(j->begin(record(-1)));
    for (int n = 0; n < 500; ++n) {
      operation_record r = record(n);
      ASSERT_TRUE(j->begin(r));
      r.ended_ns = 7;
      j->end(r);
    }
  }
  auto j = opened(dir.path() + "/j", found, 50);
  ASSERT_EQ(found.unfinished.size(), 1u);
  EXPECT_EQ(found.unfinished[0].id, record(-1).id);
  EXPECT_LE(found.ended.size(), 50u + 64u);
  EXPECT_EQ(found.ended.back().id, record(499).id);
}

TEST(journal, refuses_a_file_that_is_none_and_one_of_a_later_version) {
  temporary_directory dir;
  {
    std::FILE* f = std::fopen((dir.path() + "/j").c_str(), "w");
    std::fputs("this is no database, whatever its name says, and long enough to be looked at as one", f);
    std::fclose(f);
  }
  journal::contents found;
  journal_options o;
  o.path = dir.path() + "/j";
  EXPECT_EQ(journal::open(o, found).error().code(), errc::corrupt);
  o.path = dir.path() + "/later";
  {
    auto db = sql_database::open(o.path);
    ASSERT_TRUE(db->execute("PRAGMA user_version=3"));
  }
  EXPECT_EQ(journal::open(o, found).error().code(), errc::too_new);
}

// The process is killed at every step of a run of begins and ends, one step further each time. Whatever begin() had
// answered is there afterwards, unfinished or ended; nothing is twice, nothing is made up.
void kill_at_every_step(int operations, std::uint64_t log_area_bytes) {
  for (int step = 1;; ++step) {
    temporary_directory dir;
    const std::string path = dir.path() + "/j";
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      std::atomic<int> steps = 0;
      journal::contents found;
      auto j = opened(
          path, found, 100,
          [&](std::string_view) {
            if (++steps == step) ::kill(::getpid(), SIGKILL);
          },
          log_area_bytes);
      for (int n = 0; n < operations; ++n) {
        operation_record r = record(n);
        if (!j->begin(r)) ::_exit(1);
        if (::write(told[1], &n, sizeof n) != sizeof n) ::_exit(1);
        r.ended_ns = 1;
        j->end(r);
      }
      j.reset();
      ::_exit(0);
    }
    ::close(told[1]);
    std::vector<int> answered;
    for (int n; ::read(told[0], &n, sizeof n) == sizeof n;) answered.push_back(n);
    ::close(told[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    journal::contents found;
    auto j = opened(path, found);
    std::map<guid, int> seen;
    for (const auto* list : {&found.unfinished, &found.ended})
      for (const operation_record& r : *list) ++seen[r.id];
    for (const auto& [id, times] : seen) EXPECT_EQ(times, 1) << "step " << step;
    for (const int n : answered) EXPECT_TRUE(seen.contains(record(n).id)) << "step " << step << " operation " << n;
    // At most one more than was answered: the one whose answer was on its way.
    EXPECT_LE(seen.size(), answered.size() + 1) << "step " << step;
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      EXPECT_EQ(answered.size(), static_cast<std::size_t>(operations));
      EXPECT_GT(step, operations * 3);
      break;
    }
    ASSERT_EQ(WTERMSIG(status), SIGKILL);
  }
}

TEST(journal, after_kill_9_at_any_step_what_was_answered_is_there) { kill_at_every_step(6, 4 << 20); }

// Areas of two blocks: full after two commits, so the history is brought up to date and an area begun again all the
// time, and the process is killed in the middle of that, too.
TEST(journal, after_kill_9_while_the_log_goes_round_what_was_answered_is_there) { kill_at_every_step(8, 8 << 10); }

TEST(journal, goes_round_in_its_log_with_many_at_once) {
  temporary_directory dir;
  journal::contents found;
  constexpr int threads = 8, each = 200;
  {
    auto j = opened(dir.path() + "/j", found, 100'000, {}, 64 << 10);
    std::atomic<int> told = 0;
    std::vector<std::thread> at_work;
    for (int t = 0; t < threads; ++t)
      at_work.emplace_back([&, t] {
        for (int n = 0; n < each; ++n) {
          operation_record r = record(t * each + n);
          ASSERT_TRUE(j->begin(r));
          if (n % 4 == 0) continue;  // stays open
          if (n % 4 == 1) {
            j->drop(r.id);
            continue;
          }
          r.ended_ns = 1;
          j->end(r, [&] { ++told; });
        }
      });
    for (auto& t : at_work) t.join();
    ASSERT_TRUE(j->flush());
    EXPECT_EQ(told, threads * each / 2);
  }
  auto j = opened(dir.path() + "/j", found, 100'000, {}, 64 << 10);
  EXPECT_EQ(found.unfinished.size(), static_cast<std::size_t>(threads * each / 4));
  EXPECT_EQ(found.ended.size(), static_cast<std::size_t>(threads * each / 2));
}

TEST(journal, an_operation_that_was_refused_may_begin_again_under_its_id) {
  temporary_directory dir;
  journal::contents found;
  {
    auto j = opened(dir.path() + "/j", found);
    ASSERT_TRUE(j->begin(record(1)));
    j->drop(record(1).id);
    ASSERT_TRUE(j->begin(record(1)));
  }
  auto j = opened(dir.path() + "/j", found);
  EXPECT_EQ(found.unfinished.size(), 1u);
  EXPECT_TRUE(found.ended.empty());
}

// Somebody may hold on to the service that stopped (a client's object, a call under way): two histories of one file
// wrote the same rows.
TEST(journal, closed_it_leaves_the_files_to_whoever_opens_them_next) {
  temporary_directory dir;
  journal::contents found;
  const auto end = [](journal& j, int n) {
    operation_record r = record(n);
    r.ended_ns = 5;
    j.end(r);
  };
  auto before = opened(dir.path() + "/j", found);
  ASSERT_TRUE(before->begin(record(1)));
  end(*before, 1);
  before->close();
  EXPECT_EQ(before->begin(record(2)).error().code(), errc::closing);
  end(*before, 1);
  {
    journal::contents by_next;
    auto next = opened(dir.path() + "/j", by_next);
    EXPECT_EQ(by_next.ended.size(), 1u);
    ASSERT_TRUE(next->begin(record(3)));
    end(*next, 3);
  }
  before.reset();
  found = {};
  auto j = opened(dir.path() + "/j", found);
  EXPECT_EQ(found.ended.size(), 2u);
  EXPECT_TRUE(found.unfinished.empty());
}

TEST(journal, costs_the_same_whatever_is_in_it) {
  temporary_directory dir;
  journal::contents found;
  auto j = opened(dir.path() + "/j", found, 1'000'000);
  const auto begin_many = [&](int from, int n) {
    // Many at once share commits, so that filling is quick.
    std::vector<std::thread> threads;
    for (int t = 0; t < 16; ++t)
      threads.emplace_back([&, t] {
        for (int i = t; i < n; i += 16) ASSERT_TRUE(j->begin(record(from + i)));
      });
    for (auto& t : threads) t.join();
  };
  // What this thread, which commits for itself, reads and writes.
  const auto moved = [] {
    std::ifstream io("/proc/thread-self/io");
    std::uint64_t sum = 0, n = 0;
    for (std::string word; io >> word >> n;)
      if (word == "rchar:" || word == "wchar:") sum += n;
    return sum;
  };
  const auto hundred_take = [&](int from) {
    const auto before = moved();
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(j->begin(record(from + i)));
    return moved() - before;
  };
  const auto empty = hundred_take(1'000'000);
  begin_many(0, 5'000);
  const auto full = hundred_take(2'000'000);
  EXPECT_GT(empty, 0U);
  EXPECT_LT(full, 2 * empty) << "bytes; the growth looked for is hundredfold";
}

}  // namespace
}  // namespace vds::service
