#include "runner/vmm/exec_request.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cctype>
#include <cstdlib>

#include "runner/vmm/job_box.h"

namespace milonga::runner {
namespace {

// One word of a POSIX shell (XCU 2.2.2): also in a remote one.
std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}
std::string quoted(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + quoted(word);
  return out;
}

}  // namespace

Asked about_job(const queue::Claim& claim) {
  Asked asked;
  asked.variables = {
      {"JOB", std::to_string(claim.job.id)},  {"WORK", claim.work_dir},
      {"DIRECTORY", claim.job.directory},     {"INPUT", claim.work_dir + "/input/" + claim.job.directory},
      {"OUTPUT", claim.work_dir + "/output"}, {"REPORT", claim.work_dir + "/report.json"}};
  return asked;
}

Result<Asked> about_run(const queue::Claim& claim, const std::string& image,
                        std::chrono::seconds default_wall) {
  const BoxOptions box = TRY(box_of(claim.job, image, default_wall));
  if (image.find('/') != std::string::npos && !image.starts_with('/'))
    return fail(fmt::format("the image '{}' is neither a name nor an absolute path", image));
  const std::vector<std::string> options = autodriver_arguments(box);
  std::vector<std::string> command;
  if (!claim.job.command.empty()) {
    command = {"--command", "--"};
    command.insert(command.end(), claim.job.command.begin(), claim.job.command.end());
  }
  Asked asked = about_job(claim);
  asked.variables["OPTIONS"] = quoted(options);
  asked.variables["COMMAND"] = quoted(command);
  asked.more["options"] = boost::json::array(options.begin(), options.end());
  asked.more["command"] = boost::json::array(command.begin(), command.end());
  return asked;
}

void tell(Asked asked, const std::vector<std::string>& own, VerbPlan& plan) {
  for (const auto& [name, fallback] : {std::pair{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"HOME", "/"}}) {
    const char* ours = ::secure_getenv(name);
    plan.environment.push_back(fmt::format("{}={}", name, ours == nullptr ? fallback : ours));
  }
  plan.environment.emplace_back("LANG=C.UTF-8");
  plan.environment.insert(plan.environment.end(), own.begin(), own.end());
  for (const auto& [name, value] : asked.variables) {
    plan.environment.push_back("MILONGA_" + name + "=" + value);
    std::string key = name;
    for (char& c : key) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!asked.more.contains(key)) asked.more[key] = value;
  }
  plan.input = boost::json::serialize(asked.more) + "\n";
}

}  // namespace milonga::runner
