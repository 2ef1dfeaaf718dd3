// iscsi_ledger: an initiator with a memory. It writes blocks, flushes, and keeps in a file which version of each block
// was issued and which was acknowledged by a flush, so that after any crash of the target it can say whether a promise
// was broken. Never part of the product.
//
//   iscsi_ledger write URL BOOK [--seconds N]   until SIGTERM; a line of JSON each time something was flushed
//   iscsi_ledger verify URL BOOK                every sector holds a version that it may hold; exit 1 otherwise
//
// A block is 4 KiB, filled with its place and version in every 16 bytes: a torn or misplaced sector shows (sectors are
// what a disk writes whole; of a block that no flush covers, some may be old and some new). Connections may break as
// they like (libiscsi makes a new one and repeats what was under way); a command that ends in anything but GOOD or a
// unit attention is an error.
#include <fcntl.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr std::uint32_t block_bytes = 4096;
constexpr std::uint32_t most_blocks = 2048;  // 8 MiB of the LUN: small enough that blocks are written many times

// SIGTERM stays blocked, so that it interrupts no system call of libiscsi's (which would take that for a broken line).
bool told_to_stop() {
  sigset_t waiting;
  sigpending(&waiting);
  return sigismember(&waiting, SIGTERM) == 1;
}

struct entry {
  std::uint32_t issued;   // the newest version that was ever sent
  std::uint32_t flushed;  // the newest version that a GOOD flush covers
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "iscsi_ledger: %s\n", why.c_str());
  std::exit(2);
}

// In a shared mapping, so that it survives this process too.
class book {
 public:
  book(const char* path, bool fresh) {
    const int fd = ::open(path, O_RDWR | O_CLOEXEC | (fresh ? O_CREAT | O_TRUNC : 0), 0644);
    if (fd < 0 || (fresh && ::ftruncate(fd, sizeof(entry) * most_blocks) != 0))
      give_up(std::string("cannot open ") + path);
    void* p = ::mmap(nullptr, sizeof(entry) * most_blocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (p == MAP_FAILED) give_up("cannot map the book");
    entries_ = static_cast<entry*>(p);
  }
  entry& operator[](std::uint32_t at) { return entries_[at]; }

 private:
  entry* entries_;
};

void fill(std::uint8_t* out, std::uint32_t place, std::uint32_t version) {
  const std::uint32_t words[4] = {0x4c454447, place, version, ~(place ^ version)};
  for (std::uint32_t at = 0; at < block_bytes; at += sizeof words) std::memcpy(out + at, words, sizeof words);
}

class lun {
 public:
  explicit lun(const std::string& url_text) {
    const char* name = ::getenv("VDS_INITIATOR");
    iscsi_ = iscsi_create_context(name != nullptr ? name : "iqn.2026-01.org.vds:ledger");
    if (iscsi_ == nullptr) give_up("no iSCSI context");
    iscsi_url* url = iscsi_parse_full_url(iscsi_, url_text.c_str());
    if (url == nullptr) give_up(iscsi_get_error(iscsi_));
    number_ = url->lun;
    iscsi_set_session_type(iscsi_, ISCSI_SESSION_NORMAL);
    iscsi_set_targetname(iscsi_, url->target);
    iscsi_set_reconnect_max_retries(iscsi_, -1);
    if (iscsi_full_connect_sync(iscsi_, url->portal, number_) != 0)
      give_up(std::string("login: ") + iscsi_get_error(iscsi_));
    iscsi_destroy_url(url);
    scsi_task* t = iscsi_readcapacity16_sync(iscsi_, number_);
    auto* capacity = t != nullptr && t->status == SCSI_STATUS_GOOD
                         ? static_cast<scsi_readcapacity16*>(scsi_datain_unmarshall(t))
                         : nullptr;
    if (capacity == nullptr) give_up("no capacity");
    sector_ = capacity->block_length;
    const std::uint64_t bytes = (capacity->returned_lba + 1) * sector_;
    blocks_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes / block_bytes, most_blocks));
    scsi_free_scsi_task(t);
    if (sector_ == 0 || block_bytes % sector_ != 0 || blocks_ == 0) give_up("a size this program cannot use");
  }
  ~lun() {
    iscsi_logout_sync(iscsi_);
    iscsi_destroy_context(iscsi_);
  }
  lun(const lun&) = delete;
  lun& operator=(const lun&) = delete;

  std::uint32_t blocks() const { return blocks_; }
  std::uint32_t sector() const { return sector_; }
  unsigned attentions() const { return attentions_; }

  bool write(std::uint32_t place, std::uint8_t* data) {
    return repeat("write", [&] {
      return iscsi_write16_sync(iscsi_, number_, first(place), data, block_bytes, static_cast<int>(sector_), 0, 0, 0, 0,
                                0);
    });
  }
  bool flush() {
    return repeat("flush", [&] { return iscsi_synchronizecache16_sync(iscsi_, number_, 0, 0, 0, 0); });
  }
  bool read(std::uint32_t place, std::uint8_t* out) {
    return repeat("read", [&] {
      scsi_task* t =
          iscsi_read16_sync(iscsi_, number_, first(place), block_bytes, static_cast<int>(sector_), 0, 0, 0, 0, 0);
      if (t != nullptr && t->status == SCSI_STATUS_GOOD) {
        if (t->datain.size != static_cast<int>(block_bytes)) give_up("a short read");
        std::memcpy(out, t->datain.data, block_bytes);
      }
      return t;
    });
  }

 private:
  std::uint64_t first(std::uint32_t place) const { return std::uint64_t{place} * (block_bytes / sector_); }

  // A unit attention says that the target (re)started; the command was not carried out and is sent again.
  template <class Command>
  bool repeat(const char* what, Command command) {
    for (int tries = 0; tries < 10; ++tries) {
      scsi_task* t = command();
      if (t == nullptr) {
        std::fprintf(stderr, "iscsi_ledger: %s: %s\n", what, iscsi_get_error(iscsi_));
        return false;
      }
      const int status = t->status, key = t->sense.key;
      scsi_free_scsi_task(t);
      if (status == SCSI_STATUS_GOOD) return true;
      if (status != SCSI_STATUS_CHECK_CONDITION || key != SCSI_SENSE_UNIT_ATTENTION) {
        std::fprintf(stderr, "iscsi_ledger: %s: status %d, sense key %d: %s\n", what, status, key,
                     iscsi_get_error(iscsi_));
        return false;
      }
      ++attentions_;
    }
    return false;
  }

  iscsi_context* iscsi_ = nullptr;
  int number_ = 0;
  std::uint32_t sector_ = 0, blocks_ = 0;
  unsigned attentions_ = 0;
};

