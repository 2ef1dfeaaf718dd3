// endpoint.h: one connection between two processes that hold each other's objects. Either peer exports and calls; an
// interface pointer that crosses it becomes a proxy at the other end, and the object itself again when it comes home.
//   auto service = endpoint::connect_unix(runtime, "/run/vds/vdsd.sock", {});
//   (*service)->activate(CLSID_VdsLoader, IID_IVdsServiceLoader, &p);
// Lifetime: proxies hold their endpoint; what it exports does not. When the connection closes, everything exported on
// it is released and every outstanding and later call through its proxies answers RPC_E_DISCONNECTED. Any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "com/com.h"
#include "wire/orpc/limits.h"
#include "wire/orpc/runtime.h"
#include "wire/orpc/socket.h"

namespace vds::wire {

// Asked before every method of every object runs (slot 3 and up), and, with slot 0, before an interface is given out by
// QueryInterface or activation. Not asked for activating IVdsServiceLoader, which everybody may. Runs on I/O threads:
// must not block. S_OK, or the HRESULT (E_ACCESSDENIED) that the caller gets with zeroed results.
using authorizer = std::function<HRESULT(const peer_credentials& peer, REFIID iid, ULONG slot)>;
// Makes the object of a class for a peer, with one reference.
using activator = std::function<HRESULT(REFCLSID clsid, REFIID iid, void** out, const peer_credentials& peer)>;

struct endpoint_options {
  std::optional<std::chrono::milliseconds> call_deadline;  // of each call out; current_call().deadline may be earlier
  connection_limits limits;
  bool reserved_methods = true;  // carry the methods that MS-VDS reserves without using; a remote transport would not
  activator activate;            // unset: this side has no classes
  authorizer authorize;          // unset: the peer may call whatever it was given
};

class endpoint {
 public:
  virtual ~endpoint() = default;

  static result<std::shared_ptr<endpoint>> connect_unix(runtime& rt, const std::string& path,
                                                        endpoint_options options = {});
  // Over a connected stream socket; both ends may be in one process.
  static std::shared_ptr<endpoint> over(runtime& rt, unique_fd connected, endpoint_options options = {});

  virtual HRESULT activate(REFCLSID clsid, REFIID iid, void** out) = 0;
  // Runs once, on an I/O thread, when the connection is gone; at once when it already is.
  virtual void on_closed(std::function<void()> then) = 0;
  virtual void close() = 0;
  virtual bool closed() const = 0;
  virtual const peer_credentials& peer() const = 0;

  struct counts {
    std::size_t exported_interfaces, proxies, calls_out, calls_in;
  };
  virtual counts count() const = 0;
};

// The HRESULT for a failed connect_unix(): RPC_S_SERVER_UNAVAILABLE, or E_ACCESSDENIED.
HRESULT connect_hresult(const failure& why);

}  // namespace vds::wire
