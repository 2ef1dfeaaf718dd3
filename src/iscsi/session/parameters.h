// parameters.h: what a login has agreed on; the defaults are RFC 7143 section 13's. Values.
#pragma once

#include <cstdint>
#include <string>

namespace vds::iscsi {

enum class session_type : std::uint8_t { normal, discovery };

struct parameters {
  std::string initiator_name;  // normalised
  std::string initiator_alias;
  std::string target_name;  // normalised; empty in a discovery session
  session_type type = session_type::normal;

  bool header_digest = false, data_digest = false;  // CRC32C
  bool initial_r2t = true, immediate_data = true;
  std::uint32_t max_recv_data_segment = 8192;  // ours: what the initiator may send
  std::uint32_t max_send_data_segment = 8192;  // the initiator's: what we may send
  std::uint32_t max_burst = 262144, first_burst = 65536;
  std::uint32_t max_connections = 1, max_outstanding_r2t = 1, error_recovery_level = 0;
  std::uint32_t time_to_wait = 2, time_to_retain = 20;
};

enum class digest_policy : std::uint8_t { offered, required };  // required: a login without CRC32C fails

// What this target wants of a negotiation.
struct login_policy {
  digest_policy digests = digest_policy::offered;
  std::uint32_t max_recv_data_segment = 262144;
  std::uint32_t max_burst = 1 << 20;
  std::uint32_t first_burst = 65536;
};

}  // namespace vds::iscsi
