#include "iscsi/pdu/iscsi_name.h"

namespace vds::iscsi {

std::optional<std::string> normalised_name(std::string_view name) {
  if (name.size() < 5 || name.size() > max_name_length) return std::nullopt;
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
      continue;
    }
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':' ||
                       static_cast<unsigned char>(c) >= 0x80;
    // '_' is outside the standard's profile, and in names that are in use.
    if (!plain && c != '_') return std::nullopt;
  }
  if (!out.starts_with("iqn.") && !out.starts_with("eui.") && !out.starts_with("naa.")) return std::nullopt;
  return out;
}

}  // namespace vds::iscsi
