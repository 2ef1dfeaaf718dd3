#include "iscsi/target/portal_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "iscsi/pdu/iscsi_name.h"
#include "iscsi/target/portal_worker.h"
#include "iscsi/target/target_core.h"

namespace vds::iscsi {
namespace {

// "127.0.0.1:51324" without its port.
std::string address_of(const std::string& peer) { return peer.substr(0, peer.rfind(':')); }

bool is_any(const std::string& at) { return at.starts_with("0.0.0.0:") || at.starts_with("[::]:"); }
bool is_loopback(const std::string& at) { return at.starts_with("127.") || at.starts_with("[::1]:"); }
bool same_family(const std::string& a, const std::string& b) { return a.starts_with('[') == b.starts_with('['); }

struct hop_to {
  rt::executor& there;
  bool await_ready() const noexcept { return there.on_this_thread(); }
  void await_suspend(std::coroutine_handle<> h) const {
    there.post([h] { h.resume(); });
  }
  void await_resume() const noexcept {}
};

}  // namespace

portal_server::portal_server(std::vector<portal> portals, server_limits limits) : limits_(limits) {
  for (portal& p : portals) workers_.push_back(std::make_unique<portal_worker>(*this, std::move(p)));
}

portal_server::~portal_server() { always(!running_); }

status portal_server::add(target& t) {
  auto name = normalised_name(t.iqn());
  if (!name) return failure(errc::invalid_argument, "not an iSCSI name: " + t.iqn());
  const std::lock_guard lock(mutex_);
  if (!targets_.emplace(std::move(*name), &t).second) return errc::already_exists;
  t.core()->sessions.open(limits_.sessions_per_target);
  return {};
}

rt::task<void> portal_server::remove(target& t) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(targets_, [&t](const auto& entry) { return entry.second == &t; });
  }
  t.core()->sessions.close();
  t.core()->sessions.ask_to_log_out([](const session_record&) { return true; }, "the target goes");
  rt::executor* somewhere = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (workers_.empty()) co_return;  // and so no session
    somewhere = &workers_.front()->executor();
  }
  rt::executor& here = *somewhere;
  co_await hop_to{here};
  co_await t.core()->sessions.emptied(here);
}

std::vector<std::string> portal_server::addresses() const {
  std::vector<std::string> out;
  const std::lock_guard lock(mutex_);
  for (const auto& w : workers_)
    if (std::find(out.begin(), out.end(), w->address()) == out.end()) out.push_back(w->address());
  return out;
}

std::size_t portal_server::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

void portal_server::add_portal(std::vector<portal> listeners) {
  const std::lock_guard lock(mutex_);
  for (portal& p : listeners) {
    workers_.push_back(std::make_unique<portal_worker>(*this, std::move(p)));
    portal_worker& w = *workers_.back();
    if (running_) w.executor().post([&w] { rt::start(w.accept_loop()); });
  }
}

rt::task<void> portal_server::remove_portal(guid id) {
  std::vector<std::unique_ptr<portal_worker>> leaving;
  {
    const std::lock_guard lock(mutex_);
    const auto stay =
        std::stable_partition(workers_.begin(), workers_.end(), [&](const auto& w) { return w->portal_id() != id; });
    std::move(stay, workers_.end(), std::back_inserter(leaving));
    workers_.erase(stay, workers_.end());
  }
  for (auto& w : leaving) {
    co_await hop_to{w->executor()};
    w->dismiss();
  }
  for (auto& w : leaving) {
    co_await hop_to{w->executor()};
    co_await w->stop();
    w.reset();
  }
}

void portal_server::start() {
  const std::lock_guard lock(mutex_);
  running_ = true;
  for (auto& w : workers_) w->executor().post([&w = *w] { rt::start(w.accept_loop()); });
}

rt::task<void> portal_server::stop() {
  std::vector<portal_worker*> all;
  {
    const std::lock_guard lock(mutex_);
    for (auto& w : workers_) all.push_back(w.get());
  }
  for (portal_worker* w : all) {  // everybody is asked before anybody is waited for
    co_await hop_to{w->executor()};
    w->dismiss();
  }
  for (portal_worker* w : all) {
    co_await hop_to{w->executor()};
    co_await w->stop();
  }
  const std::lock_guard lock(mutex_);
  running_ = false;
}

bool portal_server::authenticates() const {
  return std::any_of(targets_.begin(), targets_.end(), [](const auto& t) { return t.second->core()->authenticates(); });
}

// Where else the target is, for somebody who came to `local`: first where it came, then the other portals of the
// target's groups that it may reach from there.
std::vector<std::string> portal_server::reachable_by(const target_core& t, const guid& portal,
                                                     const std::string& local) const {
  const auto tagged = [](const std::string& address, std::uint16_t tag) { return fmt::format("{},{}", address, tag); };
  std::vector<std::string> out;
  if (const auto here = t.tag_of(portal)) out.push_back(tagged(local, *here));
  for (const auto& w : workers_) {
    const auto tag = t.tag_of(w->portal_id());
    if (!tag || w->portal_id() == portal) continue;
    std::string at = w->address();
    // A portal on every address is at the one that the initiator knows; one on the loopback is for this host alone.
    if (is_any(at) && !same_family(at, local)) continue;
    if (is_any(at)) at = address_of(local) + at.substr(at.rfind(':'));
    if (is_loopback(at) && !is_loopback(local)) continue;
    if (std::string one = tagged(at, *tag); std::find(out.begin(), out.end(), one) == out.end())
      out.push_back(std::move(one));
  }
  return out;
}

