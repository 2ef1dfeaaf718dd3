// directory_provider: a VDS hardware provider whose drives are directories and whose LUNs are files in them.
//
//   vds provider register shelf /usr/local/bin/directory_provider /srv/a:10G /srv/b:10G
//
// A LUN is DIR/ID.lun, filled with zeroes as ID.part and renamed when it is whole: after a crash it is there or it is
// not. Its id is the id of the operation that made it, so that the directory itself knows what became of the operation.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vdsprovider.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <system_error>

namespace fs = std::filesystem;
namespace sdk = vds::provider;

namespace {

struct folder {
  VDS_OBJECT_ID id;
  fs::path path;
  ULONGLONG size;
  SHORT slot;
};

struct lun_file {
  std::size_t in;  // which folder
  ULONGLONG size;
  bool ready;  // false: being made, its room is taken
};

class shelf;

class file_drive final : public sdk::drive {
 public:
  file_drive(sdk::ptr<shelf> of, std::size_t at) : shelf_(std::move(of)), at_(at) {}
  bool exists() override { return true; }
  void describe(VDS_DRIVE_PROP& out) override;
  sdk::ptr<IVdsSubSystem> of() override;
  std::vector<VDS_DRIVE_EXTENT> extents() override;

 private:
  const sdk::ptr<shelf> shelf_;
  const std::size_t at_;
};

class file_lun final : public sdk::lun {
 public:
  file_lun(sdk::ptr<shelf> of, const VDS_OBJECT_ID& id) : shelf_(std::move(of)), id_(id) {}
  bool exists() override;
  void describe(VDS_LUN_PROP& out) override;
  void identify(VDS_LUN_INFORMATION& out) override;
  sdk::ptr<IVdsSubSystem> of() override;
  HRESULT remove() override;
  HRESULT set_mask(const std::string& list) override;

 private:
  fs::path mask_file();
  const sdk::ptr<shelf> shelf_;
  const VDS_OBJECT_ID id_;
};

// The provider and what it knows: folders, and the files in them.
class shelf final : public sdk::hardware_provider {
 public:
  explicit shelf(const sdk::launched& how) : hardware_provider(how, "1.0") {
    for (const std::string& word : how.arguments) {  // PATH:SIZE, the size in bytes or with M or G
      const auto colon = word.rfind(':');
      char* unit = nullptr;
      const ULONGLONG n = colon == std::string::npos ? 0 : std::strtoull(word.c_str() + colon + 1, &unit, 10);
      const ULONGLONG size = n << (n == 0 ? 0 : *unit == 'G' ? 30 : *unit == 'M' ? 20 : 0);
      if (size == 0) throw std::invalid_argument("'" + word + "' is not PATH:SIZE, like /srv/a:10G");
      fs::create_directories(word.substr(0, colon));
      const fs::path path = fs::canonical(word.substr(0, colon));
      folders.push_back({sdk::name_id(id(), path.string()), path, size, static_cast<SHORT>(folders.size())});
    }
    if (folders.empty()) throw std::invalid_argument("name at least one directory, as PATH:SIZE");
  }

  HRESULT load() override { return rescan(); }
  HRESULT rescan() override {
    const std::lock_guard lock(mutex);
    for (std::size_t at = 0; at < folders.size(); ++at)
      for (const auto& entry : fs::directory_iterator(folders[at].path)) {
        const auto named = sdk::parse_id(entry.path().stem().string());
        if (!named) continue;
        if (entry.path().extension() == ".lun") files.insert({*named, {at, entry.file_size(), true}});
        if (entry.path().extension() == ".part" && files.count(*named) == 0) fs::remove(entry.path());  // undone
      }
    return S_OK;
  }
  sdk::objects subsystems() override;
  sdk::ptr<IUnknown> find(const VDS_OBJECT_ID& wanted, VDS_OBJECT_TYPE type) override;
  std::optional<sdk::outcome> durable_outcome(const VDS_OBJECT_ID& operation) override {
    if (!lun(operation)) return {};
    return sdk::outcome{VDS_ASYNCOUT_CREATELUN, S_OK, operation};
  }
  std::optional<VDS_OBJECT_ID> identify(const VDS_LUN_INFORMATION& shown) override {
    const auto named = sdk::parse_id(shown.m_szSerialNumber == nullptr ? "" : shown.m_szSerialNumber);
    return named && lun(*named) ? named : std::nullopt;
  }

