// vdsprovider.h: what a VDS hardware provider is written with: objects with reference counts, base classes that check
// arguments, asynchronous work, notifications, and a main() that serves it all to the service.
//
// A provider derives from hardware_provider, subsystem, drive and lun, answers what they ask (describe, create_lun,
// remove, ...), and ends its program with provider_main(). The base classes keep the rules that callers rely on: null
// and garbage arguments answer E_INVALIDARG before anything happens, a deleted object VDS_E_OBJECT_DELETED, what the
// provider never does VDS_E_NOT_SUPPORTED, an exception an HRESULT. Every method of the interfaces stays virtual for
// who wants to answer one himself. C++17 or later.
//
// Threads: methods are called on several at once. The library calls no virtual method with a lock held.
#pragma once

#include <windows.h>
//
#include <vdserr.h>
#include <vdshwprv.h>
#include <vdsx.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#pragma GCC visibility push(default)

namespace vds {
namespace provider {

// --- objects

// Owns one reference. make<T>() and object<> below are all that is needed to be an object.
template <class T>
class ptr {
 public:
  ptr() = default;
  ptr(std::nullptr_t) noexcept {}
  ptr(T* p) noexcept : p_(p) {  // adds a reference
    if (p_) p_->AddRef();
  }
  ptr(const ptr& other) noexcept : ptr(other.p_) {}
  ptr(ptr&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
  template <class U, class = std::enable_if_t<std::is_convertible_v<U*, T*>>>
  ptr(const ptr<U>& other) noexcept : ptr(static_cast<T*>(other.get())) {}
  ~ptr() { reset(); }
  ptr& operator=(ptr other) noexcept {
    std::swap(p_, other.p_);
    return *this;
  }
  T* get() const noexcept { return p_; }
  T* operator->() const noexcept { return p_; }
  T& operator*() const noexcept { return *p_; }
  explicit operator bool() const noexcept { return p_ != nullptr; }
  // For out parameters: `*out = held.detach();` gives the reference away, copy() gives away another one.
  [[nodiscard]] T* detach() noexcept { return std::exchange(p_, nullptr); }
  [[nodiscard]] T* copy() const noexcept {
    if (p_) p_->AddRef();
    return p_;
  }
  void attach(T* p) noexcept {  // takes over a reference
    reset();
    p_ = p;
  }
  void reset() noexcept {
    if (T* p = std::exchange(p_, nullptr)) p->Release();
  }

 private:
  T* p_ = nullptr;
};

// Reference count and QueryInterface: class port final : public object<IVdsControllerPort> { ... };
template <class First, class... Rest>
class object : public First, public Rest... {
 public:
  object() = default;
  object(const object&) = delete;
  object& operator=(const object&) = delete;
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) noexcept override {
    if (out == nullptr) return E_POINTER;
    *out = nullptr;
    if (iid == __uuidof(IUnknown))
      *out = static_cast<IUnknown*>(static_cast<First*>(this));
    else if (!(offer<First>(iid, out) || ... || offer<Rest>(iid, out)))
      return query_more(iid, out);
    AddRef();
    return S_OK;
  }
  ULONG STDMETHODCALLTYPE AddRef() noexcept override { return static_cast<ULONG>(++references_); }
  ULONG STDMETHODCALLTYPE Release() noexcept override {
    const long left = --references_;
    if (left == 0) delete this;
    return static_cast<ULONG>(left);
  }
  IUnknown* identity() noexcept { return static_cast<First*>(this); }

 protected:
  virtual ~object() = default;
  // Further interfaces (see with<>): stores the pointer, adds a reference, S_OK. *out is null at entry.
  virtual HRESULT query_more(REFIID, void**) noexcept { return E_NOINTERFACE; }
  template <class I>
  bool offer(REFIID iid, void** out) noexcept {
    if (iid != __uuidof(I)) return false;
    *out = static_cast<I*>(this);
    return true;
  }

 private:
  std::atomic<long> references_{1};
};

// A base class with further interfaces: class my_lun final : public with<lun, IVdsLunNaming> { ... };
template <class Base, class... More>
class with : public Base, public More... {
 public:
  using Base::Base;
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) noexcept override {
    return Base::QueryInterface(iid, out);
  }
  ULONG STDMETHODCALLTYPE AddRef() noexcept override { return Base::AddRef(); }
  ULONG STDMETHODCALLTYPE Release() noexcept override { return Base::Release(); }

