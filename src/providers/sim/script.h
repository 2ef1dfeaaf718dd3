// script.h: what the sim provider does when it is not honest. A text, one directive a line, '#' starts a comment:
//
//   on METHOD hang [MS]          the call does not answer (for MS milliseconds; without: never)
//   on METHOD crash              the process dies inside the call
//   on METHOD return HRESULT     answers this (0x80004005, or a plain 0) and touches no out parameter
//   async KIND                   what CreateLun's async object is: see async_lie
//   enum KIND                    what enumerations do: see enum_lie
//   create_ms N                  how long an honest CreateLun takes (default 20)
//   crash_after_ms N             the process dies, between calls, N ms after OnLoad
//   name_length N                friendly names have N characters
//   drives N, luns N             what the array begins with (defaults 4 and 0); luns are simple ones of 1 MiB
//   drive_bytes N                size of each drive (default 1 TiB)
//
// METHOD is the interface's and the method's name, IVdsSubSystem::CreateLun, or only the latter; `start` stands for the
// start of the process, before it is ready. A value type.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vds::sim {

enum class async_lie : std::uint8_t {
  honest,
  wrong_type,          // ends well, with the output of another method
  null_object,         // ends well, with the right type and no object
  garbage,             // ends with a failure code that nobody defined
  garbage_success,     // ends with a success code that nobody defined, and no object
  failed_with_object,  // ends with a failure and hands out an object all the same
  wait_fails,          // Wait itself fails
  backwards,           // honest in the end; percent goes 90, 40, 4000, 10 meanwhile
  never,               // never ends; who waits is kept by a continuation
  never_blocking,      // never ends, and each Wait holds the thread it came on
};

enum class enum_lie : std::uint8_t {
  honest,
  endless,   // always one more
  nulls,     // S_OK, and the pointers are null
  too_many,  // says it returned more than was asked for
  stuck,     // S_OK and nothing returned
};

enum class action_kind : std::uint8_t { hang, crash, answer };

struct action {
  std::string method;
  action_kind kind;
  std::optional<std::chrono::milliseconds> hang_for;  // none: for ever
  std::int32_t answer = 0;
};

struct script {
  std::vector<action> actions;
  async_lie async = async_lie::honest;
  enum_lie enumeration = enum_lie::honest;
  std::chrono::milliseconds create{20};
  std::optional<std::chrono::milliseconds> crash_after;
  std::size_t name_length = 0;  // 0: as they are
  unsigned drives = 4;
  unsigned luns = 0;
  std::uint64_t drive_bytes = std::uint64_t{1} << 40;

  // The first action whose method is this one; null: none. `method` is the full name.
  const action* on(std::string_view method) const noexcept;
};

result<script> parse_script(std::string_view text);

}  // namespace vds::sim
