// pipe.h: a child process that a test talks to, one byte at a time. Fork before the parent has threads.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace vds::wire::testing {

class child_process {
 public:
  // body runs in the child with its end of the connection; the child exits with 0 after it.
  explicit child_process(const std::function<void(int fd)>& body) {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(fds[0]);
      body(fds[1]);
      ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    ::close(fds[1]);
    fd_ = fds[0];
  }
  ~child_process() {
    kill();
    ::close(fd_);
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  int wait() {
    int status = -1;
    ::shutdown(fd_, SHUT_WR);
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }
  void tell(char what) const { EXPECT_EQ(::write(fd_, &what, 1), 1); }
  char hear() const { return hear(fd_); }
  int fd() const { return fd_; }

  static char hear(int fd) {  // 0: the other side is gone
    char what = 0;
    return ::read(fd, &what, 1) == 1 ? what : '\0';
  }
  static void tell(int fd, char what) { EXPECT_EQ(::write(fd, &what, 1), 1); }

 private:
  pid_t pid_ = 0;
  int fd_ = -1;
};

inline std::string unique_socket_path() {
  char dir[] = "/tmp/vds-wire-XXXXXX";
  EXPECT_NE(::mkdtemp(dir), nullptr);
  return std::string(dir) + "/socket";
}
inline void remove_socket_dir(const std::string& path) {
  ::unlink(path.c_str());
  ::rmdir(path.substr(0, path.rfind('/')).c_str());
}

}  // namespace vds::wire::testing
