#include "stage.h"

#include <malloc.h>

#include <algorithm>
#include <vector>

extern "C" __attribute__((weak)) std::size_t __sanitizer_get_current_allocated_bytes();

namespace vds::iscsi::fuzz {
namespace {

using testing::stalling_device;

constexpr std::uint64_t disk_blocks = 512;
// For each connection: data buffers (8 MiB and 64 KiB for each command), send queues, pooled buffers, and what is under
// way. A target that holds more is one that grows.
constexpr std::size_t enough_bytes = 32u << 20;
constexpr std::size_t peers = 3;
constexpr std::size_t most_connections = 16;  // what the server allows

std::size_t allocated() {
  if (__sanitizer_get_current_allocated_bytes != nullptr) return __sanitizer_get_current_allocated_bytes();
  return mallinfo2().uordblks;
}

server_limits limits() {
  server_limits l;
  l.connection.max_recv_data_segment = 65536;
  l.connection.data_bytes = 8u << 20;
  l.connection.send_queue_pdus = 256;
  l.connections_per_address = most_connections;
  return l;
}

}  // namespace

stage::disk::disk(rt::executor& e, random_source& r)
    : medium(e, "m", block_size{512}, block_count{disk_blocks}), drive(medium, r), slow(drive) {}

logical_unit stage::describe(std::uint16_t number) {
  std::vector<std::uint8_t> naa(16);
  naa[0] = 0x60;
  naa[15] = static_cast<std::uint8_t>(number);
  return {.number = luns[number],
          .id = {},
          .device = disks_[number].slow,
          .naa = naa,
          .serial = "S" + std::to_string(number)};
}

stage::stage(const agreement& terms)
    : ex(terms.order == 0 ? rt::manual_executor() : rt::manual_executor(terms.order)),
      disks_{{ex, random_}, {ex, random_}, {ex, random_}},
      allocated_before_(allocated()) {
  for (const std::uint16_t n : {0, 1}) (void)target_.publish(describe(n), {true, {}});
  (void)target_.publish(describe(2), {false, {"iqn.2026-01.t:somebody-else"}});
  if (terms.chap) {
    const std::string secret = identity().secret;
    target_secrets s;
    s.everybody = chap_secret::from(std::as_bytes(std::span(secret))).value();
    (void)target_.set_secrets(std::move(s));
  }
  auto listener = std::make_unique<io::memory_listener>(ex, "10.0.0.1:3260");
  listener_ = listener.get();
  std::vector<portal> portals;
  portals.push_back({ex, std::move(listener)});
  server_ = std::make_unique<portal_server>(std::move(portals), limits());
  (void)server_->add(target_);
  server_->start();
  settle(ex);
}

stage::~stage() { ex.run(server_->stop()); }

std::unique_ptr<peer> stage::connect(const agreement& terms) {
  return std::make_unique<peer>(ex, listener_->connect("10.0.0.2:" + std::to_string(++addresses_), 1 << 18), terms);
}

void stage::device(std::uint8_t how) {
  stalling_ = how % devices <= stall_all || (stalling_ && how % devices != let_go);
  const auto stall = [this](auto which) {
    for (disk& d : disks_) d.slow.stall(which);
  };
  const auto fail = [this](bool on) {
    for (disk& d : disks_)
      d.drive.set_rule([on](const io::faulty_device::call& c) {
        return on && c.what != io::faulty_device::request::read ? io::fault::fail : io::fault::none;
      });
  };
  switch (how % devices) {
    case stall_writes:
      return stall([](stalling_device::request r) { return r == stalling_device::request::write; });
    case stall_reads:
      return stall([](stalling_device::request r) { return r == stalling_device::request::read; });
    case stall_all:
      return stall([](stalling_device::request) { return true; });
    case let_go:
      for (disk& d : disks_) d.slow.let_go();
      return;
    default:
      return fail(how % devices == fail_writes);
  }
}

rt::task<void> stage::run_admin(std::uint8_t how) {
  admin_under_way_ = true;
  const access everybody{true, {}}, nobody{};
  switch (how % admins) {
    case mask:
      (void)co_await target_.set_access(1, nobody);
      break;
    case unmask:
      (void)co_await target_.set_access(1, everybody);
      break;
    case unpublish:
      (void)co_await target_.unpublish(1);
      break;
    case publish:
      (void)target_.publish(describe(1), everybody);
      break;
    case retire:
      co_await server_->remove(target_);
      (void)server_->add(target_);
      break;
    default:
      disks_[1].medium.resize(block_count{disk_blocks * 2});
      (void)target_.resized(1);
      break;
  }
  admin_under_way_ = false;
}

void stage::admin(std::uint8_t how) {
  if (!admin_under_way_) rt::start(run_admin(how));
}

void stage::let_everything_go() {
  device(let_go);
  device(fail_nothing);
  settle(ex);
  // Whoever was asked to log out has its time; nobody has more.
  const connection_limits& l = limits().connection;
  if (admin_under_way_) ex.advance(l.logout_request + l.drop_notice);
  settle(ex);
  if (admin_under_way_) broken("nothing stalls, and the administrator still waits");
}

void stage::within_bounds() const {
  // Whose peer has gone stays only for what a device has not ended yet.
  if (server_->connections() > (stalling_ ? most_connections : peers)) broken("more connections than were made");
  if (allocated() > allocated_before_ + std::max(peers, server_->connections()) * enough_bytes)
    broken("grows without bound");
}

void stage::nothing_left() const {
  if (server_->connections() != 0) broken("a connection stays when its peer has gone");
  if (target_.sessions() != 0) broken("a session stays when its peer has gone");
  if (disks_[2].slow.begun != 0) broken("the LUN of somebody else was touched");
}

}  // namespace vds::iscsi::fuzz
