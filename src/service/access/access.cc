#include "service/access/access.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace vds::service {

result<access_policy> access_policy::make(const std::string& group) {
  access_policy out;
  out.own = ::geteuid();
  if (group.empty()) return out;
  std::vector<char> room(16 << 10);
  struct ::group entry {};
  struct ::group* found = nullptr;
  if (const int error = ::getgrnam_r(group.c_str(), &entry, room.data(), room.size(), &found); error != 0)
    return failure_from_errno(error, "looking up group " + group);
  if (found == nullptr) return failure(errc::not_found, "group " + group);
  out.group = entry.gr_gid;
  return out;
}

bool access_policy::allows(uid_t uid, gid_t gid, std::span<const gid_t> groups) const noexcept {
  if (uid == 0 || uid == own) return true;
  return group && (gid == *group || std::find(groups.begin(), groups.end(), *group) != groups.end());
}

}  // namespace vds::service
