// transport_id.h: TransportIDs of iSCSI (SPC-4 7.6.4.6) as they stand in parameter lists: "iqn..." of a device or
// "iqn...,i,0x..." of one of its ports. Values.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace vds::iscsi {

struct transport_id {
  std::string name;  // normalised; of the initiator device if has_isid is false, else of the port
  bool has_isid = false;
};

// The first one in `bytes`; size is what it takes. 0: there is none that is whole and well-formed.
struct parsed_transport_id {
  transport_id id;
  std::size_t size = 0;
};
parsed_transport_id parse_transport_id(std::span<const std::byte> bytes);

// Of a port.
std::vector<std::byte> encode_transport_id(const std::string& port_name);

}  // namespace vds::iscsi
