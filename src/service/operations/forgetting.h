// forgetting.h: providers are told to forget operations whose end is on stable storage. One task on a provider's gate
// does that for all that have come together, so that ten thousand ends do not wake ten thousand threads. Best effort:
// a provider keeps a bounded number of outcomes by itself. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "service/operations/operation_provider.h"

namespace vds::service {

class forgetting : public std::enable_shared_from_this<forgetting> {
 public:
  void add(const std::shared_ptr<operation_provider>& provider, const guid& id);

 private:
  void run(const std::shared_ptr<operation_provider>& provider);

  std::mutex mutex_;
  std::unordered_map<operation_provider*, std::vector<guid>> ids_;  // an entry: its task is under way
};

}  // namespace vds::service
