// provider.h: one provider as the service sees it: started, supervised, its objects kept in the model, its answers
// checked. A provider is a stranger in a process of its own: it may die, hang, lie or refuse to load. Its callers get
// an HRESULT, nobody else notices, it is started again with growing pauses, and status() says in words what happened.
//
//   stopped -> starting -> ready -> backing_off -> starting ...       refused: it answered OnLoad with a failure, or
//   broke
//                  |                    ^                             the rules; tried again like the others, later
//                  +--------------------+
//
// Threads: one of its own (the keeper) starts and watches it and applies notifications in order; calls into it run on
// its gate, or on the caller's own thread. Nothing is called with a lock held.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>

#include "com/implements.h"
#include "service/objects/model.h"
#include "service/operations/operations.h"
#include "service/provider_launcher.h"
#include "service/work_pool.h"

namespace vds::service {

struct provider_options {
  monotonic::duration call_limit = std::chrono::seconds(10);
  monotonic::duration load_limit = std::chrono::seconds(60);  // OnLoad
  monotonic::duration ping_limit = std::chrono::seconds(2);
  monotonic::duration first_pause = std::chrono::milliseconds(250), longest_pause = std::chrono::seconds(30);
  monotonic::duration stable = std::chrono::seconds(60);   // ready for so long: the next pause is the first one again
  monotonic::duration announce = std::chrono::seconds(1);  // we announce what the provider did not
  monotonic::duration gather = std::chrono::milliseconds(5);   // events that come this close together are read as one
  monotonic::duration quiet = std::chrono::milliseconds(250);  // without events for so long: time for what can wait
  unsigned hung_calls = 3;  // unanswered calls after which a provider that may be restarted is
  work_pool::limits gate{};
};

class provider final : public operation_provider, public std::enable_shared_from_this<provider> {
 public:
  // Told of every batch of events, after the model has them. Any thread.
  using event_function = std::function<void(std::vector<VDS_NOTIFICATION>)>;

  provider(provider_spec spec, provider_options options, provider_launcher& launcher, std::shared_ptr<model> objects,
           std::shared_ptr<operations> work, clock_source& clock, event_function events);
  ~provider() override;

  void start();
  // Ends the provider in order and waits; objects answer VDS_E_PROVIDER_FAILURE from then on. `remove`: they depart.
  void stop(bool remove);
  // Whether the first attempt to start it is over, one way or the other.
  bool wait_first_attempt(deadline until);
  const provider_spec& spec() const noexcept { return spec_; }
  void status(VDSX_PROVIDER_STATUS& out) const;
  void notified(std::uint64_t incarnation, std::vector<VDS_NOTIFICATION> events);

  // --- operation_provider
  guid provider_id() const override;
  std::string provider_name() const override { return spec_.name; }
  bool post(std::function<void()> work) override { return gate_.post_own(std::move(work)); }
  std::uint64_t incarnation() const override;
  com_ptr<IVdsxProviderOperations> provider_operations() override;
  HRESULT object(VDS_OBJECT_TYPE kind, const guid& id, com_ptr<hw_object>& out) override;
  // --- border
  HRESULT bind(VDS_OBJECT_TYPE kind, const guid& id, REFIID iid, void** out) override;
  bool offers(VDS_OBJECT_TYPE kind, REFIID iid) override;
  com_work_queue* gate() override { return &gate_; }
  monotonic::duration call_limit() const override { return options_.call_limit; }
  HRESULT answered(const char* what, HRESULT hr) override;
  std::vector<com_ptr<IUnknown>> children(const guid& id, VDS_OBJECT_TYPE kind) override;
  com_ptr<hw_object> parent(const guid& id, VDS_OBJECT_TYPE kind) override;
  HRESULT adopt(VDS_OBJECT_TYPE kind, IUnknown* theirs, com_ptr<hw_object>& out) override;
  void reread(VDS_OBJECT_TYPE kind, const guid& id) override;
  void complete(hw_object& which) override;
  void disappeared(VDS_OBJECT_TYPE kind, const guid& id) override;
  void appeared(VDS_OBJECT_TYPE kind, const guid& id) override;
  void resync() override;
  HRESULT begin(hw_object& on, const method& m, const asynchronous_call& call, IVdsAsync** out) override;
  void changed(hw_object& on, const method& m, HRESULT hr) override;

