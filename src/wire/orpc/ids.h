// ids.h: DCOM's own interfaces and their opnums.
#pragma once

#include "wire/ndr/uuid.h"

namespace vds::wire {

inline constexpr uuid iid_unknown{0, 0, 0, {0xc0, 0, 0, 0, 0, 0, 0, 0x46}};
inline constexpr uuid iid_rem_unknown{0x131, 0, 0, {0xc0, 0, 0, 0, 0, 0, 0, 0x46}};
inline constexpr uuid iid_activation{0x4d9f4ab8, 0x7d1c, 0x11cf, {0x86, 0x1e, 0x00, 0x20, 0xaf, 0x6e, 0x7c, 0x57}};
// Local: what a proxy answers with its manager. Never on the wire.
inline constexpr uuid iid_proxy_identity{0x9e1b4c02, 0x6a3d, 0x4b5e, {0x8f, 0x10, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78}};

namespace opnum {
inline constexpr std::uint16_t remote_activation = 0;    // IActivation
inline constexpr std::uint16_t rem_query_interface = 3;  // IRemUnknown
inline constexpr std::uint16_t rem_add_ref = 4;
inline constexpr std::uint16_t rem_release = 5;
}  // namespace opnum

}  // namespace vds::wire
