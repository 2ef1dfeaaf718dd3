// report.h: what was found out about each method: a row for every one of methods.h, filled by the checks. One thread.
//
// A row ends as one of: supported; refused, with a code that the interface documents for it; not offered (the object
// has not got the interface); not tried, with the reason; or WRONG, with every reason. Nothing is forgiven later: a row
// that was wrong once stays so.
#pragma once

#include <initializer_list>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "com/com.h"

namespace vds::check {

enum class verdict : unsigned char { untouched, supported, refused, absent, untried, wrong };
std::string_view name_of(verdict v) noexcept;

struct row {
  verdict found = verdict::untouched;
  HRESULT code = S_OK;              // what it refused with
  std::vector<std::string> wrongs;  // why it is wrong
  // Documented errors that were provoked: the code, and by what.
  std::vector<std::pair<HRESULT, std::string>> provoked;
  bool null_tried = false, gone_tried = false;  // null and garbage arguments; a deleted object
  bool null_refused = false;                    // answered with VDS_E_NOT_SUPPORTED: right if that is all it ever says
  std::set<std::string> events;
  std::string async;  // what its async object hands out
  std::string note;   // why it was not tried
};

class report {
 public:
  report();

  // The method was called as it may be. Success is support, VDS_E_NOT_SUPPORTED and what `allowed` names a refusal, all
  // else wrong. Returns whether it succeeded.
  bool works(std::string_view method, HRESULT hr, std::initializer_list<HRESULT> allowed = {});
  // What has to hold after that.
  bool must(std::string_view method, bool holds, const std::string& otherwise);
  // Called as it may not be: has to answer one of `codes`. A method that is refused altogether may say so instead.
  void provokes(std::string_view method, HRESULT hr, std::initializer_list<HRESULT> codes, std::string_view by);
  void nulls(std::string_view method, HRESULT hr);  // E_INVALIDARG for a null or nonsensical argument
  void gone(std::string_view method, HRESULT hr);   // VDS_E_OBJECT_DELETED from a deleted object
  void event(std::string_view method, std::string_view which);
  void async(std::string_view method, std::string_view output);
  void untried(std::string_view method, std::string_view why);
  void absent(std::string_view interface, std::string_view why);  // every untouched method of it
  void wrong(std::string_view method, std::string why);
  // After the last check.
  void close();
  // Something about the provider as a whole: "it died".
  void broken(std::string why) { broken_.push_back(std::move(why)); }

  bool passed() const;
  void print(std::ostream& out, bool all) const;
  void print_json(std::ostream& out, const std::string& name) const;

 private:
  row& of(std::string_view method);

  std::map<std::string, row, std::less<>> rows_;
  std::vector<std::string> broken_;
};

}  // namespace vds::check
