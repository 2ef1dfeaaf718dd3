// portal_server.h: accepts connections on listeners and hands them to targets. Reactor per core: each portal is a
// listener and the executor that it and all its connections live on; several portals may listen on one address
// (SO_REUSEPORT). A LUN on another executor is reached by message.
// Portals come and go while it runs. What demands no authentication through a portal is found by its name or not found;
// as soon as a target demands it, discovery does, too, and a target that is not there for an initiator looks like one
// whose secret it does not know.
// Thread: constructor, add, remove, add_portal, remove_portal, start: any, one at a time. stop(): any thread that is
// not one of the executors, or a coroutine.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/stream.h"
#include "iscsi/session/limits.h"
#include "iscsi/target/target.h"

namespace vds::iscsi {

class portal_worker;
class target_core;

struct portal {
  rt::executor& executor;
  std::unique_ptr<io::listener> listener;
  guid id = {};  // which portal; the listeners of one, one for each reactor, share it
};

class portal_server {
 public:
  portal_server(std::vector<portal> portals, server_limits limits = {});
  ~portal_server();  // stopped before, or never started
  portal_server(const portal_server&) = delete;
  portal_server& operator=(const portal_server&) = delete;

  status add(target& t);  // already_exists; initiators find it from now on
  // Nobody finds it any more, its sessions are asked to log out and dropped if they do not in time (limits.h); returns
  // when the last has gone. Resumes on one of the executors.
  rt::task<void> remove(target& t);

  void add_portal(std::vector<portal> listeners);
  // Its listeners are closed, its sessions asked to log out and dropped if they do not in time; returns when no
  // connection is left. Resumes on one of its executors.
  rt::task<void> remove_portal(guid id);

  std::vector<std::string> addresses() const;  // "127.0.0.1:3260" of each portal, each once
  std::size_t connections() const;

  void start();
  // The same for all portals at once; returns when no coroutine of ours is left. Resumes on one of the executors.
  rt::task<void> stop();

 private:
  friend class portal_worker;
  // A connection is let in, and counted, or not.
  bool admit(const std::string& address);
  void left(const std::string& address);
  bool authenticates() const;  // under mutex_: whether some target demands it
  std::vector<std::string> reachable_by(const target_core& t, const guid& portal, const std::string& local) const;

  const server_limits limits_;
  bool running_ = false;
  mutable std::mutex mutex_;
  // Under mutex_:
  std::vector<std::unique_ptr<portal_worker>> workers_;
  std::map<std::string, target*, std::less<>> targets_;  // by normalised name
  std::map<std::string, std::size_t> by_address_;
  std::size_t connections_ = 0;
};

}  // namespace vds::iscsi
