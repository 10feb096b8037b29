// The event loop: timers in order, callbacks that forget themselves, and no wake-up without a reason.
#include "base/event_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace milonga {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<EventLoop> a_loop() {
  return std::move(*EventLoop::create());
}

TEST(EventLoop, TimersRunInTheOrderOfTheirTimesAndCancelledOnesDoNot) {
  auto loop = a_loop();
  std::vector<int> order;
  loop->after(milliseconds(30), [&] {
    order.push_back(3);
    loop->stop();
  });
  loop->after(milliseconds(10), [&] { order.push_back(1); });
  loop->after(milliseconds(20), [&] { order.push_back(2); });
  loop->cancel(loop->after(milliseconds(15), [&] { order.push_back(9); }));
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(EventLoop, APostedCallRunsAfterTheCallerNotInside) {
  auto loop = a_loop();
  std::vector<int> order;
  loop->post([&] {
    loop->post([&] {
      order.push_back(2);
      loop->stop();
    });
    order.push_back(1);
  });
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(EventLoop, AReaderMayForgetItselfWhileItRuns) {
  auto loop = a_loop();
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  int calls = 0;
  ASSERT_TRUE(loop->when_readable(fds[0], [&] {
    ++calls;
    loop->forget(fds[0]);
    loop->after(milliseconds(20), [&] { loop->stop(); });
  }));
  ASSERT_EQ(::write(fds[1], "x", 1), 1);
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(calls, 1);
  ::close(fds[0]);
  ::close(fds[1]);
}

// Of two readable descriptors, whichever comes first puts a silent one in the other's place.
TEST(EventLoop, AnEventOfAForgottenDescriptorDoesNotReachItsSuccessor) {
  auto loop = a_loop();
  int one[2], two[2], silent[2];
  ASSERT_EQ(::pipe(one), 0);
  ASSERT_EQ(::pipe(two), 0);
  ASSERT_EQ(::pipe(silent), 0);
  int calls = 0;
  const auto replace = [&](int other) {
    ++calls;
    loop->forget(other);
    ASSERT_EQ(::dup2(silent[0], other), other);
    ASSERT_TRUE(loop->when_readable(other, [] { ADD_FAILURE() << "nothing was written to this one"; }));
  };
  ASSERT_TRUE(loop->when_readable(one[0], [&] {
    replace(two[0]);
    loop->forget(one[0]);
  }));
  ASSERT_TRUE(loop->when_readable(two[0], [&] {
    replace(one[0]);
    loop->forget(two[0]);
  }));
  ASSERT_EQ(::write(one[1], "x", 1), 1);
  ASSERT_EQ(::write(two[1], "x", 1), 1);
  loop->after(milliseconds(50), [&] { loop->stop(); });
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(calls, 1);
  for (const int* ends : {one, two, silent}) {
    ::close(ends[0]);
    ::close(ends[1]);
  }
}

TEST(EventLoop, SleepsUntilItsTimerAndWakesOnce) {
  auto loop = a_loop();
  loop->after(milliseconds(200), [&] { loop->stop(); });
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(loop->wakeups(), 1u);
}

}  // namespace
}  // namespace milonga
