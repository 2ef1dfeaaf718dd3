#include "service/sql.h"

#include <sqlite3.h>

#include <cstring>
#include <utility>

namespace vds::service {
namespace {

failure failed(sqlite3* db, const char* doing) {
  const int code = sqlite3_extended_errcode(db);
  errc what = errc::io_error;
  switch (code & 0xff) {
    case SQLITE_FULL:
      what = errc::no_space;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      what = errc::corrupt;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      what = errc::busy;
      break;
    case SQLITE_NOMEM:
      what = errc::out_of_memory;
      break;
    case SQLITE_CONSTRAINT:
      what = errc::already_exists;
      break;
    default:
      break;
  }
  return failure(what, std::string(doing) + ": " + sqlite3_errmsg(db));
}

}  // namespace

void sql_statement::close::operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
void sql_database::close::operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }

sql_statement& sql_statement::bind(int at, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), at, value);
  return *this;
}
sql_statement& sql_statement::bind(int at, std::string_view text) {
  sqlite3_bind_text(statement_.get(), at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  return *this;
}
sql_statement& sql_statement::bind(int at, const guid& id) {
  sqlite3_bind_blob(statement_.get(), at, id.bytes.data(), static_cast<int>(id.bytes.size()), SQLITE_TRANSIENT);
  return *this;
}

result<bool> sql_statement::step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return failed(sqlite3_db_handle(statement_.get()), sqlite3_sql(statement_.get()));
  }
}

status sql_statement::run() {
  auto row = step();
  while (row && *row) row = step();
  reset();
  if (!row) return std::move(row).error();
  return {};
}

void sql_statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t sql_statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string sql_statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return bytes == nullptr
             ? std::string()
             : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

guid sql_statement::id(int column) const {
  guid out;
  if (sqlite3_column_bytes(statement_.get(), column) == static_cast<int>(out.bytes.size()))
    std::memcpy(out.bytes.data(), sqlite3_column_blob(statement_.get(), column), out.bytes.size());
  return out;
}

result<sql_database> sql_database::open(const std::string& path) {
  sql_database out;
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  out.db_.reset(raw);
  if (code != SQLITE_OK)
    return raw != nullptr ? failed(raw, "opening the database").in("opening", path) : failure(errc::out_of_memory);
  for (const char* sql : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA temp_store=MEMORY"})
    if (auto done = out.execute(sql); !done) return std::move(done).error().in("opening", path);
  return out;
}

status sql_database::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failed(db_.get(), sql);
  return {};
}

result<sql_statement> sql_database::prepare(const char* sql) {
  sql_statement out;
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK)
    return failed(db_.get(), sql);
  out.statement_.reset(raw);
  return out;
}

}  // namespace vds::service
