// random.h: where chance comes from. Production uses the kernel's; a test uses a seeded one and prints its seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace vds {

class random_source {
 public:
  virtual ~random_source() = default;
  virtual void fill(std::span<std::byte> out) = 0;
  std::uint64_t next();                      // uniform over all 64-bit values
  std::uint64_t below(std::uint64_t bound);  // uniform in [0, bound); bound > 0
};

random_source& system_random();  // getrandom(2); any thread

// Not for secrets. One thread at a time.
class seeded_random final : public random_source {
 public:
  explicit seeded_random(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::mt19937_64 engine_;
};

}  // namespace vds
