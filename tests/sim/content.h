// content.h: what somebody outside knows of a LUN's content: sector by sector, what was acknowledged, what was flushed,
// and so what a read may show now and after a power cut. Pure. Values are numbers; paint() makes bytes of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vds::sim {

inline constexpr std::size_t sector_bytes = 512;

// What a sector holds after that write. 0 and odd values: zeros.
inline void paint(std::byte* out, std::uint64_t value, std::uint64_t where) {
  if (value == 0 || value % 2 == 1) {
    std::memset(out, 0, sector_bytes);
    return;
  }
  std::uint64_t x = value * 0x9e3779b97f4a7c15ULL + where;
  for (std::size_t i = 0; i < sector_bytes; i += 8) {
    std::memcpy(out + i, &x, 8);
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
  }
}

class content {
 public:
  // acknowledged_is_durable: of LUNs whose writes are in a journal before they are answered.
  content(std::uint64_t sectors, bool acknowledged_is_durable)
      : sectors_(sectors), acknowledged_is_durable_(acknowledged_is_durable) {}

  std::uint64_t size() const { return sectors_.size(); }
  bool busy(std::uint64_t at, std::uint64_t count) const {
    return std::any_of(sectors_.begin() + static_cast<std::ptrdiff_t>(at),
                       sectors_.begin() + static_cast<std::ptrdiff_t>(at + count), [](auto& s) { return s.busy; });
  }

  // Writes do not overlap others in flight: see busy(). Later values are greater.
  std::uint64_t begin_write(std::uint64_t at, std::uint64_t count, bool zeros) {
    const std::uint64_t value = ++last_ * 2 + (zeros ? 1 : 0);
    for (std::uint64_t i = at; i < at + count; ++i) {
      auto& s = sectors_[i];
      s.busy = true;
      s.now.push_back(value);
      s.after_cut.push_back(value);
    }
    return value;
  }
  void end_write(std::uint64_t value, std::uint64_t at, std::uint64_t count, bool good, bool fua) {
    for (std::uint64_t i = at; i < at + count; ++i) {
      auto& s = sectors_[i];
      if (!s.busy || s.now.back() != value) continue;  // of before a power cut
      s.busy = false;
      if (!good) continue;  // it may be there or not
      s.newest = value;
      if (s.readers == 0) settle(s);
      if (fua || acknowledged_is_durable_) s.after_cut = {value};
    }
  }

  using flush_ticket = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  flush_ticket begin_flush() const {
    flush_ticket covered;
    for (std::uint64_t i = 0; i < sectors_.size(); ++i) covered.emplace_back(i, sectors_[i].newest);
    return covered;
  }
  void end_flush(const flush_ticket& covered) {
    for (const auto& [i, value] : covered) std::erase_if(sectors_[i].after_cut, [v = value](auto x) { return x < v; });
  }
  // Shut down in order: nothing is volatile any more.
  void all_durable() {
    for (auto& s : sectors_) s.after_cut = s.now;
  }

  void begin_read(std::uint64_t at, std::uint64_t count) {
    for (std::uint64_t i = at; i < at + count; ++i) ++sectors_[i].readers;
  }
  // Empty: all of it may be so. bytes: none if the read failed.
  std::string end_read(std::uint64_t at, std::uint64_t count, std::span<const std::byte> bytes) {
    std::string wrong;
    for (std::uint64_t i = at; i < at + count; ++i) {
      auto& s = sectors_[i];
      if (!bytes.empty() && !match(i, bytes.subspan((i - at) * sector_bytes, sector_bytes)) && wrong.empty())
        wrong = "sector " + std::to_string(i) + " holds none of the " + std::to_string(s.now.size()) +
                " values that were possible; acknowledged last: " + std::to_string(s.newest);
      if (s.readers > 0 && --s.readers == 0) settle(s);
    }
    return wrong;
  }
  // What was seen while nothing is going on and the redundancy agrees stays so.
  void pin(std::uint64_t at, std::span<const std::byte> bytes) {
    for (std::size_t k = 0; k * sector_bytes < bytes.size(); ++k) {
      auto& s = sectors_[at + k];
      if (s.busy) continue;
      const auto v = match(at + k, bytes.subspan(k * sector_bytes, sector_bytes));
      if (!v || s.now.size() == 1) continue;
      s.now = {*v};
      s.newest = *v;
      if (std::find(s.after_cut.begin(), s.after_cut.end(), *v) == s.after_cut.end()) s.after_cut.push_back(*v);
    }
  }
  void power_cut() {
    for (auto& s : sectors_) {
      s.now = s.after_cut;
      s.newest = *std::min_element(s.now.begin(), s.now.end());
      s.busy = false;
      s.readers = 0;
    }
  }

 private:
  struct sector {
    std::vector<std::uint64_t> now{0}, after_cut{0};  // what it may show; in order of asking
    std::uint64_t newest = 0;                         // acknowledged last
    bool busy = false;
    unsigned readers = 0;  // in flight: they may still see what was there when they began
  };
  static void settle(sector& s) {
    std::erase_if(s.now, [&s](auto v) { return v < s.newest; });
  }
  std::optional<std::uint64_t> match(std::uint64_t i, std::span<const std::byte> bytes) const {
    std::byte expected[sector_bytes];
    for (auto v = sectors_[i].now.rbegin(); v != sectors_[i].now.rend(); ++v) {
      paint(expected, *v, i);
      if (std::memcmp(expected, bytes.data(), sector_bytes) == 0) return *v;
    }
    return std::nullopt;
  }

  std::vector<sector> sectors_;
  bool acknowledged_is_durable_;
  std::uint64_t last_ = 0;
};

}  // namespace vds::sim
