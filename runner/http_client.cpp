#include "runner/http_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace milonga::runner {
namespace {

// curl_easy_setopt takes anything: only these types are meant.
void set(CURL* easy, CURLoption option, long value) {
  (void)::curl_easy_setopt(easy, option, value);
}
void set(CURL* easy, CURLoption option, const std::string& value) {
  (void)::curl_easy_setopt(easy, option, value.c_str());
}
template <class T>
void set_pointer(CURL* easy, CURLoption option, T value) {
  (void)::curl_easy_setopt(easy, option, value);
}

struct EasyCleanup {
  void operator()(CURL* easy) const { ::curl_easy_cleanup(easy); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

// One exchange. libcurl keeps pointers into it, so it does not move.
struct Exchange {
  HttpRequest request;
  HttpClient::Done done;
  HttpReply reply;
  std::optional<Error> broken_off;  // by one of our own callbacks
  char message[CURL_ERROR_SIZE] = "";
  std::unique_ptr<curl_slist, ListCleanup> headers;
  std::unique_ptr<CURL, EasyCleanup> easy{::curl_easy_init()};

  long status() const {
    long code = 0;
    (void)::curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &code);
    return code;
  }
};

std::size_t on_upload(char* to, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  Result<std::size_t> n = exchange.request.read_body(to, size * count);
  if (n) return *n;
  exchange.broken_off = n.error();
  return CURL_READFUNC_ABORT;
}

// Line by line; an empty one ends the head, of an interim reply (1xx) as well.
std::size_t on_head_line(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const bool ends = std::string_view(data, size * count) == "\r\n";
  if (ends && exchange.request.on_head && exchange.status() >= 200)
    exchange.request.on_head(exchange.status());
  return size * count;
}

std::size_t on_download(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view piece(data, size * count);
  const long status = exchange.status();
  if (exchange.request.on_body && status >= 200 && status < 300) {
    if (auto taken = exchange.request.on_body(piece); !taken) {
      exchange.broken_off = taken.error();
      return 0;
    }
  } else if (exchange.reply.body.size() + piece.size() > exchange.request.body_limit) {
    exchange.broken_off =
        Error{"the reply is longer than " + std::to_string(exchange.request.body_limit) + " bytes", "", 0};
    return 0;
  } else {
    exchange.reply.body.append(piece);
  }
  return piece.size();
}

curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (exchange.request.may_connect && !exchange.request.may_connect(address->addr)) {
    exchange.broken_off = Error{"the address of " + exchange.request.url + " is not allowed", "", 0};
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void set_body(Exchange& exchange) {
  CURL* easy = exchange.easy.get();
  const HttpRequest& request = exchange.request;
  if (request.read_body) {
    set(easy, CURLOPT_POST, 1L);
    set_pointer(easy, CURLOPT_READFUNCTION, &on_upload);
    set_pointer(easy, CURLOPT_READDATA, &exchange);
    exchange.headers.reset(::curl_slist_append(exchange.headers.release(), "Transfer-Encoding: chunked"));
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    set(easy, CURLOPT_POST, 1L);
    set_pointer(easy, CURLOPT_POSTFIELDS, request.body.data());
    (void)::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  } else if (request.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  }
  set(easy, CURLOPT_CUSTOMREQUEST, request.method);
}

void set_up(Exchange& exchange) {
  CURL* easy = exchange.easy.get();
  const HttpRequest& request = exchange.request;
  set(easy, CURLOPT_URL, request.url);
  set(easy, CURLOPT_PROTOCOLS_STR, std::string("http,https"));
  if (!request.unix_socket.empty()) set(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket);
  set(easy, CURLOPT_PROXY, std::string());  // nobody's environment decides where this goes
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, request.deadline.count())));
  set(easy, CURLOPT_SSL_VERIFYPEER, request.insecure ? 0L : 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, request.insecure ? 0L : 2L);
  set_pointer(easy, CURLOPT_ERRORBUFFER, exchange.message);
  set_pointer(easy, CURLOPT_PRIVATE, &exchange);
  set_pointer(easy, CURLOPT_WRITEFUNCTION, &on_download);
  set_pointer(easy, CURLOPT_WRITEDATA, &exchange);
  set_pointer(easy, CURLOPT_HEADERFUNCTION, &on_head_line);
  set_pointer(easy, CURLOPT_HEADERDATA, &exchange);
  set_pointer(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  set_pointer(easy, CURLOPT_OPENSOCKETDATA, &exchange);
  if (request.unix_socket.empty() && request.may_connect) set(easy, CURLOPT_FORBID_REUSE, 1L);
  set_body(exchange);
  for (const std::string& header : request.headers)
    exchange.headers.reset(::curl_slist_append(exchange.headers.release(), header.c_str()));
  // Without this, a body over 1 MiB waits a second for "100 Continue" of servers that send none.
  exchange.headers.reset(::curl_slist_append(exchange.headers.release(), "Expect:"));
  set_pointer(easy, CURLOPT_HTTPHEADER, exchange.headers.get());
}

Result<HttpReply> outcome_of(Exchange& exchange, CURLcode code) {
  const HttpRequest& request = exchange.request;
  if (exchange.broken_off) return Unexpected(*exchange.broken_off);
  if (code == CURLE_OPERATION_TIMEDOUT)
    return fail("deadline: " + request.method + " " + request.url + " took longer than " +
                std::to_string(request.deadline.count()) + " ms");
  if (code != CURLE_OK)
    return fail(request.method + " " + request.url + ": " +
                (exchange.message[0] != '\0' ? exchange.message : ::curl_easy_strerror(code)));
  exchange.reply.status = exchange.status();
  const char* type = nullptr;
  (void)::curl_easy_getinfo(exchange.easy.get(), CURLINFO_CONTENT_TYPE, &type);
  if (type != nullptr) exchange.reply.content_type = type;
  return std::move(exchange.reply);
}

}  // namespace

