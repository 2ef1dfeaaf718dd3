// CHAP's values, and a whole login that must authenticate, fed with texts separated by 0xff. Chance is fixed, so that
// an input can know the challenge; nobody can know the secret but whoever reads this.
#include <cstdint>
#include <span>
#include <string>

#include "iscsi/session/login.h"

using namespace vds::iscsi;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto all = std::as_bytes(std::span(data, size));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::size_t limit : {16u, 32u, 1024u}) {
    const auto decoded = decode_binary(text, limit);
    if (decoded && (decoded->empty() || decoded->size() > limit)) __builtin_trap();
    if (decoded && decode_binary(encode_binary(*decoded), limit) != decoded) __builtin_trap();
  }
  static const auto account = [] {
    const std::string theirs = "the secret of the fuzzer", ours = "what it never hears of";
    return std::make_shared<const chap_account>(
        chap_account{"iqn.2026-01.t:t", chap_secret::from(std::as_bytes(std::span(theirs))).value(),
                     chap_secret::from(std::as_bytes(std::span(ours))).value()});
  }();
  vds::seeded_random random(1);
  login l(
      {}, [](const parameters&) { return login_facts{.authenticate = true, .accounts = {account}}; }, random);
  const std::string names("InitiatorName=iqn.2026-01.t:i\0TargetName=iqn.2026-01.t:t\0AuthMethod=CHAP\0", 73);
  login_request_pdu request;
  (void)l.take(request, std::as_bytes(std::span(names)));
  std::size_t at = 0;
  while (at < size && l.state() != login_state::full_feature && l.state() != login_state::refused) {
    request.flags = data[at++];
    std::size_t end = at;
    while (end < size && data[end] != 0xff) ++end;
    const login_reply reply = l.take(request, all.subspan(at, end - at));
    if (reply.text.size() > 8192) __builtin_trap();
    at = end + 1;
  }
  if (l.state() == login_state::full_feature && l.proven().empty()) __builtin_trap();
  return 0;
}
