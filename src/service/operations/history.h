// history.h: operations in SQLite: what the journal's log was folded into. A window of changes is applied in one
// transaction together with the number of the last one, so that after a crash exactly the later ones are applied again.
// An operation that began and ended within a window costs one row; one that began and was dropped costs none.
// Bounded: of ended operations the newest `keep` stay (and a few more), unfinished ones always. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "service/operations/log_format.h"
#include "service/operations/operation_log.h"
#include "service/sql.h"

namespace vds::service {

class history {
 public:
  struct contents {
    std::vector<operation_record> unfinished, ended;  // oldest first
  };
  static result<std::unique_ptr<history>> open(const std::string& path, std::size_t keep);

  operation_log::known applied() const noexcept { return applied_; }
  status follow(std::uint64_t log_id);  // from now on the changes come from this log; its numbers go on from applied()
  status apply(const std::vector<log_format::change>& changes, std::uint64_t through);
  status load(contents& out);

 private:
  history(sql_database db, std::size_t keep) : db_(std::move(db)), keep_(keep) {}
  status prepare();
  status insert(const operation_record& r);
  status update(std::int64_t row, const operation_record& r);
  status in_transaction(const std::function<status()>& work);
  status note(std::uint64_t log_id, std::uint64_t through);

  sql_database db_;
  const std::size_t keep_;
  std::optional<sql_statement> insert_, update_, delete_, trim_, note_;
  std::unordered_map<guid, std::int64_t> rows_;  // of unfinished operations
  std::int64_t last_row_ = 0;
  std::size_t ended_ = 0;
  operation_log::known applied_;
};

}  // namespace vds::service
