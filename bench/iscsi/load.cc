// iscsi_load: one thread that keeps N connections x QD reads or writes in flight at an iSCSI target and says how fast
// they came back. Made to cost little, so that the target is what is measured: PDUs are built once and only numbers in
// them change, one recv() takes whatever has come, one sendmsg() sends whatever may go, large data-in is dropped by the
// kernel (MSG_TRUNC) and data-out comes from one buffer. The same generator measures every target, so what it leaves
// out is left out for all of them. "generator_busy" near 1 says that the generator was the limit and the ratio is only
// a lower bound.
#include <sys/epoll.h>
#include <sys/resource.h>
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
#include <memory>
#include <utility>

#include "base/checksum.h"
#include "load_options.h"

namespace vds::bench {
namespace {

using namespace iscsi;
using nanoseconds = std::uint64_t;

nanoseconds now() {
  return static_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

// Latencies in 64 steps for each power of two: 1.6 % wide at most.
class histogram {
 public:
  void add(nanoseconds v) {
    const int shift = std::max(0, 63 - __builtin_clzll(v | 1) - 6);
    ++counts_[static_cast<std::size_t>(shift) * 64 + (v >> shift)];
    ++total_;
  }
  double microseconds_at(double share) const {
    std::uint64_t left = static_cast<std::uint64_t>(static_cast<double>(total_) * share) + 1;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] < left) {
        left -= counts_[i];
        continue;
      }
      const std::size_t shift = i < 128 ? 0 : i / 64 - 1;
      return static_cast<double>((i - shift * 64) << shift) / 1000;
    }
    return 0;
  }
  std::uint64_t total() const { return total_; }

 private:
  std::array<std::uint64_t, 64 * 64> counts_{};
  std::uint64_t total_ = 0;
};

struct header {  // as sent: the digest follows if there is one
  bhs pdu;
  le32 digest;
};
static_assert(sizeof(header) == 52);

struct slot {
  header command;
  le32 immediate_digest;
  nanoseconds began = 0;
  std::vector<header> data_out;  // answering one R2T
  std::vector<le32> data_digests;
};

class generator;

class connection {
 public:
  connection(generator& g, std::uint32_t index);
  void start();
  bool receive(bool block);  // takes what has come and sends what may go
  void flush();
  int fd() const { return s_.fd; }
  bool stuck() const { return first_ < out_.size(); }  // the socket takes no more for now
  bool watched_for_room = false;

 private:
  void parse();
  void handle(const bhs& h);
  void ended(std::uint32_t tag);
  void issue_ready();
  void send_data(const r2t_pdu& r);
  void add(const void* at, std::size_t size) {
    if (size != 0) out_.push_back({const_cast<void*>(at), size});
  }
  void seal(header& h) {
    if (s_.header_digest) h.digest = crc32c({reinterpret_cast<const std::byte*>(&h.pdu), sizeof h.pdu});
  }
  std::size_t header_size() const { return s_.header_digest ? sizeof(header) : sizeof(bhs); }

  generator& g_;
  logged_in s_;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> ready_;  // slots that may begin
  std::uint32_t immediate_ = 0;
  std::uint64_t next_block_ = 0;

  std::vector<std::byte> in_;
  std::size_t begin_ = 0, end_ = 0, to_drop_ = 0;
  bhs dropping_;  // whose data is being dropped

  std::vector<iovec> out_;
  std::size_t first_ = 0;
  header pong_;
};

class generator {
 public:
  explicit generator(load_options o) : options(std::move(o)), payload(options.size) {
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::byte>(i * 131 >> 3);
  }
  void run();
  void done(nanoseconds began) {
    if (measuring) latency.add(received_at - began);
  }
  std::uint64_t random() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    return state_ ^= state_ << 17;
  }

  const load_options options;
  std::vector<std::byte> payload;
  capacity size;
  std::uint64_t places = 0;  // of one command each, on each LUN
  std::uint32_t blocks = 0;  // of one command
  nanoseconds received_at = 0;
  bool measuring = false;
  histogram latency;

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15;
};

connection::connection(generator& g, std::uint32_t index)
    : g_(g), s_(log_in(g.options.login, index)), slots_(g.options.depth), in_(256 * 1024) {
  const auto& o = g.options;
  for (std::uint32_t i = 0; i < o.luns; ++i) g.size = measure(s_, o.first_lun + i);
  const std::uint64_t bytes = (std::uint64_t{g.size.last_block} + 1) * g.size.block;
  g.places = (o.region != 0 ? std::min(o.region, bytes) : bytes) / o.size;
  g.blocks = o.size / g.size.block;
  if (g.places == 0) die("the LUN is too small");
  next_block_ = g.places / o.connections * index;
  if (o.write && s_.immediate_data) immediate_ = std::min({o.size, s_.first_burst, s_.max_send_segment});
  for (std::uint32_t i = 0; i < o.depth; ++i) {
    slot& t = slots_[i];
    scsi_command_pdu c;
    c.flags = final_bit | 1 | (o.write ? scsi_command_pdu::write_bit : scsi_command_pdu::read_bit);
    c.data_length = immediate_;
    c.lun = lun_address(o.first_lun);
    c.task_tag = i;
    c.expected_length = o.size;
    c.cdb[0] = o.write ? 0x2a : 0x28;
    store(reinterpret_cast<std::byte*>(c.cdb.data()) + 7, be16(static_cast<std::uint16_t>(g.blocks)));
    t.command.pdu = generic(c);
    if (immediate_ != 0) t.immediate_digest = crc32c({g.payload.data(), immediate_});
    ready_.push_back(i);
  }
}

