// frame_pool.h: memory of coroutine frames. A request makes a dozen of them and they die in reverse order; each thread
// keeps what it freed, by size, and hands it out again, most recent first. Bounded; larger frames, and all of them
// under a sanitizer (which must see each one die), go to the heap. A frame may be freed on another thread than it was
// made on.
#pragma once

#include <cstddef>

namespace vds::rt {

void* allocate_frame(std::size_t size);  // throws std::bad_alloc
void free_frame(void* frame, std::size_t size) noexcept;

// Base of promise types.
struct pooled_frame {
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }
};

}  // namespace vds::rt
