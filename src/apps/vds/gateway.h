// gateway.h: the service as the verbs see it. com_gateway.h implements it over libvds; tests implement it in memory.
// Every method throws command_error (command_error.h) when the service, or the way to it, says no. One thread at a
// time, except operation::when_done's callback.
#pragma once

#include <functional>
#include <memory>

#include "apps/vds/iscsi_gateway.h"
#include "apps/vds/views.h"

namespace vds::cli {

// A long piece of work of the service. Destroying it ends nothing.
class operation {
 public:
  virtual ~operation() = default;
  virtual operation_view status() = 0;
  // Calls back once, on any thread, when it is done or when the service is gone.
  virtual void when_done(std::function<void()> callback) = 0;
  // After the callback: throws what the operation failed with, or returns the object it made (nil if none).
  virtual guid finish() = 0;
  virtual void cancel() = 0;
};
using operation_ptr = std::unique_ptr<operation>;

class gateway {
 public:
  virtual ~gateway() = default;

  virtual service_view service() = 0;

  virtual std::vector<provider_view> providers() = 0;
  virtual void register_provider(const provider_registration& what) = 0;
  virtual void unregister_provider(const guid& provider) = 0;

  virtual std::vector<subsystem_view> subsystems() = 0;
  virtual void rename_subsystem(const guid& subsystem, const std::string& name) = 0;

  virtual std::vector<drive_view> drives() = 0;  // of all subsystems, as luns()
  virtual guid add_drive(const guid& subsystem, const std::string& path, std::uint64_t create_bytes, bool force) = 0;
  virtual void remove_drive(const guid& subsystem, const guid& drive) = 0;
  virtual void set_hot_spare(const guid& drive, bool spare) = 0;
  virtual void locate_drive(const guid& drive, bool on) = 0;  // its light
  virtual void fail_drive(const guid& drive) = 0;
  virtual void use_drive_again(const guid& drive) = 0;
  virtual void replace_drive(const guid& subsystem, const guid& old_drive, const guid& new_drive) = 0;

  virtual std::vector<lun_view> luns() = 0;
  virtual lun_view lun(const guid& id) = 0;
  virtual std::uint64_t max_lun_size(const lun_request& request) = 0;  // its size is not looked at
  // A subsystem that cannot name a LUN at birth makes it without: see can_name_at_birth.
  virtual bool can_name_at_birth(const guid& subsystem) = 0;
  virtual operation_ptr create_lun(const lun_request& request) = 0;
  virtual void delete_lun(const guid& lun) = 0;
  virtual void set_lun_name(const guid& lun, const std::string& name) = 0;
  virtual void set_lun_mask(const guid& lun, const std::string& list) = 0;
  virtual void set_lun_status(const guid& lun, std::uint32_t status) = 0;
  virtual operation_ptr extend_lun(const guid& lun, std::uint64_t bytes, const std::vector<guid>& drives) = 0;
  virtual operation_ptr shrink_lun(const guid& lun, std::uint64_t bytes) = 0;
  virtual guid scrub_lun(const guid& lun) = 0;  // an operation's id
  virtual operation_ptr recover_lun(const guid& lun) = 0;

  virtual std::vector<plex_view> plexes(const guid& lun) = 0;
  virtual operation_ptr add_plex(const guid& lun, const guid& source) = 0;
  virtual operation_ptr remove_plex(const guid& lun, const guid& plex) = 0;

  virtual plan_view plan_create(const lun_request& request) = 0;
  virtual plan_view plan_delete(const guid& subsystem, const guid& lun) = 0;
  virtual plan_view plan_extend(const guid& subsystem, const guid& lun, std::uint64_t bytes,
                                const std::vector<guid>& drives) = 0;
  virtual plan_view plan_replace(const guid& subsystem, const guid& old_drive, const guid& new_drive) = 0;

  virtual iscsi_gateway& iscsi() = 0;

  // Those that somebody began, and what arrays do by themselves.
  virtual std::vector<operation_view> operations(bool also_ended) = 0;
  virtual operation_view operation_status(const guid& id) = 0;
  virtual operation_ptr open_operation(const guid& id) = 0;

  // Waits up to timeout_ms for an event after `since` when there is none yet.
  virtual event_page events(std::uint64_t since, std::uint32_t most, std::uint32_t timeout_ms) = 0;
};

}  // namespace vds::cli
