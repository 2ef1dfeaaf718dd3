// history.h: what has been done to one value by many clients at once, and so what a read of it may find. Time is a
// counter that every call takes a number of when it begins and when it has ended; of two calls that overlap, either may
// have come first. Owned and locked by the model.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vds::stress {

using tick = std::uint64_t;
inline constexpr tick not_yet = ~tick{0};

struct span {
  tick begin = 0, end = not_yet;
  bool overlaps(const span& other) const { return begin < other.end && other.begin < end; }
};

enum class fate : std::uint8_t { unknown, done, undone };

// A value that calls replace.
template <class T>
class replaced {
 public:
  explicit replaced(T first) { all_.push_back({{0, 0}, std::move(first), fate::done}); }
  std::size_t begin(T value, tick now) {
    all_.push_back({{now, not_yet}, std::move(value), fate::unknown});
    return all_.size() - 1;
  }
  void end(std::size_t which, fate what, tick now) {
    all_[which].when.end = now;
    all_[which].what = what;
  }
  // Whether a call during `when` may find it. Not what was begun later, was not done, or had been replaced before.
  bool may_be(const T& value, const span& when) const {
    for (const auto& w : all_)
      if (w.value == value && w.what != fate::undone && w.when.begin < when.end && !replaced_before(w, when))
        return true;
    return false;
  }
  // For whoever looks for the reason: "value [begin, end] done, ...", all that had begun.
  std::string text(tick before) const {
    static constexpr const char* fates[] = {"under way", "done", "undone"};
    std::string out;
    for (const auto& w : all_)
      if (w.when.begin < before)
        out += fmt::format("{}'{}' [{}, {}] {}", out.empty() ? "" : ", ", w.value, w.when.begin,
                           w.when.end == not_yet ? std::string("?") : std::to_string(w.when.end),
                           fates[static_cast<std::size_t>(w.what)]);
    return out;
  }

 private:
  struct change {
    span when;
    T value;
    fate what;
  };
  bool replaced_before(const change& w, const span& when) const {
    for (const auto& next : all_)
      if (next.what == fate::done && next.when.begin > w.when.end && next.when.end < when.begin) return true;
    return false;
  }
  std::vector<change> all_;
};

// A number that calls add to.
class summed {
 public:
  explicit summed(std::int64_t first) : first_(first) {}
  std::size_t begin(std::int64_t by, tick now) {
    all_.push_back({{now, not_yet}, by, fate::unknown});
    return all_.size() - 1;
  }
  void end(std::size_t which, fate what, tick now) {
    all_[which].when.end = now;
    all_[which].what = what;
  }
  // Every value that a call during `when` may find: all that had been added before it, and some of what was under way.
  std::set<std::int64_t> possible(const span& when) const {
    std::set<std::int64_t> out{first_};
    for (const auto& c : all_) {
      if (c.what == fate::undone || c.when.begin >= when.end) continue;
      const bool surely = c.what == fate::done && c.when.end < when.begin;
      std::set<std::int64_t> with;
      for (const auto v : out) with.insert(v + c.by);
      if (surely)
        out = std::move(with);
      else
        out.merge(with);
    }
    return out;
  }

 private:
  struct change {
    span when;
    std::int64_t by;
    fate what;
  };
  const std::int64_t first_;
  std::vector<change> all_;
};

}  // namespace vds::stress
