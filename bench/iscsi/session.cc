#include "session.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/checksum.h"

namespace vds::bench {
namespace {

using namespace iscsi;

void send_all(int fd, const std::vector<std::byte>& all) {
  for (std::size_t done = 0; done < all.size();) {
    const ssize_t n = ::send(fd, all.data() + done, all.size() - done, MSG_NOSIGNAL);
    if (n <= 0) die("the target closed the connection");
    done += static_cast<std::size_t>(n);
  }
}

void receive_all(int fd, std::byte* into, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::recv(fd, into, size, 0);
    if (n <= 0) die("the target closed the connection");
    into += n;
    size -= static_cast<std::size_t>(n);
  }
}

void send_pdu(const logged_in& s, bhs header, const std::vector<std::byte>& data) {
  header.data_length = static_cast<std::uint32_t>(data.size());
  std::vector<std::byte> all(sizeof header);
  std::memcpy(all.data(), &header, sizeof header);
  const auto add_digest = [&all](std::uint32_t sum) {
    all.resize(all.size() + 4);
    store(all.data() + all.size() - 4, le32(sum));
  };
  if (s.header_digest) add_digest(crc32c({all.data(), sizeof header}));
  if (!data.empty()) {
    const std::size_t at = all.size();
    all.insert(all.end(), data.begin(), data.end());
    all.resize(at + padded(data.size()));
    if (s.data_digest) add_digest(crc32c({all.data() + at, padded(data.size())}));
  }
  send_all(s.fd, all);
}

struct received {
  bhs header;
  std::vector<std::byte> data;
};

received receive_pdu(const logged_in& s) {
  received r;
  receive_all(s.fd, reinterpret_cast<std::byte*>(&r.header), sizeof r.header);
  std::byte digest[4];
  if (s.header_digest) receive_all(s.fd, digest, 4);
  if (r.header.ahs_words != 0) die("the target sent an additional header");
  const std::uint32_t length = r.header.data_length;
  r.data.resize(padded(length));
  receive_all(s.fd, r.data.data(), r.data.size());
  if (s.data_digest && length != 0) receive_all(s.fd, digest, 4);
  r.data.resize(length);
  return r;
}

std::map<std::string, std::string> pairs(const std::vector<std::byte>& data) {
  std::map<std::string, std::string> out;
  const std::string all(reinterpret_cast<const char*>(data.data()), data.size());
  for (std::size_t at = 0; at < all.size();) {
    const std::string one = all.c_str() + at;
    if (const auto eq = one.find('='); eq != std::string::npos) out[one.substr(0, eq)] = one.substr(eq + 1);
    at += one.size() + 1;
  }
  return out;
}

std::vector<std::byte> text(std::initializer_list<std::string> list) {
  std::vector<std::byte> out;
  for (const auto& s : list) {
    const auto* p = reinterpret_cast<const std::byte*>(s.c_str());
    out.insert(out.end(), p, p + s.size() + 1);
  }
  return out;
}

}  // namespace

void die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

