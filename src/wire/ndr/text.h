// text.h: strings on the wire. wchar_t holds one code point here and UTF-16 travels, so surrogates are made and undone
// at this border; what is not a code point, or a surrogate without its half, is refused on both sides.
// Wire form of [string]: maximum count, offset 0, actual count, units, the last one NUL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/ndr/decoder.h"
#include "wire/ndr/encoder.h"
#include "wire/ndr/memory.h"

namespace vds::wire::ndr {

// maximum: the conformance to send and the most to accept; 0 when the IDL sets none.
void encode_string(encoder& to, const wchar_t* text, std::uint32_t maximum = 0);
wchar_t* decode_string(decoder& from, memory& mem, std::uint32_t maximum = 0);
void encode_string(encoder& to, const char* text);
char* decode_narrow_string(decoder& from, memory& mem);

// A wchar_t array in place: `room` units on the wire.
void encode_text(encoder& to, std::span<const wchar_t> text);
void decode_text(decoder& from, std::span<wchar_t> text);

void encode_wchar(encoder& to, wchar_t c);
wchar_t decode_wchar(decoder& from);

}  // namespace vds::wire::ndr
