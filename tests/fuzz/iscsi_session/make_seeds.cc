// make_session_seeds: writes the corpus of iscsi_session_fuzz anew: make_session_seeds tests/fuzz/iscsi_session/corpus
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "program.h"

namespace {

using namespace vds::iscsi::fuzz;
using enum action;

std::string folder;

void save(const char* name, const program_writer& p) {
  std::ofstream(folder + "/" + name, std::ios::binary)
      .write(reinterpret_cast<const char*>(p.bytes().data()), static_cast<std::streamsize>(p.bytes().size()));
}

std::string text_of(std::initializer_list<std::string_view> pairs) {
  std::string out;
  for (const auto p : pairs) out.append(p).append(1, '\0');
  return out;
}

std::string cdb_of(std::initializer_list<int> bytes) {
  std::string out;
  for (const int b : bytes) out += static_cast<char>(b);
  out.resize(16);
  return out;
}

constexpr std::uint8_t small = 1 | 2 << 2 | 3 << 4;    // bursts of 512 and 4096, segments of 8192
constexpr std::uint8_t smaller = 2 | 2 << 2 | 1 << 4;  // 2048, 4096, 512
constexpr step ready{.what = cdb};

void good_sessions() {
  // Each way for data to go, on each combination of the keys.
  for (int keys = 0; keys < 4; ++keys) {
    program_writer p({.header_digest = keys == 1,
                      .data_digest = keys == 2,
                      .initial_r2t = (keys & 1) != 0,
                      .immediate_data = (keys & 2) == 0,
                      .sizes = keys == 3 ? smaller : small});
    for (std::uint8_t how = 0; how < 4; ++how) {
      p.add({.what = write, .a = 8, .b = 20, .c = static_cast<std::uint8_t>(how << 2)});
      p.add({.what = action::data, .b = 1}).add({.what = action::data, .b = 7}).add({.what = action::data, .b = 7});
      p.add({.what = read, .a = 8, .b = 20});
    }
    p.add({.what = write, .a = 1, .b = 64 | 3, .c = 1}).add({.what = write, .a = 1, .b = 192 | 2, .c = 1});
    p.add({.what = ping, .a = 40}).add({.what = text}, text_of({"SendTargets=All"})).add({.what = logout});
    save(("data" + std::to_string(keys)).c_str(), p);
  }
  program_writer chap({.chap = true, .header_digest = true, .data_digest = true});
  chap.add(ready, cdb_of({0})).add({.what = write, .a = 3, .b = 2}).add({.what = read, .a = 3, .b = 2});
  chap.add({.what = connect, .a = 1, .b = wrong_secret}).add({.what = connect, .a = 1, .b = own_isid});
  chap.add({.what = write, .a = 3, .b = 2}).add({.what = turn_to}).add({.what = read, .a = 3, .b = 2});
  save("chap", chap);
  program_writer found({});
  found.add({.what = connect, .a = 1, .b = discovery})
      .add({.what = text, .c = text_final}, text_of({"SendTargets=All"}));
  found.add({.what = write, .b = 1}).add({.what = other, .a = 0x10}).add({.what = logout});
  save("discovery", found);
  program_writer said({.sizes = small});
  said.add({.what = text, .c = text_continue}, "SendTar")
      .add({.what = text, .c = text_goes_on | text_final}, text_of({"gets=All"}));
  said.add({.what = text, .c = text_final}, text_of({"MaxRecvDataSegmentLength=512", "X-y=z", "InitiatorAlias=a"}));
  said.add({.what = text, .c = text_final}, text_of({"SendTargets=All"}))
      .add({.what = text, .c = text_goes_on | text_final});
  said.add({.what = text, .c = text_final | text_continue}, "a=b").add({.what = read, .b = 30});
  save("text", said);
}

void management() {
  for (std::uint8_t function = 1; function <= 9; ++function) {
    program_writer p({.sizes = small, .order = function});
    p.add({.what = connect, .a = 1, .b = own_isid}).add({.what = write, .a = 4, .b = 16}).add({.what = turn_to});
    p.add(ready, cdb_of({0})).add({.what = device, .a = stall_writes});
    p.add({.what = write, .a = 4, .b = 1}).add({.what = write, .a = 4, .b = 16, .c = 3 << 2});
    p.add({.what = read, .a = 4, .b = 4, .c = 2 << 5}).add({.what = write, .a = 9, .b = 1, .c = immediate_command});
    p.add({.what = manage, .a = function, .b = 2}).add({.what = action::data, .b = 3});
    p.add({.what = manage, .a = function, .b = 4, .c = 1}).add({.what = device, .a = let_go});
    p.add({.what = read, .a = 4, .b = 4});
    save(("manage" + std::to_string(function)).c_str(), p);
  }
  program_writer halfway({.sizes = 0});  // a reset by another while the target is receiving our data
  halfway.add(ready, cdb_of({0})).add({.what = write, .a = 2, .b = 4, .c = 3 << 2});
  halfway.add({.what = action::data, .c = one_piece, .how = wrong::cut, .at = 1, .value = 200})
      .add({.what = connect, .a = 1, .b = own_isid});
  halfway.add({.what = manage, .a = 5}).add({.what = turn_to}).add({.what = raw}, std::string(104, 'x'));
  halfway.add({.what = ping}).add({.what = write, .a = 2, .b = 4});
  save("halfway", halfway);
  program_writer again({.initial_r2t = true, .sizes = small});
  again.add(ready, cdb_of({0})).add({.what = device, .a = stall_all}).add({.what = write, .b = 1});
  again.add({.what = write, .a = 1, .b = 9, .c = 3 << 2})
      .add({.what = connect, .a = 1})
      .add({.what = device, .a = let_go});
  again.add({.what = write, .b = 2}).add({.what = connect, .a = 2, .b = other_name}).add({.what = read, .b = 2});
  save("reinstated", again);
  program_writer masked({.sizes = small});
  masked.add({.what = write, .b = 8, .c = 1 | 3 << 2}).add({.what = device, .a = stall_writes});
  masked.add({.what = write, .a = 20, .b = 1, .c = 1})
      .add({.what = admin, .a = mask})
      .add({.what = action::data, .b = 1});
  masked.add({.what = device, .a = let_go}).add({.what = read, .b = 1, .c = 1}).add({.what = admin, .a = unmask});
  masked.add({.what = read, .b = 1, .c = 1}).add({.what = admin, .a = unpublish}).add({.what = write, .b = 1, .c = 1});
  masked.add({.what = admin, .a = publish}).add({.what = admin, .a = grow}).add({.what = read, .b = 1, .c = 1});
  masked.add({.what = read, .b = 1, .c = 2}).add({.what = write, .b = 1, .c = 2}).add({.what = write, .b = 9, .c = 3});
  save("masked", masked);
}

// The target goes: who logs out, who does not, who cannot be asked, and who hears nothing.
void asked_to_leave() {
  const auto begin = [](program_writer& p) {
    p.add(ready, cdb_of({0})).add({.what = device, .a = stall_writes}).add({.what = write, .a = 4, .b = 8});
    p.add({.what = admin, .a = retire}).add({.what = read, .a = 1, .b = 4});
  };
  program_writer polite({.header_digest = true, .data_digest = true, .sizes = small});
  begin(polite);
  polite.add({.what = write, .a = 9, .b = 16, .c = 3 << 2}).add({.what = action::data, .b = 3}).add({.what = ping});
  polite.add({.what = device, .a = let_go}).add({.what = logout}).add({.what = close});
  polite.add({.what = connect, .a = 1}).add({.what = write, .b = 2}).add({.what = read, .b = 2});
  save("asked_and_leaves", polite);
  program_writer deaf({.sizes = small});
  begin(deaf);
  deaf.add({.what = connect, .a = 1, .b = own_isid})
      .add({.what = connect, .a = 2, .b = no_login})
      .add({.what = turn_to});
  deaf.add({.what = time, .a = 12}).add({.what = device, .a = let_go}).add({.what = time, .a = 6});
  deaf.add({.what = connect, .a = 1, .b = own_isid}).add({.what = read, .b = 2});
  save("asked_and_stays", deaf);
  program_writer silent({.sizes = small});
  silent.add({.what = reading}).add({.what = read, .b = 63}).add({.what = read, .b = 63});
  for (int i = 0; i < 12; ++i) silent.add({.what = read, .a = 1, .b = 60});
  silent.add({.what = connect, .a = 1, .b = discovery}).add({.what = admin, .a = retire}).add({.what = time, .a = 15});
  silent.add({.what = turn_to})
      .add({.what = reading, .a = 1})
      .add({.what = time, .a = 4})
      .add({.what = logout, .a = 2});
  save("asked_and_does_not_read", silent);
}

void wrong_sessions() {
  struct {
    const char* name;
    step on_command, on_data;
  } const rows[] = {
      {"lengths", {.how = wrong::length_lie, .at = 1}, {.how = wrong::length_lie, .value = 3}},
      {"cut", {.how = wrong::cut, .value = 40}, {.how = wrong::cut, .value = 200}},
      {"dropped", {.how = wrong::dropped}, {.how = wrong::dropped}},
      {"repeated", {.how = wrong::repeated}, {.how = wrong::repeated}},
      {"swapped", {.how = wrong::swapped}, {.how = wrong::swapped}},
      {"ahs", {.how = wrong::ahs, .at = 2, .value = 2, .more = 5}, {.how = wrong::ahs, .at = 1, .value = 1, .more = 9}},
      {"numbers", {.how = wrong::command_sn, .value = 255}, {.how = wrong::offset, .at = 1, .value = 2}},
      {"tags", {.how = wrong::task_tag, .at = 0}, {.how = wrong::transfer_tag, .value = 1}},
      {"digests", {.how = wrong::damaged, .value = 100}, {.how = wrong::damaged, .value = 60}},
      {"longer", {.how = wrong::length, .at = 2}, {.how = wrong::length, .at = 3, .value = 1}},
      {"flags", {.how = wrong::flip, .at = 1, .value = 0x80}, {.how = wrong::set_byte, .at = 0, .value = 0x10}},
  };
  const auto as = [](step what, const step& w) {
    what.how = w.how, what.at = w.at, what.value = w.value, what.more = w.more;
    return what;
  };
  for (const auto& r : rows) {
    program_writer p({.header_digest = std::string_view(r.name) == "digests", .data_digest = true, .sizes = small});
    p.add(ready, cdb_of({0})).add(as({.what = write, .a = 2, .b = 8}, r.on_command)).add({.what = resync});
    p.add({.what = write, .a = 2, .b = 16, .c = 3 << 2})
        .add(as({.what = action::data, .b = 1, .c = one_piece}, r.on_data));
    p.add({.what = action::data, .b = 1}).add({.what = write, .a = 2, .b = 8, .c = 1 << 2 | data_later});
    p.add(as({.what = action::data, .b = 0}, r.on_data)).add({.what = resync}).add({.what = read, .a = 2, .b = 8});
    save(r.name, p);
  }
  program_writer silent({.sizes = small});
  silent.add({.what = reading}).add({.what = read, .b = 63}).add({.what = read, .b = 63});
  for (int i = 0; i < 12; ++i) silent.add({.what = read, .a = 1, .b = 60});
  silent.add({.what = time, .a = 120})
      .add({.what = reading, .a = 1})
      .add({.what = ping, .b = 2})
      .add({.what = time, .a = 240});
  save("does_not_read", silent);
  program_writer together({.immediate_data = false, .sizes = small, .order = 7});
  together.add(ready, cdb_of({0})).add({.what = cork, .a = 1});
  for (std::uint8_t i = 0; i < 6; ++i) together.add({.what = write, .a = i, .b = 3, .c = 2 << 2});
  together.add({.what = read, .b = 8}).add({.what = ping, .a = 3}).add({.what = cork}).add({.what = close});
  save("together", together);
  program_writer failing({});
  failing.add(ready, cdb_of({0})).add({.what = device, .a = fail_writes}).add({.what = write, .b = 64 | 4});
  failing.add({.what = cdb, .b = 2}, cdb_of({0x35}))
      .add({.what = device, .a = fail_nothing})
      .add({.what = write, .b = 4});
  save("failing", failing);
  program_writer lists({.sizes = small});
  lists.add(ready, cdb_of({0})).add({.what = cdb, .b = 64, .c = cdb_reads}, cdb_of({0xa0, 0, 0, 0, 0, 0, 0, 0, 4}));
  lists.add({.what = cdb, .a = 24, .c = cdb_writes}, cdb_of({0x5f, 6, 0, 0, 0, 0, 0, 0, 24}));
  lists.add({.what = cdb, .a = 24, .c = cdb_writes}, cdb_of({0x5f, 1, 3, 0, 0, 0, 0, 0, 24}));
  lists.add({.what = cdb, .a = 16, .c = cdb_writes}, cdb_of({0x15, 0x10, 0, 0, 16}));
  lists.add({.what = cdb, .a = 32, .c = cdb_writes}, cdb_of({0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}));
  lists.add({.what = cdb, .b = 32, .c = cdb_reads | 2}, cdb_of({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}));
  lists.add({.what = cdb, .c = 0}, cdb_of({0x16}))
      .add({.what = connect, .a = 1, .b = other_name})
      .add({.what = write, .b = 1});
  save("lists", lists);
  program_writer nobody({});
  nobody.add({.what = connect, .a = 1, .b = no_login})
      .add({.what = write, .b = 1})
      .add({.what = connect, .a = 2, .b = no_login});
  nobody.add({.what = raw}, std::string("\x43\x87", 2))
      .add({.what = time, .a = 80})
      .add({.what = turn_to})
      .add({.what = read, .b = 1});
  save("nobody", nobody);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_session_seeds tests/fuzz/iscsi_session/corpus\n");
    return 2;
  }
  folder = argv[1];
  std::filesystem::create_directories(folder);
  good_sessions();
  management();
  asked_to_leave();
  wrong_sessions();
}
