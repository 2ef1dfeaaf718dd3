// kept.h: a property struct in the model: owns its strings, immutable, shared between the model and who copies from it.
#pragma once

#include <memory>

#include "base/guid.h"
#include "com/hresult.h"
#include "com/strings.h"
#include "service/properties.h"

namespace vds::service {

class kept {
 public:
  virtual ~kept() = default;
  virtual guid id() const noexcept = 0;
  virtual bool same(const kept& other) const noexcept = 0;  // of the same type
};
using kept_ptr = std::shared_ptr<const kept>;

template <class T>
class kept_struct final : public kept {
 public:
  // Takes over what `value` owns.
  explicit kept_struct(const T& value) noexcept : value_(value) {}
  kept_struct(const kept_struct&) = delete;
  kept_struct& operator=(const kept_struct&) = delete;
  ~kept_struct() override { clear_members(value_); }

  guid id() const noexcept override { return from_com(value_.id); }
  bool same(const kept& other) const noexcept override {
    return same_members(value_, static_cast<const kept_struct&>(other).value_);
  }
  const T& value() const noexcept { return value_; }

 private:
  T value_;
};

}  // namespace vds::service
