// management_bench.cc: what managing costs. CreateLun + Wait + Delete through vds.h against a running service, at 10,
// 1,000 and 10,000 existing LUNs, one and 64 in flight, beside what the same disk and sockets cost bare in the same
// run; at each number also enumerating all, finding one by its id, masking one, and the memory of the service's
// processes. Usage: management_bench DIR [--existing 10,1000,10000] [--rounds N] [--pids PID,PID]. VDS_SOCKET names the
// service; DIR is on the same disk as its drives. Prints a table and its ratios.
#include <sys/resource.h>
#include <windows.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "baseline.h"
#include "vds.h"

namespace {

using vds::bench::sample;
using steady = std::chrono::steady_clock;

template <class T>
class ref {
 public:
  ref() = default;
  ref(const ref&) = delete;
  ref& operator=(const ref&) = delete;
  ref(ref&& other) noexcept : p_(other.p_) { other.p_ = nullptr; }
  ~ref() {
    if (p_ != nullptr) p_->Release();
  }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T** put() { return &p_; }
  void** put_void() { return reinterpret_cast<void**>(&p_); }

 private:
  T* p_ = nullptr;
};

void must(HRESULT hr, const char* what) {
  if (SUCCEEDED(hr)) return;
  std::fprintf(stderr, "management_bench: %s: 0x%08x\n", what, static_cast<unsigned>(hr));
  std::exit(1);
}

ref<IVdsService> connect() {
  ref<IVdsServiceLoader> loader;
  must(CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, loader.put_void()),
       "CoCreateInstance");
  ref<IVdsService> service;
  must(loader->LoadService(nullptr, service.put()), "LoadService");
  must(service->WaitForServiceReady(), "WaitForServiceReady");
  return service;
}

template <class Interface>
ref<Interface> first_of(IEnumVdsObject* list, const IID& iid) {
  ref<IUnknown> unknown;
  ULONG fetched = 0;
  must(list->Next(1, unknown.put(), &fetched) == S_OK ? S_OK : E_FAIL, "an object of that kind");
  ref<Interface> object;
  must(unknown->QueryInterface(iid, object.put_void()), "QueryInterface");
  return object;
}

ref<IVdsSubSystem> subsystem_of(IVdsService* service) {
  ref<IEnumVdsObject> providers;
  must(service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, providers.put()), "QueryProviders");
  auto provider = first_of<IVdsHwProvider>(providers.get(), IID_IVdsHwProvider);
  ref<IEnumVdsObject> subsystems;
  must(provider->QuerySubSystems(subsystems.put()), "QuerySubSystems");
  return first_of<IVdsSubSystem>(subsystems.get(), IID_IVdsSubSystem);
}

struct times {
  double accepted_us;  // CreateLun returned: the async object is in hand
  double created_us;   // Wait returned
  double whole_us;     // Delete returned
};

ref<IVdsLun> create(IVdsSubSystem* subsystem, times* t) {
  const auto us_since = [](steady::time_point from) {
    return std::chrono::duration<double, std::micro>(steady::now() - from).count();
  };
  const auto begun = steady::now();
  ref<IVdsAsync> async;
  wchar_t nobody[] = L"";
  must(subsystem->CreateLun(VDS_LT_SIMPLE, 1 << 20, nullptr, 0, nobody, nullptr, async.put()), "CreateLun");
  if (t != nullptr) t->accepted_us = us_since(begun);
  HRESULT result = E_FAIL;
  VDS_ASYNC_OUTPUT out{};
  must(async->Wait(&result, &out), "Wait");
  must(result, "the operation");
  if (t != nullptr) t->created_us = us_since(begun);
  ref<IVdsLun> lun;
  must(out.cl.pLunUnk->QueryInterface(IID_IVdsLun, lun.put_void()), "QueryInterface(IVdsLun)");
  out.cl.pLunUnk->Release();
  return lun;
}

struct series {
  sample accepted, created, whole;
};

