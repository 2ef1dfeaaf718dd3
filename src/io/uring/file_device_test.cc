#include "io/uring/file_device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/random.h"
#include "io/aligned_buffer.h"
#include "rt/sync.h"

namespace vds::io {
namespace {

// Every case runs on a disk's file system (O_DIRECT where it has it) and on one in memory.
class file_device : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string name = std::string(GetParam()) + "/vds-file-device-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) GTEST_SKIP() << GetParam() << " cannot be written to";
    directory_ = name;
    auto t = reactor_thread::start("files");
    ASSERT_TRUE(t) << t.error().message();
    thread_ = std::move(*t);
  }
  void TearDown() override {
    thread_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  reactor& r() { return thread_->reactor(); }
  std::string path(const char* name) const { return directory_ + "/" + name; }
  std::unique_ptr<block_device> made(const char* name, byte_count size) {
    auto d = open_file_device(r(), path(name), {.create = size});
    EXPECT_TRUE(d) << d.error().message();
    return std::move(*d);
  }
  template <class Make>
  auto on_reactor(Make make) {
    return rt::block_on(r(), make);
  }

  std::string directory_;
  std::unique_ptr<reactor_thread> thread_;
};

INSTANTIATE_TEST_SUITE_P(everywhere, file_device, testing::Values("/tmp", "/dev/shm"), [](const auto& info) {
  return std::string(info.param == std::string("/tmp") ? "disk" : "memory");
});

std::vector<std::byte> pattern(std::size_t size, std::uint64_t seed) {
  seeded_random random(seed);
  std::vector<std::byte> b(size);
  random.fill(b);
  return b;
}

TEST_P(file_device, reads_back_what_was_written_whatever_the_alignment_and_pieces) {
  auto d = made("a", {8_MiB});
  const auto data = pattern(3_MiB, 1);
  // Pieces of odd lengths at odd addresses: a header, a body, a tail.
  const const_buffer pieces[] = {const_buffer(data).first(7), const_buffer(data).subspan(7, 511),
                                 const_buffer(data).subspan(518, 1_MiB + 1), const_buffer(data).subspan(519 + 1_MiB)};
  std::vector<std::byte> back(data.size() + 1);
  const buffer into[] = {buffer(back).subspan(1, 1000), buffer(back).subspan(1001)};
  on_reactor([&]() -> rt::task<int> {
    EXPECT_TRUE(co_await d->write(lba{3}, const_buffers(pieces), durability::cached));
    EXPECT_TRUE(co_await d->read(lba{3}, buffers(into)));
    co_return 0;
  });
  EXPECT_TRUE(std::equal(data.begin(), data.end(), back.begin() + 1));
}

TEST_P(file_device, aligned_buffers_of_thousands_of_pieces_go_through) {
  auto d = made("a", {16_MiB});
  aligned_buffer data = aligned_buffer::zeroed(2000 * 4096);
  seeded_random(5).fill(data.span());
  std::vector<const_buffer> pieces;
  for (std::size_t i = 0; i < 2000; ++i) pieces.push_back(data.span().subspan(i * 4096, 4096));
  aligned_buffer back(data.size());
  on_reactor([&]() -> rt::task<int> {
    EXPECT_TRUE(co_await d->write(lba{8}, const_buffers(pieces), durability::fua));
    EXPECT_TRUE(co_await d->flush());
    EXPECT_TRUE(co_await d->read(lba{8}, back.span()));
    co_return 0;
  });
  EXPECT_EQ(std::memcmp(data.data(), back.data(), data.size()), 0);
}

TEST_P(file_device, zeroed_blocks_read_as_zeros_and_their_neighbours_stay) {
  for (const bool unmap : {false, true}) {
    auto d = made(unmap ? "u" : "z", {4_MiB});
    const auto data = pattern(2_MiB, 2);
    std::vector<std::byte> back(2_MiB);
    on_reactor([&]() -> rt::task<int> {
      EXPECT_TRUE(co_await d->write(lba{0}, data));
      EXPECT_TRUE(co_await d->write_zeroes(lba{3}, block_count{2048}, unmap, durability::fua));
      EXPECT_TRUE(co_await d->read(lba{0}, back));
      co_return 0;
    });
    auto expected = data;
    std::fill_n(expected.begin() + 3 * 512, 2048 * 512, std::byte{0});
    EXPECT_EQ(back, expected);
  }
}

TEST_P(file_device, what_is_flushed_is_in_the_file_after_reopening) {
  const auto data = pattern(4096, 3);
  {
    auto d = made("a", {1_MiB});
    on_reactor([&]() -> rt::task<int> {
      EXPECT_TRUE(co_await d->write(lba{16}, data));
      EXPECT_TRUE(co_await d->flush());
      co_return 0;
    });
  }
  auto again = open_file_device(r(), path("a"), {.read_only = true});
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ((*again)->geometry().size().n, 1_MiB);
  std::vector<std::byte> back(4096);
  on_reactor([&]() -> rt::task<int> {
    EXPECT_TRUE(co_await (*again)->read(lba{16}, back));
    EXPECT_FALSE(co_await (*again)->write(lba{16}, back));
    co_return 0;
  });
  EXPECT_EQ(back, data);
}

TEST_P(file_device, a_second_opener_is_refused_until_the_first_is_gone) {
  auto d = made("a", {1_MiB});
  EXPECT_EQ(open_file_device(r(), path("a")).error().code(), errc::busy);
  EXPECT_EQ(open_file_device(r(), path("a"), {.patience = 20ms}).error().code(), errc::busy);
  std::thread later([&] { d.reset(); });  // before or while the next one asks
  EXPECT_TRUE(open_file_device(r(), path("a"), {.patience = 30s}));
  later.join();
  EXPECT_TRUE(open_file_device(r(), path("a")));
}

TEST_P(file_device, refuses_what_is_no_device_with_the_reason) {
  EXPECT_EQ(open_file_device(r(), path("none")).error().code(), errc::not_found);
  EXPECT_EQ(open_file_device(r(), directory_).error().code(), errc::invalid_argument);
  std::ofstream(path("tiny")) << "x";
  EXPECT_EQ(open_file_device(r(), path("tiny")).error().code(), errc::invalid_argument);
  EXPECT_EQ(open_file_device(r(), path("tiny"), {.create = {1_MiB}}).error().code(), errc::already_exists);
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(open_file_device(r(), path("pipe")).error().code(), errc::invalid_argument);
}

TEST_P(file_device, bounds_and_partial_blocks_are_refused_before_anything_happens) {
  auto d = made("a", {1_MiB});
  std::vector<std::byte> two(1024), half(700);
  on_reactor([&]() -> rt::task<int> {
    const auto beyond = co_await d->write(lba{2047}, two);
    EXPECT_EQ(beyond.error().code(), errc::out_of_range);
    const auto partial = co_await d->write(lba{0}, half);
    EXPECT_EQ(partial.error().code(), errc::invalid_argument);
    co_return 0;
  });
}

TEST_P(file_device, a_file_cut_short_behind_our_back_fails_reads_and_nothing_else) {
  auto d = made("a", {1_MiB});
  ASSERT_EQ(::truncate(path("a").c_str(), 4096), 0);
  std::vector<std::byte> b(8192);
  on_reactor([&]() -> rt::task<int> {
    const auto gone = co_await d->read(lba{1024}, b);
    EXPECT_EQ(gone.error().code(), errc::io_error);
    EXPECT_TRUE(co_await d->read(lba{0}, buffer(b).first(4096)));
    co_return 0;
  });
}

TEST_P(file_device, more_requests_at_once_than_the_rings_queue_holds_all_end) {
  thread_.reset();
  thread_ = std::move(*reactor_thread::start("small", {.entries = 4}));
  auto d = made("a", {8_MiB});
  std::vector<std::vector<std::byte>> blocks;
  for (std::size_t i = 0; i < 500; ++i) blocks.push_back(pattern(4096, i));
  on_reactor([&]() -> rt::task<int> {
    std::vector<rt::task<status>> writes;
    for (std::size_t i = 0; i < blocks.size(); ++i) writes.push_back(d->write(lba{i * 8}, blocks[i]));
    auto done = co_await rt::when_all(std::move(writes));
    for (auto& s : done) EXPECT_TRUE(s);
    std::vector<std::byte> back(4096);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_TRUE(co_await d->read(lba{i * 8}, back));
      EXPECT_EQ(back, blocks[i]);
    }
    co_return 0;
  });
}

}  // namespace
}  // namespace vds::io
