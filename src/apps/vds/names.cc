#include "apps/vds/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace vds::cli {
namespace {

constexpr auto lun_type_words =
    std::to_array<word>({{0, "unknown"}, {1, "auto"},    {2, "fault_tolerant"}, {3, "non_fault_tolerant"},
                         {10, "simple"}, {11, "span"},   {12, "stripe"},        {13, "mirror"},
                         {14, "parity"}, {15, "raid2"},  {16, "raid3"},         {17, "raid4"},
                         {18, "raid5"},  {19, "raid6"},  {20, "raid01"},        {21, "raid03"},
                         {22, "raid05"}, {23, "raid10"}, {24, "raid15"},        {25, "raid30"},
                         {26, "raid50"}, {27, "raid51"}, {28, "raid53"},        {29, "raid60"},
                         {30, "raid61"}});
constexpr auto lun_status_words =
    std::to_array<word>({{0, "unknown"}, {1, "online"}, {2, "not_ready"}, {4, "offline"}, {5, "failed"}});
constexpr auto drive_status_words = std::to_array<word>(
    {{0, "unknown"}, {1, "online"}, {2, "not_ready"}, {4, "offline"}, {5, "failed"}, {8, "removed"}});
constexpr auto subsystem_status_words = std::to_array<word>(
    {{0, "unknown"}, {1, "online"}, {2, "not_ready"}, {4, "offline"}, {5, "failed"}, {9, "partially_managed"}});
constexpr auto health_words = std::to_array<word>({{0, "unknown"},
                                                   {1, "healthy"},
                                                   {2, "rebuilding"},
                                                   {3, "stale"},
                                                   {4, "failing"},
                                                   {5, "failing_redundancy"},
                                                   {6, "failed_redundancy"},
                                                   {7, "failed_redundancy_failing"},
                                                   {8, "failed"},
                                                   {9, "replaced"},
                                                   {10, "pending_failure"},
                                                   {11, "degraded"}});
constexpr auto transition_state_words = std::to_array<word>(
    {{0, "unknown"}, {1, "stable"}, {2, "extending"}, {3, "shrinking"}, {4, "reconfiging"}, {5, "restriping"}});
constexpr auto provider_type_words =
    std::to_array<word>({{0, "unknown"}, {1, "software"}, {2, "hardware"}, {3, "virtual_disk"}});
constexpr auto provider_state_words =
    std::to_array<word>({{0, "stopped"}, {1, "starting"}, {2, "ready"}, {3, "backing_off"}, {4, "refused"}});
constexpr auto operation_state_words =
    std::to_array<word>({{1, "queued"}, {2, "running"}, {3, "finishing"}, {4, "cancelling"}, {5, "done"}});
constexpr auto plan_action_words = std::to_array<word>({{1, "created"}, {2, "deleted"}, {3, "changed"}});
constexpr auto object_type_words = std::to_array<word>(
    {{0, "unknown"},       {1, "provider"},   {10, "pack"},         {11, "volume"},      {12, "volume_plex"},
     {13, "disk"},         {30, "subsystem"}, {31, "controller"},   {32, "drive"},       {33, "lun"},
     {34, "lun_plex"},     {35, "port"},      {36, "portal"},       {37, "target"},      {38, "portal_group"},
     {39, "storage_pool"}, {90, "hbaport"},   {91, "init_adapter"}, {92, "init_portal"}, {100, "async"},
     {101, "enum"},        {200, "vdisk"},    {201, "open_vdisk"}});
constexpr auto event_words = std::to_array<word>({{1, "pack_arrive"},
                                                  {2, "pack_depart"},
                                                  {3, "pack_modify"},
                                                  {4, "volume_arrive"},
                                                  {5, "volume_depart"},
                                                  {6, "volume_modify"},
                                                  {7, "volume_rebuilding_progress"},
                                                  {8, "disk_arrive"},
                                                  {9, "disk_depart"},
                                                  {10, "disk_modify"},
                                                  {11, "partition_arrive"},
                                                  {12, "partition_depart"},
                                                  {13, "partition_modify"},
                                                  {101, "subsystem_arrive"},
                                                  {102, "subsystem_depart"},
                                                  {103, "controller_arrive"},
                                                  {104, "controller_depart"},
                                                  {105, "drive_arrive"},
                                                  {106, "drive_depart"},
                                                  {107, "drive_modify"},
                                                  {108, "lun_arrive"},
                                                  {109, "lun_depart"},
                                                  {110, "lun_modify"},
                                                  {121, "port_arrive"},
                                                  {122, "port_depart"},
                                                  {123, "portal_arrive"},
                                                  {124, "portal_depart"},
                                                  {125, "portal_modify"},
                                                  {126, "target_arrive"},
                                                  {127, "target_depart"},
                                                  {128, "target_modify"},
                                                  {129, "portal_group_arrive"},
                                                  {130, "portal_group_depart"},
                                                  {131, "portal_group_modify"},
                                                  {151, "subsystem_modify"},
                                                  {201, "drive_letter_free"},
                                                  {202, "drive_letter_assign"},
                                                  {203, "file_system_modify"},
                                                  {204, "file_system_format_progress"},
                                                  {205, "mount_points_change"},
                                                  {206, "file_system_shrinking_progress"},
                                                  {301, "service_out_of_sync"},
                                                  {350, "controller_modify"},
                                                  {351, "controller_removed"},
                                                  {352, "port_modify"},
                                                  {353, "port_removed"},
                                                  {354, "drive_removed"}});
constexpr auto drive_flag_words = std::to_array<word>(
    {{0x1, "hotspare"}, {0x2, "assigned"}, {0x4, "unassigned"}, {0x8, "hotspare_in_use"}, {0x10, "hotspare_standby"}});
constexpr auto lun_flag_words = std::to_array<word>({{0x1, "lbn_remap_enabled"},
                                                     {0x2, "read_back_verify_enabled"},
                                                     {0x4, "write_through_caching_enabled"},
                                                     {0x8, "hardware_checksum_enabled"},
                                                     {0x10, "read_cache_enabled"},
                                                     {0x20, "write_cache_enabled"},
                                                     {0x40, "media_scan_enabled"},
                                                     {0x80, "consistency_check_enabled"},
                                                     {0x100, "snapshot"}});
constexpr auto subsystem_flag_words = std::to_array<word>({{0x1, "lun_masking_capable"},
                                                           {0x2, "lun_plexing_capable"},
                                                           {0x4, "lun_remapping_capable"},
                                                           {0x8, "drive_extent_capable"},
                                                           {0x10, "hardware_checksum_capable"},
                                                           {0x20, "radius_capable"},
                                                           {0x40, "read_back_verify_capable"},
                                                           {0x80, "write_through_caching_capable"},
                                                           {0x200, "supports_fault_tolerant_luns"},
                                                           {0x400, "supports_non_fault_tolerant_luns"},
                                                           {0x800, "supports_simple_luns"},
                                                           {0x1000, "supports_span_luns"},
                                                           {0x2000, "supports_stripe_luns"},
                                                           {0x4000, "supports_mirror_luns"},
                                                           {0x8000, "supports_parity_luns"},
                                                           {0x10000, "supports_auth_chap"},
                                                           {0x20000, "supports_auth_mutual_chap"},
                                                           {0x40000, "supports_simple_target_config"},
                                                           {0x80000, "supports_lun_number"},
                                                           {0x100000, "supports_mirrored_cache"},
                                                           {0x200000, "read_caching_capable"},
                                                           {0x400000, "write_caching_capable"},
                                                           {0x800000, "media_scan_capable"},
                                                           {0x1000000, "consistency_check_capable"}});
constexpr auto provider_flag_words = std::to_array<word>({{0x1, "dynamic"},
                                                          {0x2, "internal_hardware_provider"},
                                                          {0x4, "one_disk_only_per_pack"},
                                                          {0x8, "one_pack_online_only"},
                                                          {0x10, "volume_space_must_be_contiguous"},
                                                          {0x80000000, "support_dynamic"},
                                                          {0x40000000, "support_fault_tolerant"},
                                                          {0x20000000, "support_dynamic_1394"},
                                                          {0x20, "support_mirror"},
                                                          {0x40, "support_raid5"}});
constexpr auto service_flag_words = std::to_array<word>({{0x1, "support_dynamic"},
                                                         {0x2, "support_fault_tolerant"},
                                                         {0x4, "support_gpt"},
                                                         {0x8, "support_dynamic_1394"},
                                                         {0x10, "cluster_service_configured"},
                                                         {0x20, "auto_mount_off"},
                                                         {0x40, "os_uninstall_valid"},
                                                         {0x80, "efi"},
                                                         {0x100, "support_mirror"},
                                                         {0x200, "support_raid5"},
                                                         {0x400, "support_refs"}});

}  // namespace

