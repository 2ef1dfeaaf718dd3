// create_lun: makes a LUN the way VDS programs always have: loader, service, provider, subsystem, CreateLun, wait.
//
//   g++ create_lun.cc $(pkg-config --cflags --libs vds) -o create_lun
//   ./create_lun [SIZE_IN_MIB [LIST_OF_INITIATORS]]
//
// Without arguments: 256 MiB, seen by everybody ("*"). Every step can fail, and each failure is told apart; everything
// that the service hands out is given back.
#include <vds.h>
#include <vdserr.h>
#include <vdsx.h>
#include <windows.h>

#include <chrono>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

// One reference, given back at the end of the scope.
template <class Interface>
class held {
 public:
  held() = default;
  held(const held&) = delete;
  held& operator=(const held&) = delete;
  ~held() { release(); }
  Interface* operator->() const { return object_; }
  Interface* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  Interface** out() {
    release();
    return &object_;
  }
  void release() {
    if (object_ != nullptr) object_->Release();
    object_ = nullptr;
  }

 private:
  Interface* object_ = nullptr;
};

int complain(const char* step, HRESULT hr) {
  std::fprintf(stderr, "create_lun: %s failed: 0x%08lx\n", step, static_cast<unsigned long>(static_cast<ULONG>(hr)));
  return hr == HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE) ? 3 : hr == E_ACCESSDENIED ? 4 : 1;
}

// The service itself. The loader is needed for this one call only.
HRESULT find_service(held<IVdsService>& service) {
  held<IVdsServiceLoader> loader;
  HRESULT hr = CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                                reinterpret_cast<void**>(loader.out()));
  if (FAILED(hr)) return hr;
  hr = loader->LoadService(nullptr, service.out());
  loader.release();
  if (FAILED(hr)) return hr;
  return service->WaitForServiceReady();
}

// The first array of the first provider that has one.
HRESULT find_subsystem(IVdsService* service, held<IVdsSubSystem>& subsystem) {
  held<IEnumVdsObject> providers;
  HRESULT hr = service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, providers.out());
  if (FAILED(hr)) return hr;
  for (;;) {
    held<IUnknown> one;
    ULONG fetched = 0;
    hr = providers->Next(1, one.out(), &fetched);
    if (FAILED(hr)) return hr;
    if (hr == S_FALSE) return VDS_E_OBJECT_NOT_FOUND;  // no more of them
    held<IVdsHwProvider> provider;
    if (!one || FAILED(one->QueryInterface(IID_IVdsHwProvider, reinterpret_cast<void**>(provider.out())))) continue;
    held<IEnumVdsObject> subsystems;
    if (FAILED(provider->QuerySubSystems(subsystems.out()))) continue;
    held<IUnknown> first;
    if (subsystems->Next(1, first.out(), nullptr) != S_OK || !first) continue;
    return first->QueryInterface(IID_IVdsSubSystem, reinterpret_cast<void**>(subsystem.out()));
  }
}

// What the operation is doing now, in words and bytes, if the service says so (it is an extension of this one's).
void print_progress(IVdsAsync* async, ULONG percent) {
  std::printf("  %3u%%", static_cast<unsigned>(percent));
  held<IVdsxOperation> operation;
  VDSX_OPERATION_PROP known{};
  if (SUCCEEDED(async->QueryInterface(IID_IVdsxOperation, reinterpret_cast<void**>(operation.out()))) &&
      SUCCEEDED(operation->GetProperties(&known))) {
    if (known.pwszPhase != nullptr) std::printf("  %ls", known.pwszPhase);
    if (known.ullBytesTotal > 0)
      std::printf("  %llu of %llu bytes", static_cast<unsigned long long>(known.ullBytesDone),
                  static_cast<unsigned long long>(known.ullBytesTotal));
    CoTaskMemFree(known.pwszKind);
    CoTaskMemFree(known.pwszPhase);
    CoTaskMemFree(known.pwszOwner);
  }
  std::printf("\n");
}