 private:
  struct life {  // of the provider's process
    std::uint64_t number = 0;
    com_ptr<IUnknown> object;
    com_ptr<IVdsProviderPrivate> private_side;
    com_ptr<IVdsxProviderOperations> operations;
  };
  struct bound {
    std::uint64_t life = 0;
    com_ptr<IUnknown> object;
    std::vector<std::pair<GUID, com_ptr<IUnknown>>> interfaces;
  };
  struct iid_less {
    bool operator()(const std::pair<VDS_OBJECT_TYPE, GUID>& a,
                    const std::pair<VDS_OBJECT_TYPE, GUID>& b) const noexcept;
  };
  static constexpr std::size_t most_bound = 4096;
  static constexpr std::size_t most_incomplete = 1000;  // before they are read even while there is other work

  // keeper (provider.cc)
  void keep();
  bool live_once();  // false: stopping
  void serve(std::unique_lock<std::mutex>& lock);
  void say(VDSX_PROVIDER_STATE state, HRESULT hr, std::string words);
  void pause_before_retry();
  life current() const;
  void look_after_hang(const std::string& what);

  // reading (provider_reading.cc)
  HRESULT load_tree(const life& l, bool announce);
  HRESULT load_subsystem(const life& l, IUnknown* theirs, model::stamp since, std::vector<VDS_NOTIFICATION>& news);
  HRESULT load_list(VDS_OBJECT_TYPE kind, const guid& parent, com_ptr<IEnumVdsObject> list,
                    std::vector<VDS_NOTIFICATION>& news,
                    const std::function<HRESULT(const com_ptr<IUnknown>&, const guid&)>& below = {});
  HRESULT read_and_put(VDS_OBJECT_TYPE kind, IUnknown* theirs, const guid& parent, model::put_result& out);
  HRESULT fetch(const life& l, VDS_OBJECT_TYPE kind, const guid& id, com_ptr<IUnknown>& out);
  void probe(VDS_OBJECT_TYPE kind, IUnknown* theirs);
  void let_go(const guid& id);  // of what is remembered
  void remember(std::uint64_t life, const guid& id, const com_ptr<IUnknown>& object, REFIID iid,
                const com_ptr<IUnknown>& typed);
  void load_plexes(hw_object& lun);
  void apply(std::vector<std::vector<VDS_NOTIFICATION>> batches);
  bool apply_one(const VDS_NOTIFICATION& n, std::set<guid>& fresh);
  bool announce_later(ULONG event, const guid& id);  // false: that was noted before
  void announce_due();
  void publish(std::vector<VDS_NOTIFICATION> events);
  std::vector<VDS_NOTIFICATION> depart(const guid& id);

  const provider_spec spec_;
  const provider_options options_;
  provider_launcher& launcher_;
  const std::shared_ptr<model> objects_;
  const std::shared_ptr<operations> operations_;
  clock_source& clock_;
  const event_function events_;
  work_pool gate_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, attempted_;
  std::thread keeper_;
  std::shared_ptr<provider_connection> connection_;  // while it lives
  life life_;
  std::uint64_t lives_ = 0;
  bool stopping_ = false, first_attempt_over_ = false;
  std::optional<std::string> lost_;  // why, once the launcher said so
  std::deque<std::vector<VDS_NOTIFICATION>> events_in_;
  deadline gathered_{}, quiet_at_{};  // when what came first has waited long enough; when it has been quiet
  std::vector<std::string> hung_;
  unsigned unanswered_ = 0;
  std::deque<com_ptr<hw_object>> incomplete_;  // LUNs whose plexes are read when there is nothing else to do
  struct announcement {
    deadline due;
    ULONG event = 0;
  };
  std::map<guid, announcement> unannounced_;
  std::mutex departing_;  // before mutex_

  // what status() tells
  VDSX_PROVIDER_STATE state_ = VDSX_PS_STOPPED;
  guid id_;
  HRESULT last_hr_ = S_OK;
  std::string last_words_ = "not started";
  ULONG pid_ = 0, restarts_ = 0;
  std::uint64_t since_ns_ = 0, retry_ns_ = 0;
  monotonic::duration pause_;
  deadline ready_since_{};

  std::mutex bound_mutex_;
  std::unordered_map<guid, bound> bound_;
  std::deque<guid> bound_order_;

  mutable std::mutex offers_mutex_;
  std::map<std::pair<VDS_OBJECT_TYPE, GUID>, bool, iid_less> offers_;

  std::mutex loading_;  // one walk over the provider's tree at a time
};

// The ARRIVE, DEPART and MODIFY events of a kind; 0 where VDS has none (plexes, pools, providers).
ULONG arrive_event(VDS_OBJECT_TYPE kind);
ULONG depart_event(VDS_OBJECT_TYPE kind);
ULONG modify_event(VDS_OBJECT_TYPE kind);

}  // namespace vds::service
