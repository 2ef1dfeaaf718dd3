#include "apps/vds/com_lun_arguments.h"

#include <map>
#include <string>

#include "apps/vds/hints.h"
#include "com/strings.h"

namespace vds::cli {
namespace {

// Names that a person wrote become the members of the structure.
VDS_HINTS com_hints(const std::map<std::string, std::uint64_t>& wishes) {
  VDS_HINTS h{};
  for (const hint& known : all_hints())
    if (wishes.contains(std::string(known.name))) h.ullHintMask |= known.mask;
  const auto wish = [&](const char* name) {
    const auto at = wishes.find(name);
    return at == wishes.end() ? std::uint64_t{0} : at->second;
  };
  h.ullExpectedMaximumSize = wish("expected_maximum_size");
  h.ulOptimalReadSize = static_cast<ULONG>(wish("optimal_read_size"));
  h.ulOptimalReadAlignment = static_cast<ULONG>(wish("optimal_read_alignment"));
  h.ulOptimalWriteSize = static_cast<ULONG>(wish("optimal_write_size"));
  h.ulOptimalWriteAlignment = static_cast<ULONG>(wish("optimal_write_alignment"));
  h.ulMaximumDriveCount = static_cast<ULONG>(wish("maximum_drive_count"));
  h.ulStripeSize = static_cast<ULONG>(wish("stripe_size"));
  h.bFastCrashRecoveryRequired = wish("fast_crash_recovery_required") != 0;
  h.bMostlyReads = wish("mostly_reads") != 0;
  h.bOptimizeForSequentialReads = wish("optimize_for_sequential_reads") != 0;
  h.bOptimizeForSequentialWrites = wish("optimize_for_sequential_writes") != 0;
  h.bRemapEnabled = wish("remap_enabled") != 0;
  h.bReadBackVerifyEnabled = wish("read_back_verify_enabled") != 0;
  h.bWriteThroughCachingEnabled = wish("write_through_caching_enabled") != 0;
  h.bHardwareChecksumEnabled = wish("hardware_checksum_enabled") != 0;
  h.bIsYankable = wish("is_yankable") != 0;
  h.sRebuildPriority = static_cast<SHORT>(wish("rebuild_priority"));
  return h;
}

}  // namespace

std::vector<VDS_OBJECT_ID> com_ids(const std::vector<guid>& ids) {
  std::vector<VDS_OBJECT_ID> out;
  for (const guid& id : ids) out.push_back(to_com(id));
  return out;
}

lun_arguments::lun_arguments(const lun_request& r)
    : type(static_cast<VDS_LUN_TYPE>(r.type)), drives(com_ids(r.drives)), hints(com_hints(r.hints)) {
  // Automatic types demand hints; concrete ones take them only when somebody has wishes.
  wants_hints = r.type <= VDS_LT_NON_FAULT_TOLERANT || !r.hints.empty();
}

}  // namespace vds::cli
