// com_calls.h: what calling COM takes in plain code: turning HRESULTs into command_error, taking over returned memory,
// walking enumerations.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "com/com_ptr.h"
#include "com/memory.h"
#include "com/strings.h"

namespace vds::cli {

// Whether a code means that the peer is gone, rather than that it said no.
bool is_connection_loss(HRESULT hr);

// Throws command_error for a failure. After a lost connection `alive` tells whether the service itself is still there
// (then it was a provider that went away): otherwise service_gone.
void check(HRESULT hr, std::string_view doing, IVdsService* alive);

// The string, freed; "" for null.
std::string take(LPWSTR& text);

// An array returned by a callee, freed with it. What its elements point to is taken one by one.
template <class T>
class taken_array {
 public:
  taken_array() = default;
  taken_array(const taken_array&) = delete;
  taken_array& operator=(const taken_array&) = delete;
  ~taken_array() { CoTaskMemFree(data_); }
  T** put() { return &data_; }
  LONG* count() { return &count_; }
  T* begin() const { return data_; }
  T* end() const { return data_ == nullptr ? nullptr : data_ + (count_ < 0 ? 0 : count_); }

 private:
  T* data_ = nullptr;
  LONG count_ = 0;
};

// Everything an enumeration holds.
std::vector<com_ptr<IUnknown>> all_of(IEnumVdsObject* list, std::string_view doing, IVdsService* alive);

// The I of object p; throws VDS_E_NOT_SUPPORTED when it has none.
template <class I, class P>
com_ptr<I> need(const com_ptr<P>& p, std::string_view doing, IVdsService* alive) {
  com_ptr<I> out = p.template as<I>();
  if (!out) check(VDS_E_NOT_SUPPORTED, doing, alive);
  return out;
}

}  // namespace vds::cli
