// iscsi_ceiling: what a target on this machine could reach at most. Logs everybody in, answers READ and WRITE (10) from
// one piece of memory, and knows nothing else: no LUN map, no SCSI checks, no windows, no task management, no errors.
// One thread; whatever has come is taken by one recv(), everything that answers it leaves in one sendmsg().
//   iscsi_ceiling [--port N] [--size BYTES] [--spin MICROSECONDS]
// Prints its URL when it listens. --spin: look so long for work before sleeping.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "iscsi/pdu/bhs.h"

namespace vds::bench {
namespace {

using namespace iscsi;

constexpr std::uint32_t block = 512, max_burst = 1 << 20, window = 128;
constexpr std::size_t most = 65535 * std::size_t{block} + max_burst;  // of one command
constexpr std::size_t buffer_size = 512 * 1024;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct memory {
  std::byte* at;
  std::size_t size;
};

struct answer {
  bhs header;
  le32 header_digest, data_digest;
};

class peer {
 public:
  peer(int fd, memory m) : fd_(fd), memory_(m), in_(buffer_size) { answers_.reserve(answers_at_once); }
  ~peer() { ::close(fd_); }
  int fd() const { return fd_; }
  bool stuck() const { return first_ < out_.size(); }
  bool watched_for_room = false;

  // False when there is nothing more to be had of it: -1 gone, 0 nothing came, 1 worked.
  int work() {
    if (stuck() && !flush()) return gone_ ? -1 : 0;
    ssize_t n = 0;
    if (direct_ != 0) {
      n = ::recv(fd_, into_, direct_, MSG_DONTWAIT);
      if (n > 0) {
        direct_ -= static_cast<std::size_t>(n);
        into_ += n;
      }
    } else {
      std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      n = ::recv(fd_, in_.data() + end_, in_.size() - end_, MSG_DONTWAIT);
      if (n > 0) end_ += static_cast<std::size_t>(n);
    }
    if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0) return -1;
    if (direct_ == 0) {
      if (arriving_.opcode_byte != 0) data_there(std::exchange(arriving_, bhs{}));
      parse();
    }
    flush();
    return gone_ ? -1 : 1;
  }

 private:
  static constexpr std::size_t answers_at_once = 8192;

  void parse() {
    const std::size_t digest = full_feature_ && header_digest_ ? 4 : 0;
    while (end_ - begin_ >= sizeof(bhs) + digest && answers_.size() + 8 < answers_at_once) {
      bhs h;
      std::memcpy(&h, in_.data() + begin_, sizeof h);
      const std::size_t length = h.data_length, after = full_feature_ && data_digest_ && length != 0 ? 4 : 0;
      const std::size_t whole = sizeof h + digest + padded(length) + after;
      const std::byte* data = in_.data() + begin_ + sizeof h + digest;
      const std::size_t here = end_ - begin_;
      if (here < whole) {
        // The rest of large data goes straight to its place.
        if (length < 16384 || after != 0 || !full_feature_ || length % 4 != 0) return;
        std::byte* to = place_of(h);
        const std::size_t part = here - sizeof h - digest;
        std::memcpy(to, data, part);
        into_ = to + part;
        direct_ = length - part;
        begin_ = end_ = 0;
        arriving_ = h;
        return;
      }
      begin_ += whole;
      if (!full_feature_) {
        log_in(h, std::string(reinterpret_cast<const char*>(data), length));
        continue;
      }
      if (length != 0 && (h.op() == opcode::scsi_command || h.op() == opcode::data_out)) {
        std::memcpy(place_of(h), data, length);
        if (after != 0 && crc32c({data, padded(length)}) != load<le32>(data + padded(length))) {
          gone_ = true;
          return;
        }
      }
      data_there(h);
    }
  }

  std::byte* place_of(const bhs& h) {
    std::uint64_t at = 0;
    if (h.op() == opcode::data_out) {
      at = writes_[h.task_tag].at + std::min<std::uint32_t>(as<data_out_pdu>(h).buffer_offset, most - max_burst);
    } else {
      const auto c = as<scsi_command_pdu>(h);
      at = std::uint64_t{load<be32>(reinterpret_cast<const std::byte*>(c.cdb.data()) + 2)} * block;
    }
    return place(at);
  }
  // Wherever that is, everything that one command may carry has room behind it.
  std::byte* place(std::uint64_t at) const { return memory_.at + std::min<std::uint64_t>(at, memory_.size); }

  void data_there(const bhs& h) {
    switch (h.op()) {
      case opcode::scsi_command:
        return command(as<scsi_command_pdu>(h));
      case opcode::data_out: {
        const auto d = as<data_out_pdu>(h);
        if (d.final()) progress(d.task_tag, d.buffer_offset + d.data_length);
        return;
      }
      case opcode::nop_out:
        return;
      default:
        gone_ = true;
    }
  }

