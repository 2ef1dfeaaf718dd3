// operations.h: all operations: those that run, and the history of those that ended. Begins them (journal first, then
// the provider), finds them by id, joins repeated ids, and settles with a provider what was left open when it or the
// service died. See docs/design/operations.md. Any thread.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "service/objects/model.h"
#include "service/operations/forgetting.h"
#include "service/operations/journal.h"
#include "service/operations/operation.h"
#include "service/timer.h"

namespace vds::service {

class operations : public std::enable_shared_from_this<operations> {
 public:
  static result<std::shared_ptr<operations>> open(journal_options options, std::shared_ptr<model> objects,
                                                  std::shared_ptr<timer> later, clock_source& clock);

  HRESULT begin(const std::shared_ptr<operation_provider>& provider, hw_object& on, const method& m,
                const border::asynchronous_call& call, IVdsAsync** out);
  // A change that needed no operation, for the history: who, what, on which object, and how it ended. Secrets never get
  // here: arguments are not kept.
  void note(const char* method, const guid& provider, VDS_OBJECT_TYPE kind, const guid& object, HRESULT result);
  // A provider has started: everything of its own that is open is settled, on its gate.
  void provider_started(const std::shared_ptr<operation_provider>& provider);
  // No provider of that id will ever start: its open operations end with VDS_E_PROVIDER_FAILURE.
  void provider_gone(const guid& provider);

  // IVdsxOperations
  HRESULT query(bool include_ended, VDSX_OPERATION_PROP** out, LONG* count);
  HRESULT get(const guid& id, VDSX_OPERATION_PROP* out);
  HRESULT open(const guid& id, IVdsAsync** out);

  std::size_t unfinished() const;
  // Nothing new; what is open stays open in the journal, and the history is complete on disk.
  void stop();

  // --- for operation
  void ended(operation& which, const std::shared_ptr<operation_provider>& provider);
  void dropped(operation& which);
  timer& later() noexcept { return *later_; }
  clock_source& clock() noexcept { return clock_; }
  std::uint64_t unix_ns();

 private:
  operations(std::size_t keep, std::shared_ptr<model> objects, std::shared_ptr<timer> later, clock_source& clock)
      : keep_(keep), objects_(std::move(objects)), later_(std::move(later)), clock_(clock) {}
  void remember(operation_record r);  // with the lock held
  com_ptr<operation> from_history(const operation_record& r);

  const std::size_t keep_;
  const std::shared_ptr<model> objects_;
  const std::shared_ptr<timer> later_;
  clock_source& clock_;
  std::unique_ptr<journal> journal_;
  mutable std::mutex mutex_;
  std::unordered_map<guid, com_ptr<operation>> open_;
  std::unordered_map<guid, operation_record> history_;
  std::deque<guid> history_order_;
  const std::shared_ptr<forgetting> forgetting_ = std::make_shared<forgetting>();
  bool stopped_ = false;
};

}  // namespace vds::service
