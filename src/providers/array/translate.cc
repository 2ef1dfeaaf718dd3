#include "providers/array/translate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "com/hresult.h"
#include "com/memory.h"
#include "com/strings.h"
#include "iscsi/pdu/iscsi_name.h"
#include "providers/array/states.h"

namespace vds::array_provider {

namespace {

using text = co_task_ptr<wchar_t>;
text wide(std::string_view utf8) { return text(utf8.empty() ? nullptr : co_task_string(utf8)); }

constexpr ULONGLONG known_hints = 0xffff;

// A row for each wish that both structs have: its bit, the array's and VDS's being the same.
template <class Hints>
struct wish {
  std::uint64_t bit;
  BOOL Hints::*member;
};
template <class Hints>
constexpr auto wishes = std::to_array<wish<Hints>>({
    {VDS_HINT_FASTCRASHRECOVERYREQUIRED, &Hints::bFastCrashRecoveryRequired},
    {VDS_HINT_MOSTLYREADS, &Hints::bMostlyReads},
    {VDS_HINT_OPTIMIZEFORSEQUENTIALREADS, &Hints::bOptimizeForSequentialReads},
    {VDS_HINT_OPTIMIZEFORSEQUENTIALWRITES, &Hints::bOptimizeForSequentialWrites},
    {VDS_HINT_READBACKVERIFYENABLED, &Hints::bReadBackVerifyEnabled},
    {VDS_HINT_REMAPENABLED, &Hints::bRemapEnabled},
    {VDS_HINT_WRITETHROUGHCACHINGENABLED, &Hints::bWriteThroughCachingEnabled},
    {VDS_HINT_HARDWARECHECKSUMENABLED, &Hints::bHardwareChecksumEnabled},
    {VDS_HINT_ISYANKABLE, &Hints::bIsYankable},
});

template <class Hints>
std::optional<array::lun_hints> read_hints(const Hints& h) {
  if ((h.ullHintMask & ~known_hints) != 0) return std::nullopt;
  array::lun_hints out;
  for (const auto& w : wishes<Hints>) {
    out.mask |= h.ullHintMask & w.bit;
    if ((h.ullHintMask & w.bit) != 0 && h.*w.member) out.flags |= w.bit;
  }
  out.expected_maximum_size = {h.ullExpectedMaximumSize};
  out.optimal_read_bytes = h.ulOptimalReadSize;
  out.optimal_read_alignment = h.ulOptimalReadAlignment;
  out.optimal_write_bytes = h.ulOptimalWriteSize;
  out.optimal_write_alignment = h.ulOptimalWriteAlignment;
  out.maximum_drives = h.ulMaximumDriveCount;
  out.stripe_bytes = h.ulStripeSize;
  out.rebuild_priority = static_cast<std::uint16_t>(std::clamp<SHORT>(h.sRebuildPriority, 0, 15));
  return out;
}

template <class Hints>
void write_hints(const array::lun_hints& from, Hints& to) {
  to = {};
  to.ullHintMask = from.mask;
  for (const auto& w : wishes<Hints>) to.*w.member = from.wants(w.bit) ? TRUE : FALSE;
  to.ullExpectedMaximumSize = from.expected_maximum_size.n;
  to.ulOptimalReadSize = from.optimal_read_bytes;
  to.ulOptimalReadAlignment = from.optimal_read_alignment;
  to.ulOptimalWriteSize = from.optimal_write_bytes;
  to.ulOptimalWriteAlignment = from.optimal_write_alignment;
  to.ulMaximumDriveCount = from.maximum_drives;
  to.ulStripeSize = from.stripe_bytes;
  to.sRebuildPriority = static_cast<SHORT>(from.rebuild_priority);
}

template <class Prop>
void fill_drive(const array::drive_info& from, Prop& to) {
  const auto slash = from.path.rfind('/');
  text name = wide(slash == std::string::npos ? from.path : from.path.substr(slash + 1));
  text identification = wide(to_string(from.id));
  to = {};
  to.id = to_com(from.id);
  to.ullSize = from.size.n;
  const shown_drive shown = show(from);
  to.ulFlags = shown.flags;
  to.status = shown.status;
  to.health = shown.health;
  to.sInternalBusNumber = 0;
  to.sSlotNumber = static_cast<SHORT>(from.slot);
  to.pwszFriendlyName = name.release();
  to.pwszIdentification = identification.release();
}

char* co_task_ascii(std::string_view s) {
  char* out = co_task_alloc<char>(s.size() + 1);
  std::copy(s.begin(), s.end(), out);
  return out;
}

}  // namespace

HRESULT refused(const failure& why, std::string_view doing, HRESULT gone) {
  if (why.code() == errc::cancelled)
    log::info("{}: {}", doing, why);
  else if (why.code() != errc::not_found)
    log::warn("{}: {}", doing, why);
  return code_of(why, gone);
}

HRESULT code_of(const failure& why, HRESULT gone) {
  switch (why.code()) {
    case errc::not_found:
      return gone;
    case errc::already_exists:
    case errc::duplicate:
      return VDS_E_OBJECT_EXISTS;
    case errc::unavailable:
      return VDS_E_OBJECT_STATUS_FAILED;
    case errc::not_ours:
      return VDS_E_DISK_NOT_EMPTY;
    case errc::closing:
      return VDS_E_PROVIDER_EXITING;
    default:
      return vds::to_hresult(why);
  }
}

HRESULT to_hresult(order_check answer) {
  switch (answer) {
    case order_check::fine:
      return S_OK;
    case order_check::invalid:
      return E_INVALIDARG;
    case order_check::no_such_drive:
      return VDS_E_OBJECT_NOT_FOUND;
    case order_check::drive_unusable:
      return VDS_E_OBJECT_STATUS_FAILED;
    case order_check::not_enough_drives:
      return VDS_E_NOT_ENOUGH_DRIVE;
    case order_check::not_supported:
      return VDS_E_NOT_SUPPORTED;
  }
  return E_UNEXPECTED;
}

HRESULT creatable(VDS_LUN_TYPE type, array::lun_type& out) {
  switch (type) {
    case VDS_LT_DEFAULT:
      out = array::lun_type::automatic;
      return S_OK;
    case VDS_LT_FAULT_TOLERANT:
      out = array::lun_type::automatic_fault_tolerant;
      return S_OK;
    case VDS_LT_NON_FAULT_TOLERANT:
      out = array::lun_type::automatic_plain;
      return S_OK;
    case VDS_LT_SIMPLE:
      out = array::lun_type::simple;
      return S_OK;
    case VDS_LT_SPAN:
      out = array::lun_type::span;
      return S_OK;
    case VDS_LT_STRIPE:
      out = array::lun_type::stripe;
      return S_OK;
    case VDS_LT_MIRROR:
      out = array::lun_type::mirror;
      return S_OK;
    case VDS_LT_PARITY:
    case VDS_LT_RAID5:  // the same with another name
      out = array::lun_type::parity;
      return S_OK;
    case VDS_LT_RAID6:
      out = array::lun_type::raid6;
      return S_OK;
    case VDS_LT_RAID10:
      out = array::lun_type::raid10;
      return S_OK;
    case VDS_LT_RAID50:
      out = array::lun_type::raid50;
      return S_OK;
    case VDS_LT_RAID60:
      out = array::lun_type::raid60;
      return S_OK;
    default:
      return type >= VDS_LT_PARITY && type <= VDS_LT_RAID61 ? VDS_E_NOT_SUPPORTED : E_INVALIDARG;
  }
}

std::optional<std::vector<std::string>> parse_unmask(std::string_view list) {
  if (list.empty()) return std::vector<std::string>{};
  if (list == "*") return std::vector<std::string>{"*"};
  std::vector<std::string> out;
  while (!list.empty()) {
    const auto end = list.find(';');
    auto name = iscsi::normalised_name(list.substr(0, end));
    if (!name) return std::nullopt;
    if (std::find(out.begin(), out.end(), *name) == out.end()) out.push_back(std::move(*name));
    list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 1);  // one ';' may end the list
  }
  return out;
}

