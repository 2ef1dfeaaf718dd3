// The part of provider.h that keeps the model true: reading the provider's tree, single objects, and its notifications.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "com/strings.h"
#include "sdk/enum_object.h"
#include "sdk/notifier.h"
#include "service/provider_host/provider.h"
#include "service/provider_host/reader.h"

namespace vds::service {

ULONG arrive_event(VDS_OBJECT_TYPE kind) {
  switch (kind) {
    case VDS_OT_SUB_SYSTEM:
      return VDS_NF_SUB_SYSTEM_ARRIVE;
    case VDS_OT_CONTROLLER:
      return VDS_NF_CONTROLLER_ARRIVE;
    case VDS_OT_PORT:
      return VDS_NF_PORT_ARRIVE;
    case VDS_OT_DRIVE:
      return VDS_NF_DRIVE_ARRIVE;
    case VDS_OT_LUN:
      return VDS_NF_LUN_ARRIVE;
    case VDS_OT_TARGET:
      return VDS_NF_TARGET_ARRIVE;
    case VDS_OT_PORTAL:
      return VDS_NF_PORTAL_ARRIVE;
    case VDS_OT_PORTAL_GROUP:
      return VDS_NF_PORTAL_GROUP_ARRIVE;
    default:
      return 0;
  }
}

ULONG depart_event(VDS_OBJECT_TYPE kind) {
  switch (kind) {
    case VDS_OT_SUB_SYSTEM:
      return VDS_NF_SUB_SYSTEM_DEPART;
    case VDS_OT_CONTROLLER:
      return VDS_NF_CONTROLLER_DEPART;
    case VDS_OT_PORT:
      return VDS_NF_PORT_DEPART;
    case VDS_OT_DRIVE:
      return VDS_NF_DRIVE_DEPART;
    case VDS_OT_LUN:
      return VDS_NF_LUN_DEPART;
    case VDS_OT_TARGET:
      return VDS_NF_TARGET_DEPART;
    case VDS_OT_PORTAL:
      return VDS_NF_PORTAL_DEPART;
    case VDS_OT_PORTAL_GROUP:
      return VDS_NF_PORTAL_GROUP_DEPART;
    default:
      return 0;
  }
}

ULONG modify_event(VDS_OBJECT_TYPE kind) {
  switch (kind) {
    case VDS_OT_SUB_SYSTEM:
      return VDS_NF_SUB_SYSTEM_MODIFY;
    case VDS_OT_CONTROLLER:
      return VDS_NF_CONTROLLER_MODIFY;
    case VDS_OT_PORT:
      return VDS_NF_PORT_MODIFY;
    case VDS_OT_DRIVE:
      return VDS_NF_DRIVE_MODIFY;
    case VDS_OT_LUN:
      return VDS_NF_LUN_MODIFY;
    case VDS_OT_TARGET:
      return VDS_NF_TARGET_MODIFY;
    case VDS_OT_PORTAL:
      return VDS_NF_PORTAL_MODIFY;
    case VDS_OT_PORTAL_GROUP:
      return VDS_NF_PORTAL_GROUP_MODIFY;
    default:
      return 0;
  }
}

// --- single objects

HRESULT provider::read_and_put(VDS_OBJECT_TYPE kind, IUnknown* theirs, const guid& parent, model::put_result& out) {
  model::entry e;
  e.read = objects_->begin_read();
  const limited_call limited(options_.call_limit);
  HRESULT hr = answered("GetProperties", reader::properties(kind, theirs, e));
  if (FAILED(hr)) return hr;
  probe(kind, theirs);  // Before anybody can see the object: they may ask it for every interface it has.
  if (kind == VDS_OT_SUB_SYSTEM || kind == VDS_OT_DRIVE) {
    if (offers(kind, kind == VDS_OT_DRIVE ? __uuidof(IVdsDrive2) : __uuidof(IVdsSubSystem2)))
      reader::more_properties(kind, theirs, e);
  }
  e.parent = parent;
  if (!e.parent && kind != VDS_OT_PROVIDER) {
    const VDS_OBJECT_TYPE up = reader::parent_kind(kind);
    e.parent = objects_->parent_id(e.id);  // known objects do not move
    if (!e.parent && up == VDS_OT_PROVIDER) e.parent = provider_id();
    if (!e.parent && up == VDS_OT_SUB_SYSTEM) {
      // With one subsystem, as almost always, nobody needs to be asked.
      const auto subsystems = objects_->children(provider_id(), VDS_OT_SUB_SYSTEM);
      if (subsystems.size() == 1)
        e.parent = static_cast<hw_object*>(static_cast<IVdsLocalDispatch*>(subsystems[0].get()))->id();
    }
    if (!e.parent && FAILED(hr = answered("asking for the parent", reader::parent(kind, theirs, e.parent)))) return hr;
  }
  out = objects_->put(std::move(e), shared_from_this());
  switch (out.what) {
    case model::change::refused:
      return VDS_E_BAD_PROVIDER_DATA;
    case model::change::stale:
      return VDS_E_OBJECT_DELETED;
    default:
      return S_OK;
  }
}

HRESULT provider::adopt(VDS_OBJECT_TYPE kind, IUnknown* theirs, com_ptr<hw_object>& out) {
  model::put_result put;
  if (const HRESULT hr = read_and_put(kind, theirs, {}, put); FAILED(hr)) return hr;
  if (put.what == model::change::arrived) {
    announce_later(arrive_event(kind), put.object->id());
    // Whoever asked for it will use it.
    const com_ptr<IUnknown> object(theirs);
    if (const auto typed = kind == VDS_OT_LUN ? object.as<IVdsLun>() : com_ptr<IVdsLun>())
      if (const life l = current(); l.number != 0)
        remember(l.number, put.object->id(), object, __uuidof(IVdsLun), com_ptr<IUnknown>(typed));
  }
  out = std::move(put.object);
  return S_OK;
}

HRESULT provider::object(VDS_OBJECT_TYPE kind, const guid& id, com_ptr<hw_object>& out) {
  if ((out = objects_->find(id, kind))) return S_OK;
  const life l = current();
  if (l.number == 0) return RPC_E_DISCONNECTED;
  com_ptr<IUnknown> theirs;
  if (const HRESULT hr = fetch(l, kind, id, theirs); FAILED(hr)) return hr;
  return adopt(kind, theirs.get(), out);
}

void provider::reread(VDS_OBJECT_TYPE kind, const guid& id) {
  com_ptr<IUnknown> theirs;
  switch (kind) {
    case VDS_OT_LUN:
      if (FAILED(bind(kind, id, __uuidof(IVdsLun), theirs.put_void()))) return;
      break;
    case VDS_OT_DRIVE:
      if (FAILED(bind(kind, id, __uuidof(IVdsDrive), theirs.put_void()))) return;
      break;
    case VDS_OT_SUB_SYSTEM:
      if (FAILED(bind(kind, id, __uuidof(IVdsSubSystem), theirs.put_void()))) return;
      break;
    default:
      if (FAILED(fetch(current().number != 0 ? current() : life{}, kind, id, theirs))) return;
  }
  model::put_result put;
  // Gone since: what the model has of it is older than what it is read for, and nobody may find that any more.
  if (read_and_put(kind, theirs.get(), {}, put) == VDS_E_OBJECT_DELETED) return disappeared(kind, id);
  if (kind == VDS_OT_LUN && put.object) {
    put.object->expire();
    const std::lock_guard lock(mutex_);
    incomplete_.push_back(put.object);
    wake_.notify_all();
  }
}

void provider::appeared(VDS_OBJECT_TYPE kind, const guid& id) {
  com_ptr<hw_object> ignored;
  (void)object(kind, id, ignored);
}

void provider::disappeared(VDS_OBJECT_TYPE kind, const guid& id) {
  // At once for whoever asks; the news waits for the provider's own notification, so that what belongs together (the
  // drives that got room) arrives in one call. Should it never come, we tell.
  // Noted before it is removed: the notification that finds it gone must also find that nobody was told.
  // One at a time: a call that finds it gone may take back what it has noted, and never what another one has.
  std::vector<model::known> all;
  {
    const std::lock_guard one_at_a_time(departing_);
    const bool noted = announce_later(depart_event(kind), id);
    all = objects_->remove(id);
    if (all.empty()) {
      const std::lock_guard lock(mutex_);
      if (noted) unannounced_.erase(id);
      return;
    }
  }
  for (const model::known& gone : all) {
    let_go(gone.id);
    if (gone.id != id) announce_later(depart_event(gone.kind), gone.id);
  }
}

std::vector<VDS_NOTIFICATION> provider::depart(const guid& id) {
  std::vector<VDS_NOTIFICATION> out;
  auto gone = objects_->remove(id);
  // Children first: nobody hears of a LUN whose subsystem is gone already.
  for (auto each = gone.rbegin(); each != gone.rend(); ++each)
    if (const ULONG event = depart_event(each->kind)) out.push_back(sdk::hardware_event(event, each->id));
  return out;
}

bool provider::announce_later(ULONG event, const guid& id) {
  if (event == 0) return false;
  const std::lock_guard lock(mutex_);
  announcement& a = unannounced_[id];
  if (a.event == event) return false;
  a = {monotonic::now() + options_.announce, event};
  wake_.notify_all();
  return true;
}

void provider::announce_due() {
  std::vector<VDS_NOTIFICATION> out;
  std::vector<std::pair<guid, ULONG>> due;
  {
    const std::lock_guard lock(mutex_);
    const deadline now = monotonic::now();
    for (auto at = unannounced_.begin(); at != unannounced_.end();) {
      if (at->second.due > now) {
        ++at;
        continue;
      }
      due.emplace_back(at->first, at->second.event);
      at = unannounced_.erase(at);
    }
  }
  for (const auto& [id, event] : due) {
    const bool departs = !objects_->find(id);
    if (departs || objects_->announce(id)) out.push_back(sdk::hardware_event(event, id));
  }
  publish(std::move(out));
}

void provider::publish(std::vector<VDS_NOTIFICATION> events) {
  if (!events.empty() && events_) events_(std::move(events));
}

std::vector<com_ptr<IUnknown>> provider::children(const guid& id, VDS_OBJECT_TYPE kind) {
  return objects_->children(id, kind);
}
com_ptr<hw_object> provider::parent(const guid& id, VDS_OBJECT_TYPE kind) { return objects_->parent(id, kind); }

// --- the whole tree

// One level: what `list` shows becomes children of `parent`; `below` goes on from each.
HRESULT provider::load_list(VDS_OBJECT_TYPE kind, const guid& parent, com_ptr<IEnumVdsObject> list,
                            std::vector<VDS_NOTIFICATION>& news,
                            const std::function<HRESULT(const com_ptr<IUnknown>&, const guid&)>& below) {
  if (!list) return E_UNEXPECTED;
  std::vector<com_ptr<IUnknown>> found;
  {
    const limited_call limited(options_.load_limit);
    if (const HRESULT hr = answered("IEnumVdsObject::Next", sdk::read_enum(list.get(), found)); FAILED(hr)) return hr;
  }
  for (com_ptr<IUnknown>& theirs : found) {
    model::put_result put;
    const HRESULT hr = read_and_put(kind, theirs.get(), parent, put);
    if (FAILED(hr) && outcome_unknown(hr)) return hr;  // it is gone: no use in asking on
    if (FAILED(hr)) {
      // One object that cannot be read hides no other.
      if (hr != VDS_E_OBJECT_DELETED) log::warn("provider {}: an object cannot be read: {}", spec_.name, describe(hr));
      continue;
    }
    const guid id = put.object->id();
    if (put.what == model::change::arrived) {
      if (objects_->announce(id))
        if (const ULONG event = arrive_event(kind)) news.push_back(sdk::hardware_event(event, id));
    } else if (put.what == model::change::modified) {
      if (const ULONG event = modify_event(kind)) news.push_back(sdk::hardware_event(event, id));
    }
    if (kind == VDS_OT_LUN) {
      put.object->expire();
      const std::lock_guard lock(mutex_);
      incomplete_.push_back(put.object);
    }
    if (below)
      if (const HRESULT further = below(theirs, id); FAILED(further)) return further;
    theirs.reset();
  }
  return S_OK;
}

HRESULT provider::load_subsystem(const life&, IUnknown* theirs, model::stamp, std::vector<VDS_NOTIFICATION>& news) {
  model::put_result put;
  HRESULT hr = read_and_put(VDS_OT_SUB_SYSTEM, theirs, provider_id(), put);
  if (FAILED(hr)) return hr;
  const guid id = put.object->id();
  if (put.what == model::change::arrived && objects_->announce(id))
    news.push_back(sdk::hardware_event(VDS_NF_SUB_SYSTEM_ARRIVE, id));
  else if (put.what == model::change::modified)
    news.push_back(sdk::hardware_event(VDS_NF_SUB_SYSTEM_MODIFY, id));

  const auto list = [&](VDS_OBJECT_TYPE kind, const guid& parent, const char* what, auto&& ask,
                        auto&&... below) -> HRESULT {
    com_ptr<IEnumVdsObject> found;
    HRESULT asked;
    {
      const limited_call limited(options_.load_limit);
      asked = answered(what, ask(found.put()));
    }
    // A provider without controllers may say so; that is no reason to hide its LUNs.
    if (asked == VDS_E_NOT_SUPPORTED || asked == E_NOTIMPL) return S_OK;
    return FAILED(asked) ? asked : load_list(kind, parent, std::move(found), news, below...);
  };
  com_ptr<IVdsSubSystem> subsystem;
  if (FAILED(hr = theirs->QueryInterface(__uuidof(IVdsSubSystem), subsystem.put_void()))) return hr;
  if (!subsystem) return E_UNEXPECTED;
  hr = list(
      VDS_OT_CONTROLLER, id, "IVdsSubSystem::QueryControllers",
      [&](IEnumVdsObject** out) { return subsystem->QueryControllers(out); },
      [&](const com_ptr<IUnknown>& controller, const guid& controller_id) -> HRESULT {
        if (!offers(VDS_OT_CONTROLLER, __uuidof(IVdsControllerControllerPort))) return S_OK;
        const auto ports = controller.as<IVdsControllerControllerPort>();
        if (!ports) return S_OK;
        return list(VDS_OT_PORT, controller_id, "IVdsControllerControllerPort::QueryControllerPorts",
                    [&](IEnumVdsObject** out) { return ports->QueryControllerPorts(out); });
      });
  if (FAILED(hr)) return hr;
  hr = list(VDS_OT_DRIVE, id, "IVdsSubSystem::QueryDrives",
            [&](IEnumVdsObject** out) { return subsystem->QueryDrives(out); });
  if (FAILED(hr)) return hr;
  hr =
      list(VDS_OT_LUN, id, "IVdsSubSystem::QueryLuns", [&](IEnumVdsObject** out) { return subsystem->QueryLuns(out); });
  if (FAILED(hr)) return hr;
  if (!offers(VDS_OT_SUB_SYSTEM, __uuidof(IVdsSubSystemIscsi))) return S_OK;
  const auto iscsi = com_ptr<IUnknown>(theirs).as<IVdsSubSystemIscsi>();
  if (!iscsi) return S_OK;
  hr = list(VDS_OT_PORTAL, id, "IVdsSubSystemIscsi::QueryPortals",
            [&](IEnumVdsObject** out) { return iscsi->QueryPortals(out); });
  if (FAILED(hr)) return hr;
  return list(
      VDS_OT_TARGET, id, "IVdsSubSystemIscsi::QueryTargets",
      [&](IEnumVdsObject** out) { return iscsi->QueryTargets(out); },
      [&](const com_ptr<IUnknown>& target, const guid& target_id) -> HRESULT {
        const auto typed = target.as<IVdsIscsiTarget>();
        if (!typed) return E_NOINTERFACE;
        return list(VDS_OT_PORTAL_GROUP, target_id, "IVdsIscsiTarget::QueryPortalGroups",
                    [&](IEnumVdsObject** out) { return typed->QueryPortalGroups(out); });
      });
}

HRESULT provider::load_tree(const life& l, bool announce) {
  const std::lock_guard one_at_a_time(loading_);
  const model::stamp since = objects_->begin_read();
  std::vector<VDS_NOTIFICATION> news;
  model::entry e;
  e.read = since;
  HRESULT hr;
  {
    const limited_call limited(options_.call_limit);
    hr = answered("IVdsProvider::GetProperties", reader::properties(VDS_OT_PROVIDER, l.object.get(), e));
  }
  if (FAILED(hr)) return hr;
  const guid id = e.id;
  if (const guid expected = provider_id(); expected && expected != id) {
    log::warn("provider {}: is registered as {} and calls itself {}", spec_.name, expected, id);
    return VDS_E_BAD_PROVIDER_DATA;
  }
  model::put_result put = objects_->put(std::move(e), shared_from_this());
  if (!put.object) return VDS_E_BAD_PROVIDER_DATA;
  {
    const std::lock_guard lock(mutex_);
    id_ = id;
  }
  {
    const std::lock_guard lock(offers_mutex_);
    offers_.clear();  // a new version may offer more
  }
  probe(VDS_OT_PROVIDER, l.object.get());
  const auto hardware = l.object.as<IVdsHwProvider>();
  if (!hardware) return VDS_E_PROVIDER_TYPE_NOT_SUPPORTED;
  com_ptr<IEnumVdsObject> list;
  {
    const limited_call limited(options_.load_limit);
    hr = answered("IVdsHwProvider::QuerySubSystems", hardware->QuerySubSystems(list.put()));
  }
  if (FAILED(hr)) return hr;
  if (!list) return E_UNEXPECTED;
  std::vector<com_ptr<IUnknown>> subsystems;
  {
    const limited_call limited(options_.load_limit);
    if (FAILED(hr = answered("IEnumVdsObject::Next", sdk::read_enum(list.get(), subsystems)))) return hr;
  }
  for (const com_ptr<IUnknown>& each : subsystems) {
    hr = load_subsystem(l, each.get(), since, news);
    if (FAILED(hr)) return hr;
  }
  // What was not shown is gone. Plexes are children of LUNs that were shown, and are looked at one by one.
  for (const model::known& gone : objects_->unseen(id, since)) {
    if (gone.kind == VDS_OT_LUN_PLEX || gone.kind == VDS_OT_STORAGE_POOL) continue;
    for (const VDS_NOTIFICATION& each : depart(gone.id)) news.push_back(each);
  }
  if (announce) publish(std::move(news));
  return S_OK;
}

void provider::resync() {
  const life l = current();
  if (l.number != 0) (void)load_tree(l, true);
}

void provider::complete(hw_object& which) {
  if (which.kind() != VDS_OT_LUN || which.deleted() || which.complete()) return;
  load_plexes(which);
}

void provider::load_plexes(hw_object& lun) {
  com_ptr<IVdsLun> theirs;
  const model::stamp since = objects_->begin_read();
  if (FAILED(bind(VDS_OT_LUN, lun.id(), __uuidof(IVdsLun), theirs.put_void()))) return;
  const unsigned begun = lun.begin_completing();  // before reading: a change meanwhile makes it incomplete again
  com_ptr<IEnumVdsObject> list;
  HRESULT hr;
  {
    const limited_call limited(options_.call_limit);
    hr = answered("IVdsLun::QueryPlexes", theirs->QueryPlexes(list.put()));
  }
  std::vector<VDS_NOTIFICATION> none;
  if (SUCCEEDED(hr)) hr = load_list(VDS_OT_LUN_PLEX, lun.id(), std::move(list), none);
  if (SUCCEEDED(hr))
    for (const model::known& gone : objects_->unseen(lun.id(), since)) (void)objects_->remove(gone.id);
  // Only now: whoever asked meanwhile has read for itself.
  if (SUCCEEDED(hr) || !outcome_unknown(hr)) lun.completed(begun);
}

// --- notifications

// Brings the model up to date with one event; false when listeners need not hear of it.
bool provider::apply_one(const VDS_NOTIFICATION& n, std::set<guid>& fresh) {
  const guid id = sdk::event_object(n);
  const ULONG event = sdk::event_code(n);
  const auto kind = static_cast<VDS_OBJECT_TYPE>(n.objectType);  // the numbers are the same for hardware
  if (!id || arrive_event(kind) == 0) {
    if (n.objectType == VDS_NTT_SERVICE && event == VDS_NF_SERVICE_OUT_OF_SYNC) resync();
    return false;
  }
  if (event == depart_event(kind)) {
    const com_ptr<hw_object> known = objects_->find(id, kind);
    if (known && &known->behind() != this) return false;  // somebody else's
    let_go(id);
    const bool removed = !objects_->remove(id).empty();
    const std::lock_guard lock(mutex_);
    return unannounced_.erase(id) != 0 || removed;  // the other way round than disappeared()
  }
  com_ptr<hw_object> known = objects_->find(id, kind);
  if (known && &known->behind() != this) return false;
  if (event == arrive_event(kind)) {
    if (!known) {
      const life l = current();
      com_ptr<IUnknown> theirs;
      model::put_result put;
      if (l.number == 0 || FAILED(fetch(l, kind, id, theirs)) || FAILED(read_and_put(kind, theirs.get(), {}, put)))
        return false;
      if (put.object->id() != id) return false;  // it says one thing and shows another
      fresh.insert(id);
      if (kind == VDS_OT_SUB_SYSTEM) resync();
    }
    const std::lock_guard lock(mutex_);
    unannounced_.erase(id);
    return objects_->announce(id);
  }
  if (!known) return false;
  // One reading serves every event about an object that came before it.
  if (fresh.insert(id).second) reread(kind, id);
  return true;
}

void provider::apply(std::vector<std::vector<VDS_NOTIFICATION>> batches) {
  std::set<guid> fresh;
  for (std::vector<VDS_NOTIFICATION>& batch : batches) {
    std::vector<VDS_NOTIFICATION> out;
    for (const VDS_NOTIFICATION& n : batch)
      if (apply_one(n, fresh)) out.push_back(n);
    // All events of one change stay in one call.
    publish(std::move(out));
  }
}

}  // namespace vds::service