logged_in log_in(const login_wishes& w, std::uint32_t index) {
  logged_in s;
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(w.host.c_str(), w.port.c_str(), &hints, &found) != 0) die("no such address: " + w.host);
  s.fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s.fd < 0 || ::connect(s.fd, found->ai_addr, found->ai_addrlen) != 0) die("cannot connect to " + w.host);
  ::freeaddrinfo(found);
  const int on = 1;
  ::setsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

  // Security first, then operational: what every target takes.
  const auto ask = [&](int stage, int next, const std::vector<std::byte>& keys) {
    login_request_pdu p;
    p.flags = static_cast<std::uint8_t>(0x80 | stage << 2 | next);
    p.isid = {0x80,
              0x76,
              0x64,
              static_cast<std::uint8_t>(index >> 16),
              static_cast<std::uint8_t>(index >> 8),
              static_cast<std::uint8_t>(index)};
    p.cmd_sn = s.cmd_sn;
    p.exp_stat_sn = s.exp_stat_sn;
    send_pdu(s, generic(p), keys);
    received r = receive_pdu(s);
    const auto answer = as<login_response_pdu>(r.header);
    if (r.header.op() != opcode::login_response || answer.status != 0)
      die("login refused, status " + std::to_string(answer.status));
    s.exp_stat_sn = answer.stat_sn + 1;
    s.max_cmd_sn = answer.max_cmd_sn;
    return r;
  };
  ask(0, 1, text({"InitiatorName=" + w.initiator, "TargetName=" + w.target, "SessionType=Normal", "AuthMethod=None"}));
  received last = ask(
      1, 3,
      text({std::string("HeaderDigest=") + (w.header_digest ? "CRC32C" : "None"),
            std::string("DataDigest=") + (w.data_digest ? "CRC32C" : "None"), "InitialR2T=No", "ImmediateData=Yes",
            "MaxBurstLength=1048576", "FirstBurstLength=65536", "MaxRecvDataSegmentLength=262144", "MaxConnections=1",
            "MaxOutstandingR2T=1", "ErrorRecoveryLevel=0", "DefaultTime2Wait=0", "DefaultTime2Retain=0"}));
  auto keys = pairs(last.data);
  for (int i = 0; i < 4 && (last.header.flags & 0x83) != 0x83; ++i) {  // the target had something to add first
    last = ask(1, 3, {});
    keys.merge(pairs(last.data));
  }
  if ((last.header.flags & 0x83) != 0x83) die("the login does not end");
  const auto number = [&keys](const char* key, std::uint32_t otherwise) {
    const auto it = keys.find(key);
    return it == keys.end() ? otherwise : static_cast<std::uint32_t>(std::strtoul(it->second.c_str(), nullptr, 0));
  };
  const auto is = [&keys](const char* key, const char* value) {
    const auto it = keys.find(key);
    return it != keys.end() && it->second == value;
  };
  s.max_send_segment = number("MaxRecvDataSegmentLength", 8192);
  s.first_burst = number("FirstBurstLength", 65536);
  s.max_burst = number("MaxBurstLength", 262144);
  s.initial_r2t = !is("InitialR2T", "No");
  s.immediate_data = !is("ImmediateData", "No");
  s.header_digest = is("HeaderDigest", "CRC32C");
  s.data_digest = is("DataDigest", "CRC32C");
  return s;
}

capacity measure(logged_in& s, std::uint32_t lun) {
  const auto run = [&](std::uint8_t code, std::uint32_t in) {
    scsi_command_pdu c;
    c.flags = final_bit | (in != 0 ? scsi_command_pdu::read_bit : 0);
    c.lun = lun_address(lun);
    c.task_tag = 0x7fff0000;
    c.expected_length = in;
    c.cmd_sn = s.cmd_sn++;
    c.exp_stat_sn = s.exp_stat_sn;
    c.cdb[0] = code;
    send_pdu(s, generic(c), {});
    std::vector<std::byte> data;
    for (;;) {
      received r = receive_pdu(s);
      if (r.header.op() == opcode::nop_in) continue;
      s.max_cmd_sn = as<nop_in>(r.header).max_cmd_sn;
      if (r.header.op() == opcode::data_in) {
        data = std::move(r.data);
        if ((r.header.flags & data_in_pdu::status_bit) == 0) continue;
      } else if (r.header.op() != opcode::scsi_response) {
        die("an unexpected PDU");
      }
      s.exp_stat_sn = as<data_in_pdu>(r.header).stat_sn + 1;
      return std::pair{as<scsi_response_pdu>(r.header).status, std::move(data)};
    }
  };
  for (int i = 0; i < 16 && run(0x00, 0).first != 0; ++i) {
  }
  const auto [status, data] = run(0x25, 8);
  if (status != 0 || data.size() < 8) die("LUN " + std::to_string(lun) + " does not tell its capacity");
  return {load<be32>(data.data()), load<be32>(data.data() + 4)};
}

}  // namespace vds::bench
