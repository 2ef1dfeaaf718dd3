// Scrubs of LUNs, as jobs of the array (IVdsxJobs). What one found stands in its phase when it has ended, and in the
// log.
#include <fmt/format.h>

#include <chrono>

#include "base/log.h"
#include "base/random.h"
#include "providers/array/host.h"

namespace vds::array_provider {

namespace {

std::string summary(const array::scrub_report& found) {
  if (found.mismatched.n + found.unreadable.n == 0) return "nothing wrong";
  std::string out = fmt::format("{} bytes did not agree, {} could not be read or believed, {} rewritten",
                                found.mismatched.n, found.unreadable.n, found.repaired.n);
  for (std::size_t i = 0; i < found.suspects.size(); ++i)
    out += fmt::format("{} {}", i == 0 ? "; drives at fault:" : ",", to_string(found.suspects[i]));
  return out;
}

}  // namespace

result<guid> host::begin_scrub(guid lun) {
  return call([this, lun](array::array& a) -> rt::task<result<guid>> {
    const auto info = a.lun(lun);
    if (!info) co_return info.error();
    if (const auto at = scrubs_.find(lun); at != scrubs_.end()) co_return at->second.shown.id;
    if (info->health == array::lun_health::failed) co_return failure(errc::unavailable, "the LUN has failed");
    auto held = jobs_->hold();
    if (!held) co_return errc::closing;
    job& shown = scrubs_[lun].shown;
    shown.id = random_guid(system_random());
    shown.kind = "scrub";
    shown.phase = array::scrubbing_phase;
    shown.object = lun;
    const guid id = shown.id;
    watch_work();
    rt::start(scrub(*this, lun, std::move(held)));
    co_return id;
  });
}

// Runs on after begin_scrub() has returned; `held` keeps the host open until it ends.
rt::task<void> host::scrub(host& h, guid lun, [[maybe_unused]] rt::gate::held held) {
  const auto report = [&h, lun](const array::progress& p) {
    job& shown = h.scrubs_.at(lun).shown;
    shown.done = p.done.n;
    shown.total = p.total.n;
  };
  const auto found = co_await h.array_->scrub_lun(lun, true, report, h.scrubs_.at(lun).cancel.token());
  job& shown = h.scrubs_.at(lun).shown;
  if (found) {
    shown.phase = summary(*found);
    log::info("scrubbing LUN {}: {}", lun, shown.phase);
  } else {
    shown.failed = found.error();
    log::warn("scrubbing LUN {}: {}", lun, found.error());
  }
  h.watch_work();  // the book hears how it ended, and then that it has
  h.scrubs_.erase(lun);
  h.watch_work();
}

status host::cancel_job(const guid& id) {
  return call([this, id](array::array&) -> rt::task<status> {
    for (auto& [lun, s] : scrubs_) {
      if (s.shown.id != id) continue;
      s.cancel.request();
      co_return status();
    }
    if (!book_.find(id)) co_return errc::not_found;
    co_return failure(errc::not_supported, "redundancy, or the privacy of deleted data, depends on it");
  });
}

}  // namespace vds::array_provider
