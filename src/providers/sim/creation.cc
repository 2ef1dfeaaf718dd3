// creation.cc: a CreateLun that takes its time, reports progress and may be cancelled until its last step.
#include "com/strings.h"
#include "providers/sim/world.h"

namespace vds::sim {

namespace {

constexpr unsigned steps = 10;

void end_well(world& w, const com_ptr<sdk::async_object>& async, const lun_wish& wish) {
  if (!async->state().forbid_cancel()) return;
  auto lun = w.array.create(wish);
  if (!lun) {
    async->finish(array_hresult(lun.error()));
    return;
  }
  // The event and the object belong together: first the object is reachable, then it is told.
  std::vector<VDS_NOTIFICATION> events{sdk::hardware_event(VDS_NF_LUN_ARRIVE, lun->id)};
  for (const auto& [drive, bytes] : lun->taken) events.push_back(sdk::hardware_event(VDS_NF_DRIVE_MODIFY, drive));
  const com_ptr<IVdsLun> object = make_lun(w, lun->id);
  async->finish_with(object.get(), lun->id);
  w.events.notify(std::move(events));
}

void step(world& w, const com_ptr<sdk::async_object>& async, const lun_wish& wish, unsigned at,
          std::chrono::milliseconds each) {
  if (async->state().ended()) return;  // cancelled
  if (at == steps) {
    end_well(w, async, wish);
    return;
  }
  async->progress(at * 100 / steps);
  async->phase("pretending", wish.size / steps * at, wish.size);
  w.later.after(each, [&w, async, wish, at, each] { step(w, async, wish, at + 1, each); });
}

}  // namespace

void play_creation(world& w, const com_ptr<sdk::async_object>& async, const lun_wish& wish) {
  // Nothing is taken before the last step, so a cancelled creation has nothing to undo and ends at once. The handler
  // lives in the object it names.
  sdk::async_object* self = async.get();
  self->state().on_cancel([self] {
    self->finish(VDS_E_OPERATION_CANCELED);
    return S_OK;
  });
  step(w, async, wish, 0, w.play.now().create / steps);
}

HRESULT array_hresult(const failure& why) {
  switch (why.code()) {
    case errc::no_space:
      return VDS_E_NOT_ENOUGH_SPACE;
    case errc::not_supported:
      return VDS_E_NOT_SUPPORTED;
    case errc::not_found:
      return VDS_E_OBJECT_NOT_FOUND;
    case errc::invalid_argument:
      return E_INVALIDARG;
    default:
      return VDS_E_PROVIDER_INTERNAL_ERROR;
  }
}

wchar_t* friendly_name(world& w, const std::string& name) {
  const std::size_t length = w.play.now().name_length;
  return co_task_string(length == 0 ? name : std::string(length, 'n'));
}

}  // namespace vds::sim
