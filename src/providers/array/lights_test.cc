#include "providers/array/lights.h"

#include <gtest/gtest.h>

#include <vector>

#include "rt/manual_executor.h"

namespace vds::array_provider {
namespace {

struct room : ::testing::Test {
  rt::manual_executor ex;
  std::vector<guid> told;
  lights them{ex, [this](const guid& d) { told.push_back(d); }};
  const guid one{{1}}, two{{2}};
  void pass(monotonic::duration time) { ex.advance(time); }
};

TEST_F(room, a_started_light_is_on_until_it_is_stopped_and_each_change_is_told_once) {
  them.start(one);
  them.start(one);
  pass(1h);
  EXPECT_TRUE(them.lit(one));
  EXPECT_FALSE(them.lit(two));
  EXPECT_EQ(told, std::vector<guid>{one});
  them.stop(one);
  them.stop(one);
  EXPECT_FALSE(them.lit(one));
  EXPECT_EQ(told, (std::vector<guid>{one, one}));
}

TEST_F(room, a_pulse_ends_by_itself) {
  them.pulse(one, 3);
  pass(3 * lights::blink - 1ms);
  EXPECT_TRUE(them.lit(one));
  pass(1ms);
  EXPECT_FALSE(them.lit(one));
  EXPECT_EQ(told, (std::vector<guid>{one, one}));
}

TEST_F(room, a_pulse_of_a_light_that_is_on_ends_it_and_a_start_while_it_blinks_keeps_it_on) {
  them.start(one);
  them.pulse(one, 2);
  them.pulse(two, 2);
  them.start(two);
  pass(1h);
  EXPECT_FALSE(them.lit(one));
  EXPECT_TRUE(them.lit(two));
}

TEST_F(room, pulses_one_after_the_other_count_from_the_last) {
  them.pulse(one, 5);
  pass(lights::blink);
  them.pulse(one, 1);
  pass(lights::blink);
  EXPECT_FALSE(them.lit(one));
}

}  // namespace
}  // namespace vds::array_provider