void connection::start() {
  g_.received_at = now();
  issue_ready();
}

void connection::issue_ready() {
  while (!ready_.empty() && !serial_before(s_.max_cmd_sn, s_.cmd_sn)) {
    slot& t = slots_[ready_.back()];
    ready_.pop_back();
    auto& c = *reinterpret_cast<scsi_command_pdu*>(&t.command.pdu);
    const std::uint64_t place = g_.options.random ? g_.random() % g_.places : next_block_++ % g_.places;
    if (g_.options.luns > 1)
      c.lun = lun_address(static_cast<std::uint32_t>(g_.options.first_lun + g_.random() % g_.options.luns));
    store(reinterpret_cast<std::byte*>(c.cdb.data()) + 2, be32(static_cast<std::uint32_t>(place * g_.blocks)));
    c.cmd_sn = s_.cmd_sn++;
    c.exp_stat_sn = s_.exp_stat_sn;
    seal(t.command);
    t.began = g_.received_at;
    add(&t.command, header_size());
    add(g_.payload.data(), immediate_);
    if (immediate_ != 0 && s_.data_digest) add(&t.immediate_digest, sizeof(le32));
  }
  flush();
}

void connection::flush() {
  while (first_ < out_.size()) {
    msghdr m{};
    m.msg_iov = out_.data() + first_;
    m.msg_iovlen = std::min<std::size_t>(out_.size() - first_, IOV_MAX);
    const ssize_t n = ::sendmsg(s_.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) die("the target closed the connection");
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
  first_ = 0;
}

bool connection::receive(bool block) {
  const int flags = block ? 0 : MSG_DONTWAIT;
  ssize_t n = 0;
  if (to_drop_ != 0) {
    n = ::recv(s_.fd, in_.data(), to_drop_, flags | MSG_TRUNC);
    if (n > 0) to_drop_ -= static_cast<std::size_t>(n);
  } else {
    if (begin_ != 0) std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    // Large data is not wanted here: a little of it comes with the header, the rest is dropped.
    const std::size_t room = g_.options.size >= 32768 && !g_.options.write ? 4096 : in_.size();
    n = ::recv(s_.fd, in_.data() + end_, room - end_, flags);
    if (n > 0) end_ += static_cast<std::size_t>(n);
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) die("the target closed the connection");
  g_.received_at = now();
  if (to_drop_ == 0) {
    if (dropping_.opcode_byte != 0) handle(std::exchange(dropping_, bhs{}));
    parse();
  }
  issue_ready();
  return true;
}

void connection::parse() {
  const std::size_t digest = s_.header_digest ? 4 : 0;
  while (end_ - begin_ >= sizeof(bhs) + digest) {
    bhs h;
    std::memcpy(&h, in_.data() + begin_, sizeof h);
    const std::size_t length = h.data_length;
    const std::size_t whole = sizeof h + digest + padded(length) + (length != 0 && s_.data_digest ? 4 : 0);
    if (end_ - begin_ < whole) {
      if (whole - (end_ - begin_) < 8192) return;
      to_drop_ = whole - (end_ - begin_);
      begin_ = end_ = 0;
      dropping_ = h;
      return;
    }
    begin_ += whole;
    handle(h);
  }
}

void connection::handle(const bhs& h) {
  s_.max_cmd_sn = as<nop_in>(h).max_cmd_sn;
  switch (h.op()) {
    case opcode::data_in:
      if ((h.flags & data_in_pdu::status_bit) == 0) return;
      s_.exp_stat_sn = as<data_in_pdu>(h).stat_sn + 1;
      if (as<data_in_pdu>(h).status != 0 || as<data_in_pdu>(h).residual != 0) die("a read failed");
      return ended(h.task_tag);
    case opcode::scsi_response:
      s_.exp_stat_sn = as<scsi_response_pdu>(h).stat_sn + 1;
      if (as<scsi_response_pdu>(h).status != 0)
        die("a command failed, status " + std::to_string(as<scsi_response_pdu>(h).status));
      return ended(h.task_tag);
    case opcode::r2t:
      return send_data(as<r2t_pdu>(h));
    case opcode::nop_in: {
      const auto ping = as<iscsi::nop_in>(h);
      if (ping.transfer_tag == no_tag) return;
      nop_out p;
      p.opcode_byte |= immediate_bit;
      p.lun = ping.lun;
      p.task_tag = no_tag;
      p.transfer_tag = ping.transfer_tag;
      p.cmd_sn = s_.cmd_sn;
      p.exp_stat_sn = s_.exp_stat_sn;
      pong_.pdu = generic(p);
      seal(pong_);
      return add(&pong_, header_size());
    }
    default:
      die("an unexpected PDU, opcode " + std::to_string(h.opcode_byte));
  }
}

void connection::ended(std::uint32_t tag) {
  if (tag >= slots_.size()) die("an answer to nothing");
  g_.done(slots_[tag].began);
  ready_.push_back(tag);
}

void connection::send_data(const r2t_pdu& r) {
  if (r.task_tag >= slots_.size()) die("an R2T for nothing");
  slot& t = slots_[r.task_tag];
  const std::uint32_t from = r.buffer_offset, end = from + r.desired_length;
  if (end > g_.options.size) die("an R2T for too much");
  const std::size_t count = (r.desired_length + s_.max_send_segment - 1) / s_.max_send_segment;
  t.data_out.assign(count, {});
  t.data_digests.assign(count, {});
  std::uint32_t at = from;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t n = std::min(s_.max_send_segment, end - at);
    data_out_pdu d;
    d.flags = at + n == end ? final_bit : 0;
    d.data_length = n;
    d.lun = t.command.pdu.lun;
    d.task_tag = r.task_tag;
    d.transfer_tag = r.transfer_tag;
    d.exp_stat_sn = s_.exp_stat_sn;
    d.data_sn = static_cast<std::uint32_t>(i);
    d.buffer_offset = at;
    t.data_out[i].pdu = generic(d);
    seal(t.data_out[i]);
    add(&t.data_out[i], header_size());
    add(g_.payload.data() + at, n);
    if (s_.data_digest) {
      t.data_digests[i] = crc32c({g_.payload.data() + at, n});
      add(&t.data_digests[i], sizeof(le32));
    }
    at += n;
  }
}

