#include "service/testing/fake_provider.h"

#include <thread>

#include "base/clock.h"
#include "base/random.h"
#include "com/call_context.h"
#include "com/implements.h"
#include "com/strings.h"
#include "sdk/enum_object.h"
#include "sdk/notifier.h"

namespace vds::service::testing {
namespace {

using array_ptr = std::shared_ptr<fake_array>;
guid named(const std::string& name, const char* what) { return name_guid(guid{{7}}, name + what); }

// Every method that a test needs asks first whether the test has something against it.
#define MAY(method)                                                                   \
  do {                                                                                \
    if (const HRESULT vds_may = array_->may(method); FAILED(vds_may)) return vds_may; \
  } while (0)

class fake_plex final : public implements<IVdsLunPlex> {
 public:
  fake_plex(array_ptr array, const guid& lun) : array_(std::move(array)), lun_(lun) {}
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_LUN_PLEX_PROP* p) noexcept override {
    MAY("GetProperties");
    *p = {};
    p->id = to_com(named(to_string(lun_), "plex"));
    p->type = VDS_LPT_SIMPLE;
    p->status = VDS_LPS_ONLINE;
    p->health = VDS_H_HEALTHY;
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE GetLun(IVdsLun** out) noexcept override {
    const auto lun = array_->object(lun_, VDS_OT_LUN);
    return lun ? lun->QueryInterface(__uuidof(IVdsLun), reinterpret_cast<void**>(out)) : VDS_E_OBJECT_DELETED;
  }
  HRESULT STDMETHODCALLTYPE QueryExtents(VDS_DRIVE_EXTENT**, LONG*) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE QueryHints(VDS_HINTS*) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE ApplyHints(VDS_HINTS*) noexcept override { return VDS_E_NOT_SUPPORTED; }

 private:
  const array_ptr array_;
  const guid lun_;
};

class fake_lun final : public implements<IVdsLun, IVdsLunNaming> {
 public:
  fake_lun(array_ptr array, const guid& id) : array_(std::move(array)), id_(id) {}
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_LUN_PROP* p) noexcept override {
    MAY("GetProperties");
    *p = {};
    const std::lock_guard lock(array_->mutex);
    const auto at = array_->luns.find(id_);
    if (at == array_->luns.end()) return VDS_E_OBJECT_DELETED;
    p->id = to_com(id_);
    p->ullSize = at->second.size;
    p->type = VDS_LT_SIMPLE;
    p->status = VDS_LS_ONLINE;
    p->health = VDS_H_HEALTHY;
    p->pwszFriendlyName = co_task_string(at->second.name);
    p->pwszUnmaskingList = co_task_string(at->second.mask);
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override {
    return array_->object(array_->subsystem_id, VDS_OT_SUB_SYSTEM)
        ->QueryInterface(__uuidof(IVdsSubSystem), reinterpret_cast<void**>(out));
  }
  HRESULT STDMETHODCALLTYPE GetIdentificationData(VDS_LUN_INFORMATION*) noexcept override {
    MAY("GetIdentificationData");
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE QueryActiveControllers(IEnumVdsObject** out) noexcept override {
    MAY("QueryActiveControllers");
    *out = nullptr;
    return S_OK;  // a lie: no enumeration
  }
  HRESULT STDMETHODCALLTYPE Extend(ULONGLONG bytes, VDS_OBJECT_ID*, LONG, IVdsAsync** out) noexcept override {
    MAY("Extend");
    const auto begun = array_->operations->begin(sdk::current_operation(), VDS_ASYNCOUT_EXTENDLUN);
    if (!begun.joined) {
      {
        const std::lock_guard lock(array_->mutex);
        array_->luns[id_].size += bytes;
      }
      begun.async->finish(S_OK);
    }
    *out = com_ptr<IVdsAsync>(begun.async).detach();
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE Shrink(ULONGLONG, IVdsAsync**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE QueryPlexes(IEnumVdsObject** out) noexcept override {
    MAY("QueryPlexes");
    *out = sdk::make_enum({com_ptr<IVdsLunPlex>(make<fake_plex>(array_, id_))}).detach();
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE AddPlex(VDS_OBJECT_ID, IVdsAsync**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE RemovePlex(VDS_OBJECT_ID, IVdsAsync**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE Recover(IVdsAsync**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE SetMask(LPWSTR mask) noexcept override {
    MAY("SetMask");
    const std::lock_guard lock(array_->mutex);
    array_->luns[id_].mask = to_utf8(mask);
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE Delete() noexcept override {
    MAY("Delete");
    {
      const std::lock_guard lock(array_->mutex);
      if (array_->luns.erase(id_) == 0) return VDS_E_OBJECT_DELETED;
    }
    array_->notify(
        {sdk::hardware_event(VDS_NF_LUN_DEPART, id_), sdk::hardware_event(VDS_NF_DRIVE_MODIFY, array_->drive_id)});
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE AssociateControllers(VDS_OBJECT_ID*, LONG, VDS_OBJECT_ID*, LONG) noexcept override {
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE QueryHints(VDS_HINTS* h) noexcept override {
    MAY("QueryHints");
    *h = {};
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE ApplyHints(VDS_HINTS*) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_LUN_STATUS) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE QueryMaxLunExtendSize(VDS_OBJECT_ID*, LONG, ULONGLONG*) noexcept override {
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE SetFriendlyName(LPWSTR name) noexcept override {
    const std::lock_guard lock(array_->mutex);
    array_->luns[id_].name = to_utf8(name);
    return S_OK;
  }

 private:
  const array_ptr array_;
  const guid id_;
};

class fake_drive final : public implements<IVdsDrive> {
 public:
  explicit fake_drive(array_ptr array) : array_(std::move(array)) {}
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_DRIVE_PROP* p) noexcept override {
    MAY("GetProperties");
    *p = {};
    p->id = to_com(array_->drive_id);
    p->ullSize = 1ULL << 40;
    p->status = VDS_DRS_ONLINE;
    p->health = VDS_H_HEALTHY;
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE QueryExtents(VDS_DRIVE_EXTENT** out, LONG* n) noexcept override {
    MAY("QueryExtents");
    *out = nullptr;
    *n = 5;  // a lie: five of nothing
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE SetFlags(ULONG) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE ClearFlags(ULONG) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_DRIVE_STATUS) noexcept override { return VDS_E_NOT_SUPPORTED; }

 private:
  const array_ptr array_;
};

class fake_subsystem final : public implements<IVdsSubSystem> {
 public:
  explicit fake_subsystem(array_ptr array) : array_(std::move(array)) {}
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_SUB_SYSTEM_PROP* p) noexcept override {
    MAY("GetProperties");
    *p = {};
    p->id = to_com(array_->subsystem_id);
    p->pwszFriendlyName = co_task_string(array_->name);
    p->status = VDS_SSS_ONLINE;
    p->health = VDS_H_HEALTHY;
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE GetProvider(IVdsProvider**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE QueryControllers(IEnumVdsObject**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE QueryLuns(IEnumVdsObject** out) noexcept override {
    MAY("QueryLuns");
    std::vector<com_ptr<IUnknown>> all;
    {
      const std::lock_guard lock(array_->mutex);
      for (const auto& [id, l] : array_->luns) all.emplace_back(com_ptr<IVdsLun>(make<fake_lun>(array_, id)));
    }
    *out = sdk::make_enum(std::move(all)).detach();
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE QueryDrives(IEnumVdsObject** out) noexcept override {
    MAY("QueryDrives");
    *out = sdk::make_enum({com_ptr<IVdsDrive>(make<fake_drive>(array_))}).detach();
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE GetDrive(SHORT, SHORT slot, IVdsDrive** out) noexcept override {
    MAY("GetDrive");
    *out = slot == 0 ? com_ptr<IVdsDrive>(make<fake_drive>(array_)).detach() : nullptr;
    return S_OK;  // for other slots a lie: no drive
  }
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override { return S_OK; }
  HRESULT STDMETHODCALLTYPE SetControllerStatus(VDS_OBJECT_ID*, LONG, VDS_OBJECT_ID*, LONG) noexcept override {
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE CreateLun(VDS_LUN_TYPE, ULONGLONG size, VDS_OBJECT_ID*, LONG, LPWSTR, VDS_HINTS*,
                                      IVdsAsync** out) noexcept override {
    MAY("CreateLun");
    if (const auto instead = array_->create.get()) return (*instead)(out);
    const auto begun = array_->operations->begin(sdk::current_operation(), VDS_ASYNCOUT_CREATELUN);
    if (!begun.joined) {
      if (array_->finish_at_once) {
        array_->finish_create(begun.async, size);
      } else {
        const std::lock_guard lock(array_->mutex);
        array_->open.push_back(begun.async);
      }
    }
    *out = com_ptr<IVdsAsync>(begun.async).detach();
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE ReplaceDrive(VDS_OBJECT_ID, VDS_OBJECT_ID) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_SUB_SYSTEM_STATUS) noexcept override {
    MAY("SetStatus");
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE QueryMaxLunCreateSize(VDS_LUN_TYPE, VDS_OBJECT_ID*, LONG, VDS_HINTS*,
                                                  ULONGLONG* out) noexcept override {
    MAY("QueryMaxLunCreateSize");
    *out = 123;
    return S_OK;
  }

 private:
  const array_ptr array_;
};

class fake_provider final : public implements<IVdsProvider, IVdsHwProvider, IVdsProviderPrivate> {
 public:
  explicit fake_provider(array_ptr array) : array_(std::move(array)) {}
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_PROVIDER_PROP* p) noexcept override {
    MAY("Ping");
    *p = {};
    p->id = to_com(array_->provider_id);
    p->pwszName = co_task_string(array_->name);
    p->type = VDS_PT_HARDWARE;
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE QuerySubSystems(IEnumVdsObject** out) noexcept override {
    MAY("QuerySubSystems");
    *out = sdk::make_enum({com_ptr<IVdsSubSystem>(make<fake_subsystem>(array_))}).detach();
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override { return S_OK; }
  HRESULT STDMETHODCALLTYPE Refresh() noexcept override {
    MAY("Refresh");
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE GetObject(VDS_OBJECT_ID id, VDS_OBJECT_TYPE type, IUnknown** out) noexcept override {
    MAY("GetObject");
    com_ptr<IUnknown> found = array_->object(from_com(id), type);
    *out = found.detach();
    return *out != nullptr ? S_OK : VDS_E_OBJECT_NOT_FOUND;
  }
  HRESULT STDMETHODCALLTYPE OnLoad(LPWSTR, IUnknown* callback) noexcept override {
    MAY("OnLoad");
    const std::lock_guard lock(array_->mutex);
    array_->sink = com_ptr<IUnknown>(callback).as<IVdsAdviseSink>();
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE OnUnload(BOOL) noexcept override {
    const std::lock_guard lock(array_->mutex);
    array_->sink.reset();
    return S_OK;
  }

 protected:
  HRESULT query_more(REFIID iid, void** out) noexcept override;

 private:
  const array_ptr array_;
};

class fake_operations final : public implements<IVdsxProviderOperations> {
 public:
  explicit fake_operations(array_ptr array) : array_(std::move(array)) {}
  HRESULT STDMETHODCALLTYPE QueryOperation(VDS_OBJECT_ID id, VDSX_OPERATION_OUTCOME* out) noexcept override {
    MAY("QueryOperation");
    return array_->operations->query(id, out);
  }
  HRESULT STDMETHODCALLTYPE OpenOperation(VDS_OBJECT_ID id, IVdsAsync** out) noexcept override {
    return array_->operations->open(id, out);
  }
  HRESULT STDMETHODCALLTYPE ForgetOperation(VDS_OBJECT_ID id) noexcept override {
    MAY("ForgetOperation");
    return array_->operations->forget(id);
  }

 private:
  const array_ptr array_;
};

HRESULT fake_provider::query_more(REFIID iid, void** out) noexcept {
  if (iid != __uuidof(IVdsxProviderOperations) || !array_->tells_outcomes) return E_NOINTERFACE;
  return make<fake_operations>(array_)->QueryInterface(iid, out);
}

class fake_connection final : public provider_connection {
 public:
  fake_connection(com_ptr<IUnknown> object, std::function<void()> kill)
      : object_(std::move(object)), kill_(std::move(kill)) {}
  IUnknown* object() override { return object_.get(); }
  unsigned pid() const override { return 4711; }
  void kill() override { kill_(); }

 private:
  const com_ptr<IUnknown> object_;
  const std::function<void()> kill_;
};

}  // namespace

fake_array::fake_array(std::string n)
    : name(std::move(n)),
      provider_id(named(name, "provider")),
      subsystem_id(named(name, "subsystem")),
      drive_id(named(name, "drive")) {}

com_ptr<IUnknown> fake_array::provider() { return com_ptr<IVdsProvider>(make<fake_provider>(shared_from_this())); }

HRESULT fake_array::may(const char* method) {
  ++calls;
  const auto first = before.get();
  return first ? (*first)(method) : S_OK;
}

HRESULT fake_array::hang() {
  if (const auto until = current_call().deadline) std::this_thread::sleep_until(*until);
  return RPC_E_TIMEOUT;
}

com_ptr<IUnknown> fake_array::object(const guid& id, VDS_OBJECT_TYPE type) {
  if (type == VDS_OT_SUB_SYSTEM && id == subsystem_id)
    return com_ptr<IVdsSubSystem>(make<fake_subsystem>(shared_from_this()));
  if (type == VDS_OT_DRIVE && id == drive_id) return com_ptr<IVdsDrive>(make<fake_drive>(shared_from_this()));
  const std::lock_guard lock(mutex);
  if (type == VDS_OT_LUN && luns.contains(id)) return com_ptr<IVdsLun>(make<fake_lun>(shared_from_this(), id));
  return {};
}

guid fake_array::add_lun(ULONGLONG size) {
  lun l;
  l.id = random_guid(system_random());
  l.size = size;
  const std::lock_guard lock(mutex);
  luns.emplace(l.id, l);
  return l.id;
}

void fake_array::remove_lun(const guid& id) {
  const std::lock_guard lock(mutex);
  luns.erase(id);
}

void fake_array::finish_create(const com_ptr<sdk::async_object>& async, ULONGLONG size) {
  const guid id = add_lun(size);
  ++created;
  notify({sdk::hardware_event(VDS_NF_LUN_ARRIVE, id), sdk::hardware_event(VDS_NF_DRIVE_MODIFY, drive_id)});
  async->finish_with(object(id, VDS_OT_LUN).get(), id);
}

void fake_array::notify(std::vector<VDS_NOTIFICATION> events) {
  com_ptr<IVdsAdviseSink> to;
  {
    const std::lock_guard lock(mutex);
    to = sink;
  }
  if (to) to->OnNotify(static_cast<LONG>(events.size()), events.data());
}

fake_launcher::~fake_launcher() {
  for (const auto& [name, array] : arrays_) array->crash();
}

void fake_array::crash() {
  std::vector<com_ptr<sdk::async_object>> dropped;
  std::unique_ptr<sdk::operation_table> table = std::make_unique<sdk::operation_table>();
  com_ptr<IVdsAdviseSink> gone;
  const std::lock_guard lock(mutex);
  dropped.swap(open);
  operations.swap(table);
  std::swap(gone, sink);
}

// --- the launcher

void fake_launcher::add(const std::shared_ptr<fake_array>& array) {
  const std::lock_guard lock(mutex_);
  arrays_[array->name] = array;
}

provider_spec fake_launcher::spec(const std::string& name) const {
  provider_spec s;
  s.name = name;
  s.clsid = guid{{5}};
  return s;
}

result<std::unique_ptr<provider_connection>> fake_launcher::launch(const provider_spec& spec,
                                                                   std::function<void(std::string why)> on_lost) {
  ++launches;
  if (fails) return failure(errc::unavailable, "the program ended with status 3");
  const std::lock_guard lock(mutex_);
  const auto at = arrays_.find(spec.name);
  if (at == arrays_.end()) return failure(errc::not_found, "no such program");
  lost_[spec.name] = std::move(on_lost);
  return std::unique_ptr<provider_connection>(
      new fake_connection(at->second->provider(), [this, name = spec.name] { lose(name, "killed"); }));
}

void fake_launcher::lose(const std::string& name, const std::string& why) {
  std::function<void(std::string)> tell;
  {
    const std::lock_guard lock(mutex_);
    tell.swap(lost_[name]);
  }
  if (tell) tell(why);
}

}  // namespace vds::service::testing
