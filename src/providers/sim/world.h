// world.h: what the sim's COM objects share. They borrow it: whoever makes the provider keeps the world until the last
// object is released, and ends it with stop().
#pragma once

#include <atomic>
#include <string>

#include "base/random.h"
#include "com/com_ptr.h"
#include "providers/sim/director.h"
#include "providers/sim/model.h"
#include "providers/sim/timeline.h"
#include "sdk/notifier.h"
#include "sdk/operation_table.h"

namespace vds::sim {

struct world {
  world(const guid& id, std::string provider_name, script fixed, std::string script_file, random_source& random)
      : provider_id(id),
        name(std::move(provider_name)),
        play(std::move(fixed), std::move(script_file)),
        array(id, play.now(), random) {}

  // Calls that hang come back, nothing further happens by itself.
  void stop() {
    play.stop();
    events.stop();
  }

  const guid provider_id;
  const std::string name;
  director play;
  model array;
  std::atomic<bool> loaded = false;
  sdk::notifier events;
  sdk::operation_table operations;
  timeline later;  // last: its thread ends before what it works on
};

// In sizes that a script may demand: `name` itself, or as many characters as told.
wchar_t* friendly_name(world& w, const std::string& name);

// The one place where the array's failures become VDS's numbers.
HRESULT array_hresult(const failure& why);

com_ptr<IUnknown> make_provider(world& w);  // IVdsProvider, IVdsHwProvider, IVdsProviderPrivate, ...
com_ptr<IVdsSubSystem> make_subsystem(world& w);
com_ptr<IVdsDrive> make_drive(world& w, const guid& id);
com_ptr<IVdsLun> make_lun(world& w, const guid& id);
// An enumeration, as honest as the script wants it.
com_ptr<IEnumVdsObject> make_played_enum(world& w, std::vector<com_ptr<IUnknown>> objects);
// Null when the script is honest about async objects.
com_ptr<IVdsAsync> make_crooked_async(world& w, const lun_wish& wish);
// The honest work of CreateLun, in the time the script gives it.
void play_creation(world& w, const com_ptr<sdk::async_object>& async, const lun_wish& wish);

}  // namespace vds::sim
