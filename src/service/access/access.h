// access.h: who may administer: root, the user the service runs as, and members of one configured group. Everybody else
// is refused by every method of every object. Values; the daemon asks for each call, with the credentials the kernel
// vouches for.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>

#include "base/result.h"

namespace vds::service {

struct access_policy {
  uid_t own = 0;
  std::optional<gid_t> group;

  // Of this process, with the named group, if any: not_found when there is none of that name.
  static result<access_policy> make(const std::string& group);
  bool allows(uid_t uid, gid_t gid, std::span<const gid_t> groups) const noexcept;
};

}  // namespace vds::service