 protected:
  HRESULT query_more(REFIID iid, void** out) noexcept override {
    if (!(this->template offer<More>(iid, out) || ...)) return Base::query_more(iid, out);
    AddRef();
    return S_OK;
  }
};

template <class T, class... Arguments>
ptr<T> make(Arguments&&... arguments) {
  ptr<T> made;
  made.attach(new T(std::forward<Arguments>(arguments)...));
  return made;
}

using objects = std::vector<ptr<IUnknown>>;
template <class T>
ptr<IUnknown> unknown(const ptr<T>& p) {
  return p ? ptr<IUnknown>(p->identity()) : ptr<IUnknown>();
}

// What a Query method answers: a snapshot with Next, Skip, Reset and Clone.
ptr<IEnumVdsObject> make_enum(objects of);

// --- ids, text, failures

struct id_less {
  bool operator()(const VDS_OBJECT_ID& a, const VDS_OBJECT_ID& b) const noexcept {
    return std::memcmp(&a, &b, sizeof a) < 0;
  }
};
bool is_nil(const VDS_OBJECT_ID& id) noexcept;
VDS_OBJECT_ID new_id();                                                    // by chance
VDS_OBJECT_ID name_id(const VDS_OBJECT_ID& space, std::string_view name);  // the same for the same name
std::string to_text(const VDS_OBJECT_ID& id);                              // 36 characters, lower case
std::optional<VDS_OBJECT_ID> parse_id(std::string_view text) noexcept;
// For strings in what is handed out: CoTaskMem, which the receiver frees.
wchar_t* co_string(std::string_view utf8);
char* co_ansi(std::string_view text);
std::string to_utf8(const wchar_t* text);  // null: ""
// A function that is called by COM throws nothing: `... noexcept try { } catch (...) { return from_exception(); }`.
// An exception of this type becomes its code, std::bad_alloc E_OUTOFMEMORY, std::system_error its errno's HRESULT.
struct error {
  HRESULT code;
};
HRESULT from_exception() noexcept;

// --- asynchronous work

// What the worker holds of an operation. Copies are the same operation. It ends once; a success must carry the object
// its type demands. Dropped without an end it ends with E_UNEXPECTED.
class async {
 public:
  async() = default;
  void progress(ULONG percent) const;                                         // rises; 100 only by a successful end
  void phase(std::string_view words, ULONGLONG done, ULONGLONG total) const;  // bytes
  bool finish(HRESULT result) const;
  bool finish_with(IUnknown* made, const VDS_OBJECT_ID& id) const;  // success with what CreateLun made
  // Cancel: not possible until one of these; allow_cancel() makes it succeed, and the worker looks at
  // cancel_requested(), undoes what it did and ends with VDS_E_OPERATION_CANCELED. forbid_cancel() is the point of no
  // return; false: too late, a cancel was accepted.
  void allow_cancel() const;
  bool forbid_cancel() const;
  bool cancel_requested() const;
  IVdsAsync* copy() const;  // for the caller's out parameter
  explicit operator bool() const noexcept { return static_cast<bool>(held_); }
  explicit async(ptr<IVdsAsync> held) : held_(std::move(held)) {}

