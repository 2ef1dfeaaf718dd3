// What the array is doing by itself, collected for the book; and IVdsxJobs.
#include "providers/array/jobs.h"

#include <chrono>

namespace vds::array_provider {

namespace {

std::uint64_t unix_ns() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count());
}

job work_on(const guid& object, job::subject of, const char* kind) {
  job j;
  j.id = name_guid(object, kind);  // one of a kind at a time: the same when the process starts again
  j.kind = kind;
  j.object = object;
  j.of = of;
  return j;
}

VDS_OBJECT_TYPE type_of(job::subject of) {
  switch (of) {
    case job::subject::subsystem:
      return VDS_OT_SUB_SYSTEM;
    case job::subject::drive:
      return VDS_OT_DRIVE;
    case job::subject::lun:
      return VDS_OT_LUN;
  }
  return VDS_OT_UNKNOWN;
}

void put_job(const job& from, VDSX_JOB_PROP& to) {
  co_task_ptr<wchar_t> kind(co_task_string(from.kind)), phase(co_task_string(from.phase));
  co_task_ptr<wchar_t> waiting(from.waiting_for.empty() ? nullptr : co_task_string(from.waiting_for));
  to = {};
  to.id = to_com(from.id);
  to.objectId = to_com(from.object);
  to.objectType = type_of(from.of);
  to.state = from.ended ? VDSX_OS_DONE : from.waiting_for.empty() ? VDSX_OS_RUNNING : VDSX_OS_QUEUED;
  to.ulPercent = from.percent();
  to.ullBytesDone = from.done;
  to.ullBytesTotal = from.total;
  to.ullBytesPerSecond = from.bytes_per_second;
  to.ullSecondsLeft = from.seconds_left.value_or(~0ull);
  to.hrResult = !from.ended   ? VDS_E_OPERATION_PENDING
                : from.failed ? code_of(*from.failed, VDS_E_OBJECT_DELETED)
                              : S_OK;
  to.ullBegunUnixNs = from.begun_ns;
  to.ullEndedUnixNs = from.ended_ns;
  to.pwszKind = kind.release();
  to.pwszPhase = phase.release();
  to.pwszWaitingFor = waiting.release();
}

void clear(VDSX_JOB_PROP& p) {
  CoTaskMemFree(p.pwszKind);
  CoTaskMemFree(p.pwszPhase);
  CoTaskMemFree(p.pwszWaitingFor);
}

}  // namespace

void host::watch_work() {
  std::vector<job> now;
  for (const guid& id : array_->luns_at_work()) {
    const auto lun = array_->lun(id);
    if (!lun || !lun->work) continue;
    const bool rebuild = lun->work->phase == array::rebuilding_phase;
    now.push_back(work_on(id, job::subject::lun, rebuild ? "rebuild" : "resync"));
    now.back().phase = lun->work->phase;
    now.back().done = lun->work->done.n;
    now.back().total = lun->work->total.n;
  }
  for (const auto& [lun, s] : scrubs_) now.push_back(s.shown);
  // Of deleted data the array knows only what is left to be wiped.
  for (const auto& d : array_->drives()) {
    if (d.wiping.n == 0) {
      wipes_.erase(d.id);
      continue;
    }
    wipe& w = wipes_[d.id];
    if (d.wiping.n < w.left) w.done += w.left - d.wiping.n;
    w.left = d.wiping.n;
    now.push_back(work_on(d.id, job::subject::drive, "wipe"));
    now.back().phase = "wiping deleted data";
    now.back().done = w.done;
    now.back().total = w.done + w.left;
  }
  book_.observe(now, reactor().now(), unix_ns());
}

result<std::vector<job>> host::jobs() {
  return read([this](array::array&) {
    watch_work();
    return book_.all();
  });
}

result<job> host::find_job(const guid& id) {
  return call([this, &id](array::array&) -> rt::task<result<job>> {
    watch_work();
    const auto found = book_.find(id);
    if (!found) co_return errc::not_found;
    co_return *found;
  });
}

HRESULT query_jobs(const context_ptr& c, VDSX_JOB_PROP** out, LONG* count) noexcept try {
  if (out) *out = nullptr;
  if (count) *count = 0;
  if (!out || !count) return E_INVALIDARG;
  const auto all = c->core->jobs();
  if (!all) return refused(all.error(), "background work", VDS_E_OBJECT_NOT_FOUND);
  if (all->empty()) return S_OK;
  co_task_ptr<VDSX_JOB_PROP> jobs(co_task_alloc<VDSX_JOB_PROP>(all->size()));
  std::size_t n = 0;
  try {
    for (; n < all->size(); ++n) put_job((*all)[n], jobs.get()[n]);
  } catch (...) {
    while (n > 0) clear(jobs.get()[--n]);
    throw;
  }
  *out = jobs.release();
  *count = static_cast<LONG>(n);
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT get_job(const context_ptr& c, const guid& id, VDSX_JOB_PROP* out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = {};
  const auto found = c->core->find_job(id);
  if (!found) return code_of(found.error(), VDS_E_OBJECT_NOT_FOUND);
  put_job(*found, *out);
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT cancel_job(const context_ptr& c, const guid& id) noexcept try {
  const auto found = c->core->find_job(id);
  if (!found) return code_of(found.error(), VDS_E_OBJECT_NOT_FOUND);
  if (found->ended) return VDS_E_CANCEL_TOO_LATE;
  const auto cancelled = c->core->cancel_job(id);
  return cancelled ? S_OK : code_of(cancelled.error(), VDS_E_CANCEL_TOO_LATE);
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::array_provider
