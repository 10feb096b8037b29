#include "autodriver/request_builder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "sandbox/filters.h"
#include "sandbox/model/request.h"
#include "sandbox/policy/environment.h"

namespace milonga {
namespace {

constexpr const char* kImages = "/var/lib/milonga/images/";

Result<UniqueFd> seal(const Request& request) {
  UniqueFd file(::memfd_create("milonga-request", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return fail_errno("create a memfd for the request", "");
  if (::write(file.get(), &request, sizeof request) != static_cast<ssize_t>(sizeof request)) {
    return fail_errno("write the request", "");
  }
  if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return fail_errno("seal the request", "");
  }
  return file;
}

Result<> add_string(Request& request, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return fail("the command has a NUL byte in it");
  if (text.size() + 1 > kMaxStrings - request.strings_size) {
    return fail("the command is too long",
                "put it into a script; at most " + std::to_string(kMaxStrings) + " bytes");
  }
  std::memcpy(request.strings + request.strings_size, text.data(), text.size());
  request.strings_size +=
      static_cast<std::uint32_t>(text.size() + 1);  // the NUL is there: the array is zeroed
  return {};
}

}  // namespace

Result<UniqueFd> build_run_request(const RunPlan& plan) {
  const auto request = std::make_unique<Request>();
  request->flags = (plan.has_input ? kHasInput : 0u) | (plan.has_image ? kHasImage : 0u) |
                   (plan.has_cgroups ? kHasCgroups : 0u) |
                   (plan.options.network == Network::host ? kHostNetwork : 0u) |
                   (plan.options.network == Network::loopback ? kLoopback : 0u) |
                   (plan.options.process_limit_fatal ? kProcessLimitFatal : 0u);
  request->limits = plan.options.limits;
  for (std::size_t i = 0; i < kDemandCount; ++i) {
    request->require[i] = required_rung(plan.options, static_cast<Demand>(i));
  }
  if (plan.work_name.size() >= kMaxWorkName) {
    return fail("the name '" + plan.work_name + "' is too long",
                "a directory's name may have " + std::to_string(kMaxWorkName - 1) + " bytes");
  }
  std::copy(plan.work_name.begin(), plan.work_name.end(), request->work_name);
  for (const std::string& argument : plan.command) TRY(add_string(*request, argument));
  request->argc = static_cast<std::uint32_t>(plan.command.size());
  for (const EnvironmentRow& row : kEnvironment) TRY(add_string(*request, row.assignment));
  request->envc = static_cast<std::uint32_t>(std::size(kEnvironment));
  const auto filter = filter_of(plan.options.profile).program;
  std::copy(filter.begin(), filter.end(), request->filter);  // it fits: filter_generator has checked
  request->filter_size = static_cast<std::uint32_t>(filter.size());
  return seal(*request);
}

Result<UniqueFd> build_collect_request() {
  const auto request = std::make_unique<Request>();
  request->op = CoreOp::collect;
  return seal(*request);
}

Result<UniqueFd> open_image(const std::string& image) {
  if (image == "default") return UniqueFd();
  const bool is_name = image.find('/') == std::string::npos;
  const std::string path = is_name ? kImages + image : image;
  UniqueFd directory(::open(path.c_str(), (is_name ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() && is_name && errno == ENOENT)
    return fail("no image '" + image + "'", "milonga image list shows those that are there; a directory is given with a '/'");
  if (!directory.valid()) {
    return fail_errno("open", path, "--image: 'default', a name in /var/lib/milonga/images, or a directory");
  }
  // An image of the store stays for as long as this is open, here or in the core (images/store.h).
  struct stat st {};
  if (is_name && (::flock(directory.get(), LOCK_SH | LOCK_NB) != 0 || ::fstat(directory.get(), &st) != 0 || st.st_nlink == 0))
    return fail("the image '" + image + "' is being removed");
  return directory;
}

}  // namespace milonga