class HttpClient::Engine {
 public:
  explicit Engine(EventLoop& loop) : loop_(loop), multi_(::curl_multi_init()) {
    if (multi_ == nullptr) return;
    (void)::curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &on_socket);
    (void)::curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    (void)::curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &on_timer);
    (void)::curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    for (auto& [id, exchange] : exchanges_) (void)::curl_multi_remove_handle(multi_, exchange->easy.get());
    exchanges_.clear();
    if (multi_ != nullptr) (void)::curl_multi_cleanup(multi_);
    if (timer_) loop_.cancel(*timer_);
  }

  [[nodiscard]] bool valid() const { return multi_ != nullptr; }
  [[nodiscard]] std::size_t size() const { return exchanges_.size(); }

  Id add(HttpRequest request, Done done) {
    const Id id = next_id_++;
    auto exchange = std::make_unique<Exchange>();
    exchange->request = std::move(request);
    exchange->done = std::move(done);
    Exchange& kept = *exchange;
    exchanges_[id] = std::move(exchange);
    if (kept.easy != nullptr) set_up(kept);
    if (kept.easy == nullptr || ::curl_multi_add_handle(multi_, kept.easy.get()) != CURLM_OK)
      end(id, fail("no memory for a request to " + kept.request.url));
    return id;
  }

  void cancel(Id id) {
    const auto found = exchanges_.find(id);
    if (found != exchanges_.end()) end(id, fail("cancelled: " + found->second->request.url));
  }

 private:
  // Never from inside libcurl or the caller's own call: `done` may do anything.
  void end(Id id, Result<HttpReply> outcome) {
    const auto found = exchanges_.find(id);
    Done done = std::move(found->second->done);
    (void)::curl_multi_remove_handle(multi_, found->second->easy.get());
    exchanges_.erase(found);
    loop_.post(
        [done = std::move(done), outcome = std::move(outcome)]() mutable { done(std::move(outcome)); });
  }

  void act(curl_socket_t fd) {
    int running = 0;
    (void)::curl_multi_socket_action(multi_, fd, 0, &running);  // 0: libcurl looks what is ready
    int left = 0;
    while (const CURLMsg* message = ::curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      CURL* easy = message->easy_handle;
      const auto found = std::find_if(exchanges_.begin(), exchanges_.end(),
                                      [easy](const auto& e) { return e.second->easy.get() == easy; });
      if (found != exchanges_.end()) end(found->first, outcome_of(*found->second, code));
    }
  }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
    auto& self = *static_cast<Engine*>(user);
    self.loop_.forget(fd);
    if (what == CURL_POLL_REMOVE) return 0;
    const bool in = what != CURL_POLL_OUT, out = what != CURL_POLL_IN;
    return self.loop_.when_ready(fd, in, out, [&self, fd] { self.act(fd); }) ? 0 : -1;
  }

  static int on_timer(CURLM*, long timeout_ms, void* user) {
    auto& self = *static_cast<Engine*>(user);
    if (self.timer_) self.loop_.cancel(*self.timer_);
    self.timer_.reset();
    if (timeout_ms < 0) return 0;
    self.timer_ = self.loop_.after(std::chrono::milliseconds(timeout_ms), [&self] {
      self.timer_.reset();
      self.act(CURL_SOCKET_TIMEOUT);
    });
    return 0;
  }

  EventLoop& loop_;
  CURLM* multi_;
  std::map<Id, std::unique_ptr<Exchange>> exchanges_;
  std::optional<EventLoop::TimerId> timer_;
  Id next_id_ = 1;
};

HttpClient::HttpClient() = default;
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::create(EventLoop& loop) {
  // Once a process; libcurl counts, and is given back at its end.
  static const CURLcode ready = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  std::unique_ptr<HttpClient> client(new HttpClient());
  client->engine_ = std::make_unique<Engine>(loop);
  if (ready != CURLE_OK || !client->engine_->valid()) return fail("libcurl cannot be set up");
  return client;
}

HttpClient::Id HttpClient::send(HttpRequest request, Done done) {
  return engine_->add(std::move(request), std::move(done));
}

void HttpClient::cancel(Id id) {
  engine_->cancel(id);
}

std::size_t HttpClient::under_way() const {
  return engine_->size();
}

}  // namespace milonga::runner
