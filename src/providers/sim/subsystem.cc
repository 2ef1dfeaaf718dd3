// subsystem.cc: the sim's one array.
#include "com/hresult.h"
#include "com/implements.h"
#include "com/strings.h"
#include "providers/sim/world.h"

namespace vds::sim {

namespace {

bool is_lun_type(VDS_LUN_TYPE type) noexcept {
  return (type >= VDS_LT_DEFAULT && type <= VDS_LT_NON_FAULT_TOLERANT) ||
         (type >= VDS_LT_SIMPLE && type <= VDS_LT_RAID61);
}

class subsystem final : public implements<IVdsSubSystem> {
 public:
  explicit subsystem(world& w) : w_(w) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_SUB_SYSTEM_PROP* out) noexcept override try {
    if (const auto told = w_.play.play("IVdsSubSystem::GetProperties")) return *told;
    if (out == nullptr) return E_INVALIDARG;
    *out = {};
    out->id = to_com(w_.array.subsystem());
    out->pwszFriendlyName = friendly_name(w_, w_.name + " array");
    out->pwszIdentification = co_task_string(to_string(w_.array.subsystem()));
    out->ulFlags = VDS_SF_LUN_MASKING_CAPABLE | VDS_SF_DRIVE_EXTENT_CAPABLE | VDS_SF_SUPPORTS_FAULT_TOLERANT_LUNS |
                   VDS_SF_SUPPORTS_NON_FAULT_TOLERANT_LUNS | VDS_SF_SUPPORTS_SIMPLE_LUNS | VDS_SF_SUPPORTS_SPAN_LUNS |
                   VDS_SF_SUPPORTS_STRIPE_LUNS | VDS_SF_SUPPORTS_MIRROR_LUNS;
    out->status = VDS_SSS_ONLINE;
    out->health = VDS_H_HEALTHY;
    out->sNumberOfInternalBuses = 1;
    out->sMaxNumberOfSlotsEachBus = static_cast<SHORT>(w_.array.drives().size());
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetProvider(IVdsProvider** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsSubSystem::GetProvider")) return *told;
    *out = make_provider(w_).as<IVdsProvider>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryControllers(IEnumVdsObject** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsSubSystem::QueryControllers")) return *told;
    *out = make_played_enum(w_, {}).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryLuns(IEnumVdsObject** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsSubSystem::QueryLuns")) return *told;
    std::vector<com_ptr<IUnknown>> objects;
    for (const lun_state& lun : w_.array.luns()) objects.emplace_back(make_lun(w_, lun.id).get());
    *out = make_played_enum(w_, std::move(objects)).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryDrives(IEnumVdsObject** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsSubSystem::QueryDrives")) return *told;
    std::vector<com_ptr<IUnknown>> objects;
    for (const drive_state& drive : w_.array.drives()) objects.emplace_back(make_drive(w_, drive.id).get());
    *out = make_played_enum(w_, std::move(objects)).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetDrive(SHORT bus, SHORT slot, IVdsDrive** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsSubSystem::GetDrive")) return *told;
    for (const drive_state& drive : w_.array.drives()) {
      if (bus != 0 || slot < 0 || drive.slot != static_cast<unsigned>(slot)) continue;
      *out = make_drive(w_, drive.id).detach();
      return S_OK;
    }
    return VDS_E_OBJECT_NOT_FOUND;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override {
    if (const auto told = w_.play.play("IVdsSubSystem::Reenumerate")) return *told;
    return S_OK;
  }

  HRESULT STDMETHODCALLTYPE SetControllerStatus(VDS_OBJECT_ID*, LONG, VDS_OBJECT_ID*, LONG) noexcept override {
    if (const auto told = w_.play.play("IVdsSubSystem::SetControllerStatus")) return *told;
    return VDS_E_NOT_SUPPORTED;
  }

  HRESULT STDMETHODCALLTYPE CreateLun(VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID* drives, LONG count, LPWSTR mask,
                                      VDS_HINTS*, IVdsAsync** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsSubSystem::CreateLun")) return *told;
    if (size == 0 || !is_lun_type(type) || count < 0 || (count > 0 && drives == nullptr)) return E_INVALIDARG;
    lun_wish wish{.type = type, .size = size, .drives = {}, .unmasking_list = mask == nullptr ? "" : to_utf8(mask)};
    for (LONG n = 0; n < count; ++n) wish.drives.push_back(from_com(drives[n]));
    if (const status possible = w_.array.check(wish); !possible) return array_hresult(possible.error());
    if (com_ptr<IVdsAsync> crooked = make_crooked_async(w_, wish)) {
      *out = crooked.detach();
      return S_OK;
    }
    const auto begun = w_.operations.begin(sdk::current_operation(), VDS_ASYNCOUT_CREATELUN);
    if (!begun.async) return E_INVALIDARG;
    if (!begun.joined) play_creation(w_, begun.async, wish);
    *out = begun.async.copy();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE ReplaceDrive(VDS_OBJECT_ID, VDS_OBJECT_ID) noexcept override {
    if (const auto told = w_.play.play("IVdsSubSystem::ReplaceDrive")) return *told;
    return VDS_E_NOT_SUPPORTED;
  }

  HRESULT STDMETHODCALLTYPE SetStatus(VDS_SUB_SYSTEM_STATUS) noexcept override {
    if (const auto told = w_.play.play("IVdsSubSystem::SetStatus")) return *told;
    return VDS_E_NOT_SUPPORTED;
  }

  HRESULT STDMETHODCALLTYPE QueryMaxLunCreateSize(VDS_LUN_TYPE type, VDS_OBJECT_ID* drives, LONG count, VDS_HINTS*,
                                                  ULONGLONG* out) noexcept override try {
    if (const auto told = w_.play.play("IVdsSubSystem::QueryMaxLunCreateSize")) return *told;
    if (out == nullptr || !is_lun_type(type) || count < 0 || (count > 0 && drives == nullptr)) return E_INVALIDARG;
    std::vector<guid> ids;
    for (LONG n = 0; n < count; ++n) {
      ids.push_back(from_com(drives[n]));
      if (!w_.array.drive(ids.back())) return VDS_E_OBJECT_NOT_FOUND;
    }
    *out = w_.array.max_size(type, ids);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  world& w_;
};

}  // namespace

com_ptr<IVdsSubSystem> make_subsystem(world& w) { return make<subsystem>(w); }

}  // namespace vds::sim
