// Against python3's own HTTP server, over TCP and over a unix socket.
#include "runner/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace milonga::runner {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

class Server {
 public:
  explicit Server(const std::string& socket = {}) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::execlp("python3", "python3", MILONGA_SOURCE_DIR "/tests/runner/http_server.py",
               socket.empty() ? nullptr : socket.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    for (char c = 0; TEMP_FAILURE_RETRY(::read(out[0], &c, 1)) == 1 && c != '\n';) name_ += c;
    ::close(out[0]);
  }
  ~Server() {
    ::close(stdin_);
    ::waitpid(pid_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::string url(const std::string& path) const { return "http://127.0.0.1:" + name_ + path; }

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  std::string name_;
};

class HttpClientTest : public testing::Test {
 protected:
  HttpClientTest()
      : loop_(std::move(*EventLoop::create())), client_(std::move(*HttpClient::create(*loop_))) {}

  Result<HttpReply> exchange(HttpRequest request) {
    Result<HttpReply> outcome = fail("no answer");
    client_->send(std::move(request), [&](Result<HttpReply> reply) {
      outcome = std::move(reply);
      loop_->stop();
    });
    EXPECT_TRUE(loop_->run());
    return outcome;
  }
  Result<HttpReply> get(const std::string& url) {
    HttpRequest request;
    request.url = url;
    return exchange(std::move(request));
  }
  static Server& server() {
    static Server one;
    return one;
  }

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(HttpClientTest, StatusTypeAndBodyComeBack) {
  const auto reply = get(server().url("/hello"));
  ASSERT_TRUE(reply) << reply.error().line();
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->content_type, "text/plain");
  EXPECT_EQ(reply->body, "GET /hello");
  EXPECT_EQ(get(server().url("/missing"))->status, 404);
  EXPECT_EQ(client_->under_way(), 0u);
}

TEST_F(HttpClientTest, ARedirectIsAnAnswerAndIsNotFollowed) {
  EXPECT_EQ(get(server().url("/elsewhere"))->status, 302);
}

TEST_F(HttpClientTest, ABodyIsSentWholeOrInPieces) {
  HttpRequest request;
  request.method = "POST";
  request.url = server().url("/");
  request.headers = {"X-Mark: seen"};
  request.body = std::string("a\0b", 3);
  EXPECT_EQ(exchange(request)->body, std::string("seen a\0b", 8));

  std::size_t left = 3'000'000;
  request.method = "PUT";
  request.read_body = [&](char* to, std::size_t size) -> Result<std::size_t> {
    const std::size_t n = std::min(size, left);
    std::fill_n(to, n, 'p');
    left -= n;
    return n;
  };
  request.body_limit = 4'000'000;
  const auto reply = exchange(request);
  ASSERT_TRUE(reply) << reply.error().line();
  EXPECT_EQ(reply->status, 201);
  EXPECT_EQ(reply->body.size(), 3'000'005u);
}

TEST_F(HttpClientTest, AnErrorOfTheSenderOrTheTakerEndsTheRequestWithIt) {
  HttpRequest request;
  request.method = "PUT";
  request.url = server().url("/");
  request.read_body = [](char*, std::size_t) -> Result<std::size_t> { return fail("the disk is gone"); };
  EXPECT_EQ(exchange(request).error().line(), "the disk is gone");

  HttpRequest download;
  download.url = server().url("/bytes/100000");
  download.on_body = [](std::string_view) -> Result<void> { return fail("no room"); };
  EXPECT_EQ(exchange(download).error().line(), "no room");
}

TEST_F(HttpClientTest, ALongReplyIsTakenInPiecesOrRefused) {
  std::size_t seen = 0;
  HttpRequest request;
  request.url = server().url("/bytes/5000000");
  request.on_body = [&](std::string_view piece) -> Result<void> {
    seen += piece.size();
    return {};
  };
  EXPECT_TRUE(exchange(request)->body.empty());
  EXPECT_EQ(seen, 5'000'000u);
  EXPECT_EQ(get(server().url("/bytes/5000000")).error().line(), "the reply is longer than 1048576 bytes");
}

TEST_F(HttpClientTest, ABrokenExchangeIsAnErrorThatNamesIt) {
  EXPECT_THAT(get(server().url("/cut")).error().line(), HasSubstr("/cut"));
  EXPECT_THAT(get("http://127.0.0.1:1/").error().line(), HasSubstr("GET http://127.0.0.1:1/"));
  EXPECT_FALSE(get("file:///etc/passwd"));
}

TEST_F(HttpClientTest, ADeadlineEndsIt) {
  HttpRequest request;
  request.url = server().url("/never");
  request.deadline = milliseconds(100);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(exchange(request).error().line(), StartsWith("deadline"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5000));
}

TEST_F(HttpClientTest, CancelEndsIt) {
  HttpRequest request;
  request.url = server().url("/never");
  std::string line;
  const HttpClient::Id id = client_->send(request, [&](Result<HttpReply> reply) {
    line = reply ? "answered" : reply.error().line();
    loop_->stop();
  });
  loop_->after(milliseconds(50), [&] { client_->cancel(id); });
  ASSERT_TRUE(loop_->run());
  EXPECT_THAT(line, StartsWith("cancelled"));
  EXPECT_EQ(client_->under_way(), 0u);
}

TEST_F(HttpClientTest, AnAddressThatIsNotAllowedIsNotConnectedTo) {
  HttpRequest request;
  request.url = server().url("/hello");
  std::string asked;
  request.may_connect = [&](const sockaddr& address) {
    char text[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
    asked = text;
    return false;
  };
  EXPECT_THAT(exchange(request).error().line(), HasSubstr("not allowed"));
  EXPECT_EQ(asked, "127.0.0.1");
}

TEST_F(HttpClientTest, ManyAtOnceOverAUnixSocket) {
  const std::string path = testing::TempDir() + "milonga-http-" + std::to_string(::getpid());
  {
    const Server unix_server(path);
    int left = 40;
    for (int i = 0; i < 40; ++i) {
      HttpRequest request;
      request.url = "http://engine/hello";
      request.unix_socket = path;
      client_->send(request, [&](Result<HttpReply> reply) {
        EXPECT_TRUE(reply && reply->body == "GET /hello") << (reply ? reply->body : reply.error().line());
        if (--left == 0) loop_->stop();
      });
    }
    ASSERT_TRUE(loop_->run());
    EXPECT_EQ(left, 0);
  }
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace milonga::runner
