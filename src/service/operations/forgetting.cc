#include "service/operations/forgetting.h"

#include "com/strings.h"
#include "service/objects/hw_object.h"

namespace vds::service {

void forgetting::add(const std::shared_ptr<operation_provider>& provider, const guid& id) {
  {
    const std::lock_guard lock(mutex_);
    auto [list, first] = ids_.try_emplace(provider.get());
    list->second.push_back(id);
    if (!first) return;
  }
  if (provider->post([self = shared_from_this(), provider] { self->run(provider); })) return;
  const std::lock_guard lock(mutex_);
  ids_.erase(provider.get());
}

void forgetting::run(const std::shared_ptr<operation_provider>& provider) {
  for (;;) {
    std::vector<guid> ids;
    {
      const std::lock_guard lock(mutex_);
      const auto list = ids_.find(provider.get());
      if (list->second.empty()) {
        ids_.erase(list);
        return;
      }
      ids.swap(list->second);
    }
    const auto theirs = provider->provider_operations();
    for (const guid& id : ids) {
      if (!theirs) break;
      const limited_call limited(provider->call_limit());
      if (outcome_unknown(theirs->ForgetOperation(to_com(id)))) break;
    }
  }
}

}  // namespace vds::service
