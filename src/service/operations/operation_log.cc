#include "service/operations/operation_log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/assert.h"
#include "base/random.h"

namespace vds::service {
namespace {

constexpr std::size_t zeros_bytes = 1 << 20;

status write_all(int fd, std::span<const std::byte> from, std::uint64_t at, const std::string& path) {
  while (!from.empty()) {
    const ssize_t n = ::pwrite(fd, from.data(), from.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failure_from_errno(n < 0 ? errno : EIO, "writing " + path);
    from = from.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return {};
}

status read_all(int fd, std::span<std::byte> into, std::uint64_t at, const std::string& path) {
  while (!into.empty()) {
    const ssize_t n = ::pread(fd, into.data(), into.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure_from_errno(errno, "reading " + path);
    if (n == 0) return failure(errc::corrupt, path + " ends too soon");
    into = into.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return {};
}

}  // namespace

operation_log::memory operation_log::aligned(std::size_t bytes) {
  memory m(static_cast<std::byte*>(std::aligned_alloc(log_format::block, bytes)));
  if (!m) throw std::bad_alloc();
  return m;
}

// Under another name until it is whole.
status operation_log::create(const std::string& path, std::uint64_t area_bytes) {
  const std::string made = path + ".new";
  unique_fd fd(::open(made.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
  if (!fd) return failure_from_errno(errno, "creating " + made);
  const memory zeros = aligned(zeros_bytes);
  std::memset(zeros.get(), 0, zeros_bytes);
  // Really written: the first write to a block that was only promised is the slow one.
  for (std::uint64_t at = 0, end = log_format::block + 2 * area_bytes; at < end;) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(zeros_bytes, end - at));
    VDS_RETURN_IF_FAILED(write_all(fd.get(), {zeros.get(), part}, at, made));
    at += part;
  }
  log_format::head h;
  h.area_bytes = area_bytes;
  h.log_id = system_random().next() | 1;
  log_format::encode(h, std::span<std::byte, log_format::block>(zeros.get(), log_format::block));
  VDS_RETURN_IF_FAILED(write_all(fd.get(), {zeros.get(), log_format::block}, 0, made));
  if (::fsync(fd.get()) != 0) return failure_from_errno(errno, "writing " + made);
  if (::rename(made.c_str(), path.c_str()) != 0) return failure_from_errno(errno, "creating " + path);
  const auto parent = std::filesystem::path(path).parent_path();
  const unique_fd dir(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || ::fsync(dir.get()) != 0) return failure_from_errno(errno, "creating " + path);
  return {};
}

result<std::unique_ptr<operation_log>> operation_log::open(const std::string& path, std::uint64_t area_bytes,
                                                           const known& applied, found& out) {
  always(area_bytes > 0 && area_bytes % log_format::block == 0);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) VDS_RETURN_IF_FAILED(create(path, area_bytes));
  unique_fd fd(::open(path.c_str(), O_RDWR | O_DSYNC | O_CLOEXEC));
  if (!fd) return failure_from_errno(errno, "opening " + path);
  std::unique_ptr<operation_log> made(new operation_log(path, std::move(fd)));
  VDS_RETURN_IF_FAILED(made->read(applied, out));
  // Past the page cache, where the file system can; the read above has left nothing dirty there.
  const int flags = ::fcntl(made->fd_.get(), F_GETFL);
  if (::fcntl(made->fd_.get(), F_SETFL, flags | O_DIRECT) == 0) {
    const memory probe = aligned(log_format::block);
    if (::pread(made->fd_.get(), probe.get(), log_format::block, 0) != static_cast<ssize_t>(log_format::block))
      ::fcntl(made->fd_.get(), F_SETFL, flags);
  }
  return made;
}

status operation_log::read(const known& applied, found& out) {
  std::array<std::byte, log_format::block> first;
  VDS_RETURN_IF_FAILED(read_all(fd_.get(), first, 0, path_));
  auto decoded = log_format::decode_head(first);
  if (!decoded) return std::move(decoded).error().in("reading", path_);
  head_ = *decoded;
  out = {};
  out.last = applied.applied;
  struct part {
    std::vector<std::byte> bytes;
    log_format::scanned seen;
  };
  std::array<part, 2> parts;
  bool any = false;
  for (unsigned a = 0; a < 2; ++a) {
    parts[a].bytes.resize(head_.area_bytes);
    VDS_RETURN_IF_FAILED(read_all(fd_.get(), parts[a].bytes, area_at(a), path_));
    parts[a].seen = log_format::scan(parts[a].bytes, head_.log_id, applied.applied);
    any = any || !parts[a].seen.batches.empty() || parts[a].seen.damaged;
  }
  const bool ours = applied.log_id == head_.log_id;
  if (!ours && applied.log_id != 0) {
    if (!any) {  // made, and nothing written since: the process ended before it was made known
      out.last = 0;
      return {};
    }
    return failure(errc::corrupt, path_ + " is the log of another history: put back the one that belongs here");
  }
  for (const part& p : parts)
    if (ours && p.seen.damaged)
      return failure(errc::corrupt, path_ + " is damaged: operations behind the damage would be forgotten");
  const auto first_of = [](const part& p) { return p.seen.batches.empty() ? 0 : p.seen.batches.front().sequence; };
  if (first_of(parts[0]) > first_of(parts[1])) std::swap(parts[0], parts[1]);
  for (const part& p : parts) {
    for (const log_format::batch& b : p.seen.batches) {
      if (b.sequence <= out.last) continue;
      if (b.sequence != out.last + 1 && (ours || out.last != 0))
        return failure(errc::corrupt, path_ + " lacks batches between what was applied and what follows");
      auto changes = log_format::read_changes(b.payload);
      if (!changes) return std::move(changes).error().in("reading", path_);
      std::move(changes->begin(), changes->end(), std::back_inserter(out.changes));
      out.last = b.sequence;
    }
  }
  return {};
}

void operation_log::next_area() {
  area_ = 1 - area_;
  tail_ = 0;
}

status operation_log::append(std::uint64_t sequence, std::span<const std::byte> payload) {
  const std::size_t bytes = log_format::batch_bytes(payload.size());
  always(fits(payload.size()));
  if (bytes > buffer_bytes_) {
    buffer_ = aligned(bytes);
    buffer_bytes_ = bytes;
  }
  const std::span<std::byte> whole(buffer_.get(), bytes);
  log_format::encode_batch(head_.log_id, sequence, payload, whole);
  // A failed write may have left anything there; the next one goes to the same place.
  VDS_RETURN_IF_FAILED(write_all(fd_.get(), whole, area_at(area_) + tail_, path_));
  tail_ += bytes;
  return {};
}

}  // namespace vds::service