std::span<const word> words_of(words set) {
  switch (set) {
    case words::lun_type:
      return lun_type_words;
    case words::lun_status:
      return lun_status_words;
    case words::drive_status:
      return drive_status_words;
    case words::subsystem_status:
      return subsystem_status_words;
    case words::health:
      return health_words;
    case words::transition_state:
      return transition_state_words;
    case words::provider_type:
      return provider_type_words;
    case words::provider_state:
      return provider_state_words;
    case words::operation_state:
      return operation_state_words;
    case words::plan_action:
      return plan_action_words;
    case words::object_type:
      return object_type_words;
    case words::event:
      return event_words;
    case words::drive_flag:
      return drive_flag_words;
    case words::lun_flag:
      return lun_flag_words;
    case words::subsystem_flag:
      return subsystem_flag_words;
    case words::provider_flag:
      return provider_flag_words;
    case words::service_flag:
      return service_flag_words;
  }
  always(false);
}

std::string name_of(words set, std::uint32_t value) {
  for (const word& w : words_of(set))
    if (w.value == value) return std::string(w.name);
  return fmt::format("unknown({})", value);
}

std::optional<std::uint32_t> value_of(words set, std::string_view name) {
  for (const word& w : words_of(set))
    if (w.name == name) return w.value;
  return std::nullopt;
}

std::vector<std::string> flags_of(words set, std::uint32_t bits) {
  std::vector<std::string> out;
  for (const word& w : words_of(set)) {
    if ((bits & w.value) == 0) continue;
    out.emplace_back(w.name);
    bits &= ~w.value;
  }
  if (bits != 0) out.push_back(fmt::format("0x{:x}", bits));
  return out;
}

}  // namespace vds::cli