// `in_flight` threads, each one create-wait-delete after the other.
series measure(IVdsSubSystem* subsystem, std::size_t rounds, std::size_t in_flight) {
  series s;
  std::mutex mutex;
  std::atomic<std::size_t> left{rounds};
  const auto begun = steady::now();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < in_flight; ++i) {
    threads.emplace_back([&] {
      for (;;) {
        std::size_t n = left.load();
        while (n > 0 && !left.compare_exchange_weak(n, n - 1)) {
        }
        if (n == 0) return;
        times t{};
        const auto from = steady::now();
        auto lun = create(subsystem, &t);
        must(lun->Delete(), "Delete");
        t.whole_us = std::chrono::duration<double, std::micro>(steady::now() - from).count();
        const std::lock_guard lock(mutex);
        s.accepted.us.push_back(t.accepted_us);
        s.created.us.push_back(t.created_us);
        s.whole.us.push_back(t.whole_us);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(steady::now() - begun).count();
  for (sample* one : {&s.accepted, &s.created, &s.whole}) {
    one->seconds = seconds;
    one->in_flight = in_flight;
  }
  return s;
}

// What processes have used up: time on a processor, and how often they gave it up to wait for something.
struct usage {
  double us = 0;
  std::uint64_t waits = 0;
};

usage usage_of(const std::string& pid) {
  usage sum;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + pid + "/task")) {
    double ns = 0;
    std::ifstream(thread.path() / "schedstat") >> ns;
    sum.us += ns / 1000;
    std::ifstream status(thread.path() / "status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("voluntary_ctxt_switches:")) sum.waits += std::strtoul(line.c_str() + 24, nullptr, 10);
  }
  return sum;
}

std::vector<usage> usage_of(const std::vector<std::string>& pids) {
  std::vector<usage> all;
  for (const std::string& pid : pids) all.push_back(usage_of(pid));
  return all;
}

// Everything that QueryLuns shows, one by one as VDS programs do, with the properties of each.
std::vector<VDS_OBJECT_ID> enumerate(IVdsSubSystem* subsystem) {
  ref<IEnumVdsObject> luns;
  must(subsystem->QueryLuns(luns.put()), "QueryLuns");
  std::vector<VDS_OBJECT_ID> ids;
  for (;;) {
    ref<IUnknown> unknown;
    ULONG fetched = 0;
    if (luns->Next(1, unknown.put(), &fetched) != S_OK) return ids;
    ref<IVdsLun> lun;
    must(unknown->QueryInterface(IID_IVdsLun, lun.put_void()), "QueryInterface(IVdsLun)");
    VDS_LUN_PROP prop{};
    must(lun->GetProperties(&prop), "GetProperties");
    CoTaskMemFree(prop.pwszFriendlyName);
    CoTaskMemFree(prop.pwszIdentification);
    CoTaskMemFree(prop.pwszUnmaskingList);
    ids.push_back(prop.id);
  }
}

// Anonymous memory of these processes, in KiB.
std::size_t memory_kib(const std::vector<std::string>& pids) {
  std::size_t sum = 0;
  for (const std::string& pid : pids) {
    std::ifstream status("/proc/" + pid + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("RssAnon:")) sum += std::strtoul(line.c_str() + 8, nullptr, 10);
  }
  return sum;
}

void print(const sample& s, const sample& unit) {
  std::printf("%-44s %9zu %10.1f %10.1f %12.0f %9.2fx\n", s.name.c_str(), s.us.size(), s.percentile(50),
              s.percentile(99), s.rate(), s.percentile(50) / unit.percentile(50));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::size_t> existing = {10, 1000, 10000};
  std::size_t rounds = 500;
  std::vector<std::string> pids;
  if (argc < 2) {
    std::fprintf(stderr, "usage: management_bench DIR [--existing 10,1000,10000] [--rounds N]\n");
    return 2;
  }
  for (int i = 2; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::strtoul(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--pids") == 0) {
      std::istringstream list(argv[i + 1]);
      for (std::string pid; std::getline(list, pid, ',');) pids.push_back(pid);
    }
    if (std::strcmp(argv[i], "--existing") == 0) {
      existing.clear();
      std::istringstream list(argv[i + 1]);
      for (std::string n; std::getline(list, n, ',');) existing.push_back(std::stoul(n));
    }
  }
  const std::filesystem::path dir = argv[1];
  must(CoInitializeEx(nullptr, COINIT_MULTITHREADED), "CoInitializeEx");

  std::printf("%-44s %9s %10s %10s %12s %10s\n", "", "rounds", "p50 us", "p99 us", "per second", "of unit");
  const auto ping = vds::bench::socket_round_trips(20000);
  auto service = connect();
  auto noop = vds::bench::timed("IVdsService::IsServiceReady", 20000, [&] { service->IsServiceReady(); });
  print(ping, ping);
  print(noop, ping);

  const auto dsync = vds::bench::dsync_writes(dir, rounds);
  print(dsync, dsync);
  print(vds::bench::fdatasync_appends(dir, rounds), dsync);
  print(vds::bench::sqlite_commits(dir, rounds), dsync);

  auto subsystem = subsystem_of(service.get());
  std::size_t have = 0;
  const std::size_t empty_kib = memory_kib(pids);
  for (const std::size_t goal : existing) {
    for (; have < goal; ++have) create(subsystem.get(), nullptr);
    for (const std::size_t in_flight : {std::size_t{1}, std::size_t{64}}) {
      const std::size_t n = in_flight == 1 ? rounds : rounds * 8;
      const auto used_before = usage_of(pids);
      auto s = measure(subsystem.get(), n, in_flight);
      const auto used = usage_of(pids);
      const std::string where = " (" + std::to_string(goal) + " LUNs, " + std::to_string(in_flight) + " in flight)";
      s.accepted.name = "CreateLun" + where;
      s.created.name = "CreateLun+Wait" + where;
      s.whole.name = "CreateLun+Wait+Delete" + where;
      for (const sample* one : {&s.accepted, &s.created, &s.whole}) print(*one, dsync);
      for (std::size_t i = 0; i < pids.size(); ++i)
        std::printf("  each round in process %s: %.0f us on a processor, %.1f waits\n", pids[i].c_str(),
                    (used[i].us - used_before[i].us) / static_cast<double>(n),
                    static_cast<double>(used[i].waits - used_before[i].waits) / static_cast<double>(n));
    }
    const std::string where = " (" + std::to_string(goal) + " LUNs)";
    std::vector<VDS_OBJECT_ID> ids;
    auto all = vds::bench::timed("QueryLuns, Next, GetProperties of each" + where, 1,
                                 [&] { ids = enumerate(subsystem.get()); });
    print(all, ping);
    std::size_t at = 0;
    print(vds::bench::timed("GetObject by id" + where, rounds,
                            [&] {
                              ref<IUnknown> object;
                              at = (at + 7919) % ids.size();
                              must(service->GetObject(ids[at], VDS_OT_LUN, object.put()), "GetObject");
                            }),
          ping);
    ref<IUnknown> object;
    must(service->GetObject(ids[ids.size() / 2], VDS_OT_LUN, object.put()), "GetObject");
    ref<IVdsLun> lun;
    must(object->QueryInterface(IID_IVdsLun, lun.put_void()), "QueryInterface(IVdsLun)");
    wchar_t everybody[] = L"*", nobody[] = L"";
    bool seen = false;
    print(vds::bench::timed("SetMask" + where, std::min<std::size_t>(rounds, 200),
                            [&] { must(lun->SetMask((seen = !seen) ? everybody : nobody), "SetMask"); }),
          dsync);
    if (!pids.empty()) {
      const std::size_t now = memory_kib(pids);
      std::printf("memory of the service's processes%s: %zu KiB, %.0f bytes for each LUN beyond the start's %zu KiB\n",
                  where.c_str(), now,
                  1024.0 * static_cast<double>(now - std::min(now, empty_kib)) / static_cast<double>(goal), empty_kib);
    }
  }
  return 0;
}
