// jobs.h: IVdsxJobs of the subsystem. Internal to this folder.
#pragma once

#include <vdsxarray.h>

#include "providers/array/edge.h"

namespace vds::array_provider {

HRESULT query_jobs(const context_ptr& c, VDSX_JOB_PROP** out, LONG* count) noexcept;
HRESULT get_job(const context_ptr& c, const guid& id, VDSX_JOB_PROP* out) noexcept;
HRESULT cancel_job(const context_ptr& c, const guid& id) noexcept;

}  // namespace vds::array_provider
