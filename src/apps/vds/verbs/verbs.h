// verbs.h: what the commands do; one function a row of commands.cc. Each reads its options, asks the gateway, prints;
// it throws command_error when it cannot.
#pragma once

#include "apps/vds/context.h"
#include "apps/vds/options.h"

namespace vds::cli {

void service_status(context& c, const options& o);

void provider_list(context& c, const options& o);
void provider_register(context& c, const options& o);
void provider_unregister(context& c, const options& o);

void subsystem_list(context& c, const options& o);
void subsystem_show(context& c, const options& o);
void subsystem_rename(context& c, const options& o);

void drive_list(context& c, const options& o);
void drive_show(context& c, const options& o);
void drive_add(context& c, const options& o);
void drive_remove(context& c, const options& o);
void drive_safe(context& c, const options& o);
void drive_spare(context& c, const options& o);
void drive_locate(context& c, const options& o);
void drive_fail(context& c, const options& o);
void drive_online(context& c, const options& o);
void drive_replace(context& c, const options& o);

void lun_list(context& c, const options& o);
void lun_show(context& c, const options& o);
void lun_create(context& c, const options& o);
void lun_delete(context& c, const options& o);
void lun_extend(context& c, const options& o);
void lun_shrink(context& c, const options& o);
void lun_rename(context& c, const options& o);
void lun_unmask(context& c, const options& o);
void lun_mask(context& c, const options& o);
void lun_scrub(context& c, const options& o);
void lun_recover(context& c, const options& o);
void lun_status(context& c, const options& o);

void plex_list(context& c, const options& o);
void plex_add(context& c, const options& o);
void plex_remove(context& c, const options& o);

void target_list(context& c, const options& o);
void target_show(context& c, const options& o);
void target_create(context& c, const options& o);
void target_delete(context& c, const options& o);
void target_rename(context& c, const options& o);
void target_associate(context& c, const options& o);

void portal_list(context& c, const options& o);
void portal_show(context& c, const options& o);
void portal_add(context& c, const options& o);
void portal_remove(context& c, const options& o);
void portal_status(context& c, const options& o);

void portal_group_list(context& c, const options& o);
void portal_group_create(context& c, const options& o);
void portal_group_delete(context& c, const options& o);
void portal_group_add_portal(context& c, const options& o);
void portal_group_remove_portal(context& c, const options& o);

void chap_set(context& c, const options& o);
void chap_clear(context& c, const options& o);

void op_list(context& c, const options& o);
void op_show(context& c, const options& o);
void op_wait(context& c, const options& o);
void op_cancel(context& c, const options& o);

void events(context& c, const options& o);

// Names that a kind of object answers to, for completion: lun, drive, subsystem, provider, op.
std::vector<std::string> names_of_kind(context& c, const options& o, std::string_view kind);

}  // namespace vds::cli
