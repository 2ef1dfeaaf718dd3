// target_ports.h: the target ports through which the LUNs of a target are reached: one for each portal group, its
// relative identifier is the portal group tag (RFC 7143 4.2.7.2). Each is a target port group of its own for ALUA.
// Thread: any; a mutex inside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

namespace vds::iscsi {

class target_ports {
 public:
  explicit target_ports(std::vector<std::uint16_t> tags = {1}) { set(std::move(tags)); }

  std::vector<std::uint16_t> tags() const {  // ascending, each once
    const std::lock_guard lock(mutex_);
    return tags_;
  }
  bool has(std::uint16_t tag) const {
    const std::lock_guard lock(mutex_);
    return std::binary_search(tags_.begin(), tags_.end(), tag);
  }
  void set(std::vector<std::uint16_t> tags) {
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    const std::lock_guard lock(mutex_);
    tags_ = std::move(tags);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::uint16_t> tags_;
};

}  // namespace vds::iscsi
