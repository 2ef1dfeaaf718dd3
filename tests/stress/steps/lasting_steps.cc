// A library that tests preload (LD_PRELOAD) into the daemons: see lasting_steps.h. The daemons know nothing of it.
#include "lasting_steps.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

using vds::steps::action;
using vds::steps::page;

page* shared = nullptr;

template <class F>
F* real(F*, const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}
// The function behind ours of the same name, looked up once.
#define REAL(name)                                 \
  ([]() {                                          \
    static auto* const found = real(&name, #name); \
    return found;                                  \
  }())

__attribute__((constructor)) void map_page() {
  const char* prefix = std::getenv(vds::steps::variable);
  if (prefix == nullptr) return;
  char path[4096];
  std::snprintf(path, sizeof path, "%s.%s", prefix, program_invocation_short_name);
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* at = ::mmap(nullptr, sizeof(page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) std::abort();
  shared = static_cast<page*>(at);
  shared->pid = static_cast<std::uint64_t>(::getpid());
}

// Of the kinds of files whose content is there for the next process; never what the daemons say on their way.
bool lasts(int fd) {
  struct stat st {};
  return fd > 2 && ::fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

void describe(const char* call, int fd, const char* path) {
  char found[160] = {};
  if (fd >= 0) {
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (::readlink(link, found, sizeof found - 1) < 0) found[0] = 0;
    path = found;
  }
  std::snprintf(shared->step, sizeof shared->step, "%s %.160s", call, path);
}

// True when something is to happen before the step that is about to be counted.
bool due() {
  const std::uint64_t n = ++shared->steps;
  return shared->what != static_cast<std::uint64_t>(action::none) && n == shared->at;
}

void do_it() {
  const auto what = static_cast<action>(shared->what.exchange(static_cast<std::uint64_t>(action::none)));
  shared->go = 0;
  shared->fired = 1;
  if (what == action::kill) {
    const std::uint64_t victims = shared->victims;
    if ((victims & 2) != 0) ::kill(static_cast<pid_t>(shared->other_pid.load()), SIGKILL);
    if ((victims & 1) == 0) return;
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
  }
  const timespec moment{0, 1'000'000};
  while (what == action::pause && shared->go == 0) ::nanosleep(&moment, nullptr);
}

void before(const char* call, int fd) {
  if (shared == nullptr || !lasts(fd) || !due()) return;
  describe(call, fd, nullptr);
  do_it();
}
void before(const char* call, const char* path) {
  if (shared == nullptr || !due()) return;
  describe(call, -1, path);
  do_it();
}

bool is_step(const io_uring_sqe& e) {
  const bool changes = e.opcode == IORING_OP_WRITE || e.opcode == IORING_OP_WRITEV || e.opcode == IORING_OP_FALLOCATE ||
                       e.opcode == IORING_OP_WRITE_FIXED;
  return changes && lasts(e.fd);
}

// Whoever submits several writes at once makes several steps: those before the one that matters go out alone, and when
// the process is to die they have ended before it does.
void before_submit(io_uring* ring) {
  if (shared == nullptr) return;
  const unsigned end = ring->sq.sqe_tail;
  unsigned steps_before = 0;
  for (unsigned at = ring->sq.sqe_head; at != end; ++at) {
    const io_uring_sqe& e = ring->sq.sqes[at & ring->sq.ring_mask];
    if (!is_step(e)) continue;
    if (due()) {
      describe("io_uring", e.fd, nullptr);
      ring->sq.sqe_tail = at;
      if (at != ring->sq.sqe_head) {
        const bool dies = shared->what == static_cast<std::uint64_t>(action::kill) && (shared->victims & 1) != 0;
        if (dies)
          REAL(io_uring_submit_and_wait)(ring, io_uring_cq_ready(ring) + steps_before);
        else
          REAL(io_uring_submit)(ring);
      }
      do_it();
      ring->sq.sqe_tail = end;
      steps_before = 0;
      continue;
    }
    ++steps_before;
  }
}

}  // namespace

extern "C" {

int io_uring_submit(io_uring* ring) {
  before_submit(ring);
  return REAL(io_uring_submit)(ring);
}
int io_uring_submit_and_wait(io_uring* ring, unsigned wait) {
  before_submit(ring);
  return REAL(io_uring_submit_and_wait)(ring, wait);
}
int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned wait, __kernel_timespec* limit,
                                     sigset_t* mask) {
  before_submit(ring);
  return REAL(io_uring_submit_and_wait_timeout)(ring, cqe, wait, limit, mask);
}
int io_uring_submit_and_get_events(io_uring* ring) {
  before_submit(ring);
  return REAL(io_uring_submit_and_get_events)(ring);
}

ssize_t write(int fd, const void* from, size_t bytes) {
  before("write", fd);
  return REAL(write)(fd, from, bytes);
}
ssize_t pwrite(int fd, const void* from, size_t bytes, off_t at) {
  before("pwrite", fd);
  return REAL(pwrite)(fd, from, bytes, at);
}
ssize_t pwrite64(int fd, const void* from, size_t bytes, off64_t at) {
  before("pwrite64", fd);
  return REAL(pwrite64)(fd, from, bytes, at);
}
ssize_t pwritev2(int fd, const iovec* from, int pieces, off_t at, int flags) {
  before("pwritev2", fd);
  return REAL(pwritev2)(fd, from, pieces, at, flags);
}
int ftruncate(int fd, off_t size) noexcept {
  before("ftruncate", fd);
  return REAL(ftruncate)(fd, size);
}
int ftruncate64(int fd, off64_t size) noexcept {
  before("ftruncate64", fd);
  return REAL(ftruncate64)(fd, size);
}
int fallocate(int fd, int mode, off_t at, off_t size) {
  before("fallocate", fd);
  return REAL(fallocate)(fd, mode, at, size);
}
int rename(const char* from, const char* to) noexcept {
  before("rename", from);
  return REAL(rename)(from, to);
}
int unlink(const char* path) noexcept {
  before("unlink", path);
  return REAL(unlink)(path);
}

}  // extern "C"
