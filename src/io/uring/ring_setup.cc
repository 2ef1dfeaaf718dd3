#include "io/uring/ring_setup.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace vds::io {

namespace {

// Best first. The flags of 6.1 keep completions on the submitting thread until it asks, which is what batches them.
constexpr unsigned flag_sets[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    0,
};

constexpr int needed_operations[] = {
    IORING_OP_READ,   IORING_OP_READV, IORING_OP_WRITEV,  IORING_OP_FSYNC,   IORING_OP_FALLOCATE,
    IORING_OP_ACCEPT, IORING_OP_RECV,  IORING_OP_SENDMSG, IORING_OP_CONNECT, IORING_OP_ASYNC_CANCEL,
};

std::optional<int> disabled_setting() {
  std::ifstream f("/proc/sys/kernel/io_uring_disabled");
  int value = 0;
  if (f >> value) return value;
  return std::nullopt;
}

}  // namespace

failure explain_refusal(int error, std::optional<int> disabled) {
  const std::string what = fmt::format("the kernel refuses io_uring ({})", std::strerror(error));
  if (error == ENOSYS) {
    return {errc::not_supported, what + "; Linux 5.15 or later with CONFIG_IO_URING is needed"};
  }
  if ((error == EPERM || error == EACCES) && disabled.value_or(0) != 0) {
    return {errc::denied,
            fmt::format("{}; kernel.io_uring_disabled is {}: set it to 0 (sysctl kernel.io_uring_disabled=0), "
                        "or to 1 and run in the group of kernel.io_uring_group",
                        what, *disabled)};
  }
  if (error == EPERM || error == EACCES) {
    return {errc::denied,
            what +
                "; a container's seccomp profile usually does this: allow io_uring_setup, io_uring_enter and "
                "io_uring_register in it (docker or podman: --security-opt seccomp=FILE, or unconfined)"};
  }
  if (error == ENOMEM) return {errc::out_of_memory, what + "; raise the limit of locked memory (ulimit -l)"};
  if (error == EMFILE || error == ENFILE)
    return {errc::unavailable, what + "; raise the limit of open files (ulimit -n)"};
  return {errc::internal, what};
}

status set_up_ring(io_uring& ring, unsigned entries) {
  int error = 0;
  for (const unsigned flags : flag_sets) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE;
    params.cq_entries = entries * 8;  // many operations wait at once (an idle connection is a pending read)
    error = -io_uring_queue_init_params(entries, &ring, &params);
    if (error != EINVAL) break;
  }
  if (error != 0) return explain_refusal(error, disabled_setting());

  status ready;
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  for (const int op : needed_operations) {
    if (probe == nullptr || io_uring_opcode_supported(probe, op) == 0) {
      ready = failure(errc::not_supported,
                      fmt::format("io_uring of this kernel lacks operation {}; Linux 5.15 or later is needed", op));
    }
  }
  if (ready && ((ring.features & IORING_FEAT_NODROP) == 0 || (ring.features & IORING_FEAT_EXT_ARG) == 0)) {
    ready = failure(errc::not_supported, "io_uring of this kernel is too old; Linux 5.15 or later is needed");
  }
  io_uring_free_probe(probe);
  if (!ready) io_uring_queue_exit(&ring);
  return ready;
}

}  // namespace vds::io
