#include "providers/sim/director.h"

#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "base/log.h"

namespace vds::sim {

void die() noexcept {
  // SIGKILL rather than a real fault: nothing of ours, and no sanitizer, gets a word in.
  ::raise(SIGKILL);
  for (;;) ::pause();
}

script director::now() {
  const std::lock_guard lock(mutex_);
  refresh();
  return script_;
}

void director::refresh() {
  if (file_.empty()) return;
  struct stat is {};
  if (::stat(file_.c_str(), &is) != 0) return;
  if (is.st_ino == seen_.st_ino && is.st_size == seen_.st_size && is.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
      is.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec)
    return;
  seen_ = is;
  std::ifstream in(file_);
  auto parsed = parse_script(std::string(std::istreambuf_iterator<char>(in), {}));
  if (parsed)
    script_ = std::move(*parsed);
  else
    log::error("{}: {}", file_, parsed.error());
}

std::optional<HRESULT> director::play(const char* method) {
  const script told = now();
  const action* a = told.on(method);
  if (a == nullptr) return {};
  log::info("playing {}: {}", method,
            a->kind == action_kind::crash ? "crash" : (a->kind == action_kind::hang ? "hang" : "answer"));
  switch (a->kind) {
    case action_kind::crash:
      die();
    case action_kind::answer:
      return static_cast<HRESULT>(a->answer);
    case action_kind::hang: {
      std::unique_lock lock(mutex_);
      if (!a->hang_for) {
        stopped_.wait(lock, [&] { return stopping_; });
        return E_ABORT;
      }
      if (stopped_.wait_for(lock, *a->hang_for, [&] { return stopping_; })) return E_ABORT;
      return {};
    }
  }
  return {};
}

void director::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  stopped_.notify_all();
}

bool director::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void director::hang() {
  std::unique_lock lock(mutex_);
  stopped_.wait(lock, [&] { return stopping_; });
}

}  // namespace vds::sim
