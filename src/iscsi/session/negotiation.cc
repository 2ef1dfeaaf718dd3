#include "iscsi/session/negotiation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "iscsi/pdu/iscsi_name.h"

namespace vds::iscsi {
namespace {

enum class kind : std::uint8_t {
  declare_name,  // kept, never answered
  declare_number,
  boolean_or,
  boolean_and,
  number_min,
  number_max,
  choose,          // the first of the initiator's list that we have
  authentication,  // kept for the login to answer
  answer_no,       // obsolete (markers)
  irrelevant,
  ours_only,  // only a target says it
};

enum where_bits : std::uint8_t { in_security = 1, in_operational = 2, in_full = 4, in_login = 3 };

struct key_row {
  std::string_view name;
  kind how;
  std::uint8_t where;
  bool normal_only;  // Irrelevant in a discovery session
  std::uint32_t low, high;
  std::uint32_t (*ours)(const login_policy&);
  std::uint32_t parameters::*number;
  bool parameters::*flag;
};

constexpr std::uint32_t most = (1u << 24) - 1;  // of a DataSegmentLength or burst

template <std::uint32_t N>
std::uint32_t fixed(const login_policy&) {
  return N;
}
std::uint32_t our_burst(const login_policy& p) { return p.max_burst; }
std::uint32_t our_first_burst(const login_policy& p) { return p.first_burst; }

using P = parameters;
constexpr auto rows = std::to_array<key_row>({
    // MaxBurstLength before FirstBurstLength, which it bounds: take() visits the pairs in this order.
    {"InitiatorName", kind::declare_name, in_login, false, 0, 0, nullptr, nullptr, nullptr},
    {"InitiatorAlias", kind::declare_name, in_login | in_full, false, 0, 0, nullptr, nullptr, nullptr},
    {"TargetName", kind::declare_name, in_login, false, 0, 0, nullptr, nullptr, nullptr},
    {"SessionType", kind::declare_name, in_login, false, 0, 0, nullptr, nullptr, nullptr},
    {"AuthMethod", kind::authentication, in_security, false, 0, 0, nullptr, nullptr, nullptr},
    {"CHAP_A", kind::authentication, in_security, false, 0, 0, nullptr, nullptr, nullptr},
    {"CHAP_I", kind::authentication, in_security, false, 0, 0, nullptr, nullptr, nullptr},
    {"CHAP_C", kind::authentication, in_security, false, 0, 0, nullptr, nullptr, nullptr},
    {"CHAP_N", kind::authentication, in_security, false, 0, 0, nullptr, nullptr, nullptr},
    {"CHAP_R", kind::authentication, in_security, false, 0, 0, nullptr, nullptr, nullptr},
    {"HeaderDigest", kind::choose, in_operational, false, 0, 0, nullptr, nullptr, &P::header_digest},
    {"DataDigest", kind::choose, in_operational, false, 0, 0, nullptr, nullptr, &P::data_digest},
    {"MaxRecvDataSegmentLength", kind::declare_number, in_operational | in_full, false, 512, most, nullptr,
     &P::max_send_data_segment, nullptr},
    {"MaxConnections", kind::number_min, in_operational, true, 1, 65535, fixed<1>, &P::max_connections, nullptr},
    {"InitialR2T", kind::boolean_or, in_operational, true, 0, 0, fixed<0>, nullptr, &P::initial_r2t},
    {"ImmediateData", kind::boolean_and, in_operational, true, 0, 0, fixed<1>, nullptr, &P::immediate_data},
    {"MaxBurstLength", kind::number_min, in_operational, true, 512, most, our_burst, &P::max_burst, nullptr},
    {"FirstBurstLength", kind::number_min, in_operational, true, 512, most, our_first_burst, &P::first_burst, nullptr},
    {"MaxOutstandingR2T", kind::number_min, in_operational, true, 1, 65535, fixed<1>, &P::max_outstanding_r2t, nullptr},
    {"DataPDUInOrder", kind::boolean_or, in_operational, true, 0, 0, fixed<1>, nullptr, nullptr},
    {"DataSequenceInOrder", kind::boolean_or, in_operational, true, 0, 0, fixed<1>, nullptr, nullptr},
    {"ErrorRecoveryLevel", kind::number_min, in_operational, false, 0, 2, fixed<0>, &P::error_recovery_level, nullptr},
    {"DefaultTime2Wait", kind::number_max, in_operational, false, 0, 3600, fixed<0>, &P::time_to_wait, nullptr},
    {"DefaultTime2Retain", kind::number_min, in_operational, false, 0, 3600, fixed<0>, &P::time_to_retain, nullptr},
    {"TaskReporting", kind::choose, in_operational, true, 0, 0, nullptr, nullptr, nullptr},
    {"iSCSIProtocolLevel", kind::number_min, in_operational, true, 0, 31, fixed<1>, nullptr, nullptr},
    {"OFMarker", kind::answer_no, in_operational, false, 0, 0, nullptr, nullptr, nullptr},
    {"IFMarker", kind::answer_no, in_operational, false, 0, 0, nullptr, nullptr, nullptr},
    {"OFMarkInt", kind::irrelevant, in_operational, false, 0, 0, nullptr, nullptr, nullptr},
    {"IFMarkInt", kind::irrelevant, in_operational, false, 0, 0, nullptr, nullptr, nullptr},
    {"TargetAlias", kind::ours_only, in_login | in_full, false, 0, 0, nullptr, nullptr, nullptr},
    {"TargetAddress", kind::ours_only, in_login | in_full, false, 0, 0, nullptr, nullptr, nullptr},
    {"TargetPortalGroupTag", kind::ours_only, in_login | in_full, false, 0, 0, nullptr, nullptr, nullptr},
});
static_assert(rows.size() <= 64, "seen_ is a bit for each");

struct chap_name {
  std::string_view name;
  std::optional<std::string> chap_keys::*member;
};
constexpr auto chap_names = std::to_array<chap_name>({
    {"CHAP_A", &chap_keys::algorithms},
    {"CHAP_I", &chap_keys::identifier},
    {"CHAP_C", &chap_keys::challenge},
    {"CHAP_N", &chap_keys::name},
    {"CHAP_R", &chap_keys::response},
});

std::size_t row_of(std::string_view key) {
  const auto it = std::find_if(rows.begin(), rows.end(), [key](const key_row& r) { return r.name == key; });
  return static_cast<std::size_t>(it - rows.begin());
}

std::uint8_t bit_of(stage where) {
  return where == stage::security ? in_security : where == stage::operational ? in_operational : in_full;
}

bool is_answer(std::string_view value) {
  return value == "NotUnderstood" || value == "Reject" || value == "Irrelevant";
}

std::optional<bool> parse_boolean(std::string_view value) {
  if (value == "Yes") return true;
  if (value == "No") return false;
  return std::nullopt;
}

}  // namespace

negotiated negotiation::take(std::span<const text_pair> pairs, stage where, text_writer& answers) {
  // One value may bound another, so the pairs are visited in the table's order; the answers keep the order of the
  // pairs.
  std::vector<std::size_t> order(pairs.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return row_of(pairs[a].key) < row_of(pairs[b].key); });
  std::vector<std::string> said(pairs.size());
  for (const std::size_t i : order) {
    text_writer one;
    if (const negotiated n = take_one(pairs[i], where, one); n != negotiated::agreed) return n;
    said[i] = one.take();
  }
  for (const std::string& s : said) {
    if (s.empty()) continue;
    const std::size_t equals = s.find('=');
    answers.add(std::string_view(s).substr(0, equals), std::string_view(s).substr(equals + 1, s.size() - equals - 2));
  }
  return answers.overflowed() ? negotiated::protocol_error : negotiated::agreed;
}

