#include "tests/sim/world.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "array/engine/lun_device.h"
#include "base/log.h"

namespace vds::sim {

world::world(std::size_t drives, std::uint64_t seed, std::uint64_t drive_bytes) : r(drives, drive_bytes, seed) {
  log::ours().set_level(std::getenv("VDS_LOG") != nullptr ? log::ours().level() : spdlog::level::off);
  faults.resize(drives);
}

// Power and starts ---------------------------------------------------------------------------------------------------

status world::boot() {
  cut_ = false;
  if (!r.made) {
    auto s = r.boot();
    for (std::size_t i = 0; i < r.drives.size(); ++i) arm(i);
    return s;
  }
  faults.resize(r.media.size());
  std::vector<std::unique_ptr<io::block_device>> devices;
  for (std::size_t i = 0; i < r.media.size(); ++i) {
    if (faults[i].gone) continue;
    devices.push_back(r.open(i));
    arm(i);
  }
  auto a = r.ex.run(array::array::assemble(r.ex, std::move(devices), r.options()));
  if (!a) return std::move(a).error();
  r.array = std::move(*a);
  return {};
}

status world::shut_down() { return r.shut_down(); }

void world::power_off() {
  cut_ = true;
  cut_at_ = UINT64_MAX;
  r.power_cut();
}

void world::arm(std::size_t i) {
  r.drives[i]->set_rule([this, i](const io::faulty_device::call& c) { return on_request(i, c); });
}

io::fault world::on_request(std::size_t drive, const io::faulty_device::call& c) {
  using request = io::faulty_device::request;
  ++requests_;
  for (const std::uint64_t part : {std::uint64_t{drive}, static_cast<std::uint64_t>(c.what), c.at.n, c.count.n})
    trace_ = (trace_ ^ part) * 1099511628211ULL;
  while (!due_.empty() && due_.begin()->first <= requests_) {
    const auto what = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    what();
  }
  const bool writes = c.what == request::write || c.what == request::zero;
  if (requests_ == cut_at_) {
    cut_ = true;
    for (std::size_t i = 0; i < r.drives.size(); ++i)
      if (r.drives[i] && i != drive) r.drives[i]->vanish();
    if (writes) return io::fault::tear;
    r.drives[drive]->vanish();
    return io::fault::none;
  }
  auto& f = faults[drive];
  if (f.write_errors && c.what != request::read) return io::fault::fail;
  const auto first = f.unreadable.lower_bound(c.at.n), last = f.unreadable.lower_bound(c.at.n + c.count.n);
  if (first == last) return io::fault::none;
  if (c.what == request::read) return io::fault::fail;
  if (writes && f.cured_by_writing) f.unreadable.erase(first, last);
  return io::fault::none;
}

void world::all_due() {
  while (!due_.empty()) {
    const auto what = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    what();
  }
}
void world::vanish(std::size_t drive) {
  if (r.drives[drive]) r.drives[drive]->vanish();
  faults[drive].gone = true;
}
void world::come_back(std::size_t drive) {
  if (r.drives[drive] && !cut_) r.drives[drive]->come_back();
  faults[drive].gone = false;
}

void world::corrupt(std::size_t drive, std::uint64_t block) {
  std::vector<std::byte> bytes(sector_bytes);
  r.media[drive]->peek(lba{block}, bytes);
  bytes[r.random.below(bytes.size())] ^= static_cast<std::byte>(1U << r.random.below(8));
  r.media[drive]->poke(lba{block}, bytes);
}

// LUNs ---------------------------------------------------------------------------------------------------------------

std::shared_ptr<lun> world::create(lun_type type, std::uint64_t bytes, unsigned plexes,
                                   const std::vector<std::size_t>& on) {
  array::lun_spec s;
  s.type = type;
  s.size = byte_count{bytes};
  s.plexes = plexes;
  s.stripe_bytes = type == lun_type::simple || type == lun_type::span || type == lun_type::mirror ? 0 : 16384;
  for (const auto i : on) s.drives.push_back(r.drive_id(i));
  auto made = r.ex.run(r.array->create_lun(s));
  if (!made) {
    failed("creating", made.error());
    return nullptr;
  }
  const bool parity =
      type == lun_type::parity || type == lun_type::raid6 || type == lun_type::raid50 || type == lun_type::raid60;
  std::uint64_t columns = made->drives.size();  // that hold data, in one row
  if (type == lun_type::parity) columns -= 1;
  if (type == lun_type::raid6 || type == lun_type::raid50) columns -= 2;
  if (type == lun_type::raid60) columns -= 4;
  if (type == lun_type::raid10) columns /= 2;
  if (s.stripe_bytes == 0) columns = 1;
  return std::make_shared<lun>(
      lun{made->id, type, std::min(columns * 32, bytes / sector_bytes), content(bytes / sector_bytes, parity)});
}

void world::failed(const char* doing, const failure& why) {
  if (cut_) return;
  if (++errors == 1) first_error = std::string(doing) + ": " + why.message();
}

rt::task<void> world::write(std::shared_ptr<lun> to, std::uint64_t at, std::uint64_t count, bool fua, bool zeros) {
  const auto value = to->bytes.begin_write(at, count, zeros);
  std::vector<std::byte> bytes(count * sector_bytes);
  for (std::uint64_t i = 0; i < count; ++i) paint(bytes.data() + i * sector_bytes, value, at + i);
  auto* d = r.array->device(to->id);
  const auto how = fua ? io::durability::fua : io::durability::cached;
  status s = errc::not_found;
  if (d != nullptr && zeros)
    s = co_await d->write_zeroes(lba{at}, block_count{count}, true, how);
  else if (d != nullptr)
    s = co_await d->write(lba{at}, io::const_buffer(bytes), how);
  to->bytes.end_write(value, at, count, s.has_value(), fua);
  if (!s) failed("writing", s.error());
}

rt::task<void> world::read(std::shared_ptr<lun> from, std::uint64_t at, std::uint64_t count) {
  auto* d = r.array->device(from->id);
  if (d == nullptr) co_return;
  from->bytes.begin_read(at, count);
  std::vector<std::byte> bytes(count * sector_bytes);
  const auto s = co_await d->read(lba{at}, io::buffer(bytes));
  if (!s) bytes.clear();
  const auto said = from->bytes.end_read(at, count, bytes);
  if (!said.empty() && !cut_) wrong("a read during other requests: " + said);
  if (!s) failed("reading", s.error());
}

rt::task<void> world::flush(std::shared_ptr<lun> of) {
  auto* d = r.array->device(of->id);
  if (d == nullptr) co_return;
  const auto covered = of->bytes.begin_flush();
  const auto s = co_await d->flush();
  if (s) of->bytes.end_flush(covered);
  if (!s) failed("flushing", s.error());
}

void world::start_some(const std::shared_ptr<lun>& on, load what, random_source& chance) {
  const std::uint64_t size = on->bytes.size(), row = on->row_sectors;
  for (std::uint64_t left = 1 + chance.below(3); left > 0 && what != load::none; --left) {
    const load one = what == load::mixed ? static_cast<load>(1 + chance.below(3)) : what;
    if (one == load::reads) {
      const std::uint64_t n = 1 + chance.below(std::min<std::uint64_t>(130, size));
      rt::start(read(on, chance.below(size - n + 1), n));
      continue;
    }
    std::uint64_t n = 1 + chance.below(40), at = chance.below(size - n + 1);
    if (one == load::full_rows) {
      n = row * (1 + chance.below(std::min<std::uint64_t>(3, size / row)));
      at = chance.below((size - n) / row + 1) * row;
    } else if (chance.below(2) == 0) {
      n = std::min<std::uint64_t>(8, size);
      at = chance.below(size / 8) * 8;
    }
    if (!on->bytes.busy(at, n)) rt::start(write(on, at, n, chance.below(3) == 0, chance.below(8) == 0));
  }
  if (what > load::reads && chance.below(4) == 0) rt::start(flush(on));
}

void world::let_run(random_source& chance) {
  if (chance.below(3) != 0)
    quiet();
  else
    for (int step = 0; step < 6; ++step) r.ex.step();
}

void world::play(const std::shared_ptr<lun>& on, load what, int rounds, random_source& chance) {
  for (int i = 0; i < rounds && !cut_; ++i) {
    start_some(on, what, chance);
    let_run(chance);
  }
  quiet();
}

void world::judge(const std::shared_ptr<lun>& what) {
  auto* d = r.array->device(what->id);
  if (d == nullptr) return wrong("a LUN is missing");
  const std::uint64_t size = what->bytes.size();
  const auto part = [&](std::uint64_t at, std::uint64_t n) {
    std::vector<std::byte> bytes(n * sector_bytes);
    const auto s = r.ex.run(d->read(lba{at}, io::buffer(bytes)));
    if (!s) return s;
    const auto said = what->bytes.end_read(at, n, bytes);
    if (!said.empty()) wrong(said);
    const auto now = r.array->lun(what->id);
    if (now && !now->work && (now->health == lun_health::healthy || now->health == lun_health::degraded))
      what->bytes.pin(at, bytes);
    return s;
  };
  for (int pass = 0; pass < 2; ++pass) {
    if (const auto s = part(0, size); !s) {
      failed("reading", s.error());
      for (std::uint64_t at = 0; at < size; at += 8)
        if (const auto one = part(at, std::min<std::uint64_t>(8, size - at)); !one) failed("reading", one.error());
    }
    quiet();
  }
}

void world::scrub(const std::shared_ptr<lun>& what) {
  auto* d = dynamic_cast<array::engine::lun_device*>(r.array->device(what->id));
  if (d == nullptr) return wrong("a LUN is missing");
  for (const auto& g : d->groups()) {
    for (std::uint32_t o = 0; o < g->shape().extents(); ++o) {
      const auto report = r.ex.run(g->verify_extent(o, false));
      if (!report) return failed("scrubbing", report.error());
      if (report->mismatched > 0) wrong("redundant data does not agree, extent " + std::to_string(o));
    }
  }
}

// Repeating ----------------------------------------------------------------------------------------------------------

namespace {
std::string again;
extern "C" void say_again(int signal) {
  const ssize_t written = ::write(2, again.data(), again.size());
  ::signal(signal, SIG_DFL);
  ::raise(written < 0 ? SIGKILL : signal);
}
}  // namespace

void living(const std::string& how_to_repeat) {
  static const bool once = [] {
    for (const int signal : {SIGABRT, SIGSEGV, SIGALRM}) ::signal(signal, say_again);
    return true;
  }();
  (void)once;
  again = "\nDied or did not end. Again: " + how_to_repeat + "\n";
  ::alarm(120);
}

const char* argument(int argc, char** argv, const char* name) {
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], name, std::strlen(name)) == 0) return argv[i] + std::strlen(name);
  return nullptr;
}

std::uint64_t seeds(std::uint64_t few) {
  const char* text = std::getenv("VDS_SIM_SEEDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : few;
}

}  // namespace vds::sim
