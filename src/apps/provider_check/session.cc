#include "apps/provider_check/session.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "com/hresult.h"
#include "com/implements.h"
#include "com/strings.h"
#include "sdk/notifier.h"
#include "wire/orpc/endpoint.h"

namespace vds::check {
namespace {

constexpr auto patience = std::chrono::seconds(5);
constexpr std::string_view any_class = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a21";
constexpr std::string_view any_id = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a22";

class sink final : public implements<IVdsAdviseSink> {
 public:
  HRESULT STDMETHODCALLTYPE OnNotify(LONG n, VDS_NOTIFICATION* all) noexcept override {
    if (n < 1 || n > 100 || all == nullptr) return E_INVALIDARG;
    const std::lock_guard lock(mutex_);
    for (LONG i = 0; i < n; ++i) seen_.emplace_back(sdk::event_code(all[i]), sdk::event_object(all[i]));
    came_.notify_all();
    return S_OK;
  }
  bool await(ULONG code, const guid& id, bool wait) {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, wait ? patience : std::chrono::seconds(0), [&] {
      for (const auto& [c, i] : seen_)
        if (c == code && i == id) return true;
      return false;
    });
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    seen_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::pair<ULONG, guid>> seen_;
};

class service_session final : public session {
 public:
  ~service_session() override {
    if (cookie_ != 0) service_->Unadvise(cookie_);
  }

  HRESULT open(const std::string& wanted, std::string& why) {
    com_ptr<IVdsServiceLoader> loader;
    why = "the service cannot be reached";
    HRESULT hr =
        CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, loader.put_void());
    if (FAILED(hr)) return hr;
    if (FAILED(hr = loader->LoadService(nullptr, service_.put()))) return hr;
    if (FAILED(hr = service_->WaitForServiceReady())) return hr;
    why = "there is no provider " + wanted;
    if (!find_status(wanted)) return VDS_E_OBJECT_NOT_FOUND;
    com_ptr<IEnumVdsObject> list;
    if (FAILED(hr = service_->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, list.put()))) return hr;
    for (;;) {
      com_ptr<IUnknown> each;
      ULONG n = 0;
      if (list->Next(1, each.put(), &n) != S_OK) break;
      VDS_PROVIDER_PROP prop{};
      const auto typed = each.as<IVdsProvider>();
      if (!typed || FAILED(typed->GetProperties(&prop))) continue;
      CoTaskMemFree(prop.pwszName);
      CoTaskMemFree(prop.pwszVersion);
      if (from_com(prop.id) == id_) provider_ = each;
    }
    why = "provider " + wanted + " is not ready: " + last_;
    if (!provider_) return VDS_E_PROVIDER_FAILURE;
    why = "notifications cannot be had";
    sink_ = make<sink>();
    return service_->Advise(sink_.get(), &cookie_);
  }

  com_ptr<IUnknown> provider() override { return provider_; }
  HRESULT object(const guid& id, VDS_OBJECT_TYPE type, IUnknown** out) override {
    return service_->GetObject(to_com(id), type, out);
  }
  bool event(ULONG code, const guid& id, bool wait) override { return sink_->await(code, id, wait); }
  void forget_events() override { sink_->forget(); }
  bool straight() const override { return false; }
  std::string ended() override {
    const ULONG pid = pid_, restarts = restarts_;
    if (!find_status(to_string(id_))) return "the service does not know it any more";
    if (restarts_ != restarts || pid_ != pid) return "died while it was checked: " + last_;
    if (FAILED(last_hr_)) return "broke a rule while it was checked: " + last_;
    return {};
  }

 private:
  bool find_status(const std::string& wanted) {
    const auto health = service_.as<IVdsxProviderStatus>();
    VDSX_PROVIDER_STATUS* all = nullptr;
    LONG n = 0;
    if (!health || FAILED(health->Query(&all, &n))) return false;
    bool found = false;
    for (LONG i = 0; i < n; ++i) {
      const guid id = from_com(all[i].id);
      if (!found && (to_utf8(all[i].pwszName) == wanted || to_string(id) == wanted)) {
        found = true;
        id_ = id;
        pid_ = all[i].ulPid;
        restarts_ = all[i].ulRestarts;
        last_ = to_utf8(all[i].pwszLast);
        last_hr_ = all[i].hrLast;
      }
      CoTaskMemFree(all[i].pwszName);
      CoTaskMemFree(all[i].pwszLast);
    }
    CoTaskMemFree(all);
    return found;
  }

