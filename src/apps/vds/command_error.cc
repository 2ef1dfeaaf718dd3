#include "apps/vds/command_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "apps/vds/terminal.h"
#include "apps/vds/text.h"

namespace vds::cli {
namespace {

struct advice_row {
  std::uint32_t hresult;
  exit_status status;
  std::string_view advice;
};
using enum exit_status;

// What a person can do about a code. A code without a row ends as `failed` without advice.
constexpr auto advice_rows = std::to_array<advice_row>({
    {0x80070005, denied, "run as root, or as a member of the group that the service admits (see vdsd(8), --group)"},
    {0x80042427, denied, "run as root, or as a member of the group that the service admits (see vdsd(8), --group)"},
    {0x800706ba, unreachable,
     "is vdsd running? Start it with 'systemctl start vdsd', or name its socket with --socket or VDS_SOCKET"},
    {0x80010108, unreachable, "the service or the provider ended; 'vds op list' says what became of the operations"},
    {0x800706be, unreachable, "the service ended during the call; 'vds op list' says what became of the operations"},
    {0x8001011f, failed,
     "the provider did not answer in time; 'vds provider list' says more, 'vds op list' what became of it"},
    {0x80042400, failed, "this subsystem cannot do that; 'vds subsystem show' lists what it can"},
    {0x80042403, failed, "unregister it first: 'vds provider unregister ID'"},
    {0x80042404, failed, "another call is changing this object; 'vds op list' shows it; try again when it is done"},
    {0x80042405, failed, "'vds lun list', 'vds drive list' and 'vds op list' show what there is"},
    {0x8004240a, failed, "the object is in use; 'vds op list' and 'vds lun list' show by what"},
    {0x8004240b, failed, "somebody deleted it; 'vds lun list' shows what is left"},
    {0x8004240c, failed, "the operation is past the point of return; 'vds op wait' waits for its end"},
    {0x8004240f, failed, "'vds drive list' shows what is free; ask for less, or add a drive with 'vds drive add'"},
    {0x80042410, failed, "name more drives with --drives, or add some with 'vds drive add PATH'"},
    {0x80042415, failed, "the object's state does not allow this now; 'vds lun show' and 'vds drive show' tell it"},
    {0x80042413, failed, "it is in use; 'vds lun list' shows by which LUN"},
    {0x8004241c, failed, "'vds provider list' says why the provider did not start"},
    {0x8004241d, failed, "if it holds nothing that you need, --force takes it all the same"},
    {0x8004241f, failed, "'vds provider list' tells the provider's state; restarting the service reloads it"},
    {0x80042442, failed, "'vds provider list' says what happened to the provider"},
    {0x80042441, failed, "the provider answered nonsense; 'vds provider list' says what it did"},
    {0x8000ffff, failed, "the provider broke its contract; 'vds provider list' says what it did"},
    {0x8004245f, failed, "the operation goes on; 'vds op wait' waits again"},
    {0x80042463, failed, "the service or its provider ended in between and left nothing behind; do it again"},
    {0x80042701, failed, "choose another name"},
});

const advice_row* row_of(std::int32_t hresult) {
  const auto row = std::find_if(advice_rows.begin(), advice_rows.end(),
                                [&](const advice_row& r) { return hresult_of(r.hresult) == hresult; });
  return row == advice_rows.end() ? nullptr : &*row;
}

}  // namespace

exit_status exit_status_of(std::int32_t hresult) {
  const advice_row* row = row_of(hresult);
  return row == nullptr ? failed : row->status;
}

std::string_view advice_for(std::int32_t hresult) {
  const advice_row* row = row_of(hresult);
  return row == nullptr ? std::string_view() : row->advice;
}

std::string hex_hresult(std::int32_t hresult) { return fmt::format("0x{:08x}", static_cast<std::uint32_t>(hresult)); }

command_error::command_error(exit_status status, std::string why, std::string advice)
    : std::runtime_error(why), status_(status), why_(std::move(why)), advice_(std::move(advice)) {}

command_error::command_error(std::string doing, std::int32_t hresult, std::string name, std::string meaning)
    : std::runtime_error(doing),
      status_(exit_status_of(hresult)),
      doing_(std::move(doing)),
      why_(meaning.empty() ? "it failed" : std::move(meaning)),
      name_(std::move(name)),
      advice_(advice_for(hresult)),
      hresult_(hresult) {
  // Meanings are sentences of a table ("No such object."): inside our sentence they are a clause. "LUN" stays as it is.
  if (why_.ends_with('.')) why_.pop_back();
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (why_.size() > 1 && is_upper(why_[0]) && !is_upper(why_[1])) why_[0] = static_cast<char>(why_[0] - 'A' + 'a');
}

std::string error_text(const command_error& e, bool colour) {
  std::string code;
  if (e.hresult() != 0)
    code = e.name().empty() ? fmt::format(" ({})", hex_hresult(e.hresult()))
                            : fmt::format(" ({}, {})", e.name(), hex_hresult(e.hresult()));
  const std::string what = e.doing().empty() ? e.why() : e.doing() + ": " + e.why();
  std::string text = painted("vds:", tone::bad, colour) + " " + printable(what) + code + "\n";
  if (!e.advice().empty()) text += "  " + printable(e.advice()) + "\n";
  return text;
}

std::string error_json(const command_error& e) {
  nlohmann::ordered_json inner;
  inner["doing"] = e.doing();
  inner["message"] = e.why();
  inner["hresult"] =
      e.hresult() == 0 ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(hex_hresult(e.hresult()));
  inner["name"] = e.name();
  inner["advice"] = e.advice();
  inner["exit_status"] = static_cast<int>(e.status());
  return nlohmann::ordered_json{{"error", inner}}.dump(2, ' ', false,
                                                       nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace vds::cli