 private:
  ptr<IVdsAsync> held_;
};

// What the storage itself knows of an operation's outcome after the provider's process died: see durable_outcome().
struct outcome {
  VDS_ASYNC_OUTPUT_TYPE type;
  HRESULT result;
  VDS_OBJECT_ID object;  // what it made
};

// --- the provider

struct event {
  ULONG code;  // VDS_NF_LUN_ARRIVE, ...
  VDS_OBJECT_ID object;
};

// How the service started the program.
struct launched {
  VDS_OBJECT_ID id;  // the provider's: chosen when it was registered, permanent
  std::string name;
  std::string socket;
  std::vector<std::string> arguments;  // of the registered command
};

class hardware_provider : public object<IVdsProvider, IVdsProviderSupport, IVdsProviderPrivate, IVdsHwProvider,
                                        IVdsHwProviderType, IVdsHwProviderPrivate, IVdsxProviderOperations> {
 public:
  explicit hardware_provider(const launched& how, std::string_view version = "1.0",
                             VDS_HWPROVIDER_TYPE type = VDS_HWT_UNKNOWN);

  // All that one change caused, in one call, after what is new can be reached. Never blocks.
  void notify(const std::vector<event>& events);
  // Work that takes long, on threads of the library's own.
  void start_work(std::function<void()> work);
  // The operation that the call being served begins; joined: the service asked for it before, and this is the same
  // one. Null: its id belongs to an operation of another type (answer E_INVALIDARG).
  struct begun {
    async work;
    bool joined = false;
  };
  begun begin(VDS_ASYNC_OUTPUT_TYPE type);
  void abandon();  // the method refused after begin()
  // The id the service gave the operation being begun; nil outside of one. Whoever makes it part of what is stored
  // can answer durable_outcome().
  static VDS_OBJECT_ID operation_id();
  const VDS_OBJECT_ID& id() const;
  bool loaded() const;

 protected:
  ~hardware_provider() override;
  // Reads what there is, when the service begins (again). Not for minutes.
  virtual HRESULT load() { return S_OK; }
  virtual void unload() {}
  virtual HRESULT rescan() { return S_OK; }  // Reenumerate and Refresh
  virtual objects subsystems() = 0;
  // Any object of ours by its id; null: there is none.
  virtual ptr<IUnknown> find(const VDS_OBJECT_ID& id, VDS_OBJECT_TYPE type) = 0;
  // What became of an operation that an earlier life of this process was given: from the storage. Nothing: it left no
  // trace.
  virtual std::optional<outcome> durable_outcome(const VDS_OBJECT_ID&) { return {}; }
  // Which LUN of ours shows itself like this.
  virtual std::optional<VDS_OBJECT_ID> identify(const VDS_LUN_INFORMATION&) { return {}; }

 public:
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_PROVIDER_PROP* out) noexcept override;
  HRESULT STDMETHODCALLTYPE GetVersionSupport(ULONG* out) noexcept override;
  HRESULT STDMETHODCALLTYPE GetObject(VDS_OBJECT_ID id, VDS_OBJECT_TYPE type, IUnknown** out) noexcept override;
  HRESULT STDMETHODCALLTYPE OnLoad(LPWSTR machine, IUnknown* callback) noexcept override;
  HRESULT STDMETHODCALLTYPE OnUnload(BOOL force) noexcept override;
  HRESULT STDMETHODCALLTYPE QuerySubSystems(IEnumVdsObject** out) noexcept override;
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override;
  HRESULT STDMETHODCALLTYPE Refresh() noexcept override;
  HRESULT STDMETHODCALLTYPE GetProviderType(VDS_HWPROVIDER_TYPE* out) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryIfCreatedLun(LPWSTR path, VDS_LUN_INFORMATION* info,
                                              VDS_OBJECT_ID* out) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryOperation(VDS_OBJECT_ID id, VDSX_OPERATION_OUTCOME* out) noexcept override;
  HRESULT STDMETHODCALLTYPE OpenOperation(VDS_OBJECT_ID id, IVdsAsync** out) noexcept override;
  HRESULT STDMETHODCALLTYPE ForgetOperation(VDS_OBJECT_ID id) noexcept override;

 private:
  struct inside;
  const std::unique_ptr<inside> inside_;
};

// --- its objects. `exists()` false makes every method answer VDS_E_OBJECT_DELETED. describe() fills the struct,
// which is zeroed; strings by co_string().

struct lun_wish {
  VDS_LUN_TYPE type;
  ULONGLONG size;                     // 0 when the largest possible one is asked for
  std::vector<VDS_OBJECT_ID> drives;  // empty: the provider chooses
  std::string unmasking_list;
  std::optional<VDS_HINTS> hints;
};

class subsystem : public object<IVdsSubSystem> {
 public:
  explicit subsystem(ptr<hardware_provider> of) : provider_(std::move(of)) {}

 protected:
  virtual bool exists() { return true; }
  virtual void describe(VDS_SUB_SYSTEM_PROP& out) = 0;
  virtual objects controllers() { return {}; }
  virtual objects drives() = 0;
  virtual objects luns() = 0;
  // What is refused at once is returned (and `work` dropped); all else is reported through `work`.
  virtual HRESULT create_lun(const lun_wish& wish, const async& work) = 0;
  virtual HRESULT max_lun_size(const lun_wish& wish, ULONGLONG& out) = 0;
  hardware_provider& provider() const { return *provider_; }

