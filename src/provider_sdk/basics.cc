// basics.cc: ids, text, failures, enumerations and the async handle: the public face of base/, com/ and sdk/.
#include <algorithm>
#include <system_error>

#include "base/log.h"
#include "base/random.h"
#include "provider_sdk/inside.h"
#include "sdk/async_object.h"
#include "sdk/enum_object.h"

namespace vds::provider {

bool is_nil(const VDS_OBJECT_ID& id) noexcept { return !from_com(id); }
VDS_OBJECT_ID new_id() { return to_com(random_guid(system_random())); }
VDS_OBJECT_ID name_id(const VDS_OBJECT_ID& space, std::string_view name) {
  return to_com(name_guid(from_com(space), name));
}
std::string to_text(const VDS_OBJECT_ID& id) { return to_string(from_com(id)); }
std::optional<VDS_OBJECT_ID> parse_id(std::string_view text) noexcept {
  const auto parsed = parse_guid(text);
  return parsed ? std::optional(to_com(*parsed)) : std::nullopt;
}

wchar_t* co_string(std::string_view utf8) { return co_task_string(utf8); }
char* co_ansi(std::string_view text) {
  auto* out = static_cast<char*>(CoTaskMemAlloc(text.size() + 1));
  if (out == nullptr) throw std::bad_alloc();
  *std::copy(text.begin(), text.end(), out) = '\0';
  return out;
}
std::string to_utf8(const wchar_t* text) { return vds::to_utf8(text); }

HRESULT from_exception() noexcept {
  try {
    throw;
  } catch (const error& e) {
    return FAILED(e.code) ? e.code : E_UNEXPECTED;
  } catch (const std::system_error& e) {
    // What the system says about files and memory; filesystem_error is one of these.
    return to_hresult(failure_from_errno(e.code().value(), e.what()));
  } catch (...) {
    return hresult_from_exception();
  }
}

ptr<IEnumVdsObject> make_enum(objects of) {
  std::vector<com_ptr<IUnknown>> held;
  held.reserve(of.size());
  for (const ptr<IUnknown>& each : of) held.emplace_back(each.get());
  ptr<IEnumVdsObject> out;
  out.attach(sdk::make_enum(std::move(held)).detach());
  return out;
}

HRESULT hand_out(objects all, IEnumVdsObject** out) {
  *out = make_enum(std::move(all)).detach();
  return S_OK;
}

bool lun_type_ok(VDS_LUN_TYPE type) noexcept {
  return (type >= VDS_LT_DEFAULT && type <= VDS_LT_NON_FAULT_TOLERANT) ||
         (type >= VDS_LT_SIMPLE && type <= VDS_LT_RAID61);
}

HRESULT refuse_async(bool exists, IVdsAsync** out) noexcept {
  *out = nullptr;
  return exists ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED;
}

namespace {
// Every async handle was made by the library, over an object of its own.
sdk::async_object& of(const ptr<IVdsAsync>& held) { return static_cast<sdk::async_object&>(*held); }
}  // namespace

void async::progress(ULONG percent) const { of(held_).progress(percent); }
void async::phase(std::string_view words, ULONGLONG done, ULONGLONG total) const {
  of(held_).phase(std::string(words), done, total);
}
bool async::finish(HRESULT result) const { return of(held_).finish(result); }
bool async::finish_with(IUnknown* made, const VDS_OBJECT_ID& id) const {
  return of(held_).finish_with(made, from_com(id));
}
void async::allow_cancel() const { of(held_).state().allow_cancel(); }
bool async::forbid_cancel() const { return of(held_).state().forbid_cancel(); }
bool async::cancel_requested() const { return of(held_).state().cancel_requested(); }
IVdsAsync* async::copy() const { return held_.copy(); }

}  // namespace vds::provider
