// The report of any answer of the core: JSON that keeps to docs/report.schema.json
// and that our own reader takes. Answers with a value that has no name are refused
// before they come here (core_client.cpp).
//
// Input: the Response; what follows it is the front's own error text.
#include "autodriver/report.h"

#include <boost/json/parse.hpp>
#include <cstring>
#include <memory>

#include "autodriver/core_client.h"
#include "autodriver/tango_face.h"
#include "tests/autodriver/schema.h"
#include "tests/fuzz/fuzz.h"

namespace milonga {
namespace {

template <class Enum>
void into_range(Enum& value, std::size_t count) {
  value = static_cast<Enum>(static_cast<std::uint32_t>(value) % count);
}

void make_sound(Response& r) {
  r.magic = kResponseMagic;
  r.version = 1;
  into_range(r.verdict, kVerdictCount);
  into_range(r.failed_step, kStepCount);
  into_range(r.kind, std::size(kBoxKindNames));
  for (Evidence& e : r.evidence) {
    into_range(e.mechanism, kMechanismCount);
    into_range(e.rung, std::size(kRungNames));
  }
}

void check(const Outcome& outcome) {
  static const boost::json::value schema = testing::report_schema();
  const std::string text = report_json(outcome);
  boost::system::error_code error;
  const boost::json::value report = boost::json::parse(text, error);
  fuzz::hold(!error, "the report is JSON");
  fuzz::hold(text.find('\n') == text.size() - 1, "it is one line");
  const std::string wrong = testing::schema_error(schema, schema, report, "report");
  fuzz::hold(wrong.empty(), wrong);
  const ReportView view = view_of(outcome);
  fuzz::hold(tango_headline(view).starts_with("Autodriver: Job "), "each report has a headline");
  if (const Result<ReportView> read = parse_report(text); read) {
    fuzz::hold(read->verdict == view.verdict && read->error == view.error && read->signal == view.signal,
               "what is read is what was written");
  }
}

}  // namespace
}  // namespace milonga

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace milonga;
  const auto outcome = std::make_unique<Outcome>();
  Response& r = outcome->response;
  const std::size_t part = std::min(size, sizeof r);
  std::memcpy(static_cast<void*>(&r), data, part);
  if (is_sound(r)) check(*outcome);
  make_sound(r);
  fuzz::hold(is_sound(r), "an answer with named values is sound");
  outcome->error = fuzz::text_of(data + part, size - part);
  outcome->limits.value[0] = r.evidence[0].requested;
  outcome->output_bytes = r.evidence[1].counter;
  check(*outcome);
  return 0;
}
