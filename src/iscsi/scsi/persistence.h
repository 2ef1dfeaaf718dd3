// persistence.h: what a LUN keeps across restarts (reservations with APTPL, saved mode pages, a sanitize that is under
// way) and how it keeps it. Whoever publishes the LUN brings the place: src/iscsi never sees it.
// Format of the bytes: docs/format/lun_settings.md. Values; save() runs on the device's executor.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "iscsi/scsi/mode_parameters.h"
#include "iscsi/scsi/persistent_reservations.h"
#include "iscsi/scsi/sanitize.h"
#include "rt/task.h"

namespace vds::iscsi {

struct lun_persistence {
  std::vector<std::byte> saved;  // what save() was last given, in whatever life; empty: never
  // Durable when it returns, all or nothing. Null: nothing can be kept, and initiators are told so.
  std::function<rt::task<status>(std::vector<std::byte>)> save;
  // The same for the data of an atomic write (atomic_write.cc), up to max_redo_bytes and a little; empty: forget it.
  std::vector<std::byte> redo;
  std::function<rt::task<status>(std::vector<std::byte>)> keep_redo;
};

struct lun_settings {
  std::optional<mode_parameters> mode;
  persistent_reservations reservations;  // kept only while its aptpl() is true
  std::optional<sanitize_order> sanitize;
};

inline constexpr std::size_t max_settings_bytes = 64u << 10;
inline constexpr std::size_t max_redo_bytes = 128u << 10;
bool redo_is_whole(std::span<const std::byte> redo, block_size block);

std::vector<std::byte> encode(const lun_settings& s);
// corrupt; too_new. Empty bytes: nothing was ever saved.
result<lun_settings> decode_settings(std::span<const std::byte> bytes);

}  // namespace vds::iscsi
