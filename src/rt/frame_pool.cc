#include "rt/frame_pool.h"

#include <array>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VDS_NO_FRAME_POOL
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define VDS_NO_FRAME_POOL
#endif
#endif

namespace vds::rt {

#ifdef VDS_NO_FRAME_POOL

void* allocate_frame(std::size_t size) { return ::operator new(size); }
void free_frame(void* frame, std::size_t) noexcept { ::operator delete(frame); }

#else

namespace {

constexpr std::size_t step = 64, classes = 32;  // up to 2 KiB
constexpr unsigned kept = 256;                  // of each class: as many requests as are in flight at once

struct node {
  node* next;
};
struct lists {
  std::array<node*, classes> first{};
  std::array<unsigned, classes> count{};
  bool gone = false;  // the thread is ending
};
constinit thread_local lists mine;

struct cleaner {
  bool armed = false;
  ~cleaner() {
    mine.gone = true;
    for (std::size_t c = 0; c < classes; ++c) {
      while (node* n = mine.first[c]) {
        mine.first[c] = n->next;
        ::operator delete(n);
      }
    }
  }
};
thread_local cleaner at_exit;

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t c = (size - 1) / step;
  if (c >= classes) return ::operator new(size);
  if (node* n = mine.first[c]) {
    mine.first[c] = n->next;
    --mine.count[c];
    return n;
  }
  return ::operator new((c + 1) * step);
}

void free_frame(void* frame, std::size_t size) noexcept {
  const std::size_t c = (size - 1) / step;
  if (c >= classes || mine.count[c] >= kept || mine.gone) return ::operator delete(frame);
  if (mine.count[c] == 0) at_exit.armed = true;  // makes it exist, so that it ends with the thread
  mine.first[c] = new (frame) node{mine.first[c]};
  ++mine.count[c];
}

#endif

}  // namespace vds::rt
