#include "service/objects/model.h"

#include <mutex>
#include <utility>

#include "base/log.h"

namespace vds::service {
namespace {

// Behind an object whose provider nobody remembers.
class nothing_behind final : public border {
 public:
  guid provider_id() const override { return {}; }
  HRESULT bind(VDS_OBJECT_TYPE, const guid&, REFIID, void**) override { return VDS_E_OBJECT_DELETED; }
  bool offers(VDS_OBJECT_TYPE, REFIID) override { return false; }
  com_work_queue* gate() override { return nullptr; }
  monotonic::duration call_limit() const override { return {}; }
  HRESULT answered(const char*, HRESULT hr) override { return hr; }
  std::vector<com_ptr<IUnknown>> children(const guid&, VDS_OBJECT_TYPE) override { return {}; }
  com_ptr<hw_object> parent(const guid&, VDS_OBJECT_TYPE) override { return {}; }
  HRESULT adopt(VDS_OBJECT_TYPE, IUnknown*, com_ptr<hw_object>&) override { return VDS_E_OBJECT_DELETED; }
  void reread(VDS_OBJECT_TYPE, const guid&) override {}
  void complete(hw_object&) override {}
  void disappeared(VDS_OBJECT_TYPE, const guid&) override {}
  void appeared(VDS_OBJECT_TYPE, const guid&) override {}
  void resync() override {}
  HRESULT begin(hw_object&, const method&, const asynchronous_call&, IVdsAsync**) override {
    return VDS_E_OBJECT_DELETED;
  }
  void changed(hw_object&, const method&, HRESULT) override {}
};

}  // namespace

model::stamp model::begin_read() {
  const std::lock_guard lock(mutex_);
  return ++clock_;
}

model::put_result model::put(entry e, const std::shared_ptr<border>& behind) {
  const std::lock_guard lock(mutex_);
  if (!e.id) return {{}, change::refused};
  if (cleared_) return {{}, change::stale};
  if (const auto grave = deleted_.find(e.id); grave != deleted_.end()) {
    if (grave->second >= e.read) return {{}, change::stale};
    deleted_.erase(grave);  // it came back, as a new object
  }
  const auto [at, fresh] = nodes_.try_emplace(e.id);
  node& n = at->second;
  if (fresh) {
    n.object = hw_object::make(e.kind, e.id, behind);
    n.parent = e.parent;
    n.order = next_order_++;
    n.read = n.seen = e.read;
    n.object->keep(std::move(e.first), std::move(e.second));
    link(e.id, n);
    return {n.object, change::arrived};
  }
  if (n.object->kind() != e.kind || &n.object->behind() != behind.get()) {
    log::warn("provider {}: object {} has an id that is taken; refused", behind->provider_id(), e.id);
    return {{}, change::refused};
  }
  n.seen = std::max(n.seen, e.read);
  if (n.read > e.read) return {n.object, change::none};
  n.read = e.read;
  const kept_ptr first = n.object->kept_first(), second = n.object->kept_second();
  const bool same = first && e.first && first->same(*e.first) && (second != nullptr) == (e.second != nullptr) &&
                    (!second || second->same(*e.second)) && (!e.parent || n.parent == e.parent);
  if (same) return {n.object, change::none};
  if (e.parent && n.parent != e.parent) {
    unlink(e.id, n);
    n.parent = e.parent;
    link(e.id, n);
  }
  n.object->keep(std::move(e.first), std::move(e.second));
  return {n.object, change::modified};
}

void model::seen(const guid& id, stamp read) {
  const std::lock_guard lock(mutex_);
  if (const auto at = nodes_.find(id); at != nodes_.end()) at->second.seen = std::max(at->second.seen, read);
}

void model::link(const guid&, node& n) {
  if (const auto up = nodes_.find(n.parent); up != nodes_.end())
    up->second.children[n.object->kind()].emplace(n.order, n.object);
}

void model::unlink(const guid&, node& n) {
  if (const auto up = nodes_.find(n.parent); up != nodes_.end()) up->second.children[n.object->kind()].erase(n.order);
}

com_ptr<hw_object> model::find(const guid& id) const {
  const std::shared_lock lock(mutex_);
  const auto at = nodes_.find(id);
  return at == nodes_.end() ? com_ptr<hw_object>{} : at->second.object;
}

com_ptr<hw_object> model::find(const guid& id, VDS_OBJECT_TYPE kind) const {
  com_ptr<hw_object> found = find(id);
  return found && found->kind() == kind ? found : com_ptr<hw_object>{};
}

std::vector<com_ptr<IUnknown>> model::children(const guid& id, VDS_OBJECT_TYPE kind) const {
  std::vector<com_ptr<IUnknown>> out;
  const std::shared_lock lock(mutex_);
  const auto at = nodes_.find(id);
  if (at == nodes_.end()) return out;
  const auto list = at->second.children.find(kind);
  if (list == at->second.children.end()) return out;
  out.reserve(list->second.size());
  for (const auto& [order, child] : list->second) out.emplace_back(child->unknown());
  return out;
}

std::vector<com_ptr<hw_object>> model::all(VDS_OBJECT_TYPE kind) const {
  std::map<std::uint64_t, com_ptr<hw_object>> ordered;
  const std::shared_lock lock(mutex_);
  for (const auto& [id, n] : nodes_)
    if (n.object->kind() == kind) ordered.emplace(n.order, n.object);
  std::vector<com_ptr<hw_object>> out;
  for (auto& [order, object] : ordered) out.push_back(std::move(object));
  return out;
}

com_ptr<hw_object> model::parent(const guid& id, VDS_OBJECT_TYPE kind) const {
  const std::shared_lock lock(mutex_);
  auto at = nodes_.find(id);
  // The tree is four deep; the bound is for a provider that lies about who is whose parent.
  for (int up = 0; up < 8 && at != nodes_.end(); ++up) {
    at = nodes_.find(at->second.parent);
    if (at != nodes_.end() && at->second.object->kind() == kind) return at->second.object;
  }
  return {};
}

guid model::parent_id(const guid& id) const {
  const std::shared_lock lock(mutex_);
  const auto at = nodes_.find(id);
  return at == nodes_.end() ? guid{} : at->second.parent;
}

void model::collect(const node& n, std::vector<known>& out) const {
  out.push_back({n.object->id(), n.object->kind()});
  for (const auto& [kind, list] : n.children)
    for (const auto& [order, child] : list)
      if (const auto below = nodes_.find(child->id()); below != nodes_.end()) collect(below->second, out);
}

std::vector<model::known> model::remove(const guid& id) {
  std::vector<known> out;
  std::vector<com_ptr<hw_object>> dropped;  // released without the lock
  const std::lock_guard lock(mutex_);
  const auto at = nodes_.find(id);
  if (at == nodes_.end()) return out;
  collect(at->second, out);
  unlink(id, at->second);
  const stamp now = ++clock_;
  for (const known& gone : out) {
    const auto each = nodes_.find(gone.id);
    each->second.object->mark_deleted();
    for (auto& [kind, list] : each->second.children)
      for (auto& [order, child] : list) dropped.push_back(std::move(child));
    dropped.push_back(std::move(each->second.object));
    nodes_.erase(each);
    deleted_[gone.id] = now;
    deleted_order_.push_back(gone.id);
  }
  while (deleted_order_.size() > graves) {
    deleted_.erase(deleted_order_.front());
    deleted_order_.pop_front();
  }
  return out;
}

std::vector<model::known> model::unseen(const guid& top, stamp since) const {
  std::vector<known> below, out;
  const std::shared_lock lock(mutex_);
  const auto at = nodes_.find(top);
  if (at == nodes_.end()) return out;
  collect(at->second, below);
  for (const known& each : below) {
    const auto n = nodes_.find(each.id);
    if (each.id != top && n->second.seen < since) out.push_back(each);
  }
  return out;
}

bool model::announce(const guid& id) {
  const std::lock_guard lock(mutex_);
  const auto at = nodes_.find(id);
  return at != nodes_.end() && !std::exchange(at->second.announced, true);
}

std::size_t model::size() const {
  const std::shared_lock lock(mutex_);
  return nodes_.size();
}

void model::clear() {
  decltype(nodes_) dropped;  // released without the lock
  const std::lock_guard lock(mutex_);
  dropped.swap(nodes_);
  cleared_ = true;
}

com_ptr<hw_object> model::gone(VDS_OBJECT_TYPE kind, const guid& id) {
  static const auto nobody = std::make_shared<nothing_behind>();
  com_ptr<hw_object> made = hw_object::make(kind, id, nobody);
  made->mark_deleted();
  return made;
}

}  // namespace vds::service