int write(const char* url, const char* path, double seconds) {
  book entries(path, true);
  lun target(url);
  std::mt19937 random(20260101);
  std::vector<std::uint8_t> data(block_bytes);
  std::vector<std::uint32_t> since_flush;
  unsigned long long writes = 0, flushes = 0, errors = 0;
  const auto began = std::chrono::steady_clock::now();
  auto told = began;
  while (!told_to_stop() && errors == 0 &&
         (seconds <= 0 || std::chrono::steady_clock::now() - began < std::chrono::duration<double>(seconds))) {
    const std::uint32_t place = random() % target.blocks();
    entry& e = entries[place];
    fill(data.data(), place, ++e.issued);  // in the book before it is on its way
    if (!target.write(place, data.data())) {
      ++errors;
      break;
    }
    ++writes;
    since_flush.push_back(place);
    if (since_flush.size() < 16) continue;
    // Everything written up to here has been answered, so that the flush covers it.
    if (!target.flush()) {
      ++errors;
      break;
    }
    for (const std::uint32_t p : since_flush) entries[p].flushed = entries[p].issued;
    since_flush.clear();
    ++flushes;
    const auto now = std::chrono::steady_clock::now();
    if (flushes == 1 || now - told > std::chrono::milliseconds(50)) {
      told = now;
      std::printf("{\"writes\": %llu, \"flushes\": %llu, \"errors\": %llu, \"attentions\": %u}\n", writes, flushes,
                  errors, target.attentions());
      std::fflush(stdout);
    }
  }
  std::printf("{\"writes\": %llu, \"flushes\": %llu, \"errors\": %llu, \"attentions\": %u}\n", writes, flushes, errors,
              target.attentions());
  std::fflush(stdout);
  return errors == 0 ? 0 : 1;
}

int verify(const char* url, const char* path) {
  book entries(path, false);
  lun target(url);
  std::vector<std::uint8_t> is(block_bytes), should(block_bytes);
  unsigned wrong = 0, held = 0;
  for (std::uint32_t place = 0; place < target.blocks(); ++place) {
    const entry& e = entries[place];
    if (e.issued == 0) continue;
    if (!target.read(place, is.data())) return 1;
    for (std::uint32_t at = 0; at < block_bytes; at += target.sector()) {
      std::uint32_t version = 0;
      std::memcpy(&version, is.data() + at + 8, sizeof version);
      if (version == 0) {
        std::memset(should.data(), 0, should.size());  // never written: zeros
      } else {
        fill(should.data(), place, version);
      }
      const bool whole = std::memcmp(is.data() + at, should.data(), target.sector()) == 0;
      if (whole && version >= e.flushed && version <= e.issued) continue;
      std::fprintf(stderr, "block %u, byte %u: %s, holds version %u, may hold %u to %u\n", place, at,
                   whole ? "whole" : "TORN OR FOREIGN", version, e.flushed, e.issued);
      ++wrong;
      break;
    }
    if (e.flushed != 0) ++held;
  }
  std::printf("{\"wrong\": %u, \"flushed_blocks\": %u}\n", wrong, held);
  return wrong == 0 && held != 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  sigset_t later;
  sigemptyset(&later);
  sigaddset(&later, SIGTERM);
  sigprocmask(SIG_BLOCK, &later, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "write" && (argc == 4 || (argc == 6 && std::string(argv[4]) == "--seconds")))
    return write(argv[2], argv[3], argc == 6 ? std::atof(argv[5]) : 0);
  if (verb == "verify" && argc == 4) return verify(argv[2], argv[3]);
  std::fprintf(stderr, "usage: iscsi_ledger write URL BOOK [--seconds N] | verify URL BOOK\n");
  return 2;
}
