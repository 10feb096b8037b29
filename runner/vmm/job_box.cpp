#include "runner/vmm/job_box.h"

namespace milonga::runner {

Result<BoxOptions> box_of(const queue::Job& job, const std::string& image,
                          std::chrono::seconds default_wall) {
  BoxOptions box = TRY(box_options_from(job.options));
  if (image != "default") TRY(set_box_option(box, "image", image));
  if (box.limits[LimitId::wall] == 0)
    box.limits[LimitId::wall] = static_cast<std::uint64_t>(default_wall.count()) * kSecond;
  return box;
}

}  // namespace milonga::runner
