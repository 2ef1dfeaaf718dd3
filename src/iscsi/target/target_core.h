// target_core.h: what stands behind a target: its LUN map, its sessions, its portal groups and its secrets, as the
// sessions see them (session/host.h). Any thread; what may be changed while sessions look at it is under a mutex.
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>

#include "iscsi/session/host.h"
#include "iscsi/target/lun_map.h"
#include "iscsi/target/session_directory.h"
#include "iscsi/target/target.h"

namespace vds::iscsi {

class target_core final : public session_target {
 public:
  target_core(std::string iqn, std::string alias) : iqn_(std::move(iqn)), alias_(std::move(alias)) {}

  const std::string& iqn() const override { return iqn_; }
  std::uint64_t map_generation() const noexcept override { return luns.generation(); }
  std::shared_ptr<lun> find_lun(std::uint32_t number, const std::string& initiator) const override {
    return luns.find(number, initiator);
  }
  std::shared_ptr<lun> find_lun(std::span<const std::uint8_t> naa, const std::string& initiator) const override {
    return luns.find(naa, initiator);
  }
  std::vector<std::uint32_t> inventory(const std::string& initiator) const override {
    return luns.inventory(initiator);
  }
  rt::task<status> admit(std::shared_ptr<session_record> s) override { return sessions.admit(std::move(s)); }
  void leave(const std::shared_ptr<session_record>& s) override { sessions.leave(s); }
  void drop_others(const session_record& but) override { sessions.drop_all("the target was reset", &but); }

  // REPORTED LUNS DATA HAS CHANGED, for the sessions of whom this is true.
  template <class Whom>
  void luns_changed(Whom whom) {
    for (const auto& s : sessions.all())
      if (whom(s->who.initiator)) s->who.luns_changed.store(true, std::memory_order_release);
  }

  void set_alias(std::string alias) {
    const std::lock_guard lock(mutex_);
    alias_ = std::move(alias);
  }
  void set_groups(std::vector<portal_group> groups) {
    const std::lock_guard lock(mutex_);
    groups_ = std::move(groups);
  }
  void set_secrets(target_secrets secrets) {
    const std::lock_guard lock(mutex_);
    secrets_ = std::move(secrets);
  }
  bool authenticates() const {
    const std::lock_guard lock(mutex_);
    return secrets_.required();
  }
  // The group by which a portal leads here, if any.
  std::optional<std::uint16_t> tag_of(const guid& portal) const {
    const std::lock_guard lock(mutex_);
    if (!groups_) return std::uint16_t{1};
    for (const portal_group& g : *groups_)
      if (std::find(g.portals.begin(), g.portals.end(), portal) != g.portals.end()) return g.tag;
    return std::nullopt;
  }
  // What an initiator that comes through a portal of group `tag` hears and has to prove.
  login_facts facts(const std::string& initiator, std::uint16_t tag) const {
    const std::lock_guard lock(mutex_);
    login_facts out{tag, alias_, secrets_.required(), {}};
    if (const chap_secret* theirs = secrets_.of(initiator)) {
      const auto ours = secrets_.ours.find(initiator);
      out.accounts.push_back(std::make_shared<const chap_account>(
          chap_account{iqn_, *theirs, ours == secrets_.ours.end() ? std::nullopt : std::optional(ours->second)}));
    }
    return out;
  }

  lun_map luns;
  const std::shared_ptr<target_ports> ports = std::make_shared<target_ports>();
  session_directory sessions;

 private:
  const std::string iqn_;
  mutable std::mutex mutex_;
  std::string alias_;
  std::optional<std::vector<portal_group>> groups_;  // none: every portal is in group 1
  target_secrets secrets_;
};

}  // namespace vds::iscsi
