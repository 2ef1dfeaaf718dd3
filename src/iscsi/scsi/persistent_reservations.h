// persistent_reservations.h: who has registered with a LUN and who holds its reservation (SPC-4 5.13). A value: a
// change is made on a copy, made durable if APTPL asks for it (persistence.h), and then takes the place of the old one.
// Registrations belong to an I_T nexus, which is the initiator port (name and ISID) and the target port (portal group),
// and so outlive its session.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "iscsi/scsi/sense.h"

namespace vds::iscsi {

struct nexus;
struct operation;

enum class reservation_type : std::uint8_t {
  write_exclusive = 1,
  exclusive_access = 3,
  write_exclusive_registrants_only = 5,
  exclusive_access_registrants_only = 6,
  write_exclusive_all_registrants = 7,
  exclusive_access_all_registrants = 8,
};
std::optional<reservation_type> reservation_type_from(std::uint8_t value);

class persistent_reservations {
 public:
  static constexpr std::size_t max_registrants = 256;

  // An I_T nexus by its names: "iqn...,i,0x..." and the relative target port.
  struct port_pair {
    std::string initiator;
    std::uint16_t target = 1;
    bool operator==(const port_pair&) const = default;
  };
  static port_pair ports_of(const nexus& n);

  struct registrant {
    port_pair who;
    std::uint64_t key = 0;
  };

  bool allows(const nexus& from, const operation& op) const;

  const std::vector<registrant>& registrants() const noexcept { return registrants_; }
  std::uint32_t generation() const noexcept { return generation_; }
  std::optional<reservation_type> type() const noexcept { return type_; }
  std::uint64_t holder_key() const;
  bool holds(const port_pair& who) const;
  bool empty() const noexcept { return registrants_.empty(); }
  bool aptpl() const noexcept { return aptpl_; }
  void set_aptpl(bool on) noexcept { aptpl_ = on; }

  // The service actions of PERSISTENT RESERVE OUT. When one is refused, nothing has changed. `notices` says which nexus
  // gets which unit attention, `aborts` whose commands PREEMPT AND ABORT ends.
  struct notice {
    port_pair who;
    std::uint16_t code;
  };
  struct outcome {
    std::optional<sense> problem;
    bool conflict = false;
    std::vector<notice> notices;
    std::vector<port_pair> aborts;
  };
  outcome register_key(const port_pair& who, std::uint64_t key, std::uint64_t new_key, bool ignore_existing);
  // REGISTER with SPEC_I_PT or ALL_TG_PT: `also` are the other nexuses that get the same key, all or none.
  outcome register_several(const port_pair& who, std::uint64_t key, std::uint64_t new_key, bool ignore_existing,
                           const std::vector<port_pair>& also);
  outcome move(const port_pair& who, std::uint64_t key, const port_pair& to, std::uint64_t new_key, bool unregister);
  outcome reserve(const port_pair& who, std::uint64_t key, reservation_type type);
  outcome release(const port_pair& who, std::uint64_t key, reservation_type type);
  outcome clear(const port_pair& who, std::uint64_t key);
  outcome preempt(const port_pair& who, std::uint64_t key, std::uint64_t victim, reservation_type type);

  // From what was saved. The generation begins at zero again (SPC-4 5.13.2). False if that cannot have been.
  bool restore(std::vector<registrant> registrants, std::optional<reservation_type> type,
               std::optional<port_pair> holder);
  const std::optional<port_pair>& holder() const noexcept { return holder_; }

 private:
  registrant* find(const port_pair& who);
  const registrant* find(const port_pair& who) const;
  bool all_registrants() const;
  void end_reservation(const port_pair& by, std::uint16_t code, outcome& out);

  std::vector<registrant> registrants_;
  std::uint32_t generation_ = 0;
  std::optional<reservation_type> type_;
  std::optional<port_pair> holder_;  // nobody in particular with the "all registrants" types
  bool aptpl_ = false;
};

}  // namespace vds::iscsi
