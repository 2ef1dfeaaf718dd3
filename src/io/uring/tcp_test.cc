#include "io/uring/tcp.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "base/random.h"
#include "io/uring/address.h"
#include "rt/sync.h"

namespace vds::io {
namespace {

struct network {
  std::unique_ptr<reactor_thread> thread = std::move(*reactor_thread::start("net"));
  reactor& r() { return thread->reactor(); }
  template <class Make>
  auto run(Make make) {
    return rt::block_on(r(), make);
  }
  std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return {adopt_socket(r(), unique_fd(fds[0])), adopt_socket(r(), unique_fd(fds[1]))};
  }
};

rt::task<int> echo(listener& l) {
  auto s = co_await l.accept();
  EXPECT_TRUE(s);
  std::vector<std::byte> b(100'000);
  for (;;) {
    auto n = co_await (*s)->read_some(b);
    if (!n || *n == 0) break;
    const const_buffer list[] = {const_buffer(b).first(*n)};
    const auto sent = co_await (*s)->write_all(list);
    if (!sent) break;
  }
  co_return 0;
}

TEST(tcp, gathered_writes_arrive_whole_and_in_order_over_v4_and_v6) {
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    network net;
    auto l = listen_tcp(net.r(), address);
    if (!l && std::string(address)[0] == '[') GTEST_SKIP() << "no IPv6 here: " << l.error().message();
    ASSERT_TRUE(l) << l.error().message();
    std::vector<std::byte> data(5'000'000);
    seeded_random(1).fill(data);
    net.run([&]() -> rt::task<int> {
      rt::event echoed(net.r());
      rt::start([](listener& listening, rt::event& done) -> rt::task<void> {
        co_await echo(listening);
        done.set();
      }(**l, echoed));
      auto c = co_await connect_tcp(net.r(), (*l)->local_name());
      EXPECT_TRUE(c);
      EXPECT_EQ((*c)->peer_name(), (*l)->local_name());
      std::vector<const_buffer> pieces;  // more than one sendmsg takes, with empty ones between
      for (std::size_t at = 0; at < data.size(); at += 2500) {
        pieces.push_back(const_buffer(data).subspan(at, 2500));
        pieces.push_back({});
      }
      rt::event sent(net.r());
      rt::start([](stream& s, const std::vector<const_buffer>& p, rt::event& e) -> rt::task<void> {
        EXPECT_TRUE(co_await s.write_all(p));
        e.set();
      }(**c, pieces, sent));
      std::vector<std::byte> back(data.size());
      EXPECT_TRUE(co_await (*c)->read_exactly(back));
      EXPECT_EQ(back, data);
      co_await sent;
      (*c)->close();
      co_await echoed;
      co_return 0;
    });
  }
}

TEST(tcp, closing_ends_a_waiting_read_and_a_blocked_write_with_disconnected) {
  network net;
  auto [a, b] = net.pair();
  std::vector<std::byte> in(100), out(50'000'000);
  net.run([&]() -> rt::task<int> {
    rt::event read(net.r()), written(net.r());
    rt::start([](stream& s, buffer into, rt::event& e) -> rt::task<void> {
      const auto n = co_await s.read_some(into);
      EXPECT_EQ(n.error().code(), errc::disconnected);
      e.set();
    }(*a, in, read));
    rt::start([](stream& s, const_buffer from, rt::event& e) -> rt::task<void> {
      const const_buffer list[] = {from};
      const auto done = co_await s.write_all(list);
      EXPECT_EQ(done.error().code(), errc::disconnected);
      e.set();
    }(*a, out, written));
    co_await net.r().sleep_for(5ms);  // both are in the kernel now, or not yet: either must end
    a->close();
    a->close();
    co_await read;
    co_await written;
    const auto after = co_await a->read_some(in);
    EXPECT_EQ(after.error().code(), errc::disconnected);
    co_return 0;
  });
  a.reset();
}

TEST(tcp, closing_at_once_ends_a_read_that_has_not_reached_the_kernel) {
  network net;
  auto [a, b] = net.pair();
  std::vector<std::byte> in(100);
  net.run([&]() -> rt::task<int> {
    rt::event read(net.r());
    rt::start([](stream& s, buffer into, rt::event& e) -> rt::task<void> {
      EXPECT_FALSE(co_await s.read_some(into));
      e.set();
    }(*a, in, read));
    a->close();
    co_await read;
    co_return 0;
  });
}

TEST(tcp, a_peer_that_ends_its_side_reads_as_zero_and_a_write_to_it_fails) {
  network net;
  auto [a, b] = net.pair();
  b.reset();
  std::vector<std::byte> data(100);
  net.run([&]() -> rt::task<int> {
    const auto n = co_await a->read_some(data);
    EXPECT_EQ(n.value(), 0u);
    const const_buffer list[] = {data};
    const auto written = co_await a->write_all(list);
    EXPECT_EQ(written.error().code(), errc::disconnected);
    co_return 0;
  });
}

TEST(tcp, closing_a_listener_ends_accept_and_frees_the_port) {
  network net;
  auto l = listen_tcp(net.r(), "127.0.0.1:0");
  ASSERT_TRUE(l);
  const std::string name = (*l)->local_name();
  EXPECT_EQ(listen_tcp(net.r(), name).error().code(), errc::busy);
  net.run([&]() -> rt::task<int> {
    rt::event ended(net.r());
    rt::start([](listener& listening, rt::event& e) -> rt::task<void> {
      const auto s = co_await listening.accept();
      EXPECT_EQ(s.error().code(), errc::closing);
      e.set();
    }(**l, ended));
    co_await net.r().sleep_for(2ms);
    (*l)->close();
    co_await ended;
    co_return 0;
  });
  l->reset();
  EXPECT_TRUE(listen_tcp(net.r(), name));
  const auto refused = rt::block_on(
      net.r(), [&]() -> rt::task<bool> { co_return (co_await connect_tcp(net.r(), "127.0.0.1:1")).has_value(); });
  EXPECT_FALSE(refused);
}

TEST(tcp, a_patient_listener_gets_the_address_when_its_holder_lets_go) {
  network net;
  auto holder = listen_tcp(net.r(), "127.0.0.1:0");
  ASSERT_TRUE(holder);
  const std::string name = (*holder)->local_name();
  EXPECT_EQ(listen_tcp(net.r(), name, {.patience = 20ms}).error().code(), errc::busy);
  std::thread letting_go([&] {
    std::this_thread::sleep_for(30ms);  // so that it is busy at first; were it free already, nothing would be proved
    holder->reset();
  });
  const auto l = listen_tcp(net.r(), name, {.patience = 30s});
  letting_go.join();
  ASSERT_TRUE(l) << l.error().message();
  EXPECT_EQ((*l)->local_name(), name);
}

TEST(tcp, stopping_the_reactor_ends_what_still_waits) {
  network net;
  auto [a, b] = net.pair();
  std::vector<std::byte> in(100);
  std::atomic<bool> ended{false};
  net.r().post([&, s = a.get()] {
    rt::start([](stream& st, buffer into, std::atomic<bool>& e) -> rt::task<void> {
      EXPECT_FALSE(co_await st.read_some(into));
      e = true;
    }(*s, in, ended));
  });
  net.thread->reactor().stop();
  auto thread = std::move(net.thread);
  // The streams must be gone before their reactor is: join by hand.
  while (!ended) std::this_thread::yield();
  a.reset();
  b.reset();
  thread.reset();
  EXPECT_TRUE(ended);
}

TEST(address, only_numbers_with_a_port_are_addresses) {
  for (const char* good : {"127.0.0.1:3260", "[::1]:0", "0.0.0.0:65535"}) {
    auto a = parse_address(good);
    ASSERT_TRUE(a) << good;
    EXPECT_EQ(to_string(*a), good);
  }
  for (const char* bad : {"", ":", "localhost:3260", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:3260", "[::1]",
                          ":3260", "1.2.3.4:5x"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
}

}  // namespace
}  // namespace vds::io
