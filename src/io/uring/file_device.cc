#include "io/uring/file_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <thread>
#include <vector>

#include "io/aligned_buffer.h"
#include "io/uring/operation.h"

namespace vds::io {

namespace {

constexpr std::size_t memory_alignment = 512;  // what every O_DIRECT of ours accepts, besides the block size
constexpr std::size_t bounce_size = 1_MiB;     // at most so much is copied at once for unaligned buffers

struct opened {
  unique_fd fd;
  block_geometry geometry;
  bool direct = false;
  bool in_memory = false;
  bool dsync_holds = true;  // an asynchronous O_DIRECT write with RWF_DSYNC is durable when it ends
  bool zero_range = true;   // what fallocate can do; learned on refusal
  bool punch_hole = true;
};

// iovecs of [done, done + room) bytes of the list. True when each piece suits O_DIRECT.
bool gather(const_buffers list, std::size_t done, std::size_t room, std::size_t align, std::vector<iovec>& out) {
  out.clear();
  bool aligned = true;
  for (const const_buffer& b : list) {
    if (done >= b.size()) {
      done -= b.size();
      continue;
    }
    const std::size_t part = std::min(b.size() - done, room);
    if (part == 0 || out.size() == IOV_MAX) break;
    const std::byte* at = b.data() + done;
    aligned = aligned && reinterpret_cast<std::uintptr_t>(at) % memory_alignment == 0 && part % align == 0;
    out.push_back({const_cast<std::byte*>(at), part});
    room -= part;
    done = 0;
  }
  return aligned;
}

std::size_t length_of(const std::vector<iovec>& pieces) {
  std::size_t n = 0;
  for (const iovec& p : pieces) n += p.iov_len;
  return n;
}

class file_device final : public block_device {
 public:
  file_device(reactor& r, std::string path, opened o) : reactor_(r), path_(std::move(path)), o_(std::move(o)) {}

  std::string_view name() const override { return path_; }
  block_geometry geometry() const override { return o_.geometry; }
  rt::executor& executor() override { return reactor_; }

  rt::task<status> read(lba at, buffers into) override {
    std::vector<const_buffer> list(into.begin(), into.end());  // gather() has one shape; only reads write through it
    co_return co_await transfer(false, at, list, 0);
  }
  rt::task<status> write(lba at, const_buffers from, durability how) override {
    const bool fua = how == durability::fua;
    auto s = co_await transfer(true, at, from, fua && o_.dsync_holds ? RWF_DSYNC : 0);
    if (s && fua && !o_.dsync_holds) co_return co_await flush();
    co_return s;
  }

  // Whatever is wrong, read() and write() find out and tell.
  std::optional<status> try_read(lba at, buffer into) override {
    if (!at_once(at, into.size())) return std::nullopt;
    const ssize_t n = ::pread(o_.fd.get(), into.data(), into.size(), place(at));
    if (n != static_cast<ssize_t>(into.size())) return std::nullopt;
    return status();
  }
  std::optional<status> try_write(lba at, const_buffer from, durability how) override {
    if (!at_once(at, from.size()) || (how == durability::fua && flush_failed_)) return std::nullopt;
    const iovec piece{const_cast<std::byte*>(from.data()), from.size()};
    const ssize_t n = how == durability::fua ? ::pwritev2(o_.fd.get(), &piece, 1, place(at), RWF_DSYNC)
                                             : ::pwrite(o_.fd.get(), from.data(), from.size(), place(at));
    if (n != static_cast<ssize_t>(from.size())) return std::nullopt;
    return status();
  }

  rt::task<status> flush() override {
    if (flush_failed_) co_return flush_refused();
    int n = 0;
    if (o_.in_memory) {
      n = sync_inline();
    } else {
      n = co_await request(reactor_,
                           [&](io_uring_sqe* e) { io_uring_prep_fsync(e, o_.fd.get(), IORING_FSYNC_DATASYNC); });
    }
    if (n >= 0) co_return status();
    flush_failed_ = true;
    co_return failed(-n, "flushing");
  }

  rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, durability how) override {
    if (auto s = check_range(o_.geometry, at, count); !s) co_return std::move(s).error().in("zeroing", path_);
    if (count.n == 0) co_return status();
    const auto offset = at * o_.geometry.logical;
    const auto length = count * o_.geometry.logical;
    int n = -EOPNOTSUPP;
    if (may_unmap) n = co_await allocate(o_.punch_hole, FALLOC_FL_PUNCH_HOLE, offset, length);
    if (n == -EOPNOTSUPP) n = co_await allocate(o_.zero_range, FALLOC_FL_ZERO_RANGE, offset, length);
    if (n == -EOPNOTSUPP) {
      auto s = co_await write_zero_blocks(at, count);
      if (!s) co_return s;
      n = 0;
    }
    if (n < 0) co_return failed(-n, "zeroing");
    if (how == durability::fua) co_return co_await flush();
    co_return status();
  }

 private:
  failure failed(int error, std::string_view doing) const {
    return failure_from_errno(error, fmt::format("{} {}", doing, path_));
  }
  failure flush_refused() const { return {errc::io_error, fmt::format("flushing {}: an earlier flush failed", path_)}; }
  off_t place(lba at) const { return static_cast<off_t>((at * o_.geometry.logical).n); }
  bool at_once(lba at, std::size_t size) const {
    return o_.in_memory && is_whole({size}, o_.geometry.logical) &&
           check_range(o_.geometry, at, in_blocks({size}, o_.geometry.logical));
  }
  int sync_inline() const { return ::fdatasync(o_.fd.get()) == 0 ? 0 : -errno; }

  rt::task<status> transfer(bool writing, lba at, const_buffers list, int flags) {
    const char* doing = writing ? "writing" : "reading";
    std::size_t total = total_size(list);
    if (!is_whole({total}, o_.geometry.logical)) {
      co_return failure(errc::invalid_argument,
                        fmt::format("{} {}: {} bytes are no whole blocks", doing, path_, total));
    }
    if (auto s = check_range(o_.geometry, at, in_blocks({total}, o_.geometry.logical)); !s) {
      co_return std::move(s).error().in(doing, path_);
    }
    if (flags != 0 && flush_failed_) co_return flush_refused();
    const std::uint64_t start = (at * o_.geometry.logical).n;
    std::vector<iovec> pieces;
    aligned_buffer bounce;
    for (std::size_t done = 0; done < total;) {
      bool aligned = gather(list, done, total - done, o_.geometry.logical.bytes, pieces);
      std::size_t size = length_of(pieces);
      iovec copied{};
      if (o_.direct && !aligned) {
        gather(list, done, std::min(total - done, bounce_size), o_.geometry.logical.bytes, pieces);
        size = round_down(length_of(pieces), o_.geometry.logical.bytes);
        if (size == 0) {  // thousands of crumbs do not make up one block
          co_return failure(errc::invalid_argument, fmt::format("{} {}: too many small pieces", doing, path_));
        }
        if (bounce.size() == 0) bounce = aligned_buffer(std::min(total, bounce_size));
        copied = {bounce.data(), size};
        if (writing) copy(pieces, size, true, bounce.data());
      }
      const iovec* vec = copied.iov_len != 0 ? &copied : pieces.data();
      const auto count = static_cast<int>(copied.iov_len != 0 ? 1 : pieces.size());
      const auto offset = static_cast<off_t>(start + done);
      int n = 0;
      if (o_.in_memory) {
        n = inline_transfer(writing, vec, count, offset, flags);
      } else {
        n = co_await request(reactor_, [&](io_uring_sqe* e) {
          if (writing)
            io_uring_prep_writev2(e, o_.fd.get(), vec, static_cast<unsigned>(count), static_cast<std::uint64_t>(offset),
                                  flags);
          else
            io_uring_prep_readv2(e, o_.fd.get(), vec, static_cast<unsigned>(count), static_cast<std::uint64_t>(offset),
                                 flags);
        });
      }
      if (n == -EINTR || n == -EAGAIN) continue;
      if (n < 0) {
        if (flags != 0) flush_failed_ = true;
        co_return failed(-n, doing);
      }
      // A file that was truncated under us; or a transfer that stopped within a block, which O_DIRECT cannot go on
      // from.
      const std::size_t moved =
          o_.direct ? round_down(static_cast<std::size_t>(n), o_.geometry.logical.bytes) : static_cast<std::size_t>(n);
      if (moved == 0) co_return failure(errc::io_error, fmt::format("{} {}: it ends too soon", doing, path_));
      if (copied.iov_len != 0 && !writing) copy(pieces, moved, false, bounce.data());
      done += moved;
    }
    co_return status();
  }

