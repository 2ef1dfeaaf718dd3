// The skeleton of a hardware provider, with the provider's header alone, and both headers in one source after that.
#include <windows.h>
#include <vdshwprv.h>
#include <vdserr.h>

class Provider : public IVdsProvider, public IVdsHwProvider, public IVdsProviderPrivate {
 public:
  virtual ~Provider() {}
  STDMETHODIMP QueryInterface(REFIID riid, void** ppv) {
    if (IsEqualIID(riid, IID_IUnknown) || IsEqualIID(riid, IID_IVdsProvider))
      *ppv = static_cast<IVdsProvider*>(this);
    else if (IsEqualIID(riid, IID_IVdsHwProvider))
      *ppv = static_cast<IVdsHwProvider*>(this);
    else if (IsEqualIID(riid, IID_IVdsProviderPrivate))
      *ppv = static_cast<IVdsProviderPrivate*>(this);
    else {
      *ppv = NULL;
      return E_NOINTERFACE;
    }
    AddRef();
    return S_OK;
  }
  STDMETHODIMP_(ULONG) AddRef() { return InterlockedIncrement(&m_cRef); }
  STDMETHODIMP_(ULONG) Release() { return InterlockedDecrement(&m_cRef); }

  STDMETHOD(GetProperties)(VDS_PROVIDER_PROP* pProviderProp) {
    ZeroMemory(pProviderProp, sizeof(*pProviderProp));
    pProviderProp->type = VDS_PT_HARDWARE;
    pProviderProp->ulFlags = VDS_PF_INTERNAL_HARDWARE_PROVIDER;
    return S_OK;
  }
  STDMETHOD(QuerySubSystems)(IEnumVdsObject** ppEnum) {
    UNREFERENCED_PARAMETER(ppEnum);
    return VDS_E_NOT_SUPPORTED;
  }
  STDMETHOD(Reenumerate)() { return S_OK; }
  STDMETHOD(Refresh)() { return S_OK; }
  STDMETHOD(GetObject)(VDS_OBJECT_ID, VDS_OBJECT_TYPE, IUnknown**) { return VDS_E_OBJECT_NOT_FOUND; }
  STDMETHOD(OnLoad)(LPWSTR, IUnknown* pCallbackObject) { return pCallbackObject->QueryInterface(&m_pSink); }
  STDMETHOD(OnUnload)(BOOL) { return S_OK; }

 private:
  ULONG m_cRef = 1;
  IVdsAdviseSink* m_pSink = NULL;
};

IVdsProvider* create() { return new Provider; }

#include <vds.h>
#include <vdsx.h>
HRESULT both(IVdsPack* pPack, IVdsHwProviderPrivate* pPrivate) { return pPack && pPrivate ? S_OK : S_FALSE; }
