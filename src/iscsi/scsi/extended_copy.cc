// EXTENDED COPY(LID1) and RECEIVE COPY RESULTS: the target copies blocks between LUNs itself. A LUN is named by its NAA
// id and looked for among those that the initiator may see, nowhere else: what is masked is not reachable, byte for
// byte as what does not exist. Each piece is a READ(16) and a WRITE(16) on behalf of the same nexus, so reservations,
// write protection, masks and task management hold as for its own commands.
#include <algorithm>

#include "io/aligned_buffer.h"
#include "iscsi/scsi/handlers.h"
#include "iscsi/scsi/lun_directory.h"
#include "rt/executor.h"

namespace vds::iscsi {
namespace {

constexpr std::size_t header_size = 16, target_size = 32, segment_size = 28, largest_naa = 20;
constexpr std::size_t max_targets = 8, max_segments = 16;
constexpr std::size_t max_descriptors = max_targets * target_size + max_segments * segment_size;
constexpr std::uint8_t identification_target = 0xe4, block_to_block = 0x02;
constexpr std::uint64_t piece_bytes = 1u << 20;
constexpr std::uint16_t operation_in_progress = 0x0016, third_party_failure = 0x0d01;

sense copy_aborted(std::uint16_t code) { return {sense_key::copy_aborted, code, {}, {}}; }

struct copy_segment {
  std::uint16_t from = 0, to = 0;  // indices of targets
  bool count_is_of_destination = false;
  block_count count{};
  lba source{}, destination{};
};

struct copy_list {
  std::uint8_t id = 0, usage = 0;
  std::vector<std::span<const std::byte>> targets;
  std::vector<copy_segment> segments;
};

tl::expected<copy_list, sense> parse(std::span<const std::byte> list) {
  using tl::unexpected;
  copy_list out;
  if (list.size() < header_size) return unexpected(illegal(senses::parameter_list_length));
  const std::uint64_t targets = load<be16>(&list[2]), segments = load<be32>(&list[8]);
  if (load<be32>(&list[12]) != 0) return unexpected(bad_list_field(12));  // inline data
  if (targets + segments > max_descriptors || targets + segments > list.size() - header_size ||
      targets % target_size != 0)
    return unexpected(illegal(senses::parameter_list_length));
  if (targets / target_size > max_targets) return unexpected(illegal(senses::too_many_targets));
  out.id = std::to_integer<std::uint8_t>(list[0]);
  out.usage = std::to_integer<std::uint8_t>(list[1]) >> 3 & 3;
  if (out.usage == 1 || (out.usage == 3 && out.id != 0)) return unexpected(bad_list_field(1, 4));
  for (std::size_t at = 0; at < targets; at += target_size) {
    const auto one = list.subspan(header_size + at, target_size);
    if (std::to_integer<std::uint8_t>(one[0]) != identification_target)
      return unexpected(illegal(senses::unsupported_target));
    out.targets.push_back(one);
  }
  auto rest = list.subspan(header_size + targets, segments);
  while (!rest.empty()) {
    if (out.segments.size() == max_segments) return unexpected(illegal(senses::too_many_segments));
    if (std::to_integer<std::uint8_t>(rest[0]) != block_to_block)
      return unexpected(illegal(senses::unsupported_segment));
    if (rest.size() < segment_size || load<be16>(&rest[2]) != segment_size - 4)
      return unexpected(illegal(senses::parameter_list_length));
    copy_segment s;
    s.count_is_of_destination = (rest[1] & std::byte{0x02}) != std::byte{0};
    s.from = load<be16>(&rest[4]);
    s.to = load<be16>(&rest[6]);
    s.count = block_count{load<be16>(&rest[10])};
    s.source = lba{load<be64>(&rest[12])};
    s.destination = lba{load<be64>(&rest[20])};
    out.segments.push_back(s);
    rest = rest.subspan(segment_size);
  }
  return out;
}

// The LUN that a target descriptor names, if this initiator may see it.
std::shared_ptr<lun> resolve(lun& here, const command& c, std::span<const std::byte> target) {
  const int code_set = std::to_integer<int>(target[4]) & 0xf, kind = std::to_integer<int>(target[5]) & 0x3f;
  const std::size_t size = std::to_integer<std::size_t>(target[7]);
  const bool naa = code_set == 1 && kind == 3;  // of the logical unit
  if (!naa || size > largest_naa) return nullptr;
  const auto* raw = reinterpret_cast<const std::uint8_t*>(&target[8]);
  const std::span<const std::uint8_t> id(raw, size);
  if (std::equal(id.begin(), id.end(), here.identity().naa.begin(), here.identity().naa.end()))
    return here.shared_from_this();
  return c.directory == nullptr ? nullptr : c.directory->find_lun(id, c.from->initiator);
}

struct part final : command {
  part(const command& of, std::uint8_t opcode, lba at, block_count count) {
    from = of.from;
    on_behalf = true;
    attribute = task_attribute::head_of_queue;  // it must not wait for the command that it belongs to
    cdb[0] = static_cast<std::byte>(opcode);
    store(&cdb[2], be64(at.n));
    store(&cdb[10], be32(static_cast<std::uint32_t>(count.n)));
  }
  bool done() const { return status == scsi_status::good && !aborted(); }
};

rt::task<bool> read_part(lun& here, const command& c, const std::shared_ptr<lun>& from, lba at, io::buffer into) {
  part p(c, 0x88, at, block_count{into.size() / from->block().bytes});
  p.expected_in = static_cast<std::uint32_t>(into.size());
  p.data_in = into;
  prepare(*from, p);
  co_await rt::run_on(here.executor(), from->executor(), [&from, &p] { return from->run(p); });
  co_return p.done();
}

rt::task<bool> write_part(lun& here, const command& c, const std::shared_ptr<lun>& to, lba at, io::const_buffer data) {
  part p(c, 0x8a, at, block_count{data.size() / to->block().bytes});
  p.expected_out = static_cast<std::uint32_t>(data.size());
  p.data_out = {data};
  prepare(*to, p);
  co_await rt::run_on(here.executor(), to->executor(), [&to, &p] { return to->run(p); });
  co_return p.done();
}

bool fits(const lun& l, lba at, block_count count) { return at.n <= l.blocks().n && count.n <= l.blocks().n - at.n; }

// What went wrong, or nothing.
rt::task<std::optional<sense>> copy(lun& here, const command& c, const std::shared_ptr<lun>& from,
                                    const std::shared_ptr<lun>& to, const copy_segment& s, std::uint64_t& copied) {
  const std::uint64_t total = (s.count * (s.count_is_of_destination ? to->block() : from->block())).n;
  if (total % from->block().bytes != 0 || total % to->block().bytes != 0) co_return copy_aborted(third_party_failure);
  if (!fits(*from, s.source, block_count{total / from->block().bytes}) ||
      !fits(*to, s.destination, block_count{total / to->block().bytes}))
    co_return copy_aborted(0);
  io::aligned_buffer piece(std::min(std::max<std::uint64_t>(total, 1), piece_bytes));
  // Backwards when the destination begins inside the source: as if all had been read before anything is written.
  const bool backwards = from == to && s.destination > s.source;
  for (std::uint64_t done = 0; done < total;) {
    if (c.aborted()) co_return copy_aborted(third_party_failure);
    const std::uint64_t n = std::min<std::uint64_t>(piece.size(), total - done);
    const std::uint64_t at = backwards ? total - done - n : done;
    const lba source = s.source + block_count{at / from->block().bytes};
    const lba destination = s.destination + block_count{at / to->block().bytes};
    bool fine = co_await read_part(here, c, from, source, piece.span().first(n));
    if (fine && !c.aborted()) fine = co_await write_part(here, c, to, destination, io::const_buffer(piece.data(), n));
    if (!fine) co_return copy_aborted(third_party_failure);
    done += n;
    copied += n;
  }
  co_return std::nullopt;
}

}  // namespace

void plan_copy(const lun&, const command& c, plan& p) {
  p.out_bytes = c.get<be32>(10);
  if (p.out_bytes > 65536) {
    p.bad = true;
    p.why = illegal(senses::parameter_list_length);
  }
}

rt::task<void> do_extended_copy(lun& l, command& c) {
  const std::vector<std::byte> bytes = gathered(c);
  if (bytes.empty()) co_return;
  const auto list = parse(bytes);
  if (!list) {
    c.fail(list.error());
    co_return;
  }
  const bool recorded = list->usage != 3;
  if (recorded) {
    const auto* known = l.copies().find(c.from->id, list->id);
    if (known != nullptr && !known->done) {
      c.fail(illegal(operation_in_progress));
      co_return;
    }
    l.copies().begin(c.from->id, list->id);
  }
  std::optional<sense> problem;
  std::uint64_t copied = 0;
  std::uint16_t segments = 0;
  for (const copy_segment& s : list->segments) {
    if (s.from >= list->targets.size() || s.to >= list->targets.size()) {
      problem = copy_aborted(senses::unreachable_copy_target);
      break;
    }
    const auto from = resolve(l, c, list->targets[s.from]), to = resolve(l, c, list->targets[s.to]);
    if (from == nullptr || to == nullptr)
      problem = copy_aborted(senses::copy_target_not_reachable);
    else
      problem = co_await copy(l, c, from, to, s, copied);
    if (problem) break;
    ++segments;
  }
  if (auto* mine = recorded ? l.copies().find(c.from->id, list->id) : nullptr) {
    mine->done = true;
    mine->failed = problem.has_value();
    mine->segments = segments;
    mine->bytes = copied;
  }
  if (problem) c.fail(*problem);
}

rt::task<void> do_copy_status(lun& l, command& c) {
  const auto* known = l.copies().find(c.from->id, c.byte(2));
  if (known == nullptr) {
    c.fail(bad_cdb_field(2));
    co_return;
  }
  std::vector<std::byte> data(12);
  store(&data[0], be32(8));
  data[4] = static_cast<std::byte>(!known->done ? 0 : known->failed ? 2 : 1);
  store(&data[5], be16(known->segments));
  data[7] = std::byte{1};  // KiB
  store(&data[8], be32(static_cast<std::uint32_t>(known->bytes >> 10)));
  if (known->done) l.copies().forget(c.from->id, c.byte(2));
  c.answer(std::move(data), c.get<be32>(10));
}

rt::task<void> do_copy_parameters(lun& l, command& c) {
  std::vector<std::byte> data(46);
  store(&data[0], be32(static_cast<std::uint32_t>(data.size() - 4)));
  data[4] = std::byte{1};  // SNLID: a list may go without identifier
  store(&data[8], be16(max_targets));
  store(&data[10], be16(max_segments));
  store(&data[12], be32(max_descriptors));
  store(&data[16], be32(65535 * l.block().bytes));
  store(&data[34], be16(copy_results::kept));
  data[36] = static_cast<std::byte>(copy_results::kept);
  data[37] = static_cast<std::byte>(std::countr_zero(l.block().bytes));
  data[43] = std::byte{2};
  data[44] = std::byte{block_to_block};
  data[45] = std::byte{identification_target};
  c.answer(std::move(data), c.get<be32>(10));
  co_return;
}

std::vector<std::byte> page_third_party_copy(const lun& l, const nexus&) {
  std::vector<std::byte> page;
  auto add = [&page](std::uint16_t type, std::vector<std::byte> body) {
    body.resize(round_up(body.size(), 4));
    const std::size_t at = page.size();
    page.resize(at + 4);
    store(&page[at], be16(type));
    store(&page[at + 2], be16(static_cast<std::uint16_t>(body.size())));
    page.insert(page.end(), body.begin(), body.end());
  };
  // Commands: length of the list, then each with its service actions.
  std::vector<std::byte> commands(1);
  for (const std::uint8_t code : {0x83, 0x84}) {
    const std::size_t at = commands.size();
    commands.push_back(static_cast<std::byte>(code));
    commands.push_back(std::byte{0});
    for (const operation& op : operations()) {
      if (op.code != code) continue;
      commands.push_back(static_cast<std::byte>(op.service_action));
      commands[at + 1] = static_cast<std::byte>(commands.size() - at - 2);
    }
  }
  commands[0] = static_cast<std::byte>(commands.size() - 1);
  add(0x0001, std::move(commands));
  std::vector<std::byte> parameters(28);
  store(&parameters[4], be16(max_targets));
  store(&parameters[6], be16(max_segments));
  store(&parameters[8], be32(max_descriptors));
  add(0x0004, std::move(parameters));
  add(0x0008, {std::byte{2}, std::byte{block_to_block}, std::byte{identification_target}});
  add(0x000c, {std::byte{0}, std::byte{0}});  // no identifiers that stand for a target without a descriptor
  std::vector<std::byte> general(32);
  store(&general[0], be32(copy_results::kept));
  store(&general[4], be32(copy_results::kept));
  store(&general[8], be32(65535 * l.block().bytes));
  general[12] = static_cast<std::byte>(std::countr_zero(l.block().bytes));
  add(0x8001, std::move(general));
  return page;
}

}  // namespace vds::iscsi
