// What becomes of a box that is gone before its job comes; the rest is in milongad_test.py, with real boxes.
#include "runner/vmm/warm_boxes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

namespace milonga::runner {
namespace {

TEST(WarmBoxes, ABoxThatHasEndedTakesNoJobAndIsReaped) {
  auto loop = std::move(*EventLoop::create());
  {
    WarmBoxes boxes(*loop, 1, std::chrono::seconds(60));
    const std::vector<std::string> argv = {"/bin/true"};
    boxes.make(argv);
    ASSERT_EQ(boxes.waiting(), 1u);
    siginfo_t ended{};
    ASSERT_EQ(::waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT), 0);  // the loop has not seen it yet
    const auto nowhere = [] { return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)); };
    EXPECT_FALSE(boxes.give({"/bin/false"}, {nowhere(), nowhere(), nowhere(), nowhere(), "/report"}));
    EXPECT_EQ(boxes.waiting(), 1u);
    EXPECT_FALSE(boxes.give(argv, {nowhere(), nowhere(), nowhere(), nowhere(), "/report"}));
    EXPECT_EQ(boxes.waiting(), 0u);
    loop->after(std::chrono::milliseconds(50), [&] { loop->stop(); });
    ASSERT_TRUE(loop->run());
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "it is a zombie still";
    EXPECT_EQ(errno, ECHILD);
  }
}

}  // namespace
}  // namespace milonga::runner
