#include "iscsi/scsi/sense.h"

#include "base/endian.h"

namespace vds::iscsi {
namespace {

void put_field(std::byte* at, const field_pointer& field) {
  at[0] = std::byte{0x80} | (field.in_cdb ? std::byte{0x40} : std::byte{0});
  if (field.bit >= 0) at[0] |= std::byte{0x08} | static_cast<std::byte>(field.bit & 7);
  store(at + 1, be16(field.byte));
}

void put_progress(std::byte* at, std::uint16_t progress) {
  at[0] = std::byte{0x80};
  store(at + 1, be16(progress));
}

std::vector<std::byte> encode_fixed(const sense& s) {
  std::vector<std::byte> out(fixed_sense_size);
  out[0] = std::byte{0x70};
  out[2] = static_cast<std::byte>(s.key);
  if (s.information && *s.information <= 0xffffffff) {
    out[0] |= std::byte{0x80};  // VALID
    store(&out[3], be32(static_cast<std::uint32_t>(*s.information)));
  }
  out[7] = static_cast<std::byte>(fixed_sense_size - 8);
  store(&out[12], be16(s.code));
  if (s.field) put_field(&out[15], *s.field);
  if (s.progress) put_progress(&out[15], *s.progress);
  return out;
}

std::vector<std::byte> encode_descriptors(const sense& s) {
  std::vector<std::byte> out(8);
  out[0] = std::byte{0x72};
  out[1] = static_cast<std::byte>(s.key);
  store(&out[2], be16(s.code));
  if (s.information) {
    const std::size_t at = out.size();
    out.resize(at + 12);
    out[at + 1] = std::byte{10};
    out[at + 2] = std::byte{0x80};
    store(&out[at + 4], be64(*s.information));
  }
  if (s.field || s.progress) {
    const std::size_t at = out.size();
    out.resize(at + 8);
    out[at] = std::byte{2};
    out[at + 1] = std::byte{6};
    if (s.field) put_field(&out[at + 4], *s.field);
    if (s.progress) put_progress(&out[at + 4], *s.progress);
  }
  out[7] = static_cast<std::byte>(out.size() - 8);
  return out;
}

}  // namespace

std::vector<std::byte> encode(const sense& s, bool descriptor_format) {
  return descriptor_format ? encode_descriptors(s) : encode_fixed(s);
}

sense sense_from(const failure& f, bool writing) {
  switch (f.code()) {
    case errc::io_error:
    case errc::medium_error:
    case errc::bad_checksum:
      return {sense_key::medium_error, writing ? senses::write_error : senses::unrecovered_read, {}, {}};
    case errc::out_of_range:
      return illegal(senses::lba_out_of_range);
    case errc::no_space:
      return {sense_key::data_protect, senses::space_allocation, {}, {}};
    case errc::unavailable:
      return {sense_key::not_ready, senses::manual_intervention, {}, {}};
    case errc::denied:
      return {sense_key::data_protect, senses::write_protected, {}, {}};
    case errc::cancelled:
    case errc::closing:
      return {sense_key::aborted_command, 0, {}, {}};
    default:
      return {sense_key::hardware_error, senses::internal_failure, {}, {}};
  }
}

}  // namespace vds::iscsi
