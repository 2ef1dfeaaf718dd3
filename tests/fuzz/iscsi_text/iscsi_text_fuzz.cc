// Key=value text, and a whole login phase fed with it: one byte of stages, then texts separated by 0xff.
#include <cstdint>
#include <span>
#include <string>

#include "iscsi/session/login.h"

using namespace vds::iscsi;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto all = std::as_bytes(std::span(data, size));
  if (const auto pairs = parse_text(all)) {
    text_writer again;
    for (const text_pair& p : *pairs) again.add(p.key, p.value);
    for (const text_pair& p : *pairs) {
      (void)parse_number(p.value);
      (void)split_list(p.value);
    }
  }
  login l({}, [](const parameters& p) -> std::optional<login_facts> {
    if (p.target_name != "iqn.2026-01.io.vds:t") return std::nullopt;
    return login_facts{1, "alias"};
  });
  std::size_t at = 0;
  while (at < size && l.state() != login_state::full_feature && l.state() != login_state::refused) {
    login_request_pdu request;
    request.flags = data[at++];
    std::size_t end = at;
    while (end < size && data[end] != 0xff) ++end;
    const login_reply reply = l.take(request, all.subspan(at, end - at));
    if (reply.text.size() > 8192) __builtin_trap();  // bounded, whatever was asked
    at = end + 1;
  }
  return 0;
}
