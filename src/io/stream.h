// stream.h: an ordered stream of bytes to one peer, and how peers are found. TCP in production, two buffers in tests.
// Thread: the stream's executor. One read and one write may be in flight at a time.
// Failure: disconnected when the peer is gone or close() was called; timed_out never (put a timer around it).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "io/block_device.h"
#include "rt/executor.h"
#include "rt/task.h"

namespace vds::io {

class stream {
 public:
  virtual ~stream() = default;  // closes; no operation may be in flight
  virtual rt::executor& executor() = 0;
  virtual std::string peer_name() const = 0;   // "127.0.0.1:51324"
  virtual std::string local_name() const = 0;  // "127.0.0.1:3260"

  // At least one byte, at most into.size(); 0 means the peer ended its side.
  virtual rt::task<result<std::size_t>> read_some(buffer into) = 0;
  // All of it, in order (a gathered write: header, data, padding, digest).
  virtual rt::task<status> write_all(const_buffers from) = 0;
  // What has come already, without waiting; 0: nothing, or the stream has ended, or it cannot say. No read may be in
  // flight.
  virtual std::size_t take_what_is_there(buffer /*into*/) { return 0; }
  // Ends operations in flight with disconnected; idempotent. The object lives until they have returned.
  virtual void close() = 0;

  // Exactly into.size() bytes; disconnected if the peer ends before.
  rt::task<status> read_exactly(buffer into) {
    while (!into.empty()) {
      auto n = co_await read_some(into);
      if (!n) co_return std::move(n).error();
      if (*n == 0) co_return errc::disconnected;
      into = into.subspan(*n);
    }
    co_return status();
  }
};

class listener {
 public:
  virtual ~listener() = default;
  virtual std::string local_name() const = 0;  // with the port that was chosen
  virtual rt::task<result<std::unique_ptr<stream>>> accept() = 0;
  virtual void close() = 0;  // ends accept() with closing
};

}  // namespace vds::io
