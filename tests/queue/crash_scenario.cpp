#include "tests/queue/crash_scenario.h"

#include <stdlib.h>

#include <fstream>

#include "queue/inputs.h"
#include "queue/record.h"
#include "queue/spool.h"

namespace milonga::queue {
namespace {

std::filesystem::path make_lab(const char* content) {
  char pattern[] = "/var/tmp/milonga-sweep-XXXXXX";
  const std::filesystem::path lab = ::mkdtemp(pattern);
  std::ofstream(lab / "Makefile") << "all:\n\techo " << content << "\n";
  std::ofstream(lab / "data") << content << "\n";
  return lab;
}

// What must hold for one accepted job; the first thing that does not, or nothing.
std::string violation_of(JobId id, Disk& disk, Queue& queue, const Ledger& ledger) {
  const auto status = queue.find(id);
  if (!status) return "cannot be looked up: " + status.error().line();
  if (!*status) return "is lost";
  if (!(*status)->result) return std::string("is stuck: ") + ((*status)->state == State::waiting ? "waiting" : "running");
  const ResultRecord& result = *(*status)->result;
  std::string feedback;
  if (!result.feedback_path.empty()) {
    const auto bytes = disk.read(result.feedback_path.substr(std::string("/crash/").size()), 1 << 20);
    if (!bytes || sha256_hex(*bytes) != result.feedback_sha256) return "has not the feedback that its result names";
    feedback = *bytes;
  } else if (result.outcome == Outcome::graded) {
    return "is graded without feedback";
  }
  if (const auto before = ledger.answered.find(id); before != ledger.answered.end() && before->second != feedback)
    return "has another result than the one that was answered";
  if (ledger.cancelled.contains(id) && result.outcome != Outcome::cancelled) return "was cancelled and ran all the same";
  if (ledger.cancelling.contains(id) && result.outcome == Outcome::graded)
    return "was marked as cancelled and graded all the same";
  if (result.attempt > 3) return "had more than three attempts";
  for (const InputFile& file : (*status)->job.files) {
    const auto blob = disk.read(blob_path(file.sha256), 1 << 20);
    if (!blob || sha256_hex(*blob) != file.sha256) return "has lost its input " + file.path;
  }
  return (*status)->job.files.size() == 2 ? "" : "has lost the list of its inputs";
}

}  // namespace

// Two labs of different content, or what comes later would put lost inputs of the same content back.
Scenario::Scenario() : lab_(make_lab("hello")), other_(make_lab("other")) {}

Scenario::~Scenario() {
  std::filesystem::remove_all(lab_);
  std::filesystem::remove_all(other_);
}

std::unique_ptr<Queue> Scenario::open(const std::shared_ptr<CrashFs>& fs) {
  SpoolOptions options;
  options.create = true;
  options.disk = make_crash_disk(fs);
  auto queue = open_spool(std::move(options));
  return queue ? std::move(*queue) : nullptr;
}

void Scenario::submit(Queue& queue, Ledger& ledger, const std::string& lane, const std::filesystem::path& files) {
  Job job;
  job.name = "t";
  job.lane = lane;
  job.directory = "lab";
  job.output = "/out/" + std::to_string(++outputs_);
  if (const auto id = queue.submit(job, files)) ledger.accepted.insert(*id);
}

std::optional<Claim> Scenario::next(Queue& queue) {
  if (!queue.take_changes()) return std::nullopt;
  auto claim = queue.claim();
  if (!claim || !*claim || !queue.make_claims_durable()) return std::nullopt;
  return **claim;
}

void Scenario::run(const std::shared_ptr<CrashFs>& fs, Queue& queue, const Claim& claim, Ledger* ledger, Outcome outcome) {
  auto disk = make_crash_disk(fs);
  const std::string text = "job " + std::to_string(claim.job.id) + " run by " + disk->owner() + "\n";
  const auto file = disk->create(claim.work_dir.substr(std::string("/crash/").size()) + "/feedback");
  if (!file) return;
  const auto written = disk->write(*file, text);
  disk->close_file(*file);
  if (!written) return;
  Completion end;
  end.outcome = outcome;
  end.feedback_name = "feedback";
  const auto committed = queue.commit(claim, end);
  if (committed && *committed && ledger != nullptr) ledger->answered[claim.job.id] = text;
}

void Scenario::first_day(const std::shared_ptr<CrashFs>& fs, Ledger& ledger) {
  auto producer = open(fs);
  if (!producer) return;
  for (const char* lane : {"a", "a", "b"}) submit(*producer, ledger, lane);
  auto runner = open(fs);
  if (!runner || !runner->become_runner(true, no_orphans)) return;
  if (auto first = next(*runner)) run(fs, *runner, *first, &ledger, Outcome::graded);
  if (auto second = next(*runner)) (void)runner->retry(*second, "driver", std::chrono::milliseconds(0));
  if (auto again = next(*runner)) run(fs, *runner, *again, &ledger, Outcome::graded);
  submit(*producer, ledger, "c");
  auto cli = open(fs);
  if (!cli || fs->crashed()) return;
  if (ledger.accepted.contains(4))
    if (const auto answer = cli->cancel(4, "uid:0"); answer && *answer == CancelAnswer::cancelled) ledger.cancelled.insert(4);
  auto third = next(*runner);
  if (!third) return;
  if (const auto answer = cli->cancel(third->job.id, "uid:0"); answer && *answer == CancelAnswer::cancelling)
    ledger.cancelling.insert(third->job.id);
  if (runner->take_changes()) run(fs, *runner, *third, nullptr, Outcome::cancelled);
  runner->resign();
}

void Scenario::second_day(const std::shared_ptr<CrashFs>& fs, Ledger& ledger) {
  auto producer = open(fs);
  if (!producer) return;
  for (const char* lane : {"a", "c"}) submit(*producer, ledger, lane, other_);
  recover(fs, &ledger);
}

std::string Scenario::recover_and_drain(const std::shared_ptr<CrashFs>& fs, const Ledger& before) {
  if (auto early = open(fs)) {
    Ledger now;
    submit(*early, now, "a", other_);
    for (const JobId id : now.accepted)
      if (before.accepted.contains(id)) return "id " + std::to_string(id) + " was given out twice";
  }
  return recover(fs) ? "" : "recovery failed";
}

bool Scenario::recover(const std::shared_ptr<CrashFs>& fs, Ledger* ledger) {
  auto runner = open(fs);
  if (!runner || !runner->become_runner(true, no_orphans)) return false;
  while (auto claim = next(*runner)) run(fs, *runner, *claim, ledger, Outcome::graded);
  runner->resign();
  return !fs->crashed();
}

std::string Scenario::violation(const std::shared_ptr<CrashFs>& fs, const Ledger& ledger, const Observer& observer) {
  auto disk = make_crash_disk(fs);
  auto queue = open(fs);
  if (!queue) return "the spool does not open";
  for (const JobId id : ledger.accepted)
    if (const std::string what = violation_of(id, *disk, *queue, ledger); !what.empty())
      return "job " + std::to_string(id) + " " + what;
  for (const auto& [path, contents] : observer.published)
    if (contents.size() > 1) return "two different results were published at " + path;
  for (const char* empty : {"tmp", "run", "bad", "work"})
    if (const auto names = disk->list(empty); !names || !names->empty())
      return std::string(empty) + "/ is not empty: " + (names ? names->front() : "");
  const auto lanes = disk->list("ready");
  for (const std::string& lane : *lanes)
    if (!disk->list("ready/" + lane)->empty()) return "ready/" + lane + " is not empty";
  return {};
}

}  // namespace milonga::queue
