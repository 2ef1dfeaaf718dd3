#include "service/operations/history.h"

#include <functional>
#include <utility>

namespace vds::service {
namespace {

constexpr const char* schema = R"(
  CREATE TABLE IF NOT EXISTS operations (
    row INTEGER PRIMARY KEY,
    id BLOB NOT NULL, kind TEXT NOT NULL, provider BLOB NOT NULL, object BLOB NOT NULL, object_type INTEGER NOT NULL,
    type INTEGER NOT NULL, owner TEXT NOT NULL, begun INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0, result INTEGER NOT NULL DEFAULT 0, output BLOB);
  CREATE TABLE IF NOT EXISTS applied (one INTEGER PRIMARY KEY, log INTEGER NOT NULL, through INTEGER NOT NULL)
)";
// 1: without a log before it. 2: the log counts, and a program that does not know it must not go on without.
constexpr std::int64_t format = 2;
constexpr std::size_t trim_batch = 64;  // so that trimming is rare and each time small

}  // namespace

result<std::unique_ptr<history>> history::open(const std::string& path, std::size_t keep) {
  auto db = sql_database::open(path);
  if (!db) return std::move(db).error();
  std::unique_ptr<history> made(new history(std::move(*db), keep));
  VDS_RETURN_IF_FAILED(made->prepare());
  return made;
}

status history::prepare() {
  {
    auto version = db_.prepare("PRAGMA user_version");
    if (!version) return std::move(version).error();
    auto row = version->step();
    if (!row) return std::move(row).error();
    if (*row && version->integer(0) > format)
      return failure(errc::too_new, "the journal was written by a later version of this program");
  }
  VDS_RETURN_IF_FAILED(db_.execute(schema));
  VDS_RETURN_IF_FAILED(db_.execute("PRAGMA user_version=2"));
  const auto make = [this](std::optional<sql_statement>& into, const char* sql) -> status {
    auto made = db_.prepare(sql);
    if (!made) return std::move(made).error();
    into.emplace(std::move(*made));
    return {};
  };
  VDS_RETURN_IF_FAILED(
      make(insert_,
           "INSERT INTO operations (row,id,kind,provider,object,object_type,type,owner,begun,ended,result,output) "
           "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"));
  VDS_RETURN_IF_FAILED(make(update_, "UPDATE operations SET ended=?, result=?, output=? WHERE row=?"));
  VDS_RETURN_IF_FAILED(make(delete_, "DELETE FROM operations WHERE row=?"));
  VDS_RETURN_IF_FAILED(make(note_, "INSERT OR REPLACE INTO applied (one,log,through) VALUES (1,?,?)"));
  // By row id from the old end; an operation that still runs is never trimmed, however old.
  VDS_RETURN_IF_FAILED(make(trim_, "DELETE FROM operations WHERE row < ? AND ended != 0"));

  auto applied = db_.prepare("SELECT log,through FROM applied WHERE one=1");
  if (!applied) return std::move(applied).error();
  auto row = applied->step();
  if (!row) return std::move(row).error();
  if (*row)
    applied_ = {static_cast<std::uint64_t>(applied->integer(0)), static_cast<std::uint64_t>(applied->integer(1))};

  auto open = db_.prepare("SELECT row,id,ended FROM operations ORDER BY row");
  if (!open) return std::move(open).error();
  for (;;) {
    row = open->step();
    if (!row) return std::move(row).error();
    if (!*row) return {};
    last_row_ = open->integer(0);
    if (open->integer(2) == 0)
      rows_.emplace(open->id(1), last_row_);
    else
      ++ended_;
  }
}

status history::load(contents& out) {
  auto all = db_.prepare(
      "SELECT id,kind,provider,object,object_type,type,owner,begun,ended,result,output FROM operations ORDER BY row");
  if (!all) return std::move(all).error();
  for (;;) {
    auto row = all->step();
    if (!row) return std::move(row).error();
    if (!*row) return {};
    operation_record r;
    r.id = all->id(0);
    r.kind = all->text(1);
    r.provider = all->id(2);
    r.object = all->id(3);
    r.object_type = static_cast<VDS_OBJECT_TYPE>(all->integer(4));
    r.type = static_cast<VDS_ASYNC_OUTPUT_TYPE>(all->integer(5));
    r.owner = all->text(6);
    r.begun_ns = static_cast<std::uint64_t>(all->integer(7));
    r.ended_ns = static_cast<std::uint64_t>(all->integer(8));
    r.result = static_cast<HRESULT>(all->integer(9));
    r.output = all->id(10);
    (r.ended() ? out.ended : out.unfinished).push_back(std::move(r));
  }
}

