// cut.h: what tests share that take the power at one request after the other.
#pragma once

#include "tests/crash/model.h"

namespace vds::array::testing {

// The power of all drives goes at the request of that number, from now on and of all of them together.
struct power_goes_at {
  power_goes_at(rig& r, std::uint64_t at) {
    for (auto& d : r.drives) {
      d->set_rule([this, &r, at](const io::faulty_device::call&) {
        if (++requests == at) {
          gone = true;
          for (auto& other : r.drives) other->power_cut();
        }
        return io::fault::none;
      });
    }
  }
  power_goes_at(const power_goes_at&) = delete;
  power_goes_at& operator=(const power_goes_at&) = delete;
  std::uint64_t requests = 0;
  bool gone = false;
};

// From the beginning of the LUN, in pieces, each durable.
inline rt::task<void> write_all(rig& r, guid lun, std::span<const std::byte> data, bool& acknowledged) {
  bool fine = true;
  for (std::size_t from = 0; from < data.size() && fine; from += 20480) {
    const auto part = data.subspan(from, std::min<std::size_t>(20480, data.size() - from));
    fine = (co_await r.array->device(lun)->write(lba{from / 512}, io::const_buffer(part), io::durability::fua))
               .has_value();
  }
  acknowledged = fine;
}

// What is free shows nobody what was copied there, or was there before. Takes all of it.
inline void free_space_is_empty(rig& r) {
  r.ex.run();  // wiped, where it is known to hold something
  for (const auto& d : r.array->drives()) {
    if (d.state != drive_state::online) continue;
    ASSERT_TRUE(r.ex.run(r.array->set_spare(d.id, false)));
    lun_spec all;
    all.type = lun_type::simple;
    all.drives = {d.id};
    const auto now = *r.array->drive(d.id);
    all.size = byte_count{now.free.n + now.wiping.n};
    if (all.size.n == 0) continue;
    const auto made = r.ex.run(r.array->create_lun(all));
    ASSERT_TRUE(made) << made.error().message();
    ASSERT_TRUE(r.reads_zeros(made->id)) << "free space of drive " << d.path << " holds data";
  }
}

}  // namespace vds::array::testing
