// connection.h: the endpoint itself: joins the channel with the tables of exported objects and of proxies.
// Threads: see channel.h for the reading side; everything here is for any thread.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "com/call_context.h"
#include "wire/ndr/objects.h"
#include "wire/orpc/channel.h"
#include "wire/orpc/endpoint.h"
#include "wire/orpc/export_table.h"
#include "wire/orpc/orpcthis.h"

namespace vds::wire {

class connection final : public endpoint, public channel_user, public std::enable_shared_from_this<connection> {
 public:
  connection(runtime& rt, unique_fd fd, endpoint_options options);
  ~connection() override;
  void start();

  // endpoint
  HRESULT activate(REFCLSID clsid, REFIID iid, void** out) override;
  void on_closed(std::function<void()> then) override;
  void close() override { channel_.close(); }
  bool closed() const override { return channel_.closed(); }
  const peer_credentials& peer() const override { return peer_; }
  counts count() const override;

  // For proxies.
  channel& wire() noexcept { return channel_; }
  std::optional<deadline> call_deadline() const;
  HRESULT import(const objref& ref, const uuid& iid, void** out);
  HRESULT query_remote(const uuid& ipid, const uuid& iid, std_objref& out);
  void add_remote_ref(const uuid& ipid, std::uint32_t refs);  // goes out before anything that is sent after
  void forget(std::uint64_t oid, const void* manager);
  void release_remote(std::vector<interface_ref>&& refs);
  std::uint64_t peer_oxid() const noexcept { return peer_oxid_; }

  // For the codec of interface pointers and for dispatch.
  export_table& exports() noexcept { return exports_; }
  runtime& threads() noexcept { return runtime_; }
  const endpoint_options& options() const noexcept { return options_; }
  void discard(std::vector<std::shared_ptr<exported>>&& dead);  // released on a pool thread
  void reply(std::uint32_t call_id, std::uint16_t context, ndr::buffer& message);
  void reply_fault(std::uint32_t call_id, std::uint16_t context, std::uint32_t status);
  HRESULT authorize(const uuid& iid, std::uint32_t slot) const;

 private:
  // channel_user
  job on_request(rpc::request&& request) override;
  bool knows(const uuid& interface_id) override;
  void on_closed() override;

  job on_rem_unknown(rpc::request&& request);
  void on_add_ref(const rpc::request& request);
  void on_release(const rpc::request& request);
  void flush_releases();
  HRESULT call_dcom(const uuid& interface_id, std::uint16_t number, const uuid& object, ndr::buffer& message,
                    answer& a);

  runtime& runtime_;
  const endpoint_options options_;
  const peer_credentials peer_;
  export_table exports_;
  std::atomic<std::uint64_t> peer_oxid_{0};
  std::atomic<std::size_t> calls_in_{0};

  mutable std::mutex imports_mutex_;
  std::unordered_map<std::uint64_t, class proxy_manager*> imports_;

  std::mutex releases_mutex_;
  std::vector<interface_ref> releases_;

  std::mutex closed_mutex_;
  bool closed_told_ = false;
  std::vector<std::function<void()>> when_closed_;

  channel channel_;
};

// Room at the front of a message, then ORPCTHIS for the calling thread's context.
void begin_request(ndr::buffer& message);
// Puts operation and caller of current_call() into the head of a call.
orpc_this this_call();

// Turns interface pointers into OBJREFs of a connection and back. Until commit(), the public references that
// marshalling has given are taken back again: the message never left.
class object_marshaler final : public ndr::object_codec {
 public:
  explicit object_marshaler(connection& c) noexcept : connection_(c) {}
  ~object_marshaler() override;
  bool marshal(void* object, const uuid& iid, std::vector<std::byte>& out) override;
  bool unmarshal(std::span<const std::byte> bytes, const uuid& iid, void** object) override;
  void release(void* object) override { static_cast<IUnknown*>(object)->Release(); }
  void commit() noexcept {
    given_.clear();
    returned_.clear();
  }

 private:
  connection& connection_;
  std::vector<interface_ref> given_;
  std::vector<std::pair<com_ptr<IUnknown>, interface_ref>> returned_;
};

// Message buffers, kept per thread so that a call allocates none.
class message_buffer {
 public:
  message_buffer();
  ~message_buffer();
  message_buffer(const message_buffer&) = delete;
  message_buffer& operator=(const message_buffer&) = delete;
  ndr::buffer& operator*() noexcept { return buffer_; }

 private:
  ndr::buffer buffer_;
};

}  // namespace vds::wire
