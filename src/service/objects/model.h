// model.h: every hardware object of every provider that the service knows, with its properties and its place in the
// tree (provider, subsystem, LUN, plex, ...). What clients enumerate and read comes from here, whatever providers are
// doing.
//
// Reads of a provider take time and overlap with changes, so each carries the stamp of its beginning: a read never
// overwrites a later one, nor brings back what was deleted after it began. An id belongs to the provider that first
// brought it; another provider's object with the same id is refused.
// Any thread; no call out with the lock held. Cost: O(1) to find, O(log n) to add or remove.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "service/objects/hw_object.h"

namespace vds::service {

class model {
 public:
  using stamp = std::uint64_t;

  struct entry {
    VDS_OBJECT_TYPE kind = VDS_OT_UNKNOWN;
    guid id, parent;  // parent nil: a provider
    kept_ptr first, second;
    stamp read = 0;  // begin_read() before the properties were asked for
  };
  enum class change : unsigned char { none, arrived, modified, stale, refused };
  struct put_result {
    com_ptr<hw_object> object;  // null when stale or refused
    change what = change::none;
  };
  struct known {
    guid id;
    VDS_OBJECT_TYPE kind;
  };

  stamp begin_read();
  put_result put(entry e, const std::shared_ptr<border>& behind);
  // An enumeration that began at `read` showed it.
  void seen(const guid& id, stamp read);

  com_ptr<hw_object> find(const guid& id) const;
  com_ptr<hw_object> find(const guid& id, VDS_OBJECT_TYPE kind) const;
  std::vector<com_ptr<IUnknown>> children(const guid& id, VDS_OBJECT_TYPE kind) const;
  std::vector<com_ptr<hw_object>> all(VDS_OBJECT_TYPE kind) const;
  com_ptr<hw_object> parent(const guid& id, VDS_OBJECT_TYPE kind) const;
  guid parent_id(const guid& id) const;

  // With everything below it; from then on the objects answer VDS_E_OBJECT_DELETED. What went, parents first.
  std::vector<known> remove(const guid& id);
  // Everything below `top` that neither appeared nor was seen since `since`.
  std::vector<known> unseen(const guid& top, stamp since) const;
  // True once for each object: the caller announces its arrival.
  bool announce(const guid& id);
  std::size_t size() const;
  // Lets go of everything, in the end: objects hold what stands behind them, and that holds the model. What a provider
  // still tells afterwards is stale.
  void clear();

  // An object of ours for something that is gone, for the outputs of old operations.
  static com_ptr<hw_object> gone(VDS_OBJECT_TYPE kind, const guid& id);

 private:
  using child_list = std::map<std::uint64_t, com_ptr<hw_object>>;  // in order of arrival
  struct node {
    com_ptr<hw_object> object;
    guid parent;
    std::uint64_t order = 0;
    stamp read = 0, seen = 0;
    bool announced = false;
    std::map<VDS_OBJECT_TYPE, child_list> children;
  };
  static constexpr std::size_t graves = 10'000;

  void link(const guid& id, node& n);
  void unlink(const guid& id, node& n);
  void collect(const node& n, std::vector<known>& out) const;

  mutable std::shared_mutex mutex_;
  bool cleared_ = false;
  std::unordered_map<guid, node> nodes_;
  std::unordered_map<guid, stamp> deleted_;  // the newest `graves`
  std::deque<guid> deleted_order_;
  stamp clock_ = 1;
  std::uint64_t next_order_ = 1;
};

}  // namespace vds::service
