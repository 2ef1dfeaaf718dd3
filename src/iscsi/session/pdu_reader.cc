#include "iscsi/session/pdu_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checksum.h"

namespace vds::iscsi {

void pdu_reader::consume(std::size_t bytes) {
  begin_ += bytes;
  if (begin_ != end_) return;
  begin_ = end_ = 0;
  if (large_.size() != 0) pool_.give(std::exchange(large_, {}));
}

// One stroke has filled the small buffer, so there is more to come.
void pdu_reader::grow() {
  io::aligned_buffer large = pool_.take(large_capacity);
  std::memcpy(large.data(), unread(), available());
  large_ = std::move(large);
  end_ -= begin_;
  begin_ = 0;
  const std::size_t more = from_.take_what_is_there(large_.span().subspan(end_));
  end_ += more;
  received_ += more;
}

rt::task<status> pdu_reader::need(std::size_t bytes) {
  always(bytes <= small_capacity);
  if (room().size() - begin_ < bytes) {
    std::memmove(room().data(), unread(), available());
    end_ -= begin_;
    begin_ = 0;
  }
  while (available() < bytes) {
    auto n = co_await from_.read_some(room().subspan(end_));
    if (!n) co_return std::move(n).error();
    if (*n == 0) co_return errc::disconnected;
    end_ += *n;
    received_ += *n;
  }
  if (may_grow_ && large_.size() == 0 && end_ == small_capacity) grow();
  co_return status();
}

rt::task<status> pdu_reader::read_into(io::buffer into) {
  const std::size_t here = std::min(into.size(), available());
  std::memcpy(into.data(), unread(), here);
  consume(here);
  into = into.subspan(here);
  if (into.empty()) co_return status();
  const std::size_t there = from_.take_what_is_there(into);
  received_ += into.size();
  into = into.subspan(there);
  if (into.empty()) co_return status();
  co_return co_await from_.read_exactly(into);
}

std::optional<pdu_reader::whole> pdu_reader::peek(std::uint32_t max_data_segment, digests with) const {
  whole w;
  if (available() < sizeof(bhs)) return std::nullopt;
  const std::byte* at = unread();
  std::memcpy(&w.header, at, sizeof(bhs));
  const std::size_t length = w.header.data_length;
  w.size = sizeof(bhs) + (with.header ? sizeof(le32) : 0);
  w.data = {at + w.size, length};
  w.size += padded(length) + (with.data && length != 0 ? sizeof(le32) : 0);
  if (available() < w.size || w.header.ahs_words != 0) return std::nullopt;
  if (!check_header(w.header, phase::full_feature, max_data_segment)) return std::nullopt;
  if (with.header && crc32c({at, sizeof(bhs)}) != load<le32>(at + sizeof(bhs))) return std::nullopt;
  if (with.data && length != 0) {
    const std::span<const std::byte> covered(w.data.data(), padded(length));
    if (crc32c(covered) != load<le32>(covered.data() + covered.size())) return std::nullopt;
  }
  return w;
}

rt::task<status> pdu_reader::fill(std::uint32_t max_data_segment, digests with) {
  if (!has_header()) {
    auto got = co_await need(sizeof(bhs));
    if (!got) co_return got;
  }
  bhs h;
  std::memcpy(&h, unread(), sizeof h);
  if (h.op() != opcode::scsi_command || h.ahs_words != 0) co_return status();
  const std::size_t length = h.data_length;
  const std::size_t whole =
      sizeof h + (with.header ? sizeof(le32) : 0) + padded(length) + (with.data && length != 0 ? sizeof(le32) : 0);
  may_grow_ = length <= small_data;
  if (available() >= whole || whole > small_capacity) co_return status();
  if (!check_header(h, phase::full_feature, max_data_segment)) co_return status();
  co_return co_await need(whole);
}

void pdu_reader::take(const whole& w) { consume(w.size); }

rt::task<result<bhs>> pdu_reader::header(phase where, std::uint32_t max_data_segment, digests with) {
  if (available() < sizeof(bhs)) {
    auto got = co_await need(sizeof(bhs));
    if (!got) co_return std::move(got).error();
  }
  bhs h;
  std::memcpy(&h, unread(), sizeof h);
  if (auto fine = check_header(h, where, max_data_segment); !fine) co_return std::move(fine).error();
  const std::size_t extra = h.ahs_words * std::size_t{4};
  const std::size_t whole = sizeof h + extra + (with.header ? sizeof(le32) : 0);
  if (available() < whole) {
    auto got = co_await need(whole);
    if (!got) co_return std::move(got).error();
  }
  const std::byte* at = unread();
  ahs_.assign(at + sizeof h, at + sizeof h + extra);
  if (with.header && crc32c({at, sizeof h + extra}) != load<le32>(at + sizeof h + extra))
    co_return failure(errc::bad_checksum, "header digest");
  consume(whole);
  data_length_ = h.data_length;
  data_digest_ = with.data;
  may_grow_ = where == phase::full_feature && data_length_ <= small_data;
  co_return h;
}

rt::task<result<bool>> pdu_reader::data(std::span<const io::buffer> into) {
  const std::uint32_t length = std::exchange(data_length_, 0);
  if (length == 0) co_return true;  // no data segment, no data digest
  std::uint32_t left = length, sum = 0;
  for (io::buffer piece : into) {
    piece = piece.first(std::min<std::size_t>(piece.size(), left));
    if (piece.empty()) continue;
    auto got = co_await read_into(piece);
    if (!got) co_return std::move(got).error();
    if (data_digest_) sum = crc32c(piece, sum);
    left -= static_cast<std::uint32_t>(piece.size());
  }
  std::array<std::byte, 512> scrap;
  std::size_t rest = left + (padded(length) - length);
  while (rest > 0) {
    const std::span<std::byte> piece = std::span(scrap).first(std::min(rest, scrap.size()));
    auto got = co_await read_into(piece);
    if (!got) co_return std::move(got).error();
    if (data_digest_) sum = crc32c(piece, sum);
    rest -= piece.size();
  }
  if (!data_digest_) co_return true;
  const std::span<std::byte> digest = std::span(scrap).first(sizeof(le32));
  auto got = co_await read_into(digest);
  if (!got) co_return std::move(got).error();
  co_return sum == load<le32>(digest.data());
}

}  // namespace vds::iscsi
