// maintenance.h: IVdsMaintenance of drives and of the subsystem, whose light is that of all its drives. Internal to
// this folder. See docs/design/hardware-faces.md for what each operation means here.
#pragma once

#include "providers/array/edge.h"

namespace vds::array_provider {

enum class maintain : std::uint8_t { start, stop, pulse };

// `drive` nil: the subsystem.
inline HRESULT maintenance(const context_ptr& c, const guid& drive, maintain how, VDS_MAINTENANCE_OPERATION what,
                           ULONG count = 1) noexcept try {
  switch (what) {
    case BlinkLight:
    case BeepAlarm:
    case SpinDown:
    case SpinUp:
    case Ping:
      break;
    default:
      return E_INVALIDARG;
  }
  if (count == 0) return E_INVALIDARG;
  status done;
  if (what == BlinkLight) {
    using enum host::light;
    done = c->core->set_light(drive, how == maintain::start ? on : how == maintain::stop ? off : blinking, count);
  } else {
    done = c->core->ping(drive);
    // A file neither beeps nor spins.
    if (what != Ping && (done || done.error() == errc::unavailable)) return VDS_E_NOT_SUPPORTED;
    // What is stopped need not answer.
    if (how == maintain::stop && !done && done.error() == errc::unavailable) return S_OK;
  }
  return done ? S_OK : refused(done.error(), "maintenance", VDS_E_OBJECT_DELETED);
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::array_provider
