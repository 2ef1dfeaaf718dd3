// local.h: interfaces between objects of one process. They are never marshalled: QueryInterface on a proxy answers
// E_NOINTERFACE for them, unless the proxy itself implements one.
#pragma once

#include <functional>

#include "com/com.h"

namespace vds {

class com_work_queue {
 public:
  virtual ~com_work_queue() = default;
  virtual bool post(std::function<void()> work) = 0;  // false: full, and the work will not run
};

}  // namespace vds

// IVdsAsync::Wait without a thread.
struct IVdsLocalAsync : public IUnknown {
  // `done` runs exactly once, on any thread, possibly before begin_wait returns; it takes over the references in
  // `output`. A failure returned here means it will not run.
  virtual HRESULT STDMETHODCALLTYPE
  begin_wait(std::function<void(HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& output)> done) noexcept = 0;
};
__CRT_UUID_DECL(IVdsLocalAsync, 0x5c1d5c1e, 0x3f53, 0x4b7e, 0x9d, 0x0c, 0x0b, 0x6f, 0x6d, 0x1f, 0x7b, 0x01)

// Which queue runs the calls that arrive for this object.
struct IVdsLocalDispatch : public IUnknown {
  // Null: run it where it was received. The queue belongs to the object and lives as long.
  virtual vds::com_work_queue* STDMETHODCALLTYPE queue_for(REFIID iid, ULONG slot) noexcept = 0;
};
__CRT_UUID_DECL(IVdsLocalDispatch, 0x5c1d5c1e, 0x3f53, 0x4b7e, 0x9d, 0x0c, 0x0b, 0x6f, 0x6d, 0x1f, 0x7b, 0x02)

// IVdsxEvents::Read without a thread.
struct IVdsLocalEvents : public IUnknown {
  // `done` runs exactly once, on any thread, possibly before begin_read returns; it takes over `events` (CoTaskMem). A
  // failure returned here means it will not run.
  virtual HRESULT STDMETHODCALLTYPE begin_read(
      ULONGLONG since, ULONG max, ULONG timeout_ms,
      std::function<void(HRESULT hr, VDSX_EVENT* events, LONG count, ULONGLONG next, BOOL lost)> done) noexcept = 0;
};
__CRT_UUID_DECL(IVdsLocalEvents, 0x5c1d5c1e, 0x3f53, 0x4b7e, 0x9d, 0x0c, 0x0b, 0x6f, 0x6d, 0x1f, 0x7b, 0x03)
