#include "base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"

namespace vds {
namespace {

class kernel_random final : public random_source {
 public:
  void fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const auto n = ::getrandom(out.data(), out.size(), 0);
      always(n > 0 || errno == EINTR);
      if (n > 0) out = out.subspan(static_cast<std::size_t>(n));
    }
  }
};

}  // namespace

std::uint64_t random_source::next() {
  std::uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::uint64_t random_source::below(std::uint64_t bound) {
  always(bound > 0);
  const std::uint64_t limit = bound * (~std::uint64_t{0} / bound);  // rejects the uneven rest
  for (;;) {
    if (const std::uint64_t value = next(); value < limit) return value % bound;
  }
}

random_source& system_random() {
  static kernel_random source;
  return source;
}

void seeded_random::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const std::uint64_t word = engine_();
    const std::size_t n = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, n);
    out = out.subspan(n);
  }
}

}  // namespace vds