  com_ptr<IVdsService> service_;
  com_ptr<IUnknown> provider_;
  com_ptr<sink> sink_;
  DWORD cookie_ = 0;
  guid id_;
  ULONG pid_ = 0, restarts_ = 0;
  HRESULT last_hr_ = S_OK;
  std::string last_;
};

class straight_session final : public session {
 public:
  ~straight_session() override {
    private_side_.reset();
    provider_.reset();
    if (connection_) connection_->close();
    if (child_ > 0) {
      ::kill(child_, SIGTERM);
      for (int i = 0; i < 500 && ::waitpid(child_, nullptr, WNOHANG) == 0; ++i) ::usleep(10'000);
      ::kill(child_, SIGKILL);
      while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  bool open(const std::vector<std::string>& command, const std::string& clsid, std::string& why) {
    const auto class_id = parse_guid(clsid.empty() ? any_class : std::string_view(clsid));
    if (!class_id) return why = "no class id: " + clsid, false;
    char name[] = "/tmp/vds-provider-check-XXXXXX";
    if (::mkdtemp(name) == nullptr) return why = "no temporary directory", false;
    folder_ = name;
    const std::string socket = folder_ + "/socket";
    if (!start(command, socket)) return why = command.front() + " did not print 'ready'", false;
    runtime_ = std::make_unique<wire::runtime>(2);
    auto connected = wire::endpoint::connect_unix(*runtime_, socket);
    if (!connected) return why = connected.error().message(), false;
    connection_ = std::move(*connected);
    HRESULT hr = connection_->activate(to_com(*class_id), __uuidof(IVdsProviderPrivate), private_side_.put_void());
    if (FAILED(hr)) return why = "activating it: " + describe(hr), false;
    provider_ = private_side_.as<IUnknown>();
    sink_ = make<sink>();
    WCHAR local[] = L"";
    hr = private_side_->OnLoad(local, sink_.get());
    if (FAILED(hr)) return why = "OnLoad: " + describe(hr), false;
    return true;
  }

  com_ptr<IUnknown> provider() override { return provider_; }
  HRESULT object(const guid& id, VDS_OBJECT_TYPE type, IUnknown** out) override {
    return private_side_->GetObject(to_com(id), type, out);
  }
  bool event(ULONG code, const guid& id, bool wait) override { return sink_->await(code, id, wait); }
  void forget_events() override { sink_->forget(); }
  bool straight() const override { return true; }
  std::string ended() override {
    int status = 0;
    if (::waitpid(child_, &status, WNOHANG) != child_) return {};
    child_ = -1;
    return "died while it was checked";
  }

 private:
  bool start(std::vector<std::string> command, const std::string& socket) {
    command.insert(command.end(), {"--socket", socket});
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) return false;
    // No thread of ours is there yet.
    ::setenv("VDS_PROVIDER_NAME", "checked", 1);
    ::setenv("VDS_PROVIDER_ID", std::string(any_id).c_str(), 1);
    ::setenv("VDS_PROVIDER_CLSID", std::string(any_class).c_str(), 1);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(out[1]);
    std::string said;
    char some[256];
    ssize_t n = 0;
    while (said.find("ready\n") == std::string::npos && (n = ::read(out[0], some, sizeof some)) > 0)
      said.append(some, static_cast<std::size_t>(n));
    ::close(out[0]);
    return n > 0;
  }

  std::string folder_;
  pid_t child_ = -1;
  std::unique_ptr<wire::runtime> runtime_;
  std::shared_ptr<wire::endpoint> connection_;
  com_ptr<IVdsProviderPrivate> private_side_;
  com_ptr<IUnknown> provider_;
  com_ptr<sink> sink_;
};

}  // namespace

std::unique_ptr<session> through_the_service(const std::string& wanted, std::string& why, HRESULT& hr) {
  auto made = std::make_unique<service_session>();
  hr = made->open(wanted, why);
  if (SUCCEEDED(hr)) return made;
  why += ": " + describe(hr);
  return {};
}

std::unique_ptr<session> straight_to(const std::vector<std::string>& command, const std::string& clsid,
                                     std::string& why) {
  auto made = std::make_unique<straight_session>();
  if (!made->open(command, clsid, why)) return {};
  return made;
}

}  // namespace vds::check
