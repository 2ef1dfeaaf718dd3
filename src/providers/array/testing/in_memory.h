// in_memory.h: for tests: the list of drives, kept by nobody.
#pragma once

#include "providers/array/drive_list.h"

namespace vds::array_provider::testing {

class list_in_memory final : public drive_list {
 public:
  std::vector<entry> entries() override { return entries_; }
  status add_pending(const std::string& path) override {
    for (auto& e : entries_) {
      if (e.path != path) continue;
      e.pending = true;
      return {};
    }
    entries_.push_back({path, true, false});
    return {};
  }
  status made(const std::string& path) override {
    for (auto& e : entries_)
      if (e.path == path) e.made = true;
    return {};
  }
  status settle(const std::string& path) override {
    for (auto& e : entries_)
      if (e.path == path) e.pending = e.made = false;
    return {};
  }
  status remove(const std::string& path) override {
    std::erase_if(entries_, [&](const entry& e) { return e.path == path; });
    return {};
  }

 private:
  std::vector<entry> entries_;
};

}  // namespace vds::array_provider::testing