bool portal_server::admit(const std::string& address) {
  const std::lock_guard lock(mutex_);
  std::size_t& mine = by_address_[address];
  if (connections_ >= limits_.connections || mine >= limits_.connections_per_address) {
    if (mine == 0) by_address_.erase(address);
    return false;
  }
  ++mine;
  ++connections_;
  return true;
}

void portal_server::left(const std::string& address) {
  const std::lock_guard lock(mutex_);
  --connections_;
  if (--by_address_[address] == 0) by_address_.erase(address);
}

rt::task<void> portal_worker::accept_loop() {
  auto held = gate_.hold();
  while (held) {
    auto stream = co_await listener_->accept();
    if (!stream) {
      if (gate_.closing() || stream.error() == errc::closing) co_return;
      // Out of descriptors or memory: those who are served go on, the others wait.
      log::warn("iscsi portal {}: accept: {}", listener_->local_name(), stream.error());
      co_await executor_.sleep_for(100ms);
      continue;
    }
    const std::string from = address_of((*stream)->peer_name());
    if (half_open_.size() >= server_.limits_.half_open) make_room();
    if (!server_.admit(from)) {
      make_room();  // for the next; this one is turned away
      log::warn("iscsi portal {}: {} turned away: too many connections", listener_->local_name(), from);
      continue;
    }
    rt::start(serve(std::move(*stream), from));
  }
}

// The oldest connection that has not logged in gives way: who logs in at all does so in less time than a flood takes to
// come round to it.
void portal_worker::make_room() {
  if (half_open_.empty()) return;
  connection* oldest = half_open_.front();
  half_open_.pop_front();
  oldest->drop("gave way to newer connections before login");
}

rt::task<void> portal_worker::serve(std::unique_ptr<io::stream> stream, std::string from) {
  auto held = gate_.hold();
  if (!held || dismissed_) {
    server_.left(from);
    co_return;
  }
  {
    login_policy policy;
    const connection_limits& limits = server_.limits_.connection;
    policy.max_recv_data_segment = limits.max_recv_data_segment;
    policy.max_burst = limits.max_burst;
    policy.first_burst = limits.first_burst;
    connection c(std::move(stream), *this, pool_, limits, policy);
    connections_.push_back(&c);
    half_open_.push_back(&c);
    co_await c.run();
    std::erase(connections_, &c);
    std::erase(half_open_, &c);
  }
  server_.left(from);
}

void portal_worker::logged_in(connection& c) { std::erase(half_open_, &c); }

void portal_worker::dismiss() {
  if (std::exchange(dismissed_, true)) return;
  listener_->close();
  const std::vector<connection*> all(connections_.begin(), connections_.end());
  for (connection* c : all) c->ask_to_log_out("the portal stops");
}

rt::task<void> portal_worker::stop() {
  dismiss();
  co_await gate_.close();
}

std::optional<login_grant> portal_worker::find_target(std::string_view name, const std::string& initiator) {
  const std::lock_guard lock(server_.mutex_);
  const auto it = server_.targets_.find(name);
  if (it != server_.targets_.end()) {
    auto core = it->second->core();
    const auto tag = core->tag_of(id_);
    if (tag && core->luns.shows_any(initiator)) {
      auto facts = core->facts(initiator, *tag);
      return login_grant{std::move(core), std::move(facts)};
    }
  }
  if (!server_.authenticates()) return std::nullopt;
  return login_grant{nullptr, {.authenticate = true}};
}

login_facts portal_worker::discovery(const std::string& initiator) {
  const std::lock_guard lock(server_.mutex_);
  login_facts out{.authenticate = server_.authenticates()};
  for (const auto& [name, t] : server_.targets_) {
    const auto core = t->core();
    const auto tag = core->tag_of(id_);
    if (!tag || !core->luns.shows_any(initiator)) continue;
    auto facts = core->facts(initiator, *tag);
    out.accounts.insert(out.accounts.end(), facts.accounts.begin(), facts.accounts.end());
  }
  return out;
}

std::vector<listed_target> portal_worker::visible_targets(const std::string& initiator, const chap_accounts& proven,
                                                          const std::string& local_address) {
  const std::lock_guard lock(server_.mutex_);
  std::vector<listed_target> out;
  for (const auto& [name, t] : server_.targets_) {
    const auto core = t->core();
    if (!core->tag_of(id_) || !core->luns.shows_any(initiator)) continue;
    const auto knows = [&core](const auto& account) { return account->target_name == core->iqn(); };
    if (core->authenticates() && std::none_of(proven.begin(), proven.end(), knows)) continue;
    out.push_back({core, server_.reachable_by(*core, id_, local_address)});
  }
  return out;
}

}  // namespace vds::iscsi