double cpu_seconds() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void generator::run() {
  std::vector<std::unique_ptr<connection>> all;
  for (std::uint32_t i = 0; i < options.connections; ++i) all.push_back(std::make_unique<connection>(*this, i));
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [&](connection& c, int how) {
    epoll_event e{};
    e.events = EPOLLIN | (c.stuck() ? EPOLLOUT : 0U);
    e.data.ptr = &c;
    ::epoll_ctl(poll, how, c.fd(), &e);
    c.watched_for_room = c.stuck();
  };
  for (auto& c : all) c->start();
  for (auto& c : all) watch(*c, EPOLL_CTL_ADD);

  const nanoseconds begin = now() + static_cast<nanoseconds>(options.warm_up * 1e9);
  const nanoseconds end = begin + static_cast<nanoseconds>(options.seconds * 1e9);
  nanoseconds began = 0;
  double cpu = 0;
  std::vector<epoll_event> events(256);
  // Whoever runs this reads the server's CPU time at these two moments.
  const auto mark = [](const char* what) {
    std::printf("%s\n", what);
    std::fflush(stdout);
  };
  while (received_at < end) {
    if (!measuring && received_at >= begin) {
      mark("begin");
      measuring = true;
      began = received_at = now();
      cpu = cpu_seconds();
    }
    if (options.spin) {
      for (auto& c : all) {
        c->flush();
        c->receive(false);
      }
      continue;
    }
    if (all.size() == 1 && !all[0]->stuck()) {  // nothing to choose from: one system call less
      all[0]->receive(true);
      continue;
    }
    const int n = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 5000);
    if (n == 0) die("the target does not answer");
    for (int i = 0; i < n; ++i) {
      auto& c = *static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) c.flush();
      if ((events[static_cast<std::size_t>(i)].events & ~EPOLLOUT) != 0) c.receive(false);
      if (c.stuck() != c.watched_for_room) watch(c, EPOLL_CTL_MOD);
    }
  }
  const double wall = static_cast<double>(now() - began) / 1e9, used = cpu_seconds() - cpu;
  mark("end");
  const double rate = static_cast<double>(latency.total()) / wall;
  std::printf(
      "{\"commands\": %llu, \"seconds\": %.3f, \"iops\": %.0f, \"mb_per_s\": %.1f, \"p50_us\": %.1f, "
      "\"p99_us\": %.1f, \"generator_busy\": %.2f}\n",
      static_cast<unsigned long long>(latency.total()), wall, rate, rate * options.size / 1e6,
      latency.microseconds_at(0.5), latency.microseconds_at(0.99), used / wall);
}

}  // namespace
}  // namespace vds::bench

int main(int argc, char** argv) {
  vds::bench::generator(vds::bench::parse_options(argc, argv)).run();
  return 0;
}