// Looks now and then until it is done. A program in no need to show anything would call Wait at once.
HRESULT watch(IVdsAsync* async) {
  ULONG shown = ~0u;
  for (;;) {
    HRESULT state = S_OK;
    ULONG percent = 0;
    const HRESULT hr = async->QueryStatus(&state, &percent);
    if (FAILED(hr)) return hr;
    if (percent != shown) print_progress(async, percent);
    shown = percent;
    if (state != VDS_E_OPERATION_PENDING) return S_OK;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

HRESULT create_lun(IVdsSubSystem* subsystem, ULONGLONG bytes, LPWSTR unmask, held<IVdsLun>& lun) {
  // "Fault tolerant" leaves the layout to the array; such a request comes with hints, even if they wish for nothing.
  VDS_HINTS hints;
  ZeroMemory(&hints, sizeof hints);
  held<IVdsAsync> async;
  HRESULT hr = subsystem->CreateLun(VDS_LT_FAULT_TOLERANT, bytes, nullptr, 0, unmask, &hints, async.out());
  if (FAILED(hr)) return hr;
  if (!async) return E_UNEXPECTED;  // it said yes and gave nothing: a broken provider

  hr = watch(async.get());
  if (FAILED(hr)) return hr;
  HRESULT result = E_FAIL;
  VDS_ASYNC_OUTPUT output;
  ZeroMemory(&output, sizeof output);
  hr = async->Wait(&result, &output);
  if (FAILED(hr)) return hr;                                       // the waiting failed
  if (FAILED(result)) return result;                               // the operation failed
  if (output.type != VDS_ASYNCOUT_CREATELUN) return E_UNEXPECTED;  // another operation's result: broken
  if (output.cl.pLunUnk == nullptr) return E_UNEXPECTED;           // success without a LUN: broken
  hr = output.cl.pLunUnk->QueryInterface(IID_IVdsLun, reinterpret_cast<void**>(lun.out()));
  output.cl.pLunUnk->Release();
  return hr;
}

HRESULT print_lun(IVdsLun* lun) {
  VDS_LUN_PROP lun_prop;
  ZeroMemory(&lun_prop, sizeof lun_prop);
  HRESULT hr = lun->GetProperties(&lun_prop);
  if (FAILED(hr)) return hr;
  WCHAR id[39];
  StringFromGUID2(lun_prop.id, id, 39);
  std::printf("id      %ls\n", id);
  std::printf("name    %ls\n", lun_prop.pwszFriendlyName != nullptr ? lun_prop.pwszFriendlyName : L"(none)");
  std::printf("size    %llu bytes\n", static_cast<unsigned long long>(lun_prop.ullSize));
  CoTaskMemFree(lun_prop.pwszFriendlyName);
  CoTaskMemFree(lun_prop.pwszIdentification);
  CoTaskMemFree(lun_prop.pwszUnmaskingList);

  // How initiators find it: an extension; other services do without.
  held<IVdsxLun> more;
  if (FAILED(lun->QueryInterface(IID_IVdsxLun, reinterpret_cast<void**>(more.out())))) return S_OK;
  VDSX_LUN_PROP details{};
  hr = more->GetDetails(&details);
  if (FAILED(hr)) return hr;
  std::printf("serial  %ls\n", details.pwszSerial != nullptr ? details.pwszSerial : L"(none)");
  std::printf("url     %ls\n", details.pwszIscsiUrl != nullptr ? details.pwszIscsiUrl : L"(none)");
  CoTaskMemFree(details.pwszSerial);
  CoTaskMemFree(details.pwszNaa);
  CoTaskMemFree(details.pwszIscsiUrl);
  CoTaskMemFree(details.pDriveIds);
  return S_OK;
}

int run(ULONGLONG bytes, std::wstring unmask) {
  held<IVdsService> service;
  HRESULT hr = find_service(service);
  if (FAILED(hr)) return complain("reaching the service", hr);
  held<IVdsSubSystem> subsystem;
  hr = find_subsystem(service.get(), subsystem);
  if (FAILED(hr)) return complain("finding an array", hr);
  held<IVdsLun> lun;
  std::printf("creating a LUN of %llu MiB\n", static_cast<unsigned long long>(bytes >> 20));
  hr = create_lun(subsystem.get(), bytes, &unmask[0], lun);
  if (FAILED(hr)) return complain("creating the LUN", hr);
  hr = print_lun(lun.get());
  if (FAILED(hr)) return complain("asking about the LUN", hr);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setlocale(LC_ALL, "");  // for %ls
  const ULONGLONG mib = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 256;
  const std::string unmask = argc > 2 ? argv[2] : "*";
  if (mib == 0) {
    std::fprintf(stderr, "usage: create_lun [SIZE_IN_MIB [LIST_OF_INITIATORS]]\n");
    return 2;
  }
  const HRESULT hr = CoInitializeEx(nullptr, COINIT_MULTITHREADED);
  if (FAILED(hr)) return complain("CoInitializeEx", hr);
  const int status = run(mib << 20, std::wstring(unmask.begin(), unmask.end()));  // iSCSI names are ASCII
  CoUninitialize();
  return status;
}
