// iscsi_name.h: names of targets and initiators (RFC 7143 4.2.7): iqn., eui. and naa. form, at most 223 bytes, compared
// without regard to case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vds::iscsi {

inline constexpr std::size_t max_name_length = 223;

// The name in lower case; none if it is no iSCSI name. UTF-8 beyond ASCII is accepted as it is.
std::optional<std::string> normalised_name(std::string_view name);

}  // namespace vds::iscsi