  void command(const scsi_command_pdu& c) {
    ++cmd_sn_;
    const auto* cdb = reinterpret_cast<const std::byte*>(c.cdb.data());
    const std::uint32_t bytes = load<be16>(cdb + 7) * block;
    switch (c.cdb[0]) {
      case 0x28:
        return data_in(c.task_tag, place(load<be32>(cdb + 2) * std::uint64_t{block}), bytes);
      case 0x2a:
        if (c.data_length == bytes) return respond(c.task_tag);
        writes_[c.task_tag] = {load<be32>(cdb + 2) * std::uint64_t{block}, bytes};
        return progress(c.task_tag, c.data_length);
      case 0x25:
        store(capacity_, be32(static_cast<std::uint32_t>(memory_.size / block - 1)));
        store(capacity_ + 4, be32(block));
        return data_in(c.task_tag, capacity_, sizeof capacity_);
      default:
        return respond(c.task_tag);
    }
  }

  void progress(std::uint32_t tag, std::uint32_t there) {
    const std::uint32_t bytes = writes_[tag].bytes;
    if (there >= bytes) {
      writes_.erase(tag);
      return respond(tag);
    }
    r2t_pdu r;
    r.task_tag = tag;
    r.transfer_tag = tag;
    r.stat_sn = stat_sn_;
    r.buffer_offset = there;
    r.desired_length = std::min(max_burst, bytes - there);
    push(generic(r), nullptr, 0);
  }

  void respond(std::uint32_t tag) {
    scsi_response_pdu r;
    r.task_tag = tag;
    r.stat_sn = stat_sn_++;
    push(generic(r), nullptr, 0);
  }

  void data_in(std::uint32_t tag, std::byte* at, std::uint32_t bytes) {
    for (std::uint32_t done = 0, sn = 0; done < bytes; ++sn) {
      const std::uint32_t n = std::min(max_send_, bytes - done);
      data_in_pdu d;
      d.task_tag = tag;
      d.transfer_tag = no_tag;
      d.data_sn = sn;
      d.buffer_offset = done;
      d.data_length = n;
      if (done + n == bytes) {
        d.flags = final_bit | data_in_pdu::status_bit;
        d.stat_sn = stat_sn_++;
      }
      push(generic(d), at + done, n);
      done += n;
    }
  }

  void push(const bhs& h, std::byte* data, std::size_t size) {
    answers_.push_back({h, {}, {}});
    answer& a = answers_.back();
    auto numbers = as<nop_in>(a.header);
    numbers.exp_cmd_sn = cmd_sn_;
    numbers.max_cmd_sn = cmd_sn_ + window - 1;
    a.header = generic(numbers);
    out_.push_back({&a.header, sizeof a.header});
    if (header_digest_ && full_feature_) {
      a.header_digest = crc32c({reinterpret_cast<const std::byte*>(&a.header), sizeof a.header});
      out_.push_back({&a.header_digest, 4});
    }
    if (size == 0) return;
    out_.push_back({data, size});
    if (data_digest_ && full_feature_) {
      a.data_digest = crc32c({data, size});
      out_.push_back({&a.data_digest, 4});
    }
  }

  bool flush() {
    while (first_ < out_.size()) {
      msghdr m{};
      m.msg_iov = out_.data() + first_;
      m.msg_iovlen = std::min<std::size_t>(out_.size() - first_, IOV_MAX);
      const ssize_t n = ::sendmsg(fd_, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0) {
        gone_ = gone_ || (errno != EAGAIN && errno != EINTR);
        return false;
      }
      for (auto sent = static_cast<std::size_t>(n); sent > 0;) {
        iovec& v = out_[first_];
        const std::size_t part = std::min(sent, v.iov_len);
        v.iov_base = static_cast<std::byte*>(v.iov_base) + part;
        v.iov_len -= part;
        sent -= part;
        if (v.iov_len == 0) ++first_;
      }
    }
    out_.clear();
    answers_.clear();
    first_ = 0;
    return true;
  }

