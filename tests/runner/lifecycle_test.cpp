// The lifecycle's table: every path ends, and none leaves a VM behind.
#include "runner/lifecycle.h"

#include <gtest/gtest.h>

#include <vector>

namespace milonga::runner {
namespace {

struct Walk {
  int paths = 0;
  void from(Stage stage, bool has_vm, bool destroyed, int depth) {
    ASSERT_LE(depth, 8);
    if (stage == Stage::ended) {
      ++paths;
      EXPECT_TRUE(!has_vm || destroyed);
      return;
    }
    for (const Event event : {Event::done, Event::failed, Event::no_room, Event::cancelled, Event::stopping})
      from(next_stage(stage, event), has_vm || (stage == Stage::initialize && event == Event::done),
           destroyed || stage == Stage::destroy, depth + 1);
  }
};

TEST(Lifecycle, EveryPathEndsAndDestroysTheVmThatItMade) {
  Walk walk;
  walk.from(Stage::initialize, false, false, 0);
  EXPECT_GT(walk.paths, 50);
}

TEST(Lifecycle, TheFirstThingThatWentWrongDecides) {
  EXPECT_EQ(next_ending(Ending::commit, Stage::run, Event::failed), Ending::retry);
  EXPECT_EQ(next_ending(Ending::commit, Stage::run, Event::no_room), Ending::wait_for_room);
  EXPECT_EQ(next_ending(Ending::retry, Stage::copy_out, Event::cancelled), Ending::retry);
  EXPECT_EQ(next_ending(Ending::commit, Stage::run, Event::cancelled), Ending::cancel);
  EXPECT_EQ(next_ending(Ending::commit, Stage::run, Event::stopping), Ending::give_back);
}

TEST(Lifecycle, AFailedDestroyDoesNotTakeAResultBack) {
  EXPECT_EQ(next_ending(Ending::commit, Stage::destroy, Event::failed), Ending::commit);
}

}  // namespace
}  // namespace milonga::runner
