// session.h: gets a connection of the load generator into full feature phase, and asks what it must know before the
// load begins. Blocking and simple: none of it is measured. The load itself is load.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "iscsi/pdu/bhs.h"

namespace vds::bench {

[[noreturn]] void die(const std::string& why);

struct login_wishes {
  std::string host = "127.0.0.1", port = "3260", target;
  std::string initiator = "iqn.2026-01.io.vds:load";
  bool header_digest = false, data_digest = false;
};

struct logged_in {
  int fd = -1;
  std::uint32_t cmd_sn = 1, exp_stat_sn = 0, max_cmd_sn = 0;
  // What the target agreed to.
  std::uint32_t max_send_segment = 8192, first_burst = 65536, max_burst = 262144;
  bool initial_r2t = true, immediate_data = true, header_digest = false, data_digest = false;
};

inline iscsi::lun_field lun_address(std::uint32_t number) {
  iscsi::lun_field f{};
  f[0] = static_cast<std::uint8_t>(number < 256 ? 0 : 0x40 | number >> 8);
  f[1] = static_cast<std::uint8_t>(number);
  return f;
}

// Ends the process if anything goes wrong: there is nothing to measure then. `index` makes the ISID.
logged_in log_in(const login_wishes& w, std::uint32_t index);
// Clears unit attentions, and returns READ CAPACITY(10)'s last block and block size.
struct capacity {
  std::uint32_t last_block = 0, block = 0;
};
capacity measure(logged_in& s, std::uint32_t lun);

}  // namespace vds::bench
