// negotiation.h: the text keys of RFC 7143 section 13, one row each: who may say it when, how the result is found, and
// where it goes. A key that is in no row is answered NotUnderstood.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "iscsi/pdu/text.h"
#include "iscsi/session/chap.h"
#include "iscsi/session/parameters.h"

namespace vds::iscsi {

enum class stage : std::uint8_t { security = 0, operational = 1, full_feature = 3 };

enum class negotiated : std::uint8_t {
  agreed,            // answers, if any, are in the writer
  protocol_error,    // a key twice, a key of another stage, a value that ends the negotiation
  no_common_method,  // of digests, when they are required
};

// AuthMethod as the initiator offers it. What is answered depends on the target (login.h).
struct method_offer {
  bool none = false, chap = false;
};

class negotiation {
 public:
  negotiation(const login_policy& policy, parameters& into) : policy_(policy), into_(into) {}

  // The pairs of one complete text of the initiator, answers appended. Order of the answers is that of the pairs.
  negotiated take(std::span<const text_pair> pairs, stage where, text_writer& answers);

  // Our own declarations for this stage, each once.
  void declare(stage where, text_writer& out);

  // What the texts so far said about authentication; each is handed out once.
  std::optional<method_offer> take_offer() { return std::exchange(offer_, std::nullopt); }
  chap_keys take_chap() { return std::exchange(chap_, {}); }

 private:
  negotiated take_one(const text_pair& pair, stage where, text_writer& answers);

  const login_policy& policy_;
  parameters& into_;
  std::uint64_t seen_ = 0;  // rows of the table, during login
  bool declared_ = false;
  std::optional<method_offer> offer_;
  chap_keys chap_;
};

}  // namespace vds::iscsi
