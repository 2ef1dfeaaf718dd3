// directory.h: an array's own directory: held by one process at a time, and what must be known before the drives are
// opened: their paths, the subsystem's id, the port that was chosen. SQLite keeps it (state.db); every change is
// durable when it returns. The array's truth is on its drives and not here: with this lost, LUNs are not.
// Drives inside the directory are remembered relative to it, so the directory may be moved as a whole. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/guid.h"
#include "base/unique_fd.h"
#include "providers/array/drive_list.h"

struct sqlite3;

namespace vds::arrayd {

class directory final : public array_provider::drive_list {
 public:
  // Makes it if need be. Failure: busy (another process has it, the story says which), denied, corrupt.
  static result<std::unique_ptr<directory>> open(const std::string& path);
  ~directory() override;

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

  // drive_list; entries() have absolute paths.
  std::vector<entry> entries() override;
  status add_pending(const std::string& path) override;
  status made(const std::string& path) override;
  status settle(const std::string& path) override;
  status remove(const std::string& path) override;

  // Takes in the drive files (*.img) that lie in a directory which knows of none: somebody carried them here. How many.
  result<unsigned> adopt_drive_files();

  std::optional<std::string> setting(std::string_view name);
  status set(std::string_view name, std::string_view value);

 private:
  directory(std::string path, unique_fd lock);
  status open_database();
  status run(const char* sql, std::initializer_list<std::string_view> values = {});
  std::string relative(const std::string& path) const;
  std::string absolute(const std::string& path) const;

  const std::string path_;
  const unique_fd lock_;
  std::mutex mutex_;
  sqlite3* db_ = nullptr;
};

}  // namespace vds::arrayd
