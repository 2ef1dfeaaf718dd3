// enum_object.h: the enumeration that every Query method answers with: a snapshot, its order fixed, holding references.
// Next, Skip, Reset and Clone as IEnumVdsObject demands; Next takes a null count when one object is asked for, as most
// VDS programs do. Any thread; a clone shares the snapshot and has its own position.
#pragma once

#include <vector>

#include "com/com.h"
#include "com/com_ptr.h"

namespace vds::sdk {

com_ptr<IEnumVdsObject> make_enum(std::vector<com_ptr<IUnknown>> objects);

// Empties an enumeration into a vector, in batches. The enumerator may be a stranger's: null objects, counts beyond
// what was asked for and endless repetition end with E_UNEXPECTED, a failure of Next with its code.
HRESULT read_enum(IEnumVdsObject* from, std::vector<com_ptr<IUnknown>>& objects, std::size_t limit = 1'000'000);

}  // namespace vds::sdk
