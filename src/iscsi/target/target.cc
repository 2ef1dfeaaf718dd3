#include "iscsi/target/target.h"

#include <algorithm>

#include "base/log.h"
#include "iscsi/pdu/iscsi_name.h"
#include "iscsi/target/target_core.h"

namespace vds::iscsi {
namespace {

result<lun_access> normalised(const access& who) {
  lun_access out;
  out.all = who.all;
  for (const std::string& name : who.initiators) {
    auto n = normalised_name(name);
    if (!n) return failure(errc::invalid_argument, "not an iSCSI name: " + name);
    out.initiators.insert(std::move(*n));
  }
  return out;
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

status check(const logical_unit& lu) {
  if (lu.number > max_lun_number) return failure(errc::invalid_argument, "LUN number above 16777215");
  if (lu.naa.size() != 8 && lu.naa.size() != 16) return failure(errc::invalid_argument, "NAA id of 8 or 16 bytes");
  if (lu.serial.empty() || lu.serial.size() > 240 || !printable(lu.serial))
    return failure(errc::invalid_argument, "serial number of 1 to 240 ASCII characters");
  if (!printable(lu.vendor) || !printable(lu.product) || !printable(lu.revision) || lu.vendor.size() > 8 ||
      lu.product.size() > 16 || lu.revision.size() > 4)
    return failure(errc::invalid_argument, "vendor, product or revision too long or not ASCII");
  const io::block_geometry g = lu.device.geometry();
  if (g.blocks.n == 0 || !std::has_single_bit(g.logical.bytes) || g.logical.bytes < 512 || g.logical.bytes > 4096)
    return failure(errc::invalid_argument, "a device without blocks, or of a strange block size");
  return {};
}

// The rest of the coroutine runs there.
struct hop_to {
  rt::executor& there;
  bool await_ready() const noexcept { return there.on_this_thread(); }
  void await_suspend(std::coroutine_handle<> h) const {
    there.post([h] { h.resume(); });
  }
  void await_resume() const noexcept {}
};

}  // namespace

access access_from(const std::vector<std::string>& unmask) {
  access out;
  for (const std::string& name : unmask) {
    if (name == "*")
      out.all = true;
    else
      out.initiators.push_back(name);
  }
  return out;
}

result<std::shared_ptr<lun>> make_unit(logical_unit lu, const std::string& target_name,
                                       std::shared_ptr<const target_ports> ports) {
  VDS_RETURN_IF_FAILED(check(lu));
  auto settings = decode_settings(lu.persistence.saved);
  if (!settings) return std::move(settings).error().in("LUN", std::to_string(lu.number));
  if (!lu.persistence.redo.empty() && !redo_is_whole(lu.persistence.redo, lu.device.geometry().logical))
    return failure(errc::corrupt, "an atomic write that was kept cannot be read");
  lun_identity identity{lu.number,
                        lu.id,
                        std::move(lu.naa),
                        std::move(lu.serial),
                        std::move(lu.vendor),
                        std::move(lu.product),
                        std::move(lu.revision),
                        target_name,
                        std::move(ports),
                        lu.atomic};
  auto unit = std::make_shared<lun>(std::move(identity), lu.device, std::move(*settings), std::move(lu.persistence));
  if (unit->executor().on_this_thread())
    unit->resume();
  else
    unit->executor().post([unit] { unit->resume(); });
  return unit;
}

rt::task<void> close_unit(std::shared_ptr<lun> unit) {
  co_await hop_to{unit->executor()};
  co_await unit->close();
}

void unit_resized(const std::shared_ptr<lun>& unit) {
  if (unit->executor().on_this_thread())
    unit->resized();
  else
    unit->executor().post([unit] {
      if (!unit->closed()) unit->resized();
    });
}

target::target(target_options options)
    : options_(std::move(options)), core_(std::make_shared<target_core>(options_.iqn, options_.alias)) {}
target::~target() = default;

void target::set_alias(std::string alias) { core_->set_alias(std::move(alias)); }

void target::set_groups(std::vector<portal_group> groups) {
  std::vector<std::uint16_t> tags;
  for (const portal_group& g : groups) tags.push_back(g.tag);
  core_->ports->set(std::move(tags));
  core_->set_groups(std::move(groups));
  core_->sessions.ask_to_log_out(
      [this](const session_record& s) { return core_->tag_of(s.portal) != s.who.portal_group; },
      "its portal was taken from the target");
}

status target::set_secrets(target_secrets secrets) {
  if (secrets.reflects())
    return failure(errc::invalid_argument,
                   "the secret of the target for an initiator must differ from the initiator's");
  core_->set_secrets(std::move(secrets));
  return {};
}

status target::publish(logical_unit lu, access who) {
  if (core_->luns.find(lu.number) != nullptr) return errc::already_exists;  // before the unit goes on with anything
  auto unit = make_unit(std::move(lu), options_.iqn, core_->ports);
  if (!unit) return std::move(unit).error();
  return attach(std::move(*unit), std::move(who));
}

status target::attach(std::shared_ptr<lun> unit, access who) {
  auto normal = normalised(who);
  if (!normal) return std::move(normal).error();
  const lun_access whom = *normal;
  // Sessions that lost it by detach() may have it again.
  for (const auto& s : core_->sessions.all())
    if (whom.allows(s->who.initiator)) unit->executor().post([unit, id = s->who.id] { unit->readmit(id); });
  VDS_RETURN_IF_FAILED(core_->luns.insert(std::move(unit), std::move(*normal)));
  core_->luns_changed([&whom](const std::string& initiator) { return whom.allows(initiator); });
  return {};
}

rt::task<status> target::detach(std::uint32_t number) {
  lun_access whom;
  const auto unit = core_->luns.remove(number, &whom);
  if (unit == nullptr) co_return errc::not_found;
  core_->luns_changed([&whom](const std::string& initiator) { return whom.allows(initiator); });
  co_await hop_to{unit->executor()};
  for (const auto& s : core_->sessions.all()) co_await unit->expel(s->who.id);
  co_return status();
}

rt::task<status> target::unpublish(std::uint32_t number) {
  lun_access whom;
  const auto unit = core_->luns.remove(number, &whom);
  if (unit == nullptr) co_return errc::not_found;
  core_->luns_changed([&whom](const std::string& initiator) { return whom.allows(initiator); });
  co_await close_unit(unit);
  co_return status();
}

rt::task<status> target::set_access(std::uint32_t number, access who) {
  auto normal = normalised(who);
  if (!normal) co_return std::move(normal).error();
  const lun_access after = *normal;
  lun_access before;
  const auto unit = core_->luns.set_access(number, std::move(*normal), &before);
  if (unit == nullptr) co_return errc::not_found;
  core_->luns_changed(
      [&](const std::string& initiator) { return before.allows(initiator) != after.allows(initiator); });
  co_await hop_to{unit->executor()};
  for (const auto& s : core_->sessions.all()) {
    if (after.allows(s->who.initiator))
      unit->readmit(s->who.id);
    else
      co_await unit->expel(s->who.id);
  }
  co_return status();
}

status target::resized(std::uint32_t number) {
  const auto unit = core_->luns.find(number);
  if (unit == nullptr) return errc::not_found;
  unit_resized(unit);
  return {};
}

bool target::published(std::uint32_t number) const { return core_->luns.find(number) != nullptr; }
std::size_t target::size() const { return core_->luns.size(); }
std::size_t target::sessions() const { return core_->sessions.size(); }

std::vector<std::string> target::initiators() const {
  std::vector<std::string> names;
  for (const auto& s : core_->sessions.all()) names.push_back(s->who.initiator);
  return names;
}

}  // namespace vds::iscsi
