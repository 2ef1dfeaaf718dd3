// ring_setup.h: makes an io_uring with the best settings that this kernel has, or says why it cannot and what to do.
// The ring starts disabled, so that the thread that enables it becomes its only submitter. Internal to this folder.
#pragma once

#include <liburing.h>

#include <optional>

#include "base/result.h"

namespace vds::io {

// `ring` is set up on success and must end in io_uring_queue_exit().
status set_up_ring(io_uring& ring, unsigned entries);

// What a refused io_uring_setup(2) means to the person who runs this. `disabled` is kernel.io_uring_disabled, if known.
failure explain_refusal(int error, std::optional<int> disabled);

}  // namespace vds::io
