#include "runner/vmm/docker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "runner/vmm/container_run.h"
#include "runner/vmm/job_files.h"
#include "runner/vmm/job_tar.h"
#include "runner/vmm/outcome.h"

namespace milonga::runner {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kPrepareDeadline{20'000};  // of one Engine, so that there is time for another
constexpr milliseconds kFirstDeadline{30'000};    // of the questions to an Engine before there is a job

// Names that nobody else has, and that say nothing of job or student.
std::string opaque_id() {
  unsigned char bytes[8];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) bug("no random bytes");
  std::string id;
  for (const unsigned char byte : bytes) id += fmt::format("{:02x}", byte);
  return id;
}

Deadline left_until(Clock::time_point until) {
  return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(until - Clock::now()));
}

struct DockerVm : Vm {
  DockerVm(const std::string& id, const std::string& shown)
      : container("milonga-" + id), name(container + "-" + shown) {}
  [[nodiscard]] std::string instance_name() const override { return name; }

  std::string container;  // the Engine's name for it
  std::string name;
  std::string image;         // as the Engine knows it
  Engine* engine = nullptr;  // none: nothing of it exists
  bool created = false;      // or perhaps: asked for
  std::string refused;       // why the job is not run: no fault of ours
  BoxOptions box;
  EngineApi::Id call = 0;             // of create or copy_in, the last one
  std::shared_ptr<ContainerRun> run;  // while it is under way
  std::string stopped_because;        // "cancelled" or "deadline ..."
  std::string output;                 // path
};
using VmPtr = std::shared_ptr<DockerVm>;

class DockerVmm : public Vmm {
 public:
  DockerVmm(EventLoop& loop, queue::Queue& queue, DockerOptions options,
            std::shared_ptr<const Programs> programs, std::unique_ptr<HttpClient> client,
            const MakeEngines& make)
      : loop_(loop),
        queue_(queue),
        options_(std::move(options)),
        programs_(std::move(programs)),
        client_(std::move(client)),
        engines_(make(*client_, living_)),
        turn_(engines_.size(), 0) {
    for (const auto& engine : engines_) engine->prepare(kFirstDeadline, [](const Result<void>&) {});
  }
  ~DockerVmm() override { *alive_ = false; }

  void initialize(const std::string& image, Deadline deadline, Done<std::shared_ptr<Vm>> done) override;
  void wait(std::shared_ptr<Vm>, Deadline, Done<void> done) override {
    loop_.post([done = std::move(done)] { done({}); });  // it is created with its job, whose limits it gets
  }
  void copy_in(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
               Done<void> done) override;
  void run_job(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
               Done<RunOutcome> done) override;
  void copy_out(std::shared_ptr<Vm>, const queue::Claim& claim, Deadline, Done<void> done) override {
    std::error_code error;  // the whole output came with the run
    const bool there = fs::is_regular_file(claim.work_dir + "/output", error);
    loop_.post([there, dir = claim.work_dir, done = std::move(done)] {
      done(there ? Result<void>{} : Result<void>(fail("no output in '" + dir + "'")));
    });
  }
  void destroy(std::shared_ptr<Vm> vm, Deadline deadline, Done<void> done) override;
  void cancel(const std::shared_ptr<Vm>& vm) override {
    stop(std::static_pointer_cast<DockerVm>(vm), "cancelled");
  }

  void list(Deadline deadline, Done<std::vector<std::string>> done) override;
  void exists(const std::string& name, Deadline deadline, Done<bool> done) override {
    list(deadline, [name, done = std::move(done)](Result<std::vector<std::string>> names) {
      if (!names) return done(Unexpected(names.error()));
      done(std::find(names->begin(), names->end(), name) != names->end());
    });
  }
  void images(Deadline deadline, Done<std::vector<std::string>> done) override;
  void partial_output(std::shared_ptr<Vm> vm, std::uint64_t offset, std::size_t limit, Deadline,
                      Done<std::string> done) override;

 private:
  struct Search {  // for an Engine that can take a job
    VmPtr vm;
    Clock::time_point until;
    std::set<Engine*> tried;
    std::string why;  // the last one could not
    bool image_missing = false;
    Done<std::shared_ptr<Vm>> done;
  };
  using SearchPtr = std::shared_ptr<Search>;
  using Names = std::vector<std::string>;

