// drive_list.h: which drives belong to an array host, by path: what the array itself cannot know before it has opened
// them. The daemon keeps it in its directory; a test in memory. Any thread; durable when it returns.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace vds::array_provider {

class drive_list {
 public:
  struct entry {
    std::string path;
    bool pending = false;  // was being added: it may or may not be a member yet
    bool made = false;     // pending, and its file was made for it: nobody else has ever had anything in it
  };
  virtual ~drive_list() = default;
  virtual std::vector<entry> entries() = 0;
  virtual status add_pending(const std::string& path) = 0;  // before the drive is touched
  virtual status made(const std::string& path) = 0;         // of a pending one, after its file was made
  virtual status settle(const std::string& path) = 0;       // it is a member now
  virtual status remove(const std::string& path) = 0;       // not_found is no failure
};

}  // namespace vds::array_provider
