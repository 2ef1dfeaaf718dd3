#include "wire/testing/echo.h"

#include <unordered_map>

#include "wire/orpc/ids.h"

namespace vds::wire {

namespace generated {
void each_echo(void (*visit)(std::span<const testing::echo_row>));
}

namespace testing {

std::atomic<std::size_t> echo_count = 0;

namespace {
echo_handler the_handler;

std::unordered_map<uuid, com_ptr<IUnknown> (*)()>& makers() {
  static std::unordered_map<uuid, com_ptr<IUnknown> (*)()> all;
  return all;
}
}  // namespace

std::size_t live_echoes() { return echo_count; }
void set_echo_handler(echo_handler handler) { the_handler = std::move(handler); }

HRESULT echo_call(const uuid& iid, std::uint32_t slot, std::initializer_list<void*> parameters) {
  const interface_info* info = find_interface(iid);
  ndr::arguments a{};
  std::copy(parameters.begin(), parameters.end(), a.begin());
  return the_handler ? the_handler(*info, *info->method_at(slot), a) : E_NOTIMPL;
}

com_ptr<IUnknown> make_echo_object(const uuid& iid) {
  if (makers().empty())
    generated::each_echo([](std::span<const echo_row> rows) {
      for (const echo_row& row : rows) makers().emplace(row.iid, row.make);
    });
  const auto it = iid == iid_unknown ? makers().begin() : makers().find(iid);
  return it == makers().end() ? nullptr : it->second();
}

}  // namespace testing
}  // namespace vds::wire
