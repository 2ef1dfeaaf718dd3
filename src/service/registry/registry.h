// registry.h: what the service itself has to remember: the registered providers, and how far event numbers have gone.
// Both change rarely; every change is on stable storage when it returns.
// Any thread.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "service/provider_launcher.h"
#include "service/sql.h"

namespace vds::service {

class registry {
 public:
  static result<std::unique_ptr<registry>> open(const std::string& path);

  result<std::vector<provider_spec>> providers();
  status add(const provider_spec& p);   // already_exists
  status remove(const guid& provider);  // not_found

  // Event numbers below the answer may have been used by an earlier life; `count` from there on are reserved for us.
  result<std::uint64_t> reserve_events(std::uint64_t count);

 private:
  explicit registry(sql_database db) : db_(std::move(db)) {}
  std::mutex mutex_;
  sql_database db_;
};

}  // namespace vds::service
