// The spool's outbox: see outbox.h for its files.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <set>

#include "queue/name.h"
#include "queue/outbox.h"

namespace milonga::queue {
namespace {

constexpr const char* kOutbox = "outbox";
constexpr std::string_view kAgain = ".again";
constexpr std::size_t kLongestNote = 4096;
constexpr std::size_t kLongestAnswer = 500;  // bytes of Callback::last that are kept
constexpr const char* kStates[] = {"owed", "given_up", "delivered"};

std::string entry_path(JobId id) {
  return fmt::format("{}/{}", kOutbox, id);
}
std::string again_path(JobId id) {
  return entry_path(id) + std::string(kAgain);
}
std::string note_path(JobId id) {
  return fmt::format("{}/{}.callback", shard_of(id), id);
}

bool is_again(std::string_view name) {
  return name.ends_with(kAgain);
}
JobId id_of(std::string_view name) {
  return parse_id(is_again(name) ? name.substr(0, name.size() - kAgain.size()) : name);
}

// "owed 3 1700000000000 1700000000000 status 500\n": state, tries, due, at, the last answer.
std::string write_note(const Callback& c) {
  std::string last = c.last.substr(0, kLongestAnswer);
  std::replace(last.begin(), last.end(), '\n', ' ');
  return fmt::format("{} {} {} {} {}\n", callback_state_name(c.state), c.tries, c.due_ms, c.at_ms, last);
}

template <class T>
bool take_number(std::string_view& text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || end == text.data() + text.size() || *end != ' ') return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

// Nothing if it is torn, which a note that is never flushed may be.
std::optional<Callback> read_note(JobId id, std::string_view text) {
  Callback c;
  c.id = id;
  const std::string_view word = text.substr(0, text.find(' '));
  const auto* state = std::find(std::begin(kStates), std::end(kStates), word);
  if (state == std::end(kStates) || !text.ends_with('\n')) return std::nullopt;
  c.state = static_cast<CallbackState>(state - std::begin(kStates));
  text.remove_prefix(word.size() + 1);
  if (!take_number(text, c.tries) || !take_number(text, c.due_ms) || !take_number(text, c.at_ms))
    return std::nullopt;
  c.last = text.substr(0, text.size() - 1);
  return c;
}

Callback asked_again(JobId id) {
  Callback c;
  c.id = id;
  c.again = true;
  return c;
}

Result<void> unless(int harmless, Result<void> result) {
  return !result && result.error().code == harmless ? Result<void>{} : result;
}

// A new empty file; one that is there will do.
Result<void> touch(Disk& disk, const std::string& path) {
  auto file = disk.create(path);
  if (file) disk.close_file(*file);
  return !file && file.error().code != EEXIST ? Result<void>(Unexpected(file.error())) : Result<void>{};
}

}  // namespace

const char* callback_state_name(CallbackState state) {
  return kStates[static_cast<std::size_t>(state)];
}

Result<Callback> SpoolOutbox::read(JobId id) {
  Callback fresh;
  fresh.id = id;
  auto text = disk_.read(note_path(id), kLongestNote);
  if (!text && text.error().code != ENOENT) return Unexpected(text.error());
  return text ? read_note(id, *text).value_or(fresh) : fresh;
}

Result<void> SpoolOutbox::owe(const Job& job) {
  if (job.callback_url.empty()) return {};
  // A crash, or two who end the same job, come here again.
  if (TRY(read(job.id)).state == CallbackState::delivered) return {};
  TRY(touch(disk_, entry_path(job.id)));
  return disk_.sync_directory(
      kOutbox);  // also if it was there: who made it may have been killed before the flush
}

Result<std::vector<Callback>> SpoolOutbox::list() {
  std::set<JobId> ids, again;
  for (const std::string& name : TRY(disk_.list(kOutbox)))
    if (const JobId id = id_of(name); id > 0) (is_again(name) ? again : ids).insert(id);
  std::vector<Callback> all;
  for (const JobId id : ids)
    if (!again.contains(id)) all.push_back(TRY(read(id)));
  std::erase_if(
      all, [](const Callback& c) { return c.state == CallbackState::delivered; });  // a crash kept its name
  for (const JobId id : again) all.push_back(asked_again(id));
  std::sort(all.begin(), all.end(), [](const Callback& a, const Callback& b) { return a.id < b.id; });
  return all;
}

Result<std::optional<Callback>> SpoolOutbox::find(JobId id) {
  if (id <= 0) return std::optional<Callback>{};
  if (TRY(disk_.info(again_path(id))).exists) return asked_again(id);
  Callback callback = TRY(read(id));
  if (callback.state == CallbackState::delivered || TRY(disk_.info(entry_path(id))).exists) return callback;
  return std::optional<Callback>{};
}

Result<void> SpoolOutbox::watch() {
  if (!watch_) return {};
  watcher_.emplace(TRY(Watcher::create()));
  return watcher_->add(disk_.absolute(kOutbox), kOutbox);
}

// Somebody wants it again, from the beginning; what became of it so far no longer counts.
Result<void> SpoolOutbox::heed(JobId id) {
  TRY(unless(ENOENT, disk_.unlink(note_path(id))));
  TRY(touch(disk_, entry_path(id)));
  TRY(disk_.sync_directory(kOutbox));
  return unless(ENOENT, disk_.unlink(again_path(id)));
}

Result<std::vector<Callback>> SpoolOutbox::take_changes() {
  Watcher::News news = watcher_ ? watcher_->take() : Watcher::News{};
  std::set<std::string> names;
  if (all_ || news.overflow || !watcher_) {
    all_ = true;  // until it has been heeded
    for (std::string& name : TRY(disk_.list(kOutbox))) names.insert(std::move(name));
  }
  for (auto& [key, name] : news.names) names.insert(std::move(name));
  std::map<JobId, bool> ids;  // and whether it was asked for again
  for (const std::string& name : names) {
    const JobId id = id_of(name);
    if (id <= 0) continue;
    const bool again = is_again(name) && TRY(disk_.info(again_path(id))).exists;
    if (again) TRY(heed(id));
    ids[id] |= again;
  }
  std::vector<Callback> changed;
  for (const auto& [id, again] : ids) {
    if (!TRY(disk_.info(entry_path(id))).exists) continue;
    Callback callback = TRY(read(id));
    callback.again = again;
    if (callback.state == CallbackState::delivered)
      TRY(unless(ENOENT, disk_.unlink(entry_path(id))));
    else
      changed.push_back(std::move(callback));
  }
  all_ = false;
  return changed;
}

// The note before the name goes: a name whose note says nothing is sent again. No
// flush: a crash that takes the note, or brings the name back, costs a second request at most.
Result<void> SpoolOutbox::keep(const Callback& callback) {
  const std::string note = note_path(callback.id);
  TRY(unless(ENOENT, disk_.unlink(note)));
  const int file = TRY(disk_.create(note));
  auto written = disk_.write(file, write_note(callback));
  disk_.close_file(file);
  TRY(std::move(written));
  if (callback.state != CallbackState::delivered) return {};
  return unless(ENOENT, disk_.unlink(entry_path(callback.id)));
}

Result<void> SpoolOutbox::send_again(JobId id) {
  TRY(disk_.may_write());
  TRY(touch(disk_, again_path(id)));
  return disk_.sync_directory(kOutbox);
}

}  // namespace milonga::queue
