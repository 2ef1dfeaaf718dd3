// What a provider says of itself, and, when it is asked directly, what only the service asks.
#include "apps/provider_check/calls.h"

namespace vds::check {

void check_provider(scene& s) {
  report& say = s.say;
  s.provider = s.at.provider().as<IVdsProvider>();
  if (!s.provider) return say.wrong("IVdsProvider::GetProperties", "the provider object has not got the interface");
  say.nulls("IVdsProvider::GetProperties", s.provider->GetProperties(nullptr));
  guid ids[2];
  for (guid& id : ids) {
    VDS_PROVIDER_PROP prop{};
    if (!say.works("IVdsProvider::GetProperties", s.provider->GetProperties(&prop))) return;
    id = from_com(prop.id);
    const std::string name = take(prop.pwszName), version = take(prop.pwszVersion);
    say.must("IVdsProvider::GetProperties", static_cast<bool>(id), "has no id");
    say.must("IVdsProvider::GetProperties", !name.empty(), "has no name");
    say.must("IVdsProvider::GetProperties", !version.empty(), "has no version");
    say.must("IVdsProvider::GetProperties", prop.type == VDS_PT_HARDWARE, "is no hardware provider");
  }
  say.must("IVdsProvider::GetProperties", ids[0] == ids[1], "has another id each time");
  s.provider_id = ids[0];

  if (const auto support = s.provider.as<IVdsProviderSupport>()) {
    ULONG versions = 0;
    say.nulls("IVdsProviderSupport::GetVersionSupport", support->GetVersionSupport(nullptr));
    if (say.works("IVdsProviderSupport::GetVersionSupport", support->GetVersionSupport(&versions)))
      say.must("IVdsProviderSupport::GetVersionSupport", versions != 0 && (versions & ~0x1fu) == 0,
               "names versions that do not exist");
  }
  if (const auto kind = s.provider.as<IVdsHwProviderType>()) {
    VDS_HWPROVIDER_TYPE type{};
    say.nulls("IVdsHwProviderType::GetProviderType", kind->GetProviderType(nullptr));
    if (say.works("IVdsHwProviderType::GetProviderType", kind->GetProviderType(&type)))
      say.must("IVdsHwProviderType::GetProviderType", type <= VDS_HWT_HYBRID, "answers a type that does not exist");
  }
  if (const auto kind = s.provider.as<IVdsHwProviderType2>()) {
    VDS_HWPROVIDER_TYPE type{};
    say.nulls("IVdsHwProviderType2::GetProviderType2", kind->GetProviderType2(nullptr));
    if (say.works("IVdsHwProviderType2::GetProviderType2", kind->GetProviderType2(&type)))
      say.must("IVdsHwProviderType2::GetProviderType2", type <= VDS_HWT_HYBRID, "answers a type that does not exist");
  }

  const auto hardware = s.provider.as<IVdsHwProvider>();
  if (!hardware) return say.wrong("IVdsHwProvider::QuerySubSystems", "the provider object has not got the interface");
  com_ptr<IEnumVdsObject> list;
  say.nulls("IVdsHwProvider::QuerySubSystems", hardware->QuerySubSystems(nullptr));
  HRESULT hr = hardware->QuerySubSystems(list.put());
  const auto found = query(s, "IVdsHwProvider::QuerySubSystems", hr, list);
  say.works("IVdsHwProvider::Reenumerate", hardware->Reenumerate());
  say.works("IVdsHwProvider::Refresh", hardware->Refresh());
  if (!found.empty()) s.subsystem = found.front().as<IVdsSubSystem>();
  if (!found.empty() && !s.subsystem) say.wrong("IVdsHwProvider::QuerySubSystems", "lists what is no IVdsSubSystem");

  const auto own = s.at.straight() ? s.provider.as<IVdsProviderPrivate>() : com_ptr<IVdsProviderPrivate>();
  if (!own) return;
  com_ptr<IUnknown> nothing;
  say.nulls("IVdsProviderPrivate::GetObject", own->GetObject(to_com(s.provider_id), VDS_OT_LUN, nullptr));
  say.provokes("IVdsProviderPrivate::GetObject", own->GetObject(nobody, VDS_OT_LUN, nothing.put()),
               {VDS_E_OBJECT_NOT_FOUND}, "an unknown id");
  say.works("IVdsProviderPrivate::OnLoad", S_OK);  // or we were not here
  say.untried("IVdsProviderPrivate::OnUnload", "ends the session; the service calls it at the end of every provider");
  if (const auto local = s.provider.as<IVdsHwProviderPrivate>()) {
    VDS_LUN_INFORMATION stranger{};
    stranger.m_version = VER_VDS_LUN_INFORMATION;
    char serial[] = "nobody's";
    stranger.m_szSerialNumber = serial;
    WCHAR path[] = L"/dev/null";
    VDS_OBJECT_ID id = nobody;
    say.nulls("IVdsHwProviderPrivate::QueryIfCreatedLun", local->QueryIfCreatedLun(path, &stranger, nullptr));
    hr = local->QueryIfCreatedLun(path, &stranger, &id);
    if (say.works("IVdsHwProviderPrivate::QueryIfCreatedLun", hr))
      say.must("IVdsHwProviderPrivate::QueryIfCreatedLun", hr == S_FALSE && !from_com(id),
               "does not answer S_FALSE and no id about somebody else's disk");
  }
}

}  // namespace vds::check