  std::optional<lun_file> lun(const VDS_OBJECT_ID& which) {
    const std::lock_guard lock(mutex);
    const auto at = files.find(which);
    return at == files.end() || !at->second.ready ? std::nullopt : std::optional(at->second);
  }
  ULONGLONG used(std::size_t at) const {  // with the lock held
    ULONGLONG sum = 0;
    for (const auto& [id, file] : files) sum += file.in == at ? file.size : 0;
    return sum;
  }
  fs::path path(const VDS_OBJECT_ID& lun, const lun_file& file, const char* ending) const {
    return folders[file.in].path / (sdk::to_text(lun) + ending);
  }
  void fill(const VDS_OBJECT_ID& id, const lun_file& file, const sdk::async& work);

  std::vector<folder> folders;
  std::mutex mutex;
  std::map<VDS_OBJECT_ID, lun_file, sdk::id_less> files;
};

class rack final : public sdk::subsystem {
 public:
  explicit rack(const sdk::ptr<shelf>& of) : subsystem(of), shelf_(of) {}
  void describe(VDS_SUB_SYSTEM_PROP& out) override {
    out.id = sdk::name_id(shelf_->id(), "subsystem");
    out.pwszFriendlyName = sdk::co_string("directories");
    out.pwszIdentification = sdk::co_string(sdk::to_text(out.id));
    out.ulFlags = VDS_SF_LUN_MASKING_CAPABLE | VDS_SF_DRIVE_EXTENT_CAPABLE | VDS_SF_SUPPORTS_NON_FAULT_TOLERANT_LUNS |
                  VDS_SF_SUPPORTS_SIMPLE_LUNS;
    out.status = VDS_SSS_ONLINE;
    out.health = VDS_H_HEALTHY;
    out.sNumberOfInternalBuses = 1;
    out.sMaxNumberOfSlotsEachBus = static_cast<SHORT>(shelf_->folders.size());
  }
  sdk::objects drives() override {
    sdk::objects out;
    for (std::size_t at = 0; at < shelf_->folders.size(); ++at)
      out.push_back(sdk::unknown(sdk::make<file_drive>(shelf_, at)));
    return out;
  }
  sdk::objects luns() override {
    sdk::objects out;
    const std::lock_guard lock(shelf_->mutex);
    for (const auto& [id, file] : shelf_->files)
      if (file.ready) out.push_back(sdk::unknown(sdk::make<file_lun>(shelf_, id)));
    return out;
  }
  HRESULT max_lun_size(const sdk::lun_wish& wish, ULONGLONG& out) override {
    const std::lock_guard lock(shelf_->mutex);
    return roomiest(wish, out) ? S_OK : VDS_E_OBJECT_NOT_FOUND;
  }
  HRESULT create_lun(const sdk::lun_wish& wish, const sdk::async& work) override {
    if (wish.type != VDS_LT_SIMPLE && wish.type != VDS_LT_DEFAULT && wish.type != VDS_LT_NON_FAULT_TOLERANT)
      return VDS_E_NOT_SUPPORTED;
    const std::lock_guard lock(shelf_->mutex);
    ULONGLONG room = 0;
    const auto in = roomiest(wish, room);
    if (!in) return VDS_E_OBJECT_NOT_FOUND;
    if (room < wish.size) return VDS_E_NOT_ENOUGH_SPACE;
    VDS_OBJECT_ID id = sdk::hardware_provider::operation_id();
    if (sdk::is_nil(id)) id = sdk::new_id();
    const lun_file file{*in, wish.size, false};
    if (!wish.unmasking_list.empty()) std::ofstream(shelf_->path(id, file, ".mask")) << wish.unmasking_list;
    shelf_->files[id] = file;
    work.allow_cancel();
    shelf_->start_work([s = shelf_, id, file, work] { s->fill(id, file, work); });
    return S_OK;
  }