std::string unmask_text(const std::vector<std::string>& unmask) { return fmt::format("{}", fmt::join(unmask, ";")); }

std::optional<array::lun_hints> hints_from(const VDS_HINTS& h) { return read_hints(h); }
std::optional<array::lun_hints> hints_from(const VDS_HINTS2& h) {
  if (h.ulReserved1 != 0 || h.ulReserved2 != 0 || h.ulReserved3 != 0 || h.bReserved1 || h.bReserved2 || h.bReserved3) {
    return std::nullopt;
  }
  auto out = read_hints(h);
  if (out) out->bus_type = static_cast<std::uint32_t>(h.BusType);
  return out;
}
void put_hints(const array::lun_hints& from, VDS_HINTS& to) { write_hints(from, to); }
void put_hints(const array::lun_hints& from, VDS_HINTS2& to) {
  write_hints(from, to);
  to.BusType = static_cast<VDS_STORAGE_BUS_TYPE>(from.bus_type);
}

std::string naa_text(const array::lun_info& lun) {
  std::string out = "naa.";
  for (const std::uint8_t b : lun.naa) out += fmt::format("{:02x}", b);
  return out;
}

void put_lun(const array::lun_info& from, VDS_LUN_PROP& to) {
  text name = wide(from.name);
  text identification = wide(naa_text(from));
  text unmask(co_task_string(unmask_text(from.unmask)));  // "": nobody
  to = {};
  to.id = to_com(from.id);
  to.ullSize = from.size.n;
  to.type = static_cast<VDS_LUN_TYPE>(from.type);
  const shown_lun shown = show(from);
  to.status = shown.status;
  to.health = shown.health;
  to.TransitionState = shown.transition;
  to.sRebuildPriority = static_cast<SHORT>(from.hints.rebuild_priority);
  to.pwszFriendlyName = name.release();
  to.pwszIdentification = identification.release();
  to.pwszUnmaskingList = unmask.release();
}

