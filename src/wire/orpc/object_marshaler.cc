#include "wire/orpc/connection.h"
#include "wire/orpc/errors.h"
#include "wire/orpc/ids.h"
#include "wire/orpc/proxy_manager.h"

namespace vds::wire {

namespace {
constexpr std::uint32_t refs_per_object = 5;  // so that the peer can pass it on without asking

// The interface by which an object is known, for one that travels as IUnknown: whoever gets it asks for that one next,
// and need not ask us. Null: it travels as what it is.
const interface_info* main_face(IUnknown* object, com_ptr<IUnknown>& face) {
  for (const GUID& iid :
       {__uuidof(IVdsLun), __uuidof(IVdsDrive), __uuidof(IVdsLunPlex), __uuidof(IVdsSubSystem),
        __uuidof(IVdsHwProvider), __uuidof(IVdsIscsiTarget), __uuidof(IVdsIscsiPortal), __uuidof(IVdsIscsiPortalGroup)})
    if (SUCCEEDED(object->QueryInterface(iid, face.put_void())) && face) return find_interface(to_uuid(iid));
  return nullptr;
}
}  // namespace

object_marshaler::~object_marshaler() {
  std::vector<std::shared_ptr<exported>> dead;
  for (const interface_ref& r : given_) connection_.exports().release_refs(r.ipid, r.public_refs, dead);
  if (!dead.empty()) connection_.discard(std::move(dead));
  for (const auto& [manager, r] : returned_) static_cast<proxy_manager*>(manager.get())->keep(r.ipid, r.public_refs);
}

bool object_marshaler::marshal(void* object, const uuid& iid, std::vector<std::byte>& out) {
  auto* pointer = static_cast<IUnknown*>(object);
  objref ref;
  ref.iid = iid;
  com_ptr<IUnknown> identity;
  if (SUCCEEDED(pointer->QueryInterface(to_guid(iid_proxy_identity), identity.put_void())) && identity) {
    auto* manager = static_cast<proxy_manager*>(identity.get());
    if (&manager->owner() == &connection_) {
      if (FAILED(manager->give_back(iid, ref))) return false;
      returned_.emplace_back(identity, interface_ref{ref.standard.ipid, ref.standard.public_refs, 0});
      append_objref(out, ref);
      return true;
    }
  }
  // Ours, or a proxy of another connection: calls to that one pass through this process.
  com_ptr<IUnknown> face;
  if (iid == iid_unknown && !identity) {
    const interface_info* known = main_face(pointer, face);
    if (known && SUCCEEDED(connection_.authorize(known->iid, 0))) {
      ref.iid = known->iid;
      pointer = face.get();
    }
  }
  if (FAILED(connection_.exports().add(pointer, ref.iid, refs_per_object, ref.standard))) return false;
  given_.push_back({ref.standard.ipid, refs_per_object, 0});
  append_objref(out, ref);
  return true;
}

bool object_marshaler::unmarshal(std::span<const std::byte> bytes, const uuid& iid, void** object) {
  const auto ref = parse_objref(bytes);
  return ref && SUCCEEDED(connection_.import(*ref, iid, object));
}

}  // namespace vds::wire
