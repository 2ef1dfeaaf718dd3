// mode_parameters.h: what MODE SELECT can change. Values.
#pragma once

namespace vds::iscsi {

struct mode_parameters {
  bool write_cache = true;
  bool descriptor_sense = false;
  bool software_write_protect = false;
  bool operator==(const mode_parameters&) const = default;
};

}  // namespace vds::iscsi
