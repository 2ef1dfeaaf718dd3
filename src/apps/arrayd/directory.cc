#include "apps/arrayd/directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>

#include <cerrno>
#include <filesystem>

#include "base/log.h"

namespace vds::arrayd {

namespace {

namespace fs = std::filesystem;

std::string holder_of(int lock) {
  char text[32] = {};
  const ssize_t n = ::pread(lock, text, sizeof text - 1, 0);
  std::string_view pid(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  if (const auto end = pid.find('\n'); end != std::string_view::npos) pid = pid.substr(0, end);
  return pid.empty() ? "another process" : fmt::format("process {}", pid);
}

class statement {
 public:
  statement(sqlite3* db, const char* sql) { code_ = sqlite3_prepare_v2(db, sql, -1, &s_, nullptr); }
  ~statement() { sqlite3_finalize(s_); }
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  void bind(int at, std::string_view value) {
    if (code_ == SQLITE_OK) {
      code_ = sqlite3_bind_text(s_, at, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
    }
  }
  int step() { return code_ == SQLITE_OK ? sqlite3_step(s_) : code_; }
  std::string text(int column) const {
    const auto* p = sqlite3_column_text(s_, column);
    return p == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(p));
  }
  int number(int column) const { return sqlite3_column_int(s_, column); }

 private:
  sqlite3_stmt* s_ = nullptr;
  int code_;
};

}  // namespace

result<std::unique_ptr<directory>> directory::open(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return failure_from_errno(error.value(), "making " + path);
  const std::string real = fs::canonical(path, error).string();
  if (error) return failure_from_errno(error.value(), "opening " + path);
  unique_fd lock(::open((real + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return failure_from_errno(errno, "opening " + real + "/lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failure_from_errno(errno, "locking " + real);
    return failure(errc::busy, fmt::format("{} is served by {} already", real, holder_of(lock.get())));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
    return failure_from_errno(errno, "writing " + real + "/lock");
  }
  std::unique_ptr<directory> d(new directory(real, std::move(lock)));
  VDS_RETURN_IF_FAILED(d->open_database());
  return d;
}

directory::directory(std::string path, unique_fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
directory::~directory() { sqlite3_close(db_); }

status directory::open_database() {
  if (sqlite3_open(file("state.db").c_str(), &db_) != SQLITE_OK) {
    return failure(errc::io_error, fmt::format("opening {}: {}", file("state.db"), sqlite3_errmsg(db_)));
  }
  for (const char* sql :
       {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "CREATE TABLE IF NOT EXISTS setting(name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS drive(path TEXT PRIMARY KEY, pending INTEGER NOT NULL)"}) {  // pending: 2 is made
    VDS_RETURN_IF_FAILED(run(sql));
  }
  return {};
}

status directory::run(const char* sql, std::initializer_list<std::string_view> values) {
  const std::lock_guard guard(mutex_);
  statement s(db_, sql);
  int at = 0;
  for (const auto v : values) s.bind(++at, v);
  const int code = s.step();
  if (code == SQLITE_DONE || code == SQLITE_ROW) return {};
  const errc why = code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? errc::corrupt
                   : code == SQLITE_FULL                           ? errc::no_space
                                                                   : errc::io_error;
  return failure(why, fmt::format("{}: {}", file("state.db"), sqlite3_errmsg(db_)));
}

std::string directory::relative(const std::string& path) const {
  return path.starts_with(path_ + "/") ? path.substr(path_.size() + 1) : path;
}
std::string directory::absolute(const std::string& path) const {
  return path.starts_with('/') ? path : path_ + "/" + path;
}

std::vector<array_provider::drive_list::entry> directory::entries() {
  const std::lock_guard guard(mutex_);
  std::vector<entry> out;
  statement s(db_, "SELECT path, pending FROM drive ORDER BY rowid");
  while (s.step() == SQLITE_ROW) out.push_back({absolute(s.text(0)), s.number(1) != 0, s.number(1) == 2});
  return out;
}
status directory::made(const std::string& path) {
  return run("UPDATE drive SET pending = 2 WHERE path = ? AND pending <> 0", {relative(path)});
}
status directory::add_pending(const std::string& path) {
  return run("INSERT INTO drive VALUES(?, 1) ON CONFLICT(path) DO UPDATE SET pending = max(pending, 1)",
             {relative(path)});
}
status directory::settle(const std::string& path) {
  return run("UPDATE drive SET pending = 0 WHERE path = ?", {relative(path)});
}
status directory::remove(const std::string& path) { return run("DELETE FROM drive WHERE path = ?", {relative(path)}); }

result<unsigned> directory::adopt_drive_files() {
  if (!entries().empty()) return 0u;
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& e : fs::directory_iterator(path_, error)) {
    std::error_code ignored;
    if (e.path().extension() == ".img" && e.is_regular_file(ignored)) found.push_back(e.path().string());
  }
  if (error) return failure_from_errno(error.value(), "looking through " + path_);
  std::sort(found.begin(), found.end());
  for (const auto& f : found) VDS_RETURN_IF_FAILED(add_pending(f));
  return static_cast<unsigned>(found.size());
}

std::optional<std::string> directory::setting(std::string_view name) {
  const std::lock_guard guard(mutex_);
  statement s(db_, "SELECT value FROM setting WHERE name = ?");
  s.bind(1, name);
  if (s.step() != SQLITE_ROW) return std::nullopt;
  return s.text(0);
}
status directory::set(std::string_view name, std::string_view value) {
  return run("INSERT INTO setting VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value", {name, value});
}

}  // namespace vds::arrayd
