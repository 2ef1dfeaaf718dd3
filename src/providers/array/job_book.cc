#include "providers/array/job_book.h"

#include <algorithm>
#include <cmath>

namespace vds::array_provider {

unsigned job::percent() const {
  if (ended) return failed ? 0 : 100;
  if (total == 0) return 0;
  // Bytes times a hundred would overflow beyond 184 PB.
  const std::uint64_t n = total < 100 ? std::min(done, total) * 100 / total : done / (total / 100);
  return static_cast<unsigned>(std::min<std::uint64_t>(99, n));
}

void job_book::observe(const std::vector<job>& now, monotonic::time_point at, std::uint64_t unix_ns) {
  for (auto& [id, e] : running_) e.seen = false;
  for (const job& j : now) {
    auto [it, fresh] = running_.try_emplace(j.id);
    entry& e = it->second;
    const std::uint64_t begun = fresh ? unix_ns : e.what.begun_ns;
    // It began anew: what was measured is of the time before.
    if (!fresh && j.done < e.what.done) e.samples.clear();
    e.what = j;
    if (e.what.begun_ns == 0) e.what.begun_ns = begun;
    e.seen = true;
    e.samples.push_back({at, j.done});
    measure(e, at);
    if (fresh) std::erase_if(ended_, [&](const job& old) { return old.id == j.id; });
  }
  for (auto it = running_.begin(); it != running_.end();) {
    if (it->second.seen) {
      ++it;
      continue;
    }
    job j = std::move(it->second.what);
    it = running_.erase(it);
    j.ended = true;
    j.ended_ns = unix_ns;
    j.waiting_for.clear();
    j.seconds_left.reset();
    j.bytes_per_second = 0;
    if (!j.failed) j.done = j.total;
    ended_.push_back(std::move(j));
    if (ended_.size() > remembered) ended_.pop_front();
  }
}

void job_book::measure(entry& e, monotonic::time_point at) {
  while (e.samples.size() > 2 && at - e.samples[1].at >= window) e.samples.pop_front();
  // Somebody who asks many times a second must not grow it: of the last second the first look is enough.
  if (e.samples.size() > 32) e.samples.erase(e.samples.begin() + 1, e.samples.end() - 1);
  e.what.bytes_per_second = 0;
  e.what.seconds_left.reset();
  const auto span = std::chrono::duration<double>(at - e.samples.front().at).count();
  const std::uint64_t moved = e.samples.back().done - e.samples.front().done;
  if (span < 0.2 || moved == 0) return;
  const double rate = static_cast<double>(moved) / span;
  e.what.bytes_per_second = static_cast<std::uint64_t>(rate);
  if (e.what.total >= e.what.done)
    e.what.seconds_left =
        static_cast<std::uint64_t>(std::llround(static_cast<double>(e.what.total - e.what.done) / rate));
}

std::vector<job> job_book::all() const {
  std::vector<job> out;
  for (const auto& [id, e] : running_) out.push_back(e.what);
  std::stable_sort(out.begin(), out.end(), [](const job& a, const job& b) { return a.begun_ns < b.begun_ns; });
  out.insert(out.end(), ended_.begin(), ended_.end());
  return out;
}

std::optional<job> job_book::find(const guid& id) const {
  if (const auto at = running_.find(id); at != running_.end()) return at->second.what;
  const auto at = std::find_if(ended_.rbegin(), ended_.rend(), [&](const job& j) { return j.id == id; });
  return at == ended_.rend() ? std::nullopt : std::optional(*at);
}

}  // namespace vds::array_provider
