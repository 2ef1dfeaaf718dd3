// waiters SOCKET OPERATION CONNECTIONS WAITS_EACH: as many IVdsAsync::Wait calls on one operation, outstanding at the
// same time. Prints {"outstanding": N} once the service has them all, and {"answered": N, "well": M} when the operation
// has ended. Waits by continuations, not threads: what is to be measured is the service, not this program.
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/guid.h"
#include "com/com_ptr.h"
#include "com/local.h"
#include "com/strings.h"
#include "wire/orpc/endpoint.h"

namespace {

using namespace vds;

[[noreturn]] void give_up(const char* what, HRESULT hr) {
  std::fprintf(stderr, "waiters: %s: 0x%08x\n", what, static_cast<unsigned>(hr));
  std::exit(1);
}
void must(HRESULT hr, const char* what) {
  if (FAILED(hr)) give_up(what, hr);
}

struct tally {
  std::mutex mutex;
  std::condition_variable all;
  std::size_t answered = 0, well = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: waiters SOCKET OPERATION CONNECTIONS WAITS_EACH\n");
    return 2;
  }
  const auto id = parse_guid(argv[2]);
  if (!id) give_up("not an operation's id", E_INVALIDARG);
  const std::size_t connections = std::strtoul(argv[3], nullptr, 10), each = std::strtoul(argv[4], nullptr, 10);

  tally all;
  wire::runtime runtime(1);
  std::vector<std::shared_ptr<wire::endpoint>> endpoints;
  std::vector<com_ptr<IVdsAsync>> asyncs;
  for (std::size_t n = 0; n < connections; ++n) {
    auto to = wire::endpoint::connect_unix(runtime, argv[1]);
    if (!to) give_up(to.error().message().c_str(), wire::connect_hresult(to.error()));
    com_ptr<IVdsServiceLoader> loader;
    must((*to)->activate(CLSID_VdsLoader, IID_IVdsServiceLoader, loader.put_void()), "activating the loader");
    com_ptr<IVdsService> service;
    must(loader->LoadService(nullptr, service.put()), "LoadService");
    const auto operations = service.as<IVdsxOperations>();
    if (!operations) give_up("no IVdsxOperations", E_NOINTERFACE);
    com_ptr<IVdsAsync> async;
    must(operations->Open(to_com(*id), async.put()), "opening the operation");
    const auto local = async.as<IVdsLocalAsync>();
    if (!local) give_up("the proxy does not wait by continuation", E_NOINTERFACE);
    for (std::size_t w = 0; w < each; ++w)
      must(local->begin_wait([&all](HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& out) {
        if (out.type == VDS_ASYNCOUT_CREATELUN && out.cl.pLunUnk != nullptr) out.cl.pLunUnk->Release();
        const std::lock_guard lock(all.mutex);
        ++all.answered;
        if (SUCCEEDED(wait) && SUCCEEDED(result)) ++all.well;
        all.all.notify_all();
      }),
           "Wait");
    // A call behind them on the same connection: when it has been answered, they have arrived.
    HRESULT now = S_OK;
    ULONG percent = 0;
    must(async->QueryStatus(&now, &percent), "QueryStatus");
    endpoints.push_back(*to);
    asyncs.push_back(std::move(async));
  }
  {
    const std::lock_guard lock(all.mutex);
    std::printf("{\"outstanding\": %zu}\n", connections * each - all.answered);
    std::fflush(stdout);
  }
  {
    std::unique_lock lock(all.mutex);
    all.all.wait(lock, [&] { return all.answered == connections * each; });
    std::printf("{\"answered\": %zu, \"well\": %zu}\n", all.answered, all.well);
  }
  asyncs.clear();
  for (auto& e : endpoints) e->close();
  return 0;
}