 private:
  // The folder of those named (or of all) with most room; with the lock held.
  std::optional<std::size_t> roomiest(const sdk::lun_wish& wish, ULONGLONG& room) {
    const auto named = [&](const VDS_OBJECT_ID& id) {
      return std::count_if(wish.drives.begin(), wish.drives.end(), [&](const auto& d) { return d == id; }) != 0;
    };
    std::optional<std::size_t> best;
    std::size_t found = 0;
    for (std::size_t at = 0; at < shelf_->folders.size(); ++at) {
      if (!wish.drives.empty() && !named(shelf_->folders[at].id)) continue;
      ++found;
      const ULONGLONG used = shelf_->used(at), size = shelf_->folders[at].size, left = size > used ? size - used : 0;
      if (!best || left > room) best = at, room = left;
    }
    return found < wish.drives.size() ? std::nullopt : best;
  }
  const sdk::ptr<shelf> shelf_;
};

// On a thread of the library's: the work of CreateLun.
void shelf::fill(const VDS_OBJECT_ID& id, const lun_file& file, const sdk::async& work) {
  const fs::path part = path(id, file, ".part");
  const int fd = ::open(part.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  HRESULT hr = fd < 0 ? VDS_E_IO_ERROR : S_OK;
  const std::vector<char> zeroes(1 << 20);
  for (ULONGLONG done = 0; SUCCEEDED(hr) && done < file.size;) {
    if (work.cancel_requested()) hr = VDS_E_OPERATION_CANCELED;
    const auto n = static_cast<std::size_t>(std::min<ULONGLONG>(zeroes.size(), file.size - done));
    if (SUCCEEDED(hr) && ::write(fd, zeroes.data(), n) != static_cast<ssize_t>(n)) hr = VDS_E_NOT_ENOUGH_SPACE;
    done += n;
    work.progress(static_cast<ULONG>(done * 100 / file.size));
    work.phase("filling with zeroes", done, file.size);
  }
  if (SUCCEEDED(hr) && ::fsync(fd) != 0) hr = VDS_E_IO_ERROR;
  if (fd >= 0) ::close(fd);
  if (SUCCEEDED(hr) && !work.forbid_cancel()) hr = VDS_E_OPERATION_CANCELED;
  if (SUCCEEDED(hr) && ::rename(part.c_str(), path(id, file, ".lun").c_str()) != 0) hr = VDS_E_IO_ERROR;
  if (FAILED(hr)) {
    ::unlink(part.c_str());
    ::unlink(path(id, file, ".mask").c_str());
  }
  {
    const std::lock_guard lock(mutex);
    if (FAILED(hr))
      files.erase(id);
    else
      files[id].ready = true;
  }
  if (FAILED(hr)) return void(work.finish(hr));
  work.finish_with(sdk::make<file_lun>(sdk::ptr<shelf>(this), id)->identity(), id);
  notify({{VDS_NF_LUN_ARRIVE, id}, {VDS_NF_DRIVE_MODIFY, folders[file.in].id}});
}

sdk::objects shelf::subsystems() { return {sdk::unknown(sdk::make<rack>(sdk::ptr<shelf>(this)))}; }

sdk::ptr<IUnknown> shelf::find(const VDS_OBJECT_ID& wanted, VDS_OBJECT_TYPE type) {
  const sdk::ptr<shelf> self(this);
  if (type == VDS_OT_SUB_SYSTEM && wanted == sdk::name_id(id(), "subsystem")) return subsystems()[0];
  if (type == VDS_OT_LUN && lun(wanted)) return sdk::unknown(sdk::make<file_lun>(self, wanted));
  for (std::size_t at = 0; type == VDS_OT_DRIVE && at < folders.size(); ++at)
    if (folders[at].id == wanted) return sdk::unknown(sdk::make<file_drive>(self, at));
  return {};
}

void file_drive::describe(VDS_DRIVE_PROP& out) {
  const folder& f = shelf_->folders[at_];
  const std::lock_guard lock(shelf_->mutex);
  out.id = f.id;
  out.ullSize = f.size;
  out.pwszFriendlyName = sdk::co_string(f.path.filename().string());
  out.pwszIdentification = sdk::co_string(f.path.string());
  out.ulFlags = shelf_->used(at_) == 0 ? VDS_DRF_UNASSIGNED : VDS_DRF_ASSIGNED;
  out.status = VDS_DRS_ONLINE;
  out.health = VDS_H_HEALTHY;
  out.sSlotNumber = f.slot;
}
sdk::ptr<IVdsSubSystem> file_drive::of() { return sdk::make<rack>(shelf_); }
std::vector<VDS_DRIVE_EXTENT> file_drive::extents() {
  const folder& f = shelf_->folders[at_];
  const std::lock_guard lock(shelf_->mutex);
  std::vector<VDS_DRIVE_EXTENT> out;
  for (const auto& [id, file] : shelf_->files)
    if (file.in == at_) out.push_back({f.id, id, file.size, TRUE});
  if (const ULONGLONG used = shelf_->used(at_); used < f.size) out.push_back({f.id, {}, f.size - used, FALSE});
  return out;
}

bool file_lun::exists() { return shelf_->lun(id_).has_value(); }
fs::path file_lun::mask_file() {
  const auto file = shelf_->lun(id_);
  if (!file) throw sdk::error{VDS_E_OBJECT_DELETED};
  return shelf_->path(id_, *file, ".mask");
}
void file_lun::describe(VDS_LUN_PROP& out) {
  const auto file = shelf_->lun(id_);
  if (!file) throw sdk::error{VDS_E_OBJECT_DELETED};  // since exists() was asked
  std::string mask;
  std::getline(std::ifstream(mask_file()), mask);
  out.id = id_;
  out.ullSize = file->size;
  out.pwszFriendlyName = sdk::co_string("file " + sdk::to_text(id_).substr(0, 8));
  out.pwszIdentification = sdk::co_string(sdk::to_text(id_));
  out.pwszUnmaskingList = sdk::co_string(mask);
  out.type = VDS_LT_SIMPLE;
  out.status = VDS_LS_ONLINE;
  out.health = VDS_H_HEALTHY;
  out.TransitionState = VDS_TS_STABLE;
}
void file_lun::identify(VDS_LUN_INFORMATION& out) {
  out.m_BusType = VDSBusTypeFileBackedVirtual;
  out.m_szVendorId = sdk::co_ansi("EXAMPLE");
  out.m_szProductId = sdk::co_ansi("DIRECTORY");
  out.m_szSerialNumber = sdk::co_ansi(sdk::to_text(id_));
}
sdk::ptr<IVdsSubSystem> file_lun::of() { return sdk::make<rack>(shelf_); }
HRESULT file_lun::remove() {
  const fs::path mask = mask_file();
  lun_file was;
  {
    const std::lock_guard lock(shelf_->mutex);
    const auto at = shelf_->files.find(id_);
    if (at == shelf_->files.end()) return VDS_E_OBJECT_DELETED;  // somebody else was faster
    was = at->second;
    fs::remove(shelf_->path(id_, was, ".lun"));
    fs::remove(mask);
    shelf_->files.erase(at);
  }
  shelf_->notify({{VDS_NF_LUN_DEPART, id_}, {VDS_NF_DRIVE_MODIFY, shelf_->folders[was.in].id}});
  return S_OK;
}
HRESULT file_lun::set_mask(const std::string& list) {
  if (!(std::ofstream(mask_file()) << list << std::flush)) return VDS_E_IO_ERROR;
  shelf_->notify({{VDS_NF_LUN_MODIFY, id_}});
  return S_OK;
}

}  // namespace

int main(int argc, char** argv) {
  return sdk::provider_main(argc, argv, [](const sdk::launched& how) { return sdk::make<shelf>(how); });
}
