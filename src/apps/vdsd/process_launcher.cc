#include "apps/vdsd/process_launcher.h"

#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <utility>

#include "base/log.h"
#include "com/com_ptr.h"
#include "com/hresult.h"
#include "com/strings.h"
#include "wire/orpc/endpoint.h"

namespace vds::vdsd {
namespace {

constexpr auto patience = std::chrono::seconds(3);         // between SIGTERM and SIGKILL
constexpr auto array_patience = std::chrono::seconds(30);  // an array flushes its drives first
constexpr auto reason_within = std::chrono::milliseconds(500);

// Tells once. Both the connection and the process say that a provider is lost; the process knows why.
class loss {
 public:
  explicit loss(std::function<void(std::string)> then) : then_(std::move(then)) {}
  void tell(const std::string& why) {
    std::function<void(std::string)> then;
    {
      const std::lock_guard lock(mutex_);
      then.swap(then_);
    }
    if (then) then(why);
  }

 private:
  std::mutex mutex_;
  std::function<void(std::string)> then_;
};

// Who it is, for providers that leave that to their registration: one program may be several providers.
std::vector<std::string> environment_of(const service::provider_spec& spec) {
  std::vector<std::string> out{"VDS_PROVIDER_NAME=" + spec.name, "VDS_PROVIDER_CLSID=" + to_string(spec.clsid)};
  if (spec.id) out.push_back("VDS_PROVIDER_ID=" + to_string(spec.id));
  return out;
}

void kill_and_wait(child_process& child) {
  child.signal(SIGKILL);
  child.wait(patience);
}

class process_connection final : public service::provider_connection {
 public:
  process_connection(std::shared_ptr<wire::endpoint> connection, com_ptr<IUnknown> object,
                     std::unique_ptr<child_process> child, bool outlives_us,
                     std::shared_ptr<std::atomic<bool>> stopping)
      : connection_(std::move(connection)),
        object_(std::move(object)),
        child_(std::move(child)),
        pid_(child_ ? child_->pid() : connection_->peer().pid),
        outlives_us_(outlives_us),
        stopping_(std::move(stopping)) {}

  ~process_connection() override {
    object_.reset();
    connection_->close();
    if (outlives_us_ && !*stopping_) return;
    end(outlives_us_ ? array_patience : patience);
  }

  IUnknown* object() override { return object_.get(); }
  unsigned pid() const override { return static_cast<unsigned>(pid_); }
  void kill() override {
    if (!outlives_us_ && child_) child_->signal(SIGKILL);
    connection_->close();
  }

 private:
  void end(monotonic::duration limit) {
    if (child_) {
      child_->signal(SIGTERM);
      if (child_->wait(limit)) return;
      log::warn("process {} does not end on SIGTERM; killing it", pid_);
      child_->signal(SIGKILL);
      child_->wait(limit);
      return;
    }
    // Adopted: not our child, so its end is seen by asking. The pid is what the kernel told of the socket's other end.
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    const deadline until = monotonic::now() + limit;
    // It may be a child of ours all the same, lost and found again: then it has to be waited for.
    while (::waitpid(pid_, nullptr, WNOHANG) != pid_ && ::kill(pid_, 0) == 0 && monotonic::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  const std::shared_ptr<wire::endpoint> connection_;
  com_ptr<IUnknown> object_;
  const std::unique_ptr<child_process> child_;
  const pid_t pid_;
  const bool outlives_us_;
  const std::shared_ptr<std::atomic<bool>> stopping_;
};

}  // namespace

process_launcher::process_launcher(wire::runtime& runtime, std::string directory, monotonic::duration ready_within,
                                   child_limits limits)
    : runtime_(runtime),
      directory_(std::move(directory)),
      ready_within_(ready_within),
      limits_(limits),
      stopping_(std::make_shared<std::atomic<bool>>(false)) {}

void process_launcher::plan(const std::string& name, launch_plan how) {
  const std::lock_guard lock(mutex_);
  plans_[name] = std::move(how);
}

void process_launcher::stopping() { *stopping_ = true; }

result<launch_plan> process_launcher::plan_for(const service::provider_spec& spec) {
  launch_plan how;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = plans_.find(spec.name); at != plans_.end()) how = at->second;
  }
  if (how.command.empty()) {
    if (spec.command.empty())
      return failure(errc::not_found,
                     "nobody said how to run it: name its program when registering it, or in the configuration");
    auto words = split_command(spec.command);
    if (!words) return std::move(words).error();
    how.command = std::move(*words);
  }
  if (how.socket.empty()) how.socket = directory_ + "/" + (spec.id ? to_string(spec.id) : spec.name) + ".sock";
  if (how.socket.size() >= sizeof(sockaddr_un::sun_path))
    return failure(errc::too_large, "the path of its socket is too long: " + how.socket);
  how.command.insert(how.command.end(), {"--socket", how.socket});
  return how;
}

result<std::unique_ptr<service::provider_connection>> process_launcher::launch(
    const service::provider_spec& spec, std::function<void(std::string why)> on_lost) {
  auto how = plan_for(spec);
  if (!how) return std::move(how).error();
  auto lost = std::make_shared<loss>(std::move(on_lost));

  std::unique_ptr<child_process> child;
  std::shared_ptr<wire::endpoint> connection;
  if (how->outlives_us) {
    if (auto running = wire::endpoint::connect_unix(runtime_, how->socket)) {
      connection = std::move(*running);
      log::info("provider {}: runs already, as process {}; taking it over", spec.name, connection->peer().pid);
    }
  }
  if (!connection) {
    child_options options{how->command, !how->outlives_us, environment_of(spec), {}};
    if (!how->outlives_us) options.limits = limits_;
    auto started = child_process::start(options, ready_within_);
    if (!started) return std::move(started).error();
    child = std::move(*started);
    auto connected = wire::endpoint::connect_unix(runtime_, how->socket);
    if (!connected) {
      if (!how->outlives_us) kill_and_wait(*child);
      return std::move(connected).error().in("connecting to", how->socket);
    }
    connection = std::move(*connected);
  }
  com_ptr<IUnknown> object;
  const HRESULT hr = connection->activate(to_com(spec.clsid), __uuidof(IVdsProviderPrivate), object.put_void());
  if (FAILED(hr) || !object) {
    connection->close();
    if (child && !how->outlives_us) kill_and_wait(*child);
    return failure_from_hresult(FAILED(hr) ? hr : E_UNEXPECTED, "activating class " + to_string(spec.clsid));
  }
  // Told by the process when it is ours, since it knows how it ended; by the connection when only that is lost.
  child_process* const watched = child.get();
  auto made = std::make_unique<process_connection>(connection, std::move(object), std::move(child), how->outlives_us,
                                                   stopping_);
  if (watched != nullptr)
    watched->on_exit([lost](const std::string& words) { lost->tell("its process was lost: " + words); });
  connection->on_closed([lost, ours = watched != nullptr] {
    if (!ours) return lost->tell("its process ended, or closed the connection");
    // Almost always the process has ended and is about to say how. Not on this thread, which others need.
    std::thread([lost] {
      std::this_thread::sleep_for(reason_within);
      lost->tell("it closed the connection");
    }).detach();
  });
  return made;
}

result<std::vector<std::string>> split_command(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
      in_word = true;
    } else if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (in_word) out.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) return failure(errc::invalid_argument, "a quote is not closed in: " + std::string(text));
  if (in_word) out.push_back(std::move(word));
  if (out.empty()) return failure(errc::invalid_argument, "an empty command");
  return out;
}

}  // namespace vds::vdsd
