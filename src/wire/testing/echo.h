// echo.h: objects for tests that implement any interface by handing every call to one function.
#pragma once

#include <initializer_list>
#include <span>

#include "com/com_ptr.h"
#include "com/implements.h"
#include "wire/orpc/interface.h"

namespace vds::wire::testing {

// Runs for every call on every echo object; on the thread that the stub chose.
using echo_handler = std::function<HRESULT(const interface_info& info, const ndr::method& m, const ndr::arguments& a)>;
void set_echo_handler(echo_handler handler);
HRESULT echo_call(const uuid& iid, std::uint32_t slot, std::initializer_list<void*> parameters);
std::size_t live_echoes();
extern std::atomic<std::size_t> echo_count;

template <class I>
class echo_of : public implements<I> {
 public:
  echo_of() { ++echo_count; }
  ~echo_of() override { --echo_count; }

 protected:
  HRESULT call(std::uint32_t slot, std::initializer_list<void*> parameters) {
    return echo_call(to_uuid(__uuidof(I)), slot, parameters);
  }
};

struct echo_row {
  uuid iid;
  com_ptr<IUnknown> (*make)();
};
template <class Echo>
com_ptr<IUnknown> make_echo() {
  return make<Echo>();
}

// An object with the interface; for IUnknown, any.
com_ptr<IUnknown> make_echo_object(const uuid& iid);

}  // namespace vds::wire::testing
