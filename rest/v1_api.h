// Our own API, below /v1/: what rest/openapi.json describes. Keys are bearer tokens
// ("Authorization: Bearer KEY"), never in a path; answers have HTTP's own codes,
// failures as application/problem+json (RFC 9457).
//
// Privilege: none.
#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "rest/courselabs.h"
#include "rest/http.h"
#include "rest/options.h"
#include "rest/queue_pool.h"
#include "rest/rate_limit.h"
#include "rest/tango_api.h"

namespace milonga::rest {

class V1Api : public Service {
 public:
  V1Api(const ServerOptions& options, const KeysInForce& keys, CourseLabs& labs, QueuePool& queue,
        TangoApi& tango)
      : options_(options),
        keys_(keys),
        labs_(labs),
        queue_(queue),
        tango_(tango),
        per_key_(options.rate, 4 * options.rate) {}

  Plan begin(const RequestHead& head) override;

  // "GET /v1/jobs/{id}": each that there is, as the description must have it.
  static std::vector<std::string> routes();
  // The description, as it is served.
  static std::string_view description();

 private:
  struct Request {
    const RequestHead* head = nullptr;
    Access access;
    std::vector<std::string> parts;  // what stands for {..} in the path, decoded
    std::string query;
    std::string body;
  };
  struct Route;
  static const std::vector<Route>& table();

  Plan put_file(const Request& request);
  Reply files(const Request& request);
  Reply create_job(const Request& request);
  Reply list_jobs(const Request& request);
  Reply get_job(const Request& request);
  Reply cancel_job(const Request& request);
  Reply output(const Request& request);
  Reply events(const Request& request);
  Reply report(const Request& request);
  Reply health(const Request& request);
  Reply metrics(const Request& request);
  Reply hosts(const Request& request);
  Reply pools(const Request& request);
  Reply describe(const Request& request);
  Result<std::optional<queue::Status>> find(const Request& request);  // none: also if the key may not see it

  const ServerOptions& options_;
  const KeysInForce& keys_;
  CourseLabs& labs_;
  QueuePool& queue_;
  TangoApi& tango_;
  RateLimit per_key_;
  RateLimit failures_{0.2, 20};  // of each address: wrong keys
  std::atomic<int> feeds_{0};
};

Reply problem(unsigned status, std::string_view detail);
Reply json_reply(unsigned status, const boost::json::value& value);

}  // namespace milonga::rest
