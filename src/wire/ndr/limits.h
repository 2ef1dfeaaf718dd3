// limits.h: what a peer may make us spend on one call. Every number a peer sends is held against one of these, or
// against the bytes that are really there, before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vds::wire::ndr {

inline constexpr std::size_t max_call_bytes = 4 << 20;          // stub data of a call, after reassembly
inline constexpr std::size_t max_memory_bytes = 16 << 20;       // what one call's values may take in memory
inline constexpr std::uint32_t max_referents = 1 << 18;         // non-null pointers in one call
inline constexpr unsigned max_depth = 32;                       // pointers within pointers
inline constexpr std::size_t max_caller_array_bytes = 4 << 20;  // [out] arrays whose size the caller names

}  // namespace vds::wire::ndr
