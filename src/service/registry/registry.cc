#include "service/registry/registry.h"

#include <utility>

namespace vds::service {
namespace {

constexpr const char* schema = R"(
  CREATE TABLE IF NOT EXISTS providers (
    id BLOB PRIMARY KEY, clsid BLOB NOT NULL, name TEXT NOT NULL, type INTEGER NOT NULL, version TEXT NOT NULL,
    version_id BLOB NOT NULL, command TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
  PRAGMA user_version=1;
)";

}  // namespace

result<std::unique_ptr<registry>> registry::open(const std::string& path) {
  auto db = sql_database::open(path);
  if (!db) return std::move(db).error();
  {
    auto version = db->prepare("PRAGMA user_version");
    if (!version) return std::move(version).error().in("reading", path);
    auto row = version->step();
    if (!row) return std::move(row).error().in("reading", path);
    if (*row && version->integer(0) > 1)
      return failure(errc::too_new, path + " was written by a later version of this program");
  }
  if (auto made = db->execute(schema); !made) return std::move(made).error().in("preparing", path);
  return std::unique_ptr<registry>(new registry(std::move(*db)));
}

result<std::vector<provider_spec>> registry::providers() {
  const std::lock_guard lock(mutex_);
  auto all = db_.prepare("SELECT id,clsid,name,type,version,version_id,command FROM providers ORDER BY name");
  if (!all) return std::move(all).error();
  std::vector<provider_spec> out;
  for (;;) {
    auto row = all->step();
    if (!row) return std::move(row).error();
    if (!*row) return out;
    provider_spec p;
    p.id = all->id(0);
    p.clsid = all->id(1);
    p.name = all->text(2);
    p.type = static_cast<VDS_PROVIDER_TYPE>(all->integer(3));
    p.version = all->text(4);
    p.version_id = all->id(5);
    p.command = all->text(6);
    out.push_back(std::move(p));
  }
}

status registry::add(const provider_spec& p) {
  const std::lock_guard lock(mutex_);
  auto insert =
      db_.prepare("INSERT INTO providers (id,clsid,name,type,version,version_id,command) VALUES (?,?,?,?,?,?,?)");
  if (!insert) return std::move(insert).error();
  insert->bind(1, p.id).bind(2, p.clsid).bind(3, p.name).bind(4, static_cast<std::int64_t>(p.type));
  insert->bind(5, p.version).bind(6, p.version_id).bind(7, p.command);
  return insert->run();
}

status registry::remove(const guid& provider) {
  const std::lock_guard lock(mutex_);
  auto find = db_.prepare("SELECT 1 FROM providers WHERE id=?");
  if (!find) return std::move(find).error();
  auto row = find->bind(1, provider).step();
  if (!row) return std::move(row).error();
  if (!*row) return errc::not_found;
  auto remove = db_.prepare("DELETE FROM providers WHERE id=?");
  if (!remove) return std::move(remove).error();
  return remove->bind(1, provider).run();
}

result<std::uint64_t> registry::reserve_events(std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  std::int64_t from = 1;
  {
    auto read = db_.prepare("SELECT value FROM counters WHERE name='events'");
    if (!read) return std::move(read).error();
    auto row = read->step();
    if (!row) return std::move(row).error();
    if (*row) from = read->integer(0);
  }
  auto write = db_.prepare("INSERT OR REPLACE INTO counters (name,value) VALUES ('events',?)");
  if (!write) return std::move(write).error();
  if (auto written = write->bind(1, from + static_cast<std::int64_t>(count)).run(); !written)
    return std::move(written).error();
  return static_cast<std::uint64_t>(from);
}

}  // namespace vds::service