status history::in_transaction(const std::function<status()>& work) {
  VDS_RETURN_IF_FAILED(db_.execute("BEGIN"));
  status done = work();
  if (done) done = db_.execute("COMMIT");
  if (!done) (void)db_.execute("ROLLBACK");
  return done;
}

status history::note(std::uint64_t log_id, std::uint64_t through) {
  note_->bind(1, static_cast<std::int64_t>(log_id)).bind(2, static_cast<std::int64_t>(through));
  return note_->run();
}

status history::follow(std::uint64_t log_id) {
  if (applied_.log_id == log_id) return {};
  VDS_RETURN_IF_FAILED(in_transaction([&] { return note(log_id, applied_.applied); }));
  applied_.log_id = log_id;
  return {};
}

status history::insert(const operation_record& r) {
  insert_->bind(1, ++last_row_).bind(2, r.id).bind(3, r.kind).bind(4, r.provider).bind(5, r.object);
  insert_->bind(6, static_cast<std::int64_t>(r.object_type)).bind(7, static_cast<std::int64_t>(r.type));
  insert_->bind(8, r.owner).bind(9, static_cast<std::int64_t>(r.begun_ns));
  insert_->bind(10, static_cast<std::int64_t>(r.ended_ns)).bind(11, static_cast<std::int64_t>(r.result));
  insert_->bind(12, r.output);
  return insert_->run();
}

status history::update(std::int64_t row, const operation_record& r) {
  update_->bind(1, static_cast<std::int64_t>(r.ended_ns)).bind(2, static_cast<std::int64_t>(r.result));
  update_->bind(3, r.output).bind(4, row);
  return update_->run();
}

status history::apply(const std::vector<log_format::change>& changes, std::uint64_t through) {
  using what = log_format::change::what;
  // What becomes of each id within the window; begun ones in their order.
  struct fate {
    operation_record record;
    bool begun = false, dropped = false;
  };
  std::vector<fate> window;
  std::unordered_map<guid, std::size_t> at;
  std::size_t ended_here = 0;
  for (const log_format::change& c : changes) {
    const auto [place, fresh] = at.try_emplace(c.record.id, window.size());
    if (fresh) window.emplace_back().record.id = c.record.id;
    fate& f = window[place->second];
    switch (c.kind) {
      case what::begin:
        f.record = c.record;
        f.begun = true;
        f.dropped = false;  // refused, and tried again under the same id
        break;
      case what::end:
        f.record.ended_ns = c.record.ended_ns;
        f.record.result = c.record.result;
        f.record.output = c.record.output;
        ++ended_here;
        break;
      case what::drop:
        f.dropped = true;
        break;
    }
  }
  // Ended ones that would be trimmed at once are not written at all.
  std::size_t skip = ended_here > keep_ ? ended_here - keep_ : 0;
  const auto rows_before = rows_;
  const auto last = last_row_;
  const auto ended = ended_;
  status done = in_transaction([&]() -> status {
    for (const fate& f : window) {
      const auto row = rows_.find(f.record.id);
      if (row != rows_.end()) {
        const std::int64_t number = row->second;
        if (!f.dropped && !f.record.ended()) continue;
        rows_.erase(row);
        if (f.dropped) {
          delete_->bind(1, number);
          VDS_RETURN_IF_FAILED(delete_->run());
        } else {
          VDS_RETURN_IF_FAILED(update(number, f.record));
          ++ended_;
        }
        continue;
      }
      if (!f.begun || f.dropped) continue;
      if (f.record.ended()) {
        if (skip > 0) {
          --skip;
          continue;
        }
        ++ended_;
      }
      VDS_RETURN_IF_FAILED(insert(f.record));
      if (!f.record.ended()) rows_.emplace(f.record.id, last_row_);
    }
    if (ended_ > keep_ + trim_batch) {
      // Rows have no gaps to speak of, so the row id tells how many there are behind it.
      trim_->bind(1, last_row_ - static_cast<std::int64_t>(keep_) + 1);
      VDS_RETURN_IF_FAILED(trim_->run());
      ended_ = keep_;
    }
    return note(applied_.log_id, through);
  });
  if (!done) {
    rows_ = rows_before;
    last_row_ = last;
    ended_ = ended;
    return done;
  }
  applied_.applied = through;
  return {};
}

}  // namespace vds::service