  int inline_transfer(bool writing, const iovec* vec, int count, off_t offset, int flags) const {
    const ssize_t n = writing ? ::pwritev2(o_.fd.get(), vec, count, offset, flags)
                              : ::preadv2(o_.fd.get(), vec, count, offset, flags);
    return n < 0 ? -errno : static_cast<int>(n);
  }

  static void copy(const std::vector<iovec>& pieces, std::size_t size, bool out_of_pieces, std::byte* flat) {
    for (const iovec& p : pieces) {
      const std::size_t part = std::min(p.iov_len, size);
      auto* piece = static_cast<std::byte*>(p.iov_base);
      std::copy_n(out_of_pieces ? piece : flat, part, out_of_pieces ? flat : piece);
      flat += part;
      size -= part;
    }
  }

  rt::task<int> allocate(bool& supported, int mode, byte_count offset, byte_count length) {
    if (!supported) co_return -EOPNOTSUPP;
    mode |= FALLOC_FL_KEEP_SIZE;
    int n = 0;
    do {
      if (o_.in_memory) {
        n = ::fallocate(o_.fd.get(), mode, static_cast<off_t>(offset.n), static_cast<off_t>(length.n)) == 0 ? 0
                                                                                                            : -errno;
      } else {
        n = co_await request(reactor_, [&](io_uring_sqe* e) {
          io_uring_prep_fallocate(e, o_.fd.get(), mode, static_cast<off_t>(offset.n), static_cast<off_t>(length.n));
        });
      }
    } while (n == -EINTR || n == -EAGAIN);
    if (n == -EOPNOTSUPP || n == -ENOSYS) {
      supported = false;
      n = -EOPNOTSUPP;
    }
    co_return n;
  }

  rt::task<status> write_zero_blocks(lba at, block_count count) {
    const std::size_t most = bounce_size / o_.geometry.logical.bytes;
    const auto zeros = aligned_buffer::zeroed(std::min<std::size_t>(count.n, most) * o_.geometry.logical.bytes);
    while (count.n > 0) {
      const block_count part{std::min<std::uint64_t>(count.n, most)};
      const const_buffer list[] = {zeros.span().first((part * o_.geometry.logical).n)};
      auto s = co_await transfer(true, at, list, 0);
      if (!s) co_return s;
      at += part;
      count = count - part;
    }
    co_return status();
  }

  reactor& reactor_;
  std::string path_;
  opened o_;
  bool flush_failed_ = false;
};

bool lives_in_memory(int fd) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) != 0) return false;
  return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

// FUSE (and virtiofs with it) forgets RWF_DSYNC when a direct write ends asynchronously: the power-cut test saw
// acknowledged configuration changes go. Only file systems that are known to keep the promise are taken at their word.
bool keeps_dsync(int fd) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) != 0) return false;
  constexpr long xfs_magic = 0x58465342;  // "XFSB"; linux/magic.h does not have it
  switch (fs.f_type) {
    case EXT4_SUPER_MAGIC:
    case xfs_magic:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return true;
    default:
      return false;
  }
}

// STATX_DIOALIGN came with Linux 6.1 only, and not every file system says: one read of one block tells.
bool takes_direct(int fd, std::uint32_t block) {
  const aligned_buffer probe(block);
  return ::pread(fd, const_cast<std::byte*>(probe.data()), block, 0) == static_cast<ssize_t>(block);
}

