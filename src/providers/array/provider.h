// provider.h: the array provider as the world sees it: one COM object, IVdsProvider, IVdsHwProvider and their private
// companions, over a host. It may be handed to one service after another; the array goes on in between.
#pragma once

#include <memory>

#include "com/com.h"
#include "com/com_ptr.h"
#include "providers/array/host.h"

namespace vds::array_provider {

// {5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a01}, ...02
inline constexpr CLSID clsid = {0x5c1d5c1e, 0x3f53, 0x4b7e, {0x9d, 0x0c, 0x0b, 0x6f, 0x6d, 0x1f, 0x7a, 0x01}};
inline constexpr VDS_OBJECT_ID provider_id = {
    0x5c1d5c1e, 0x3f53, 0x4b7e, {0x9d, 0x0c, 0x0b, 0x6f, 0x6d, 0x1f, 0x7a, 0x02}};

com_ptr<IUnknown> make_provider(std::shared_ptr<host> core);

}  // namespace vds::array_provider
