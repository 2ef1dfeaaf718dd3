// calls.h: what the checks share: taking over what calls hand out, walking enumerations, and following an async object
// to its end while holding it to its rules.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/provider_check/report.h"
#include "apps/provider_check/session.h"
#include "com/memory.h"
#include "com/strings.h"

namespace vds::check {

// What is looked at where: shared by all checks of one run.
struct scene {
  session& at;
  report& say;
  com_ptr<IVdsProvider> provider;
  guid provider_id;
  com_ptr<IVdsSubSystem> subsystem;
  guid subsystem_id;
  std::vector<guid> drives;
  std::uint64_t lun_bytes = std::uint64_t{4} << 20;  // of the LUNs that the checks make
  std::chrono::seconds patience{30};                 // for an operation's end, for a list's
  bool given_up = false;  // it kept us waiting for good: what would wait for it again is left out
};

// Beyond any array, and within what a size may be.
inline constexpr ULONGLONG too_much = ULONGLONG{1} << 49;

inline const GUID nobody = {0xdecafbad, 0x0bad, 0x4bad, {0x8b, 0xad, 0xf0, 0x0d, 0xde, 0xad, 0xbe, 0xef}};

std::string take(LPWSTR text);  // and free; "" for null

// The objects of an enumeration, which is held to its own rules on the way (rows IEnumVdsObject::...).
std::vector<com_ptr<IUnknown>> all_of(scene& s, std::string_view method, IEnumVdsObject* list);
// Calls a Query method: success with a list, or a refusal. The objects.
std::vector<com_ptr<IUnknown>> query(scene& s, std::string_view method, HRESULT hr, com_ptr<IEnumVdsObject> list);

struct outcome {
  bool begun = false;  // an async object came
  HRESULT hr = E_UNEXPECTED;
  com_ptr<IUnknown> object;
};
// `hr` is what the method answered. Nothing is forgiven: type, object, percent, repeated Wait, Cancel at the end.
outcome finish(scene& s, std::string_view method, HRESULT hr, com_ptr<IVdsAsync> async, VDS_ASYNC_OUTPUT_TYPE type,
               std::initializer_list<HRESULT> allowed = {});
// Whether it ends at all; when it does not, the method is wrong and the run gives up.
bool ends(scene& s, std::string_view method, IVdsAsync* async);
// What came of a call that is to fail: its own code, or that of its operation.
HRESULT result_of(scene& s, std::string_view method, HRESULT asked, com_ptr<IVdsAsync> async);
// Of an async object: both ways of asking with nowhere to answer to.
void async_nulls(scene& s, IVdsAsync* async);

guid lun_id(IUnknown* lun);
std::uint64_t free_bytes(scene& s);  // over all drives
// Whether there is as much again; room may come back a moment after what took it is gone.
bool free_again(scene& s, std::uint64_t bytes);

void check_provider(scene& s);
void check_subsystem(scene& s);
void check_drives(scene& s);
void check_controllers(scene& s);
void check_luns(scene& s);
void check_plexes(scene& s, IVdsLun* lun);
void check_iscsi(scene& s);
void check_pools(scene& s);
void check_maintenance(scene& s, IUnknown* of);
// A LUN to try things with; null when none can be made. With the operation's id of the thread's call context.
com_ptr<IVdsLun> make_lun(scene& s, VDS_LUN_TYPE type = VDS_LT_SIMPLE);
void delete_lun(scene& s, IVdsLun* lun);

}  // namespace vds::check