// The same words that initiators read (iscsi/scsi/inquiry.cc), without the blanks that fill fields up there.
void put_identification(const array::lun_info& from, VDS_LUN_INFORMATION& to) {
  co_task_ptr<char> vendor(co_task_ascii(inquiry_vendor));
  co_task_ptr<char> product(co_task_ascii(inquiry_product));
  co_task_ptr<char> revision(co_task_ascii(inquiry_revision));
  co_task_ptr<char> serial(co_task_ascii(from.serial));
  co_task_ptr<BYTE> naa(co_task_copy(std::span<const BYTE>(from.naa)));
  const std::string t10 = fmt::format("{:<8}{}", inquiry_vendor, from.serial);
  co_task_ptr<BYTE> named(co_task_copy(std::span(reinterpret_cast<const BYTE*>(t10.data()), t10.size())));
  co_task_ptr<VDS_STORAGE_IDENTIFIER> ids(co_task_alloc<VDS_STORAGE_IDENTIFIER>(2));
  ids.get()[0] = {VDSStorageIdCodeSetBinary, VDSStorageIdTypeFCPHName, static_cast<ULONG>(from.naa.size()),
                  naa.release()};
  ids.get()[1] = {VDSStorageIdCodeSetAscii, VDSStorageIdTypeVendorId, static_cast<ULONG>(t10.size()), named.release()};
  to = {};
  to.m_version = VER_VDS_LUN_INFORMATION;
  to.m_bCommandQueueing = TRUE;
  to.m_BusType = VDSBusTypeiScsi;
  to.m_szVendorId = vendor.release();
  to.m_szProductId = product.release();
  to.m_szProductRevision = revision.release();
  to.m_szSerialNumber = serial.release();
  to.m_deviceIdDescriptor.m_version = 1;
  to.m_deviceIdDescriptor.m_cIdentifiers = 2;
  to.m_deviceIdDescriptor.m_rgIdentifiers = ids.release();
}

void put_details(const array::lun_info& from, const std::string& url, VDSX_LUN_PROP& to) {
  text serial = wide(from.serial);
  text naa = wide(naa_text(from));
  text address = wide(url);
  std::vector<VDS_OBJECT_ID> ids;
  for (const guid& d : from.drives) ids.push_back(to_com(d));
  co_task_ptr<VDS_OBJECT_ID> drives(ids.empty() ? nullptr : co_task_copy(std::span(ids)));
  to = {};
  to.pwszSerial = serial.release();
  to.pwszNaa = naa.release();
  to.pwszIscsiUrl = address.release();
  to.lSurvivesDriveLosses = static_cast<LONG>(from.survives_drive_losses);
  to.lPlexes = static_cast<LONG>(from.plexes.size());
  to.lDrives = static_cast<LONG>(ids.size());
  to.pDriveIds = drives.release();
}

void put_plex(const array::lun_info& lun, const array::plex_info& from, VDS_LUN_PLEX_PROP& to) {
  to = {};
  to.id = to_com(from.id);
  to.ullSize = from.size.n;
  to.type = static_cast<VDS_LUN_PLEX_TYPE>(from.type);
  const shown_plex shown = show(lun, from);
  to.status = shown.status;
  to.health = shown.health;
  to.TransitionState = shown.transition;
  to.ulStripeSize = from.stripe_bytes;
  to.sRebuildPriority = static_cast<SHORT>(lun.hints.rebuild_priority);
}

void put_drive(const array::drive_info& from, VDS_DRIVE_PROP& to) { fill_drive(from, to); }
void put_drive(const array::drive_info& from, VDS_DRIVE_PROP2& to) {
  fill_drive(from, to);
  to.ulEnclosureNumber = no_enclosure;
  to.busType = VDSBusTypeFileBackedVirtual;
}

}  // namespace vds::array_provider
