// rig.h: an array on faulty drives in memory, with power that can be cut. For tests only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "array/array.h"
#include "io/faulty/faulty_device.h"
#include "rt/manual_executor.h"

namespace vds::array::testing {

// What the array owns: stands before a drive that the rig keeps.
class lent_device final : public io::block_device {
 public:
  explicit lent_device(std::shared_ptr<io::faulty_device> d) : device_(std::move(d)) {}
  std::string_view name() const override { return device_->name(); }
  io::block_geometry geometry() const override { return device_->geometry(); }
  rt::executor& executor() override { return device_->executor(); }
  rt::task<status> read(lba at, io::buffers into) override { return device_->read(at, into); }
  rt::task<status> write(lba at, io::const_buffers from, io::durability how) override {
    return device_->write(at, from, how);
  }
  rt::task<status> flush() override { return device_->flush(); }
  rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, io::durability how) override {
    return device_->write_zeroes(at, count, may_unmap, how);
  }

 private:
  std::shared_ptr<io::faulty_device> device_;
};

struct rig {
  rt::manual_executor ex;
  seeded_random random;
  std::vector<std::unique_ptr<io::memory_device>> media;   // what survives a power cut
  std::vector<std::shared_ptr<io::faulty_device>> drives;  // of this boot, by medium
  std::unique_ptr<vds::array::array> array;
  std::vector<array_event> events;
  std::function<void(const array_event&)> told;  // of each event, when it is raised
  std::uint32_t extent_bytes = 1 << 16;
  bool force = false;
  bool checksums = true;  // of drives that join from now on
  std::uint64_t rebuild_bytes_per_second = 0, rebuild_batch_bytes = 64 << 20;

  explicit rig(std::size_t n, std::uint64_t bytes = 32 << 20, std::uint64_t seed = 1) : ex(seed), random(seed) {
    for (std::size_t i = 0; i < n; ++i) add_medium(bytes);
  }
  ~rig() {
    array.reset();
    for (auto& d : drives) d->release_hung();
    ex.run();
  }
  void add_medium(std::uint64_t bytes) {
    media.push_back(std::make_unique<io::memory_device>(ex, "drive" + std::to_string(media.size()), block_size{512},
                                                        block_count{bytes / 512}));
  }
  std::unique_ptr<io::block_device> open(std::size_t i) {
    drives.resize(media.size());
    drives[i] = std::make_shared<io::faulty_device>(*media[i], random);
    return std::make_unique<lent_device>(drives[i]);
  }
  array_options options() {
    array_options o;
    o.id = guid{{1}};
    o.random = &random;
    o.extent_bytes = extent_bytes;
    o.force = force;
    o.checksums = checksums;
    o.rebuild_bytes_per_second = rebuild_bytes_per_second;
    o.rebuild_batch_bytes = rebuild_batch_bytes;
    o.on_event = [this](const array_event& e) {
      events.push_back(e);
      if (told) told(e);
    };
    return o;
  }
  // Assembles what these media carry (all by default); the first time adds them as drives.
  status boot() {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < media.size(); ++i) all.push_back(i);
    return boot(all);
  }
  status boot(const std::vector<std::size_t>& which) {
    std::vector<std::unique_ptr<io::block_device>> devices;
    if (made)
      for (const auto i : which) devices.push_back(open(i));
    auto a = ex.run(vds::array::array::assemble(ex, std::move(devices), options()));
    if (!a) return std::move(a).error();
    array = std::move(*a);
    if (!std::exchange(made, true)) {
      for (const auto i : which) {
        auto d = ex.run(array->add_drive(open(i), {.zeroed = true}));
        if (!d) return std::move(d).error();
      }
    }
    return {};
  }
  status shut_down() {
    auto s = ex.run(array->close());
    array.reset();
    ex.run();
    return s;
  }
  // The power goes now. What is in flight runs into drives that are gone.
  void power_cut() {
    for (auto& d : drives)
      if (d) d->power_cut();
    end();
  }
  // After the drives are gone.
  void end() {
    for (auto& d : drives)
      if (d) d->release_hung();
    if (array) array->abandon();
    ex.run();
    array.reset();
    ex.run();
  }
  result<lun_info> create(lun_type type, std::uint64_t bytes, unsigned plexes = 0) {
    lun_spec s;
    s.type = type;
    s.size = byte_count{bytes};
    s.plexes = plexes;
    return ex.run(array->create_lun(s));
  }
  std::vector<guid> drive_ids(std::size_t n) const {  // of the first
    std::vector<guid> out;
    for (std::size_t i = 0; i < n; ++i) out.push_back(drive_id(i));
    return out;
  }
  // On the first so many drives. A mirror: a plex on each of the first two, or of `plexes`.
  result<lun_info> create_on(std::size_t n, lun_type type, std::uint64_t bytes, unsigned plexes = 0) {
    lun_spec s;
    s.type = type;
    s.size = byte_count{bytes};
    s.plexes = plexes;
    s.drives = drive_ids(n);
    return ex.run(array->create_lun(s));
  }
  std::vector<std::byte> pattern(const guid& lun, int value) const {
    std::vector<std::byte> out(array->lun(lun)->size.n);
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<std::byte>((i / 512 * 31 + i / 65536 + static_cast<std::size_t>(value) * 7) & 0xff);
    return out;
  }
  status fill(const guid& lun, int value) {
    auto bytes = pattern(lun, value);
    auto s = ex.run(array->device(lun)->write(lba{0}, io::const_buffer(bytes)));
    if (!s) return s;
    return ex.run(array->device(lun)->flush());
  }
  result<std::vector<std::byte>> read_all(const guid& lun) {
    std::vector<std::byte> out(array->lun(lun)->size.n);
    auto s = ex.run(array->device(lun)->read(lba{0}, io::buffer(out)));
    if (!s) return std::move(s).error();
    return out;
  }
  bool holds(const guid& lun, int value) {
    auto bytes = read_all(lun);
    return bytes && *bytes == pattern(lun, value);
  }
  bool reads_zeros(const guid& lun) {
    auto bytes = read_all(lun);
    return bytes && std::all_of(bytes->begin(), bytes->end(), [](auto b) { return b == std::byte{0}; });
  }
  // One bit on the medium, past every interface, at that place of the first run that the LUN has on the drive.
  void flip(const guid& lun, std::size_t drive, std::uint64_t within) {
    const guid id = drive_id(drive);
    const auto info = *array->lun(lun);
    for (const auto& p : info.plexes) {
      for (const auto& e : p.extents) {
        if (e.drive != id || e.size.n <= within) continue;
        std::vector<std::byte> sector(512);
        const lba place{(e.offset.n + within) / 512};
        media[drive]->peek(place, sector);
        sector[within % 512] ^= std::byte{4};
        media[drive]->poke(place, sector);
        return;
      }
    }
    always(false);  // the LUN is not on that drive
  }
  guid drive_id(std::size_t i) const {
    for (const auto& d : array->drives())
      if (d.path == media[i]->name()) return d.id;
    return {};
  }
  drive_state state(std::size_t i) const {
    for (const auto& d : array->drives())
      if (d.path == media[i]->name()) return d.state;
    return drive_state::missing;
  }

  bool made = false;
};

}  // namespace vds::array::testing