 public:
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_SUB_SYSTEM_PROP* out) noexcept override;
  HRESULT STDMETHODCALLTYPE GetProvider(IVdsProvider** out) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryControllers(IEnumVdsObject** out) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryLuns(IEnumVdsObject** out) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryDrives(IEnumVdsObject** out) noexcept override;
  HRESULT STDMETHODCALLTYPE GetDrive(SHORT bus, SHORT slot, IVdsDrive** out) noexcept override;
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override;
  HRESULT STDMETHODCALLTYPE SetControllerStatus(VDS_OBJECT_ID* online, LONG onlines, VDS_OBJECT_ID* offline,
                                                LONG offlines) noexcept override;
  HRESULT STDMETHODCALLTYPE CreateLun(VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID* drives, LONG count, LPWSTR mask,
                                      VDS_HINTS* hints, IVdsAsync** out) noexcept override;
  HRESULT STDMETHODCALLTYPE ReplaceDrive(VDS_OBJECT_ID old_drive, VDS_OBJECT_ID new_drive) noexcept override;
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_SUB_SYSTEM_STATUS status) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryMaxLunCreateSize(VDS_LUN_TYPE type, VDS_OBJECT_ID* drives, LONG count,
                                                  VDS_HINTS* hints, ULONGLONG* out) noexcept override;

 private:
  const ptr<hardware_provider> provider_;
};

class drive : public object<IVdsDrive> {
 protected:
  virtual bool exists() = 0;
  virtual void describe(VDS_DRIVE_PROP& out) = 0;
  virtual ptr<IVdsSubSystem> of() = 0;
  virtual std::vector<VDS_DRIVE_EXTENT> extents() = 0;  // used and free ones

 public:
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_DRIVE_PROP* out) noexcept override;
  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryExtents(VDS_DRIVE_EXTENT** out, LONG* count) noexcept override;
  HRESULT STDMETHODCALLTYPE SetFlags(ULONG flags) noexcept override;
  HRESULT STDMETHODCALLTYPE ClearFlags(ULONG flags) noexcept override;
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_DRIVE_STATUS status) noexcept override;
};

class lun : public object<IVdsLun> {
 protected:
  virtual bool exists() = 0;
  virtual void describe(VDS_LUN_PROP& out) = 0;
  virtual void identify(VDS_LUN_INFORMATION& out) = 0;
  virtual ptr<IVdsSubSystem> of() = 0;
  virtual objects plexes() { return {}; }
  virtual HRESULT remove() { return VDS_E_NOT_SUPPORTED; }
  virtual HRESULT set_mask(const std::string&) { return VDS_E_NOT_SUPPORTED; }

 public:
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_LUN_PROP* out) noexcept override;
  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override;
  HRESULT STDMETHODCALLTYPE GetIdentificationData(VDS_LUN_INFORMATION* out) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryActiveControllers(IEnumVdsObject** out) noexcept override;
  HRESULT STDMETHODCALLTYPE Extend(ULONGLONG bytes, VDS_OBJECT_ID* drives, LONG count,
                                   IVdsAsync** out) noexcept override;
  HRESULT STDMETHODCALLTYPE Shrink(ULONGLONG bytes, IVdsAsync** out) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryPlexes(IEnumVdsObject** out) noexcept override;
  HRESULT STDMETHODCALLTYPE AddPlex(VDS_OBJECT_ID source, IVdsAsync** out) noexcept override;
  HRESULT STDMETHODCALLTYPE RemovePlex(VDS_OBJECT_ID plex, IVdsAsync** out) noexcept override;
  HRESULT STDMETHODCALLTYPE Recover(IVdsAsync** out) noexcept override;
  HRESULT STDMETHODCALLTYPE SetMask(LPWSTR list) noexcept override;
  HRESULT STDMETHODCALLTYPE Delete() noexcept override;
  HRESULT STDMETHODCALLTYPE AssociateControllers(VDS_OBJECT_ID* active, LONG actives, VDS_OBJECT_ID* inactive,
                                                 LONG inactives) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryHints(VDS_HINTS* out) noexcept override;
  HRESULT STDMETHODCALLTYPE ApplyHints(VDS_HINTS* hints) noexcept override;
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_LUN_STATUS status) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryMaxLunExtendSize(VDS_OBJECT_ID* drives, LONG count, ULONGLONG* out) noexcept override;
};

// --- the program

// Listens where the service told it to, says `ready`, serves until SIGTERM. The service starts the program as it was
// registered, with `--socket PATH` added and VDS_PROVIDER_ID, VDS_PROVIDER_NAME and VDS_PROVIDER_CLSID in its
// environment. `create` makes the provider; what it throws, or a null pointer, ends the program with status 1, the
// reason on standard error, whose last line `vds provider list` shows.
int provider_main(int argc, char** argv, const std::function<ptr<hardware_provider>(const launched&)>& create);

}  // namespace provider
}  // namespace vds

#pragma GCC visibility pop
