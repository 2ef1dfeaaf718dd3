#include "iscsi/session/connection.h"

#include <algorithm>
#include <array>

#include "base/log.h"

namespace vds::iscsi {
namespace {

constexpr std::size_t bytes_at_once = 256 * 1024;

using enum connection_state;
constexpr auto edges = std::to_array<std::pair<connection_state, connection_state>>({
    {logging_in, full_feature},
    {logging_in, closing},
    {full_feature, logging_out},
    {full_feature, closing},
    {logging_out, closing},
    {closing, closed},
});

}  // namespace

// What a target may receive in full feature phase (RFC 7143 11.1.1); a discovery session knows only some of it.
struct connection_table {
  struct row {
    opcode op;
    bool in_discovery;
    connection::handler handle;
  };
  static constexpr auto rows = std::to_array<row>({
      {opcode::scsi_command, false, &connection::on_scsi_command},
      {opcode::data_out, false, &connection::on_data_out},
      {opcode::nop_out, true, &connection::on_nop_out},
      {opcode::task_management, false, &connection::on_task_management},
      {opcode::text_request, true, &connection::on_text},
      {opcode::logout_request, true, &connection::on_logout},
      {opcode::snack, false, &connection::on_snack},
  });
};

connection::connection(std::unique_ptr<io::stream> stream, session_host& host, buffer_pool& pool,
                       const connection_limits& limits, login_policy policy)
    : stream_(std::move(stream)),
      executor_(stream_->executor()),
      host_(host),
      pool_(pool),
      limits_(limits),
      policy_(policy),
      peer_(stream_->peer_name()),
      reader_(*stream_, pool_),
      queue_(*stream_, window_, limits_.send_queue_pdus),
      gate_(executor_),
      budget_(executor_, std::max<std::size_t>(limits_.data_bytes, lun::max_transfer_bytes)),
      dropped_(executor_) {}

connection::~connection() { *alive_ = false; }

void connection::become(connection_state next, std::string_view why) {
  always(std::find(edges.begin(), edges.end(), std::pair{state_, next}) != edges.end());
  state_ = next;
  if (next == full_feature)
    log::info("iscsi {}: {} logged in to {}", peer_, agreed_.initiator_name,
              target_ != nullptr ? target_->iqn() : "discovery");
  else if (next == closing)
    log::debug("iscsi {}: closing: {}", peer_, why);
}

void connection::drop(std::string_view why) {
  if (state_ == closing || state_ == closed) return;
  become(closing, why);
  dropped_.set();
  stream_->close();
  queue_.close();
  abort_everything();
}

void connection::abort_everything() {
  for (auto& [tag, t] : tasks_) t->abort();
}

rt::task<void> connection::run() {
  rt::start([](connection& c) -> rt::task<void> {
    auto held = c.gate_.hold();
    auto sent = co_await c.queue_.run();
    if (!sent) c.drop("cannot send");
  }(*this));
  const auto began = executor_.now();
  heard_at_ = began;
  timer_ = executor_.run_at(began + limits_.login_time, [this, alive = alive_] {
    if (*alive && state_ == logging_in) drop("login took too long");
  });

  co_await login_phase();
  executor_.cancel_timer(timer_);
  if (state_ == full_feature) {
    serving_ = true;
    schedule_tick();
    co_await receive();
  }
  drop("peer has gone");
  *alive_ = false;
  executor_.cancel_timer(timer_);
  executor_.cancel_timer(leave_timer_);
  // Order matters: first no command can touch a LUN, then the LUNs forget us, then a new session may begin.
  co_await gate_.close();
  co_await leave_units();
  if (session_ != nullptr) {
    session_->live = nullptr;
    target_->leave(session_);
  }
  become(closed);
}

rt::task<void> connection::leave_units() {
  if (session_ == nullptr) co_return;
  for (auto& [number, seen] : units_)
    if (seen.unit != nullptr) former_units_.push_back(std::move(seen.unit));
  for (const auto& unit : former_units_)
    co_await rt::run_on(executor_, unit->executor(), [this, &unit] { return unit->nexus_lost(session_->who); });
}

rt::task<void> connection::receive() {
  while (state_ == full_feature || state_ == logging_out) {
    if (queue_.full()) co_await queue_.wait_for_room();
    const pdu_reader::digests with{agreed_.header_digest, agreed_.data_digest};
    if (auto got = co_await reader_.fill(agreed_.max_recv_data_segment, with); !got) {
      drop(got.error().message());
      co_return;
    }
    // What is answered here waits for nobody; but the sender gets its turn while the data is still in the cache.
    const std::size_t enough = queue_.data_pushed() + bytes_at_once;
    while (queue_.data_pushed() < enough && do_whole_command()) {
    }
    if (queue_.data_pushed() >= enough) {
      co_await executor_.turn();
      continue;
    }
    if (!reader_.has_header()) continue;
    auto h = co_await reader_.header(phase::full_feature, agreed_.max_recv_data_segment, with);
    if (!h) {
      drop(h.error().message());
      co_return;
    }
    if (state_ == logging_out) {
      (void)co_await reader_.skip_data();
      continue;
    }
    const auto row = std::find_if(connection_table::rows.begin(), connection_table::rows.end(),
                                  [&h](const auto& r) { return r.op == h->op(); });
    if (row == connection_table::rows.end() || (target_ == nullptr && !row->in_discovery)) {
      (void)co_await reader_.skip_data();
      reject(*h, reject_reason::command_not_supported);
      continue;
    }
    co_await (this->*row->handle)(*h);
  }
}

void connection::push(bhs header, numbering number, std::vector<std::byte> bytes) {
  outgoing p;
  p.header = header;
  p.number = number;
  p.bytes = std::move(bytes);
  queue_.push(std::move(p));
}

void connection::reject(const bhs& h, reject_reason why) {
  reject_pdu r;
  r.reason = static_cast<std::uint8_t>(why);
  const auto* raw = reinterpret_cast<const std::byte*>(&h);
  push(generic(r), numbering::status, {raw, raw + sizeof h});
}

// True if the PDU is to be acted on now. A command outside the window is ignored (RFC 7143 4.2.2.1); so is one behind a
// gap: a single TCP connection in order cannot fill it.
bool connection::in_order(const bhs& h, std::uint32_t cmd_sn) {
  if (h.immediate()) return true;
  if (cmd_sn != window_.exp_cmd_sn || serial_before(window_.max_cmd_sn, cmd_sn)) return false;
  ++window_.exp_cmd_sn;
  ++window_.max_cmd_sn;  // run_command's commands take this back until they have ended
  return true;
}

rt::task<void> connection::on_nop_out(const bhs& h) {
  const auto pdu = as<nop_out>(h);
  const bool is_answer = pdu.task_tag == no_tag;
  std::vector<std::byte> echo(is_answer ? 0 : std::min(reader_.data_length(), agreed_.max_send_data_segment));
  const io::buffer place[] = {echo};
  auto fine = co_await reader_.data(place);
  if (!fine) {
    drop("cut short");
    co_return;
  }
  if (!*fine) {
    reject(h, reject_reason::data_digest_error);
    co_return;
  }
  if (!in_order(h, pdu.cmd_sn)) co_return;
  if (is_answer) {
    if (pdu.transfer_tag == ping_tag_) ping_tag_ = no_tag;
    co_return;
  }
  nop_in answer;
  answer.task_tag = pdu.task_tag;
  answer.transfer_tag = no_tag;
  push(generic(answer), numbering::status, std::move(echo));
}

rt::task<void> connection::on_snack(const bhs& h) {
  reject(h, reject_reason::snack_reject);  // ErrorRecoveryLevel is 0
  co_return;
}

void connection::schedule_tick() {
  const auto step = std::max<monotonic::duration>(std::min(limits_.ping_after, limits_.ping_answer) / 4, 1s);
  timer_ = executor_.run_at(executor_.now() + step, [this, alive = alive_] {
    if (*alive) tick();
  });
}

void connection::tick() {
  if (state_ != full_feature) return;
  const auto now = executor_.now();
  if (const auto since = queue_.writing_since(); since && now - *since >= limits_.send_stall)
    return drop("does not read what it asked for");
  if (reader_.bytes_received() != heard_bytes_) {
    heard_bytes_ = reader_.bytes_received();
    heard_at_ = now;
  }
  if (ping_tag_ != no_tag && now - pinged_at_ >= limits_.ping_answer && now - heard_at_ >= limits_.ping_answer)
    return drop("silent");
  if (ping_tag_ == no_tag && now - heard_at_ >= limits_.ping_after) {
    nop_in ping;
    ping.task_tag = no_tag;
    if (++last_transfer_tag_ == no_tag) last_transfer_tag_ = 1;
    ping_tag_ = last_transfer_tag_;
    ping.transfer_tag = ping_tag_;
    pinged_at_ = now;
    push(generic(ping), numbering::current);
  }
  schedule_tick();
}

}  // namespace vds::iscsi
