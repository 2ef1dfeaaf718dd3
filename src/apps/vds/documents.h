// documents.h: the objects as --json shows them. Keys are the API's property names in snake_case and are fixed: scripts
// build on them. A document is an object or an array of objects, two blanks a level, with a line feed at the end.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/vds/views.h"

namespace vds::cli {

using json = nlohmann::ordered_json;

json document(const service_view& v, const std::vector<provider_view>& providers,
              const std::vector<operation_view>& operations);
json document(const provider_view& v);
json document(const subsystem_view& v);
json document(const drive_view& v);
json document(const lun_view& v);
json document(const plex_view& v);
json document(const target_view& v);
json document(const portal_view& v);
json document(const portal_group_view& v);
json document(const operation_view& v);
json document(const plan_view& v);
json document(const event_view& v);

// The API's flags, and "locating" for a light that is on.
std::vector<std::string> flags_of(const drive_view& v);

template <class View>
json document(const std::vector<View>& all) {
  json out = json::array();
  for (const View& v : all) out.push_back(document(v));
  return out;
}

// Text that is no UTF-8 is replaced, never thrown about. One line when compact.
std::string dump(const json& doc, bool compact = false);

}  // namespace vds::cli
