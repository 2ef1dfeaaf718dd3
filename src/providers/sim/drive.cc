#include "com/hresult.h"
#include "com/implements.h"
#include "com/strings.h"
#include "providers/sim/world.h"

namespace vds::sim {

namespace {

class drive final : public implements<IVdsDrive> {
 public:
  drive(world& w, const guid& id) : w_(w), id_(id) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_DRIVE_PROP* out) noexcept override try {
    if (const auto told = w_.play.play("IVdsDrive::GetProperties")) return *told;
    if (out == nullptr) return E_INVALIDARG;
    *out = {};
    const auto is = w_.array.drive(id_);
    if (!is) return VDS_E_OBJECT_DELETED;
    out->id = to_com(id_);
    out->ullSize = is->size;
    out->pwszFriendlyName = friendly_name(w_, "sim-drive-" + std::to_string(is->slot));
    out->pwszIdentification = co_task_string(to_string(id_));
    out->ulFlags = is->used == 0 ? VDS_DRF_UNASSIGNED : VDS_DRF_ASSIGNED;
    out->status = VDS_DRS_ONLINE;
    out->health = VDS_H_HEALTHY;
    out->sSlotNumber = static_cast<SHORT>(is->slot);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsDrive::GetSubSystem")) return *told;
    *out = make_subsystem(w_).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryExtents(VDS_DRIVE_EXTENT** out, LONG* count) noexcept override try {
    if (out == nullptr || count == nullptr) return E_INVALIDARG;
    *out = nullptr;
    *count = 0;
    if (const auto told = w_.play.play("IVdsDrive::QueryExtents")) return *told;
    const auto is = w_.array.drive(id_);
    if (!is) return VDS_E_OBJECT_DELETED;
    std::vector<VDS_DRIVE_EXTENT> extents;
    for (const lun_state& lun : w_.array.luns())
      if (const auto part = lun.taken.find(id_); part != lun.taken.end())
        extents.push_back({.id = to_com(id_), .LunId = to_com(lun.id), .ullSize = part->second, .bUsed = TRUE});
    if (is->used < is->size)
      extents.push_back({.id = to_com(id_), .LunId = {}, .ullSize = is->size - is->used, .bUsed = FALSE});
    if (extents.empty()) return S_OK;
    *out = static_cast<VDS_DRIVE_EXTENT*>(CoTaskMemAlloc(extents.size() * sizeof(VDS_DRIVE_EXTENT)));
    if (*out == nullptr) return E_OUTOFMEMORY;
    std::copy(extents.begin(), extents.end(), *out);
    *count = static_cast<LONG>(extents.size());
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE SetFlags(ULONG) noexcept override {
    if (const auto told = w_.play.play("IVdsDrive::SetFlags")) return *told;
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE ClearFlags(ULONG) noexcept override {
    if (const auto told = w_.play.play("IVdsDrive::ClearFlags")) return *told;
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_DRIVE_STATUS) noexcept override {
    if (const auto told = w_.play.play("IVdsDrive::SetStatus")) return *told;
    return VDS_E_NOT_SUPPORTED;
  }

 private:
  world& w_;
  const guid id_;
};

}  // namespace

com_ptr<IVdsDrive> make_drive(world& w, const guid& id) { return make<drive>(w, id); }

}  // namespace vds::sim
