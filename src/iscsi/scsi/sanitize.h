// sanitize.h: SANITIZE (SBC-4 5.x): every block of the LUN is overwritten, whatever becomes of whoever asked for it: it
// outlives resets, sessions and, when it can be kept (persistence.h), the process. Meanwhile the LUN answers NOT READY.
// Thread: the LUN's executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace vds::iscsi {

struct sanitize_order {
  std::vector<std::byte> pattern;  // 1 byte to one block, repeated; an overwrite
  std::uint8_t passes = 1;         // 1 to 31
  bool invert = false;             // every second pass is inverted
  bool may_exit_failure = false;   // AUSE
  bool failed = false;             // ended by an error; the LUN stays closed until it succeeds or is let off
  bool operator==(const sanitize_order&) const = default;
};

struct sanitize_state {
  std::optional<sanitize_order> order;  // under way, or failed
  std::uint16_t progress = 0;           // of 65536
  bool running() const noexcept { return order && !order->failed; }
};

}  // namespace vds::iscsi
