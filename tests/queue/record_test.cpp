// The spool's files as bytes: what is torn, rotten or out of range is recognised, and never crashes the reader.
#include "queue/record.h"

#include <gtest/gtest.h>

#include <string>

#include "queue/name.h"

namespace milonga::queue {
namespace {

Job a_job() {
  Job job;
  job.id = 12345;
  job.name = "hello by ann@example.edu";
  job.lane = "cs101/hello lab";
  job.directory = "hello";
  job.command = {"make", "check"};
  job.files = {{"src/main.c", 0644, 17, std::string(64, 'a')}};
  job.options = {{"memory", "256M"}, {"wall-time", "10"}};
  job.output = "/tmp/feedback.txt";
  job.submitter = "uid:1000";
  job.created_ms = 1'700'000'000'000;
  return job;
}

TEST(JobRecord, ReadsBackAsItWasWritten) {
  const Job job = a_job();
  const auto read = read_job(write_job(job));
  ASSERT_TRUE(read) << read.error().line();
  EXPECT_EQ(write_job(*read), write_job(job));
  EXPECT_EQ(read->options.at("memory"), "256M");
  EXPECT_EQ(read->files[0].path, "src/main.c");
}

TEST(JobRecord, CallbackAndLabelsAreOptional) {
  Job job = a_job();
  EXPECT_EQ(write_job(job).find("callback_url"), std::string::npos);  // older readers refuse unknown fields
  job.callback_url = "https://autolab.example.edu/done?dave=ABC&submission_id=7";
  job.labels = {{"file:hello.c", "ann@example.edu_3_hello.c"}};
  const auto read = read_job(write_job(job));
  ASSERT_TRUE(read) << read.error().line();
  EXPECT_EQ(read->callback_url, job.callback_url);
  EXPECT_EQ(read->labels, job.labels);
  for (const char* url : {"ftp://x/", "javascript:x", "http://a\nb/", "x"}) {
    job.callback_url = url;
    EXPECT_FALSE(check_job(job)) << url;
  }
  job.callback_url.clear();
  job.labels = {{"", "x"}};
  EXPECT_FALSE(check_job(job));
}

TEST(JobRecord, EveryTruncationIsRefused) {
  const std::string whole = write_job(a_job());
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(read_job(whole.substr(0, size))) << size;
}

TEST(JobRecord, EveryFlippedByteIsRefused) {
  const std::string whole = write_job(a_job());
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
      std::string bad = whole;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      EXPECT_FALSE(read_job(bad)) << "byte " << at << " xor " << flip;
    }
}

TEST(JobRecord, ZerosAndNothingAreRefused) {
  EXPECT_FALSE(read_job(""));
  EXPECT_FALSE(read_job(std::string(4096, '\0')));
  EXPECT_FALSE(read_job(write_job(a_job()) + "x"));
}

// A record with a right hash and a wrong content: each error names the field.
TEST(JobRecord, AFieldOutOfRangeIsNamed) {
  const auto error_of = [](auto change) {
    Job job = a_job();
    change(job);
    const auto read = read_job(write_job(job));
    return read ? std::string("taken") : read.error().line();
  };
  EXPECT_NE(error_of([](Job& j) { j.id = 0; }).find("'id'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.lane = ""; }).find("'lane'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.name = "a\nb"; }).find("'name'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.directory = "a/b"; }).find("'directory'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.directory = ".."; }).find("'directory'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.files[0].path = "../x"; }).find("'files'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.files[0].path = "/etc/passwd"; }).find("'files'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.files[0].sha256 = "../../../../etc/passwd"; }).find("'files'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.options["--report"] = "x"; }), "taken") << "starts with a dash";
  EXPECT_NE(error_of([](Job& j) { j.options["a b"] = "x"; }).find("'options'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.output = "relative"; }).find("'output'"), std::string::npos);
}

// It could be written, but never be read again.
TEST(JobRecord, TextThatIsNotUtf8IsRefusedBeforeItIsWritten) {
  const auto error_of = [](auto change) {
    Job job = a_job();
    change(job);
    const auto checked = check_job(job);
    return checked ? std::string("taken") : checked.error().line();
  };
  EXPECT_EQ(error_of([](Job& j) { j.name = "Zo\u00eb"; }), "taken");
  EXPECT_NE(error_of([](Job& j) { j.name = "Zo\xeb"; }).find("'name'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.lane = "\xff"; }).find("'lane'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.image = "/\xff"; }).find("'image'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.directory = "\xff"; }).find("'directory'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.output = "/\xff"; }).find("'output'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.command = {"echo", "\xff"}; }).find("'command'"), std::string::npos);
  EXPECT_NE(error_of([](Job& j) { j.options["image"] = "\xff"; }).find("'options'"), std::string::npos);
  const std::string file = error_of([](Job& j) { j.files[0].path = "a/\xe2\x82"; });
  EXPECT_NE(file.find("a/\\xe2\\x82"), std::string::npos) << file;
}

TEST(ResultRecord, ReadsBackWithItsReportAsItIs) {
  ResultRecord r;
  r.id = 7;
  r.attempt = 2;
  r.outcome = Outcome::gave_up;
  r.reason = "the driver failed";
  r.report_json = R"({"verdict":"ok","wall_s":1.5E0})";
  const auto read = read_result(write_result(r));
  ASSERT_TRUE(read) << read.error().line();
  EXPECT_EQ(read->report_json, r.report_json);
  EXPECT_EQ(read->reason, r.reason);
  EXPECT_EQ(read->outcome, Outcome::gave_up);
}

TEST(ResultRecord, CanBeReadWhateverItsReasonQuotes) {
  ResultRecord r;
  r.id = 7;
  r.reason = "it said: \xe2\x82";
  const auto read = read_result(write_result(r));
  ASSERT_TRUE(read) << read.error().line();
  EXPECT_EQ(read->reason, "it said: \\xe2\\x82");
}

TEST(JobNames, ReadBackAndHaveOneSpelling) {
  JobName n = JobName::first(a_job());
  n.attempt = 2;
  n.due_ms = 0x18bcfe56800;
  const auto read = JobName::parse(n.text());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->text(), n.text());
  for (const char* bad : {"", "x", "12345.i.00.0.20.9f3a1c22.51d0aa07", "0000012345.x.00.0.20.9f3a1c22.51d0aa07",
                          "0000012345.i.00.0.20.9f3a1c22", "0000012345.i.00.0.20.9f3a1c22.51d0aa07.x",
                          "0000000000.i.00.0.20.9f3a1c22.51d0aa07", "0000012345.i.00.00.20.9f3a1c22.51d0aa07",
                          "0000012345.i.00.0.20.9F3A1C22.51d0aa07", "9999999999.i.00.0.20.9f3a1c22.51d0aa07"})
    EXPECT_FALSE(JobName::parse(bad)) << bad;
}

TEST(Lanes, BecomeOneSafePathComponent) {
  EXPECT_EQ(encode_lane("cs101-hello"), "cs101-hello");
  EXPECT_EQ(encode_lane("a/b c"), "a%2Fb%20c");
  EXPECT_EQ(encode_lane(".."), "%2E.");
  EXPECT_EQ(encode_lane(""), "default");
  EXPECT_LE(encode_lane(std::string(1000, '/')).size(), 180u);
  EXPECT_NE(encode_lane(std::string(1000, 'a')), encode_lane(std::string(1001, 'a')));
}

}  // namespace
}  // namespace milonga::queue
