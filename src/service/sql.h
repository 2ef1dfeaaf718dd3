// sql.h: just enough of SQLite: a connection, a prepared statement, failures with the statement in their story.
// A connection belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/guid.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace vds::service {

class sql_statement {
 public:
  sql_statement& bind(int at, std::int64_t value);
  sql_statement& bind(int at, std::string_view text);
  sql_statement& bind(int at, const guid& id);
  result<bool> step();  // true: a row is there
  status run();         // to the end, then ready for the next bind
  void reset();
  std::int64_t integer(int column) const;
  std::string text(int column) const;
  guid id(int column) const;

 private:
  friend class sql_database;
  struct close {
    void operator()(sqlite3_stmt* s) const noexcept;
  };
  std::unique_ptr<sqlite3_stmt, close> statement_;
};

class sql_database {
 public:
  // Opens or creates; write-ahead log, every commit on stable storage before it returns.
  static result<sql_database> open(const std::string& path);
  status execute(const char* sql);
  result<sql_statement> prepare(const char* sql);

 private:
  struct close {
    void operator()(sqlite3* db) const noexcept;
  };
  std::unique_ptr<sqlite3, close> db_;
};

}  // namespace vds::service