status new_file(const std::string& path, byte_count size) {
  unique_fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return failure_from_errno(errno, "creating " + path);
  if (::ftruncate(fd.get(), static_cast<off_t>(size.n)) != 0 || ::fsync(fd.get()) != 0) {
    const int error = errno;
    ::unlink(path.c_str());
    return failure_from_errno(error, "creating " + path);
  }
  // The name must survive a power cut as well.
  auto parent = std::filesystem::path(path).parent_path();
  unique_fd dir(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || ::fsync(dir.get()) != 0) return failure_from_errno(errno, "creating " + path);
  return {};
}

status measure(opened& o, const std::string& path) {
  struct stat st {};
  if (::fstat(o.fd.get(), &st) != 0) return failure_from_errno(errno, "opening " + path);
  std::uint64_t size = static_cast<std::uint64_t>(st.st_size);
  if (S_ISBLK(st.st_mode)) {
    int logical = 0;
    unsigned physical = 0;
    if (::ioctl(o.fd.get(), BLKGETSIZE64, &size) != 0 || ::ioctl(o.fd.get(), BLKSSZGET, &logical) != 0 ||
        ::ioctl(o.fd.get(), BLKPBSZGET, &physical) != 0) {
      return failure_from_errno(errno, "measuring " + path);
    }
    o.geometry.logical = {static_cast<std::uint32_t>(logical)};
    o.geometry.physical = {std::max(physical, static_cast<unsigned>(logical))};
  } else {
    o.geometry.can_unmap = true;
    o.in_memory = lives_in_memory(o.fd.get());
    o.dsync_holds = keeps_dsync(o.fd.get());
  }
  o.geometry.blocks = {size / o.geometry.logical.bytes};
  if (o.geometry.blocks.n == 0) return failure(errc::invalid_argument, path + " is smaller than one block");
  return {};
}

result<std::unique_ptr<block_device>> open_once(reactor& r, const std::string& path, const file_options& options) {
  // O_EXCL without O_CREAT: a block device that is mounted or otherwise claimed is refused.
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return failure_from_errno(errno, "opening " + path);
  if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode)) {
    return failure(errc::invalid_argument, path + " is neither a file nor a block device");
  }
  const int flags =
      (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (S_ISBLK(st.st_mode) ? O_EXCL : 0);
  opened o;
  o.fd.reset(::open(path.c_str(), flags));
  if (!o.fd) return failure_from_errno(errno, "opening " + path);
  if (::flock(o.fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return failure(errc::busy, "opening " + path + ": it is in use by another process or array");
    return failure_from_errno(errno, "locking " + path);
  }
  VDS_RETURN_IF_FAILED(measure(o, path));
  // The lock is the open file's: O_DIRECT goes onto the same one.
  int status_flags = ::fcntl(o.fd.get(), F_GETFL) & ~O_NONBLOCK;
  // Nobody wants to know when the file was last read; only its owner may say so.
  if (S_ISREG(st.st_mode) && ::fcntl(o.fd.get(), F_SETFL, status_flags | O_NOATIME) == 0) status_flags |= O_NOATIME;
  o.direct = !o.in_memory && ::fcntl(o.fd.get(), F_SETFL, status_flags | O_DIRECT) == 0 &&
             takes_direct(o.fd.get(), o.geometry.logical.bytes);
  if (!o.direct) ::fcntl(o.fd.get(), F_SETFL, status_flags & ~O_DIRECT);
  return std::unique_ptr<block_device>(std::make_unique<file_device>(r, path, std::move(o)));
}

}  // namespace

result<std::unique_ptr<block_device>> open_file_device(reactor& r, const std::string& path, file_options options) {
  if (options.create.n != 0) VDS_RETURN_IF_FAILED(new_file(path, options.create));
  const deadline until = monotonic::now() + options.patience;
  for (;;) {
    auto d = open_once(r, path, options);
    if (d || d.error() != errc::busy || monotonic::now() >= until) return d;
    std::this_thread::sleep_for(10ms);
  }
}

}  // namespace vds::io