negotiated negotiation::take_one(const text_pair& pair, stage where, text_writer& answers) {
  const std::size_t index = row_of(pair.key);
  if (index == rows.size()) {
    // Never the value; with at most 64 keys of 63 bytes the answers are bounded too.
    answers.add(pair.key, "NotUnderstood");
    return negotiated::agreed;
  }
  const key_row& row = rows[index];
  if ((row.where & bit_of(where)) == 0) return negotiated::protocol_error;
  if (where != stage::full_feature) {
    if ((seen_ >> index & 1) != 0) return negotiated::protocol_error;  // renegotiation within a login
    seen_ |= std::uint64_t{1} << index;
  }
  if (is_answer(pair.value)) return negotiated::agreed;
  if (row.normal_only && into_.type == session_type::discovery) {
    answers.add(row.name, "Irrelevant");
    return negotiated::agreed;
  }
  switch (row.how) {
    case kind::declare_name: {
      if (row.name == "SessionType") {
        if (pair.value != "Normal" && pair.value != "Discovery") return negotiated::protocol_error;
        into_.type = pair.value == "Normal" ? session_type::normal : session_type::discovery;
      } else if (row.name == "InitiatorAlias") {
        into_.initiator_alias = pair.value;
      } else {
        auto name = normalised_name(pair.value);
        if (!name) return negotiated::protocol_error;
        (row.name == "InitiatorName" ? into_.initiator_name : into_.target_name) = std::move(*name);
      }
      return negotiated::agreed;
    }
    case kind::declare_number: {
      const auto value = parse_number(pair.value);
      if (!value || *value < row.low || *value > row.high)
        answers.add(row.name, "Reject");
      else
        into_.*row.number = *value;
      return negotiated::agreed;
    }
    case kind::boolean_or:
    case kind::boolean_and: {
      const auto value = parse_boolean(pair.value);
      if (!value) {
        answers.add(row.name, "Reject");
        return negotiated::agreed;
      }
      const bool ours = row.ours(policy_) != 0;
      const bool agreed = row.how == kind::boolean_or ? *value || ours : *value && ours;
      if (row.flag != nullptr) into_.*row.flag = agreed;
      answers.add(row.name, agreed ? "Yes" : "No");
      return negotiated::agreed;
    }
    case kind::number_min:
    case kind::number_max: {
      const auto value = parse_number(pair.value);
      if (!value || *value < row.low || *value > row.high) {
        answers.add(row.name, "Reject");
        return negotiated::agreed;
      }
      const std::uint32_t ours = row.ours(policy_);
      std::uint32_t agreed = row.how == kind::number_min ? std::min(*value, ours) : std::max(*value, ours);
      if (row.name == "FirstBurstLength") agreed = std::min(agreed, into_.max_burst);
      if (row.number != nullptr) into_.*row.number = agreed;
      answers.add(row.name, fmt::format("{}", agreed));
      return negotiated::agreed;
    }
    case kind::choose: {
      const auto offers = split_list(pair.value);
      auto offered = [&offers](std::string_view what) {
        return std::find(offers.begin(), offers.end(), what) != offers.end();
      };
      if (row.name == "TaskReporting") {
        answers.add(row.name, offered("RFC3720") ? "RFC3720" : "Reject");
      } else {
        // Digests: the initiator's first choice that we have; None only where policy allows it.
        const bool none_allowed = policy_.digests == digest_policy::offered;
        std::string_view choice;
        for (const std::string_view o : offers)
          if (o == "CRC32C" || (o == "None" && none_allowed)) {
            choice = o;
            break;
          }
        if (choice.empty()) {
          if (!none_allowed) return negotiated::no_common_method;
          answers.add(row.name, "Reject");
          return negotiated::agreed;
        }
        into_.*row.flag = choice == "CRC32C";
        answers.add(row.name, choice);
      }
      return negotiated::agreed;
    }
    case kind::authentication: {
      if (row.name == "AuthMethod") {
        const auto offers = split_list(pair.value);
        offer_ = {.none = std::find(offers.begin(), offers.end(), "None") != offers.end(),
                  .chap = std::find(offers.begin(), offers.end(), "CHAP") != offers.end()};
        return negotiated::agreed;
      }
      const auto key =
          std::find_if(chap_names.begin(), chap_names.end(), [&](const auto& k) { return k.name == row.name; });
      chap_.*key->member = std::string(pair.value);
      return negotiated::agreed;
    }
    case kind::answer_no:
      answers.add(row.name, "No");
      return negotiated::agreed;
    case kind::irrelevant:
      answers.add(row.name, "Irrelevant");
      return negotiated::agreed;
    case kind::ours_only:
      return negotiated::protocol_error;
  }
  return negotiated::protocol_error;
}

void negotiation::declare(stage where, text_writer& out) {
  if (where != stage::operational || declared_) return;
  declared_ = true;
  into_.max_recv_data_segment = policy_.max_recv_data_segment;
  out.add("MaxRecvDataSegmentLength", fmt::format("{}", policy_.max_recv_data_segment));
}

}  // namespace vds::iscsi
