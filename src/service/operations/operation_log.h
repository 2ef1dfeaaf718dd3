// operation_log.h: the file of the operations log: two areas in turn, batches appended with one durable write each into
// blocks that were written before, so that a commit is that write and no transaction of the file system.
// Invariants: append() has returned success <=> after any crash open() reads the batch back, until its area is begun
// again, which the owner does only with what was applied elsewhere. One thread at a time.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "service/operations/log_format.h"

namespace vds::service {

class operation_log {
 public:
  struct found {
    std::uint64_t last = 0;                   // sequence of the newest batch; what was applied, if there is none newer
    std::vector<log_format::change> changes;  // of the batches after what was applied, in order
  };
  struct known {
    std::uint64_t log_id = 0, applied = 0;  // 0: whoever applies is new and takes what there is
  };
  // Opens or creates. Afterwards the log counts as empty: the owner applies what was found before it appends.
  static result<std::unique_ptr<operation_log>> open(const std::string& path, std::uint64_t area_bytes,
                                                     const known& applied, found& out);

  std::uint64_t id() const noexcept { return head_.log_id; }
  bool fits(std::size_t payload) const { return tail_ + log_format::batch_bytes(payload) <= head_.area_bytes; }
  // A payload that does not fit into an empty area never will.
  bool ever_fits(std::size_t payload) const { return log_format::batch_bytes(payload) <= head_.area_bytes; }
  void next_area();  // to the start of the other one
  unsigned area() const noexcept { return area_; }
  status append(std::uint64_t sequence, std::span<const std::byte> payload);  // fits; durable when it returns

 private:
  struct freer {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };
  using memory = std::unique_ptr<std::byte, freer>;
  static memory aligned(std::size_t bytes);
  operation_log(std::string path, unique_fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  static status create(const std::string& path, std::uint64_t area_bytes);
  status read(const known& applied, found& out);
  std::uint64_t area_at(unsigned area) const { return log_format::block + area * head_.area_bytes; }

  const std::string path_;
  unique_fd fd_;
  log_format::head head_;
  unsigned area_ = 0;
  std::uint64_t tail_ = 0;
  memory buffer_;
  std::size_t buffer_bytes_ = 0;
};

}  // namespace vds::service
