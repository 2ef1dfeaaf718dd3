#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace vds {

void assertion_failed(const char* expression, std::source_location where) noexcept {
  std::fprintf(stderr, "%s:%u: %s: always(%s) does not hold\n", where.file_name(), where.line(), where.function_name(),
               expression);
  std::abort();
}

}  // namespace vds
