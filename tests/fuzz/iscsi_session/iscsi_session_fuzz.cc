// A whole target, and initiators that log in and then follow a program (program.h): commands, data, task management,
// and what goes wrong with each of their PDUs. Whatever they do:
// - the target does not crash, always comes to rest, and holds a bounded amount of memory;
// - what it says is right: digests, StatSN, the window, lengths, no answer to what was not asked (peer.cc);
// - an initiator that did nothing wrong has all of its commands answered;
// - when they have gone nothing is left of them, and the next initiator logs in and reads what it wrote.
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/log.h"
#include "stage.h"

using namespace vds;
using namespace vds::iscsi::fuzz;

namespace {

constexpr int max_steps = 64;

class play {
 public:
  play(stage& s, const agreement& terms) : stage_(s), terms_(terms) { connect(0, 0); }

  void take(const step& s) {
    perform(s);
    settle(stage_.ex);
    for (auto& p : peers_)
      if (p) p->hear();
    stage_.within_bounds();
  }

  // Commands of those who did nothing wrong are answered; then all go.
  void end() {
    stage_.let_everything_go();
    for (auto& p : peers_) {
      if (!p) continue;
      p->take_answers(true);
      p->cork(false);
    }
    settle(stage_.ex);
    for (auto& p : peers_) {
      if (!p) continue;
      p->hear();
      // Not even data that never came holds up a ping or an abort. A logout may come first.
      if (p->honest() && !p->has_left() && p->open_requests() != 0 && !p->lost())
        broken("a ping or a task management function was never answered");
    }
    // Whose data is owed may hold up the others': all of it comes first.
    for (int rounds = 0; rounds < 3; ++rounds)
      for (auto& p : peers_)
        if (p && !p->gone()) p->feed_everything();
    for (auto& p : peers_) {
      if (!p) continue;
      if (p->faithful() && !ended_by_others_ && !p->lost() && p->open_commands() != 0)
        broken("a command was never answered");
    }
    for (auto& p : peers_) p.reset();
  }

 private:
  static constexpr identity who(std::uint8_t how) {
    identity w;
    if ((how & own_isid) != 0) w.isid = 2;
    if ((how & other_name) != 0) w.initiator = "iqn.2026-01.t:j";
    if ((how & wrong_secret) != 0) w.secret = "a secret of nobody";
    w.discovery = (how & discovery) != 0;
    return w;
  }

  void connect(std::uint8_t slot, std::uint8_t how) {
    now_ = slot % peers_.size();
    peers_[now_].reset();
    peers_[now_] = stage_.connect(terms_);
    settle(stage_.ex);
    if ((how & no_login) == 0) (void)peers_[now_]->log_in(who(how));
  }

  void perform(const step& s) {
    switch (s.what) {
      case action::device:
        return stage_.device(s.a);
      case action::time:
        return stage_.ex.advance(250ms * s.a);
      case action::admin:
        return stage_.admin(s.a);
      case action::connect:
        return connect(s.a, s.b);
      case action::turn_to:
        now_ = s.a % peers_.size();
        return;
      default:
        break;
    }
    peer* p = peers_[now_].get();
    if (p == nullptr || p->gone()) return;
    switch (s.what) {
      case action::write:
        return p->write(s);
      case action::read:
        return p->read(s);
      case action::data:
        return p->data(s);
      case action::manage:
        ended_by_others_ = true;  // a reset ends the commands of all
        return p->manage(s);
      case action::ping:
        return p->ping(s);
      case action::text:
        return p->text(s);
      case action::logout:
        return p->logout(s);
      case action::cdb:
        ended_by_others_ = true;  // PREEMPT AND ABORT and CLEAR, too
        return p->cdb(s);
      case action::raw:
        return p->raw(s);
      case action::other:
        ended_by_others_ = true;
        return p->other(s);
      case action::resync:
        return p->resync();
      case action::reading:
        return p->take_answers((s.a & 1) != 0);
      case action::cork:
        return p->cork((s.a & 1) != 0);
      case action::close:
        return p->close();
      default:
        return;
    }
  }

  stage& stage_;
  const agreement terms_;
  std::array<std::unique_ptr<peer>, 3> peers_;
  std::size_t now_ = 0;
  bool ended_by_others_ = false;
};

// Whoever comes next is served.
void good_initiator(stage& on, bool chap) {
  const agreement plain{.chap = chap};
  auto p = on.connect(plain);
  settle(on.ex);
  if (!p->log_in({.initiator = "iqn.2026-01.t:next"})) broken("a good login is refused");
  int ready = 2;
  for (int i = 0; i < 8 && ready == 2; ++i) ready = p->run(0, {0, 0, 0, 0, 0, 0});
  if (ready < 0) broken("TEST UNIT READY is not answered");
  if (p->run(0, {0x12, 0, 0, 0, 96, 0}, {}, 96) != 0 || p->received().size() != 96) broken("INQUIRY is not answered");
  bytes block(512, std::byte{0x77});
  const int written = p->run(0, {0x2a, 8, 0, 0, 0, 7, 0, 0, 1, 0}, block);
  if (written < 0) broken("a WRITE is not answered");
  if (written != 0) return;  // it may be reserved, or protected: somebody asked for it
  if (p->run(0, {0x28, 0, 0, 0, 0, 7, 0, 0, 1, 0}, {}, 512) != 0 || p->received() != block)
    broken("what was written is not what is read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    log::ours().set_level(spdlog::level::off);
    return true;
  }();
  (void)quiet;
  program_reader program({data, size});
  const agreement terms = program.terms();
  stage on(terms);
  {
    play p(on, terms);
    step s;
    for (int i = 0; i < max_steps && program.next(s); ++i) p.take(s);
    p.end();
  }
  on.ex.advance(1s);  // a refusal is on its way until then, whether or not somebody waits for it
  on.nothing_left();
  good_initiator(on, terms.chap);
  settle(on.ex);
  on.nothing_left();
  return 0;
}
