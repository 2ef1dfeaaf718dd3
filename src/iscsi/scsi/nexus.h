// nexus.h: an I_T nexus: one initiator port logged in to one target port. Identity is constant; the pending unit
// attentions that concern the target as a whole may be raised from any thread. Those of one LUN are kept by the LUN.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace vds::iscsi {

struct nexus {
  std::uint64_t id = 0;   // unique in the process, never used again
  std::string initiator;  // normalised name
  std::array<std::uint8_t, 6> isid{};
  std::string target;  // its name
  std::uint16_t portal_group = 1;
  std::atomic<bool> luns_changed{false};  // REPORTED LUNS DATA HAS CHANGED, once per nexus

  // Name of the initiator port (RFC 7143 4.2.7, "iqn...,i,0x..."): what persistent reservations register.
  std::string port_name() const;
};

}  // namespace vds::iscsi
