// lun_directory.h: the LUNs that an initiator may see, as commands that name other LUNs than their own ask for them
// (EXTENDED COPY). There is no other way from one LUN to another: what is masked cannot be named.
// Thread: any.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vds::iscsi {

class lun;

// The first byte of a LUN in extended flat space addressing with three bytes of number (SAM-5 4.7.7.5.4).
inline constexpr std::uint8_t extended_flat = 0xd2;

class lun_directory {
 public:
  virtual ~lun_directory() = default;
  // Null if the LUN does not exist for this initiator.
  virtual std::shared_ptr<lun> find_lun(std::uint32_t number, const std::string& initiator) const = 0;
  // By the NAA designator of VPD page 83h.
  virtual std::shared_ptr<lun> find_lun(std::span<const std::uint8_t> naa, const std::string& initiator) const = 0;
  virtual std::vector<std::uint32_t> inventory(const std::string& initiator) const = 0;  // ascending
};

}  // namespace vds::iscsi
