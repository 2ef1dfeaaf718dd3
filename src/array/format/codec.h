// codec.h: base/codec.h under the names that the array's formats use.
#pragma once

#include "base/codec.h"

namespace vds::array::format {

using codec::bytes;
using codec::reader;
using codec::writer;

}  // namespace vds::array::format