  Engine* next_engine(const std::set<Engine*>& tried);
  void search(const SearchPtr& search);
  void try_engine(const SearchPtr& search, Engine* engine);
  ContainerPlan plan(const DockerVm& vm) const;
  Error failure(const DockerVm& vm, const Error& error);
  void stop(const VmPtr& vm, const std::string& why);
  void fill(const VmPtr& vm, const queue::Claim& claim, Clock::time_point until, Done<void> done);
  void ask_all(Deadline deadline, const std::function<void(Engine&, Done<Names>)>& ask, Names known,
               Done<Names> done);

  EventLoop& loop_;
  queue::Queue& queue_;
  DockerOptions options_;
  std::shared_ptr<const Programs> programs_;
  std::set<std::string> living_;
  std::unique_ptr<HttpClient> client_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<int> turn_;  // of each Engine: how much it is due
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Smooth weighted round robin, as nginx has it: each gets its weight, the one
// that is due most is taken and pays the sum. Those that are down only if no other is left.
Engine* DockerVmm::next_engine(const std::set<Engine*>& tried) {
  for (const bool also_down : {false, true}) {
    std::size_t best = engines_.size();
    int sum = 0;
    for (std::size_t i = 0; i < engines_.size(); ++i) {
      Engine* engine = engines_[i].get();
      if (tried.contains(engine) || (engine->is_down() && !also_down)) continue;
      sum += engine->weight();
      turn_[i] += engine->weight();
      if (best == engines_.size() || turn_[i] > turn_[best]) best = i;
    }
    if (best == engines_.size()) continue;
    turn_[best] -= sum;
    return engines_[best].get();
  }
  return nullptr;
}

void DockerVmm::initialize(const std::string& image, Deadline deadline, Done<std::shared_ptr<Vm>> done) {
  auto vm = std::make_shared<DockerVm>(opaque_id(), image);
  vm->image = image == "default" ? options_.docker.image : image;
  if (vm->image.empty())
    vm->refused = "image: no image is named (submit with --image, or start milongad with --docker-image)";
  else if (!is_image_name(vm->image))
    vm->refused = "image: '" + vm->image + "' is no name of a Docker image";
  living_.insert(vm->name);
  if (!vm->refused.empty())
    return loop_.post([vm, done = std::move(done)] { done(std::shared_ptr<Vm>(vm)); });
  search(std::make_shared<Search>(Search{vm, Clock::now() + deadline, {}, "", false, std::move(done)}));
}

void DockerVmm::search(const SearchPtr& search) {
  Engine* engine = next_engine(search->tried);
  if (engine == nullptr && search->image_missing) {
    search->vm->refused = fmt::format("image: the Engine has no image '{}'", search->vm->image);
    return search->done(std::shared_ptr<Vm>(search->vm));
  }
  if (engine == nullptr) {
    living_.erase(search->vm->name);
    return search->done(Unexpected(Error{"no Docker Engine can be used: " + search->why, "", EHOSTDOWN}));
  }
  search->tried.insert(engine);
  // Posted: an Engine may answer at once, and `done` must not be called from inside initialize().
  loop_.post([this, alive = alive_, search, engine] {
    if (*alive) try_engine(search, engine);
  });
}

void DockerVmm::try_engine(const SearchPtr& search, Engine* engine) {
  engine->prepare(std::min(left_until(search->until), kPrepareDeadline), [this, alive = alive_, search,
                                                                          engine](const Result<void>& ready) {
    if (!*alive) return;
    if (!ready) {
      search->why = ready.error().line();
      return this->search(search);
    }
    engine->api().find_image(
        search->vm->image, left_until(search->until), [this, alive, search, engine](Result<void> found) {
          if (!*alive) return;
          if (found) {
            search->vm->engine = engine;
            if (engines_.size() > 1)
              log(Level::info, fmt::format("{} is on {}", search->vm->name, engine->name()));
            return search->done(std::shared_ptr<Vm>(search->vm));
          }
          if (found.error().code == ENOENT)
            search->image_missing = true;
          else
            engine->doubt();
          search->why = found.error().line();
          this->search(search);
        });
  });
}

ContainerPlan DockerVmm::plan(const DockerVm& vm) const {
  return {vm.image,
          options_.docker.network,
          options_.docker.cpus,
          options_.owner,
          vm.name,
          static_cast<std::uint64_t>(options_.default_wall.count())};
}

// What a verb's error is to the lifecycle; the Engine is asked again if it may be at fault.
Error DockerVmm::failure(const DockerVm& vm, const Error& error) {
  if (!vm.stopped_because.empty()) return {vm.stopped_because, "", 0};
  if (error.code == EHOSTDOWN || error.what.starts_with("deadline")) vm.engine->doubt();
  return {error.what, error.hint, error.code == EHOSTDOWN ? 0 : error.code};  // an attempt that began counts
}

void DockerVmm::copy_in(std::shared_ptr<Vm> any, const queue::Claim& claim, Deadline deadline,
                        Done<void> done) {
  auto vm = std::static_pointer_cast<DockerVm>(any);
  const auto body = vm->refused.empty() ? create_body(claim, plan(*vm)) : fail(vm->refused);
  if (!body) {
    vm->refused = body.error().line();
    return loop_.post([vm, done = std::move(done)] { done({}); });
  }
  vm->box = *container_options(claim, plan(*vm));  // create_body has read them well
  vm->created = true;
  const auto until = Clock::now() + deadline;
  vm->call = vm->engine->api().create(
      vm->container, *body, deadline,
      [this, alive = alive_, vm, claim, until,
       done = std::move(done)](Result<std::vector<std::string>> warnings) {
        if (!*alive) return;
        if (warnings && vm->stopped_because.empty()) {
          for (const std::string& text : *warnings)
            log(Level::warning, fmt::format("{}: {}", vm->name, text));
          return fill(vm, claim, until, done);
        }
        if (!warnings && warnings.error().code == ENOENT) {  // since it was looked for
          vm->refused = "image: " + warnings.error().line();
          return done({});
        }
        done(Unexpected(failure(*vm, warnings ? Error{} : warnings.error())));
      });
}

void DockerVmm::fill(const VmPtr& vm, const queue::Claim& claim, Clock::time_point until, Done<void> done) {
  auto made = JobTar::create(queue_, claim, programs_);
  if (!made) return done(Unexpected(made.error()));
  const std::shared_ptr<JobTar> tar = std::move(*made);
  vm->call = vm->engine->api().copy_in(
      vm->container, [tar](char* to, std::size_t size) { return tar->read(to, size); }, left_until(until),
      [this, alive = alive_, vm, done = std::move(done)](Result<void> copied) {
        if (!*alive) return;
        if (!copied || !vm->stopped_because.empty())
          return done(Unexpected(failure(*vm, copied ? Error{} : copied.error())));
        done({});
      });
}

void DockerVmm::run_job(std::shared_ptr<Vm> any, const queue::Claim& claim, Deadline deadline,
                        Done<RunOutcome> done) {
  auto vm = std::static_pointer_cast<DockerVm>(any);
  vm->output = claim.work_dir + "/output";
  if (!vm->refused.empty()) {
    std::ofstream(vm->output, std::ios::trunc);  // it wrote none
    return loop_.post([vm, done = std::move(done)] { done(RunOutcome{refusal(vm->refused), 1}); });
  }
  vm->run = std::make_shared<ContainerRun>(
      loop_,
      ContainerRun::Plan{vm->engine, vm->container, vm->box, bounds_of(vm->box, options_.docker.cpus),
                         vm->output, deadline, alive_},
      [this, vm, done = std::move(done)](Result<RunOutcome> outcome) {
        vm->run.reset();
        if (!outcome) return done(Unexpected(failure(*vm, outcome.error())));
        done(std::move(outcome));
      });
  vm->run->begin();
}

void DockerVmm::stop(const VmPtr& vm, const std::string& why) {
  if (!vm->stopped_because.empty()) return;
  vm->stopped_because = why;
  if (vm->run) return vm->run->stop(why);
  if (vm->call != 0) vm->engine->api().cancel(vm->call);
}

void DockerVmm::destroy(std::shared_ptr<Vm> any, Deadline deadline, Done<void> done) {
  auto vm = std::static_pointer_cast<DockerVm>(any);
  stop(vm, "cancelled");
  living_.erase(vm->name);
  if (!vm->created) return loop_.post([vm, done = std::move(done)] { done({}); });
  vm->engine->api().remove(vm->container, deadline,
                           [alive = alive_, vm, done = std::move(done)](Result<void> removed) {
                             if (*alive && !removed) vm->engine->doubt();  // which looks for what is left
                             done(removed);
                           });
}

// Those that do not answer are left out, unless none does.
void DockerVmm::ask_all(Deadline deadline, const std::function<void(Engine&, Done<Names>)>& ask, Names known,
                        Done<Names> done) {
  struct Answers {
    std::size_t left;
    bool any = false;
    std::string why;
    Names names;
  };
  auto answers = std::make_shared<Answers>(Answers{engines_.size(), false, "", std::move(known)});
  for (const auto& each : engines_) {
    const auto one = [answers, done](Result<Names> names) {
      if (names) {
        answers->any = true;
        for (std::string& name : *names)
          if (std::find(answers->names.begin(), answers->names.end(), name) == answers->names.end())
            answers->names.push_back(std::move(name));
      } else {
        answers->why = names.error().line();
      }
      if (--answers->left > 0) return;
      done(answers->any ? Result<Names>(std::move(answers->names)) : Result<Names>(fail(answers->why)));
    };
    each->prepare(deadline, [alive = alive_, engine = each.get(), ask, one](const Result<void>& ready) {
      if (!*alive) return;
      if (!ready) return one(Unexpected(ready.error()));
      ask(*engine, one);
    });
  }
}

void DockerVmm::list(Deadline deadline, Done<Names> done) {
  ask_all(
      deadline,
      [deadline](Engine& engine, Done<Names> one) {
        engine.api().list(engine.owner(), deadline,
                          [one = std::move(one)](Result<std::vector<FoundContainer>> found) {
                            if (!found) return one(Unexpected(found.error()));
                            Names names;
                            for (FoundContainer& c : *found) names.push_back(std::move(c.instance));
                            one(std::move(names));
                          });
      },
      Names(living_.begin(), living_.end()), std::move(done));
}

void DockerVmm::images(Deadline deadline, Done<Names> done) {
  Names known;
  if (!options_.docker.image.empty()) known.emplace_back("default");
  ask_all(
      deadline,
      [deadline](Engine& engine, Done<Names> one) { engine.api().images(deadline, std::move(one)); },
      std::move(known), std::move(done));
}

void DockerVmm::partial_output(std::shared_ptr<Vm> vm, std::uint64_t offset, std::size_t limit, Deadline,
                               Done<std::string> done) {
  std::string text = read_piece(static_cast<DockerVm&>(*vm).output, offset, limit);
  loop_.post([text = std::move(text), done = std::move(done)] { done(text); });
}

}  // namespace

Result<std::unique_ptr<Vmm>> make_docker_vmm(EventLoop& loop, queue::Queue& queue, DockerOptions options) {
  const EngineSetting setting{"docker", options.docker.socket, options.owner};
  return make_docker_vmm(loop, queue, std::move(options),
                         [&loop, setting](HttpClient& client, const std::set<std::string>& living) {
                           std::vector<std::unique_ptr<Engine>> engines;
                           engines.push_back(std::make_unique<Engine>(loop, client, setting, living));
                           return engines;
                         });
}

Result<std::unique_ptr<Vmm>> make_docker_vmm(EventLoop& loop, queue::Queue& queue, DockerOptions options,
                                             const MakeEngines& make) {
  auto programs = TRY(read_programs(options.autodriver));
  auto client = TRY(HttpClient::create(loop));
  return std::unique_ptr<Vmm>(std::make_unique<DockerVmm>(loop, queue, std::move(options),
                                                          std::move(programs), std::move(client), make));
}

}  // namespace milonga::runner
