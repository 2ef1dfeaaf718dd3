// Settings: values that others keep in the array's log. Their meaning is none of the array's business.
#include <fmt/format.h>

#include <algorithm>

#include "array/array_impl.h"
#include "base/units.h"

namespace vds::array {
namespace {
constexpr std::size_t max_settings_bytes = 4_MiB;  // of all keys and values
constexpr std::size_t max_changes = 1024;          // in one batch
}  // namespace

rt::task<status> array::impl::change_settings(std::vector<array::setting_change> changes, guid operation) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  if (changes.size() > max_changes) co_return failure(errc::too_large, "at most 1024 settings at once");
  for (const auto& c : changes) {
    if (c.key.empty() || c.key.size() > format::max_setting_key)
      co_return failure(errc::invalid_argument, "a setting's key has 1 to 255 bytes");
    if (c.value && c.value->size() > format::max_setting_value)
      co_return failure(errc::too_large, fmt::format("setting {}: a value has at most 64 KiB", c.key));
  }
  std::shared_ptr<running> mine;
  auto outcome = co_await join_operation(operation, {}, mine);
  if (outcome) {
    if (!*outcome) co_return std::move(*outcome).error();
    co_return status();
  }
  status s = co_await write_settings(std::move(changes), operation);
  end_operation(operation, mine, s ? result<guid>(guid{}) : result<guid>(s.error()));
  co_return s;
}

rt::task<status> array::impl::write_settings(std::vector<array::setting_change> changes, guid operation) {
  const auto self = shared_from_this();
  // One change after the other: each is judged by what the one before has left.
  const auto turn = co_await settings_change_.take();
  const auto& known = journal_->config().settings;
  std::size_t before = 0, gone = 0, come = 0;
  for (const auto& [key, value] : known) before += key.size() + value.size();
  format::bytes records;
  for (auto& c : changes) {
    const auto it = known.find(c.key);
    const bool there = it != known.end();
    // The same key twice in one change: the last one counts, so each is written.
    const bool once = std::count_if(changes.begin(), changes.end(), [&c](auto& o) { return o.key == c.key; }) == 1;
    if (once && (c.value ? there && it->second == *c.value : !there)) continue;
    if (there && once) gone += c.key.size() + it->second.size();
    if (c.value) {
      come += c.key.size() + c.value->size();
      format::append(records, format::record(format::setting_record{c.key, std::move(*c.value)}));
    } else {
      format::append(records, format::record(format::setting_gone_record{c.key}));
    }
  }
  if (records.empty() && !operation) co_return status();
  if (come > gone && before - gone + come > max_settings_bytes)
    co_return failure(errc::too_large, "an array keeps at most 4 MiB of settings");
  if (come > gone) VDS_CO_RETURN_IF_FAILED(journal_->room_for(come - gone + 64 * changes.size()));
  if (operation) format::append(records, format::record(format::operation_record{operation, {}}));
  co_return co_await journal_->commit(std::move(records));
}

rt::task<status> array::put_setting(std::string key, bytes value, guid operation) {
  std::vector<setting_change> one;
  one.push_back({std::move(key), std::move(value)});
  return impl_->change_settings(std::move(one), operation);
}
rt::task<status> array::erase_setting(std::string key, guid operation) {
  std::vector<setting_change> one;
  one.push_back({std::move(key), std::nullopt});
  return impl_->change_settings(std::move(one), operation);
}
rt::task<status> array::change_settings(std::vector<setting_change> changes, guid operation) {
  return impl_->change_settings(std::move(changes), operation);
}
std::optional<array::bytes> array::setting(std::string_view key) const {
  const auto& all = impl_->journal_->config().settings;
  const auto it = all.find(key);
  if (it == all.end()) return std::nullopt;
  return it->second;
}
std::map<std::string, array::bytes> array::settings(std::string_view prefix) const {
  std::map<std::string, bytes> out;
  const auto& all = impl_->journal_->config().settings;
  for (auto it = all.lower_bound(prefix); it != all.end() && it->first.starts_with(prefix); ++it) out.insert(*it);
  return out;
}

}  // namespace vds::array
