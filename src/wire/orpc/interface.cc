#include "wire/orpc/interface.h"

#include <unordered_map>
#include <vector>

namespace vds::wire {

namespace generated {
void each_part(void (*visit)(std::span<const interface_info* const>));
}

namespace {

struct registry {
  std::vector<const interface_info*> all;
  std::unordered_map<uuid, const interface_info*> by_iid;

  static const registry& get() {
    static const registry r = [] {
      static registry made;
      generated::each_part([](std::span<const interface_info* const> part) {
        for (const interface_info* info : part) {
          made.all.push_back(info);
          made.by_iid.emplace(info->iid, info);
        }
      });
      return made;
    }();
    return r;
  }
};

}  // namespace

const interface_info* find_interface(const uuid& iid) noexcept {
  const auto& known = registry::get().by_iid;
  const auto it = known.find(iid);
  return it == known.end() ? nullptr : it->second;
}

std::span<const interface_info* const> all_interfaces() { return registry::get().all; }

}  // namespace vds::wire
