// client.h: one client: random calls of the API on objects that others use at the same time, each answer given to the
// model. Everything it does follows from its seed and from what the others have done meanwhile.
// Runs on one thread; the model is shared and outlives it.
#pragma once

#include <random>

#include "com/com.h"
#include "com/com_ptr.h"
#include "tests/stress/model/fleet.h"

namespace vds::stress {

class client {
 public:
  client(com_ptr<IVdsService> service, guid subsystem, fleet& model, std::uint64_t seed);
  void some_call();

  // For one client that is alone.
  void make_one(VDS_LUN_TYPE type);
  bool settle();  // until the array does nothing by itself; false: it goes on and on
  // What there is, asked for one by one.
  std::map<guid, lun_seen> inventory();
  void delete_everything();
  std::uint64_t free_bytes();  // of all drives
  std::size_t unfinished();    // operations

 private:
  std::uint64_t chance(std::uint64_t below) { return random_() % below; }
  guid new_id();
  com_ptr<IVdsSubSystem> subsystem();
  com_ptr<IVdsLun> lun(const guid& id);  // null: it is not there, which the model has heard
  HRESULT properties(IVdsLun* of, guid& id, lun_seen& out);
  struct ended {
    HRESULT result = S_OK;
    guid object;  // nil: it made none, or that is gone again
  };
  ended wait(IVdsAsync* async);
  ended make(const guid& operation, const lun_seen& as);

  void create();
  void create_too_much();
  void join();
  void rename();
  void mask();
  void resize();
  void remove();
  void read();
  void list();
  void cancel();
  void look_at_an_operation();
  void list_operations();
  void nonsense();

  const com_ptr<IVdsService> service_;
  const guid subsystem_;
  fleet& model_;
  std::mt19937_64 random_;
};

}  // namespace vds::stress
