#include "apps/provider_check/calls.h"

#include <fmt/format.h>

#include <thread>

#include "com/hresult.h"

namespace vds::check {
namespace {

constexpr std::size_t most_objects = 200'000;
constexpr auto soon = std::chrono::seconds(5);

bool has_object(VDS_ASYNC_OUTPUT_TYPE type) {
  return type == VDS_ASYNCOUT_CREATELUN || type == VDS_ASYNCOUT_CREATETARGET || type == VDS_ASYNCOUT_CREATEPORTALGROUP;
}

com_ptr<IUnknown> take_object(VDS_ASYNC_OUTPUT& out) {
  IUnknown* held = nullptr;
  switch (out.type) {
    case VDS_ASYNCOUT_CREATELUN:
      held = out.cl.pLunUnk;
      break;
    case VDS_ASYNCOUT_CREATETARGET:
      held = out.ct.pTargetUnk;
      break;
    case VDS_ASYNCOUT_CREATEPORTALGROUP:
      held = out.cpg.pPortalGroupUnk;
      break;
    default:
      break;
  }
  com_ptr<IUnknown> taken;
  taken.attach(held);
  return taken;
}

std::string hex(HRESULT hr) {
  const std::string_view name = hresult_name(hr);
  return name.empty() ? fmt::format("{:#010x}", static_cast<ULONG>(hr)) : std::string(name);
}

// Skip, Reset and Clone of a list of `n` objects, whose Next was just gone through.
void enumerator_rules(scene& s, IEnumVdsObject* list, const std::vector<com_ptr<IUnknown>>& objects) {
  report& say = s.say;
  const auto n = static_cast<ULONG>(objects.size());
  com_ptr<IUnknown> one;
  ULONG got = 7;
  say.must("IEnumVdsObject::Next", list->Next(1, one.put(), &got) == S_FALSE && got == 0 && !one,
           "does not answer S_FALSE and nothing at the end");
  say.nulls("IEnumVdsObject::Next", list->Next(2, nullptr, &got));
  say.works("IEnumVdsObject::Reset", list->Reset());
  com_ptr<IEnumVdsObject> twin;
  say.nulls("IEnumVdsObject::Clone", list->Clone(nullptr));
  if (say.works("IEnumVdsObject::Clone", list->Clone(twin.put())))
    say.must("IEnumVdsObject::Clone", static_cast<bool>(twin), "succeeds with a null pointer");
  if (n == 0) {
    say.must("IEnumVdsObject::Skip", list->Skip(1) == S_FALSE, "of an empty list does not answer S_FALSE");
    say.works("IEnumVdsObject::Skip", list->Skip(0));
    return;
  }
  say.works("IEnumVdsObject::Skip", list->Skip(n - 1));
  // The count may be left out when one object is asked for, as most programs do.
  if (say.must("IEnumVdsObject::Next", list->Next(1, one.put(), nullptr) == S_OK && one,
               "with a null count does not give the last object after Skip"))
    say.must("IEnumVdsObject::Skip", same_object(one.get(), objects.back().get()),
             "then Next gives another object than before Reset");
  say.must("IEnumVdsObject::Skip", list->Skip(1) == S_FALSE, "beyond the end does not answer S_FALSE");
  if (!twin) return;
  // The clone stands where the original stood then: at the beginning.
  say.must("IEnumVdsObject::Clone",
           twin->Next(1, one.put(), &got) == S_OK && got == 1 && same_object(one.get(), objects.front().get()),
           "does not stand where the original stood");
}

}  // namespace

std::string take(LPWSTR text) {
  std::string out = to_utf8(text);
  CoTaskMemFree(text);
  return out;
}

std::vector<com_ptr<IUnknown>> all_of(scene& s, std::string_view method, IEnumVdsObject* list) {
  std::vector<com_ptr<IUnknown>> out;
  if (s.given_up) return out;
  constexpr ULONG batch = 64;
  const auto until = std::chrono::steady_clock::now() + s.patience;
  for (;;) {
    IUnknown* some[batch] = {};
    ULONG got = 0;
    const HRESULT hr = list->Next(batch, some, &got);
    if (!s.say.works("IEnumVdsObject::Next", hr)) return out;
    bool nulls = false;
    for (ULONG i = 0; i < got && i < batch; ++i) {
      com_ptr<IUnknown> held;
      held.attach(some[i]);
      nulls |= !held;
      if (held) out.push_back(std::move(held));
    }
    if (!s.say.must(method, got <= batch, "enumerates more objects than were asked for") ||
        !s.say.must(method, !nulls, "enumerates null pointers") ||
        !s.say.must(method, (hr == S_OK) == (got == batch), "its list answers S_OK for fewer objects than asked for"))
      return out;
    s.given_up = out.size() >= most_objects || std::chrono::steady_clock::now() >= until;
    if (!s.say.must(method, !s.given_up, "its list does not end")) return out;
    if (hr != S_OK) break;
  }
  for (std::size_t a = 0; a < out.size() && a < 64; ++a)
    for (std::size_t b = a + 1; b < out.size() && b < 64; ++b)
      s.say.must(method, !same_object(out[a].get(), out[b].get()), "lists an object twice");
  enumerator_rules(s, list, out);
  return out;
}

std::vector<com_ptr<IUnknown>> query(scene& s, std::string_view method, HRESULT hr, com_ptr<IEnumVdsObject> list) {
  if (!s.say.works(method, hr)) return {};
  if (!s.say.must(method, static_cast<bool>(list), "succeeds with a null pointer")) return {};
  return all_of(s, method, list.get());
}

void async_nulls(scene& s, IVdsAsync* async) {
  HRESULT result = S_OK;
  ULONG percent = 0;
  s.say.nulls("IVdsAsync::QueryStatus", async->QueryStatus(nullptr, &percent));
  s.say.nulls("IVdsAsync::QueryStatus", async->QueryStatus(&result, nullptr));
}

outcome finish(scene& s, std::string_view method, HRESULT hr, com_ptr<IVdsAsync> async, VDS_ASYNC_OUTPUT_TYPE type,
               std::initializer_list<HRESULT> allowed) {
  report& say = s.say;
  outcome out;
  out.hr = hr;
  if (!say.works(method, hr, allowed)) {
    say.must(method, !async, "fails and hands out an async object");
    return out;
  }
  if (!say.must(method, static_cast<bool>(async), "succeeds with a null async object")) return out;
  out.begun = true;
  async_nulls(s, async.get());
  const auto until = std::chrono::steady_clock::now() + s.patience;
  ULONG before = 0;
  HRESULT result = VDS_E_OPERATION_PENDING;
  for (;;) {
    ULONG percent = 0;
    result = VDS_E_OPERATION_PENDING;
    if (!say.works("IVdsAsync::QueryStatus", async->QueryStatus(&result, &percent), {VDS_E_OPERATION_PENDING}))
      return out;
    const bool running = result == VDS_E_OPERATION_PENDING;
    if (running || SUCCEEDED(result)) say.must(method, percent >= before, "its progress goes back");
    if (running) say.must(method, percent < 100, "its progress is 100 or more before the end");
    before = percent;
    if (!running) {
      if (SUCCEEDED(result)) say.must(method, percent == 100, "its progress is not 100 after success");
      break;
    }
    if (std::chrono::steady_clock::now() > until) {
      say.wrong(method, "its operation does not end");
      s.given_up = true;
      out.hr = VDS_E_TIMEOUT;
      return out;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  com_ptr<IUnknown> again;
  for (const bool first : {true, false}) {
    VDS_ASYNC_OUTPUT output{};
    HRESULT told = E_UNEXPECTED;
    if (!say.works("IVdsAsync::Wait", async->Wait(&told, &output))) {
      say.wrong(method, "Wait fails");
      return out;
    }
    com_ptr<IUnknown> object = take_object(output);
    say.must(method, told == result, fmt::format("Wait says {}, QueryStatus {}", hex(told), hex(result)));
    say.must(method, output.type == type, fmt::format("its output is of type {} instead of {}", output.type, type));
    say.must(method, SUCCEEDED(told) || !object, "fails and hands out an object");
    if (SUCCEEDED(told) && has_object(type)) say.must(method, static_cast<bool>(object), "ends well without an object");
    (first ? out.object : again) = std::move(object);
  }
  out.hr = result;
  VDS_ASYNC_OUTPUT unused{};
  say.nulls("IVdsAsync::Wait", async->Wait(nullptr, &unused));
  if (out.object &&
      say.must(method, same_object(out.object.get(), again.get()), "Wait gives another object each time")) {
    // Referenced anew each time: giving one back leaves the other.
    again.reset();
    com_ptr<IUnknown> alive;
    say.must(method, SUCCEEDED(out.object->QueryInterface(IID_IUnknown, alive.put_void())), "its object is gone");
  }
  const HRESULT cancelled = async->Cancel();
  say.must(
      "IVdsAsync::Cancel",
      cancelled == VDS_E_CANCEL_TOO_LATE || cancelled == VDS_E_OPERATION_CANCELED || cancelled == VDS_E_NOT_SUPPORTED,
      "of an operation that has ended answers " + hex(cancelled));
  if (cancelled == VDS_E_CANCEL_TOO_LATE)
    say.provokes("IVdsAsync::Cancel", cancelled, {cancelled}, "an ended operation");
  if (SUCCEEDED(result))
    say.async(method, fmt::format("{}{}", static_cast<int>(type), has_object(type) ? ", an object" : ""));
  else
    say.works(method, result, allowed);
  return out;
}

bool ends(scene& s, std::string_view method, IVdsAsync* async) {
  const auto until = std::chrono::steady_clock::now() + s.patience;
  for (;;) {
    HRESULT result = VDS_E_OPERATION_PENDING;
    ULONG percent = 0;
    if (FAILED(async->QueryStatus(&result, &percent)) || result != VDS_E_OPERATION_PENDING) return true;
    if (std::chrono::steady_clock::now() > until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  s.say.wrong(method, "its operation does not end");
  s.given_up = true;
  return false;
}

HRESULT result_of(scene& s, std::string_view method, HRESULT asked, com_ptr<IVdsAsync> async) {
  if (FAILED(asked) || !async || !ends(s, method, async.get())) return asked;
  HRESULT result = asked;
  VDS_ASYNC_OUTPUT out{};
  if (SUCCEEDED(async->Wait(&result, &out))) (void)take_object(out);
  return result;
}

guid lun_id(IUnknown* lun) {
  const auto typed = com_ptr<IUnknown>(lun).as<IVdsLun>();
  VDS_LUN_PROP prop{};
  if (!typed || FAILED(typed->GetProperties(&prop))) return {};
  (void)take(prop.pwszFriendlyName), (void)take(prop.pwszIdentification), (void)take(prop.pwszUnmaskingList);
  return from_com(prop.id);
}

std::uint64_t free_bytes(scene& s) {
  std::uint64_t sum = 0;
  for (const guid& id : s.drives) {
    com_ptr<IUnknown> found;
    if (FAILED(s.at.object(id, VDS_OT_DRIVE, found.put()))) continue;
    const auto drive = found.as<IVdsDrive>();
    VDS_DRIVE_EXTENT* extents = nullptr;
    LONG n = 0;
    if (!drive || FAILED(drive->QueryExtents(&extents, &n))) continue;
    for (LONG i = 0; i < n; ++i) sum += extents[i].bUsed ? 0 : extents[i].ullSize;
    CoTaskMemFree(extents);
  }
  return sum;
}

bool free_again(scene& s, std::uint64_t bytes) {
  const auto until = std::chrono::steady_clock::now() + soon;
  while (free_bytes(s) < bytes) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

com_ptr<IVdsLun> make_lun(scene& s, VDS_LUN_TYPE type) {
  if (s.given_up) return {};
  WCHAR mask[] = L"";
  com_ptr<IVdsAsync> async;
  const HRESULT hr = s.subsystem->CreateLun(type, s.lun_bytes, nullptr, 0, mask, nullptr, async.put());
  const outcome made =
      finish(s, "IVdsSubSystem::CreateLun", hr, std::move(async), VDS_ASYNCOUT_CREATELUN, {VDS_E_NOT_ENOUGH_DRIVE});
  return made.object.as<IVdsLun>();
}

void delete_lun(scene& s, IVdsLun* lun) { s.say.works("IVdsLun::Delete", lun->Delete()); }

}  // namespace vds::check
