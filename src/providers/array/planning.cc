#include "providers/array/planning.h"

#include <map>

#include "providers/array/edge.h"

namespace vds::array_provider {

namespace {

VDSX_PLAN_STEP step(const guid& object, VDS_OBJECT_TYPE type, VDSX_PLAN_ACTION action) {
  VDSX_PLAN_STEP s{};
  s.objectId = to_com(object);
  s.objectType = type;
  s.action = action;
  return s;
}

VDSX_PLAN_STEP lun_step(const guid& lun, VDSX_PLAN_ACTION action, LONG before, LONG meanwhile, LONG after) {
  VDSX_PLAN_STEP s = step(lun, VDS_OT_LUN, action);
  s.lSurvivesBefore = before;
  s.lSurvivesMeanwhile = meanwhile;
  s.lSurvivesAfter = after;
  return s;
}

void give(const std::vector<VDSX_PLAN_STEP>& steps, VDSX_PLAN& out) {
  if (steps.empty()) return;
  out.pSteps = co_task_copy(std::span(steps));
  out.lNumberOfSteps = static_cast<LONG>(steps.size());
}

std::map<guid, std::uint64_t> room_of(const array::lun_info& lun) {
  std::map<guid, std::uint64_t> out;
  for (const auto& p : lun.plexes)
    for (const auto& e : p.extents) out[e.drive] += e.size.n;
  return out;
}

}  // namespace

HRESULT plan_create(const context_ptr& c, const create_arguments& a, const VDS_HINTS* hints, VDSX_PLAN* out) noexcept
    try {
  if (!out) return E_INVALIDARG;
  *out = {};
  array::lun_spec spec;
  if (a.size == 0) return E_INVALIDARG;
  if (const HRESULT hr = read_arguments(a, hints, spec); hr != S_OK) return hr;
  spec.size = {a.size};
  const auto check = c->core->check_order(spec);
  if (!check) return refused(check.error(), "planning a LUN", VDS_E_OBJECT_NOT_FOUND);
  if (*check != order_check::fine) {
    out->hrResult = to_hresult(*check);
    return S_OK;
  }
  const auto plan =
      c->core->call([&](array::array& arr) -> rt::task<result<array::lun_plan>> { co_return arr.plan_lun(spec); });
  if (!plan) {
    if (plan.error() == errc::closing) return code_of(plan.error(), VDS_E_OBJECT_NOT_FOUND);
    out->hrResult = code_of(plan.error(), VDS_E_OBJECT_NOT_FOUND);
    return S_OK;
  }
  std::vector<VDSX_PLAN_STEP> steps;
  // Freed room has been wiped before it is given out: nothing is written for a new LUN to read as zeros.
  steps.push_back(lun_step({}, VDSX_PA_CREATED, -1, -1, static_cast<LONG>(plan->survives_drive_losses)));
  for (const auto& s : plan->drives) {
    steps.push_back(step(s.drive, VDS_OT_DRIVE, VDSX_PA_CHANGED));
    steps.back().ullBytesTaken = s.size.n;
  }
  give(steps, *out);
  out->type = static_cast<VDS_LUN_TYPE>(plan->type);
  out->ullSizeInBytes = plan->size.n;
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT plan_delete(const context_ptr& c, const guid& lun, VDSX_PLAN* out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = {};
  const auto info = c->core->call([&](array::array& a) -> rt::task<result<array::lun_info>> { co_return a.lun(lun); });
  if (!info) return refused(info.error(), "planning to delete a LUN", VDS_E_OBJECT_NOT_FOUND);
  std::vector<VDSX_PLAN_STEP> steps;
  steps.push_back(lun_step(lun, VDSX_PA_DELETED, static_cast<LONG>(info->survives_drive_losses), -1, -1));
  for (const auto& [drive, bytes] : room_of(*info)) {
    steps.push_back(step(drive, VDS_OT_DRIVE, VDSX_PA_CHANGED));
    steps.back().ullBytesFreed = bytes;
    steps.back().ullBytesToWrite = bytes;  // with zeros, before it is given to others
  }
  give(steps, *out);
  out->type = static_cast<VDS_LUN_TYPE>(info->type);
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT plan_extend(const context_ptr& c, const guid& lun, ULONGLONG bytes, VDS_OBJECT_ID* drives, LONG count,
                    VDSX_PLAN* out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = {};
  std::vector<guid> ids;
  if (bytes == 0 || !read_ids(drives, count, ids)) return E_INVALIDARG;
  array::lun_info now;
  const auto plan = c->core->call([&](array::array& a) -> rt::task<result<array::lun_plan>> {
    auto info = a.lun(lun);
    if (!info) co_return std::move(info).error();
    now = std::move(*info);
    co_return a.plan_extension(lun, {bytes}, ids);
  });
  if (!plan && (!now.id || plan.error() == errc::closing))
    return refused(plan.error(), "planning to extend a LUN", VDS_E_OBJECT_NOT_FOUND);
  if (!plan) {
    out->hrResult =
        plan.error() == errc::too_large ? VDS_E_NOT_ENOUGH_SPACE : code_of(plan.error(), VDS_E_OBJECT_NOT_FOUND);
    return S_OK;
  }
  const auto survives = static_cast<LONG>(now.survives_drive_losses);
  std::vector<VDSX_PLAN_STEP> steps{lun_step(lun, VDSX_PA_CHANGED, survives, survives, survives)};
  for (const auto& s : plan->drives) {
    steps.push_back(step(s.drive, VDS_OT_DRIVE, VDSX_PA_CHANGED));
    steps.back().ullBytesTaken = s.size.n;
  }
  give(steps, *out);
  out->type = static_cast<VDS_LUN_TYPE>(plan->type);
  out->ullSizeInBytes = plan->size.n;
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT plan_replace(const context_ptr& c, const guid& source, const guid& target, VDSX_PLAN* out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = {};
  std::vector<VDSX_PLAN_STEP> steps;
  const auto planned = c->core->call([&](array::array& a) -> rt::task<status> {
    const auto from = a.drive(source), to = a.drive(target);
    if (!from) co_return from.error();
    if (!to) co_return to.error();
    std::uint64_t moved = 0;
    for (const auto& use : a.drive_uses(source)) {
      moved += use.size.n;
      const auto lun = a.lun(use.lun);
      if (!lun) continue;
      // Writes go to both places until the new one is complete; what was lost comes back with it.
      const auto now = static_cast<LONG>(lun->survives_drive_losses);
      const LONG after =
          lun->health == array::lun_health::degraded && from->state != array::drive_state::online ? now + 1 : now;
      steps.push_back(lun_step(use.lun, VDSX_PA_CHANGED, now, now, after));
    }
    for (const auto* drive : {&*from, &*to}) {
      steps.push_back(step(drive->id, VDS_OT_DRIVE, VDSX_PA_CHANGED));
      if (drive == &*from) {
        steps.back().ullBytesFreed = moved;
      } else {
        steps.back().ullBytesTaken = moved;
        steps.back().ullBytesToWrite = moved;
      }
    }
    co_return a.may_replace(source, target);
  });
  if (!planned && (steps.empty() || planned.error() == errc::closing))
    return refused(planned.error(), "planning to replace a drive", VDS_E_OBJECT_NOT_FOUND);
  if (!planned) {
    out->hrResult = planned.error() == errc::busy ? VDS_E_INVALID_OPERATION  // as ReplaceDrive
                                                  : code_of(planned.error(), VDS_E_OBJECT_NOT_FOUND);
    return S_OK;
  }
  give(steps, *out);
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::array_provider
