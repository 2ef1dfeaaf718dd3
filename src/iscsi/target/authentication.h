// authentication.h: the CHAP secrets of one target. There is a secret for everybody, or one for each initiator, or
// both: an initiator's own one goes before everybody's. As soon as there is any, nobody gets in without. Values;
// secrets never leave but as accounts of a login that is under way.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "iscsi/session/chap.h"

namespace vds::iscsi {

struct target_secrets {
  std::optional<chap_secret> everybody;           // what initiators must know
  std::map<std::string, chap_secret> initiators;  // the same, for one of them (normalised name)
  std::map<std::string, chap_secret> ours;        // with what we prove ourselves to one of them

  bool required() const noexcept { return everybody || !initiators.empty(); }
  const chap_secret* of(const std::string& initiator) const {
    const auto own = initiators.find(initiator);
    return own != initiators.end() ? &own->second : everybody ? &*everybody : nullptr;
  }
  // Whether somebody would have to know a secret with which we prove ourselves to it: it could then prove it to itself.
  bool reflects() const {
    for (const auto& [initiator, secret] : ours)
      if (const chap_secret* theirs = of(initiator); theirs != nullptr && theirs->same(secret)) return true;
    return false;
  }
};

}  // namespace vds::iscsi
