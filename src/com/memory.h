// memory.h: memory that changes owner across the COM edge. Whoever receives it frees it with CoTaskMemFree. Any thread.
#pragma once

#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "com/com.h"

namespace vds {

struct co_task_deleter {
  void operator()(void* p) const noexcept { CoTaskMemFree(p); }
};
// Owns one allocation; what its elements point to (strings, references) is the owner's to free first.
template <class T>
using co_task_ptr = std::unique_ptr<T, co_task_deleter>;

// `count` zeroed elements. Throws std::bad_alloc.
template <class T>
T* co_task_alloc(std::size_t count) {
  static_assert(std::is_trivial_v<T>);
  if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
  // COM's allocator answers a pointer for nothing too; one byte is what it takes.
  const std::size_t bytes = count ? count * sizeof(T) : 1;
  void* p = CoTaskMemAlloc(bytes);
  if (!p) throw std::bad_alloc();
  std::memset(p, 0, bytes);
  return static_cast<T*>(p);
}

template <class T, std::size_t N>
std::remove_const_t<T>* co_task_copy(std::span<T, N> from) {
  auto* out = co_task_alloc<std::remove_const_t<T>>(from.size());
  if (!from.empty()) std::memcpy(out, from.data(), from.size_bytes());
  return out;
}

}  // namespace vds
