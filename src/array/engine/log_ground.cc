#include "array/engine/log_ground.h"

#include <algorithm>

#include "array/engine/drive.h"
#include "base/units.h"

namespace vds::array::engine {
namespace {

constexpr std::uint64_t low_water = 256_KiB;  // with less than this ahead, more is made
constexpr std::uint64_t step = 1_MiB;

}  // namespace

rt::task<void> log_ground::wait(unsigned area, std::uint64_t from, std::uint64_t to) {
  const one& a = areas_[area];
  while (a.writing && from < a.to && to > a.from) {
    const auto done = a.writing;
    co_await *done;
  }
}

void log_ground::prepare(const std::shared_ptr<drive>& d, unsigned area, std::uint64_t tail) {
  one& a = d->ground.areas_[area];
  const std::uint64_t end = d->superblock.log_bytes;
  if (a.writing || a.written >= std::min(end, tail + low_water) || !d->geometry().can_unmap || !d->usable()) return;
  a.from = std::max(a.written, tail);
  a.to = std::min(end, a.from + step);
  a.writing = std::make_shared<rt::event>(d->executor());
  rt::start(write(d, area));
}

rt::task<void> log_ground::write(std::shared_ptr<drive> d, unsigned area) {
  one& a = d->ground.areas_[area];
  auto zeros = make_memory(io::aligned_buffer::zeroed(a.to - a.from));
  // Durable, so that the file's map is settled when the log comes along.
  (void)co_await d->write(d->superblock.log_area(area) + a.from, std::move(zeros), io::durability::fua);
  a.written = a.to;
  const auto done = std::exchange(a.writing, nullptr);
  done->set();
}

}  // namespace vds::array::engine