  void log_in(const bhs& h, const std::string& keys) {
    const auto p = as<login_request_pdu>(h);
    if (h.op() != opcode::login_request) {
      gone_ = true;
      return;
    }
    cmd_sn_ = p.cmd_sn;
    login_response_pdu r;
    r.flags = p.flags;
    r.isid = p.isid;
    r.tsih = p.next_stage() == 3 ? 1 : 0;
    r.task_tag = p.task_tag;
    r.stat_sn = stat_sn_++;
    text_.clear();
    const auto say = [this](const std::string& pair) { text_.append(pair.c_str(), pair.size() + 1); };
    const auto asks = [&keys](const char* pair) { return keys.find(pair) != std::string::npos; };
    if (p.current_stage() == 0) {
      say("AuthMethod=None");
      say("TargetPortalGroupTag=1");
    } else {
      const bool header = asks("HeaderDigest=CRC32C"), data = asks("DataDigest=CRC32C");
      say(header ? "HeaderDigest=CRC32C" : "HeaderDigest=None");
      say(data ? "DataDigest=CRC32C" : "DataDigest=None");
      for (const char* pair : {"InitialR2T=No", "ImmediateData=Yes", "MaxBurstLength=1048576", "FirstBurstLength=65536",
                               "MaxRecvDataSegmentLength=262144", "MaxConnections=1", "MaxOutstandingR2T=1",
                               "ErrorRecoveryLevel=0", "DefaultTime2Wait=0", "DefaultTime2Retain=0"})
        say(pair);
      if (const auto at = keys.find("MaxRecvDataSegmentLength="); at != std::string::npos)
        max_send_ = static_cast<std::uint32_t>(std::strtoul(keys.c_str() + at + 25, nullptr, 10));
      header_digest_ = header;
      data_digest_ = data;
    }
    r.data_length = static_cast<std::uint32_t>(text_.size());
    const std::size_t size = text_.size();
    text_.resize(padded(size));
    push(generic(r), reinterpret_cast<std::byte*>(text_.data()), text_.size());
    flush();  // the text is used once
    if (p.next_stage() == 3 && p.transit()) full_feature_ = true;
  }

  struct write {
    std::uint64_t at;
    std::uint32_t bytes;
  };
  const int fd_;
  const memory memory_;
  std::vector<std::byte> in_;
  std::size_t begin_ = 0, end_ = 0;
  std::byte* into_ = nullptr;  // large data on its way
  std::size_t direct_ = 0;
  bhs arriving_;
  std::vector<answer> answers_;
  std::vector<iovec> out_;
  std::size_t first_ = 0;
  std::unordered_map<std::uint32_t, write> writes_;
  std::string text_;
  std::byte capacity_[8]{};
  std::uint32_t stat_sn_ = 1, cmd_sn_ = 1, max_send_ = 8192;
  bool full_feature_ = false, header_digest_ = false, data_digest_ = false, gone_ = false;
};

void serve(int listener, memory m, std::chrono::microseconds spin) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event e{};
  e.events = EPOLLIN;
  ::epoll_ctl(poll, EPOLL_CTL_ADD, listener, &e);
  std::vector<epoll_event> events(256);
  for (;;) {
    int n = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), spin.count() != 0 ? 0 : -1);
    if (n == 0) {
      const auto until = std::chrono::steady_clock::now() + spin;
      while (n == 0 && std::chrono::steady_clock::now() < until)
        n = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 0);
      if (n == 0) n = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    }
    for (int i = 0; i < n; ++i) {
      auto* p = static_cast<peer*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (p == nullptr) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) continue;
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        p = new peer(fd, m);
        e.events = EPOLLIN;
        e.data.ptr = p;
        ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
        continue;
      }
      if (p->work() < 0) {
        delete p;
        continue;
      }
      if (p->stuck() != p->watched_for_room) {
        e.events = EPOLLIN | (p->stuck() ? EPOLLOUT : 0U);
        e.data.ptr = p;
        ::epoll_ctl(poll, EPOLL_CTL_MOD, p->fd(), &e);
        p->watched_for_room = p->stuck();
      }
    }
  }
}

}  // namespace
}  // namespace vds::bench

int main(int argc, char** argv) {
  using namespace vds::bench;
  std::uint16_t port = 0;
  std::size_t size = std::size_t{1} << 30;
  std::chrono::microseconds spin{0};
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--port") port = static_cast<std::uint16_t>(std::atoi(argv[i + 1]));
    if (name == "--size") size = std::strtoull(argv[i + 1], nullptr, 0);
    if (name == "--spin") spin = std::chrono::microseconds(std::atoi(argv[i + 1]));
  }
  // Written to, so that reads do not all find the one page of zeros.
  void* at = ::mmap(nullptr, size + most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) die("mmap");
  ::madvise(at, size + most, MADV_NOHUGEPAGE);  // as the page cache that the others use
  std::memset(at, 0x5a, size + most);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(port);
  socklen_t length = sizeof a;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0 || ::listen(listener, 1024) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&a), &length) != 0)
    die("listen");
  std::printf("iscsi://127.0.0.1:%u/iqn.2026-01.io.vds:ceiling/0\n", ntohs(a.sin_port));
  std::fflush(stdout);
  serve(listener, {static_cast<std::byte*>(at), size}, spin);
}
