// A small JSON Schema check: as much of it as docs/report.schema.json uses
// (type, enum, properties, required, additionalProperties: false, $ref into
// $defs). An unknown keyword is an error, so that nothing passes unchecked.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace milonga::testing {

// Empty, or what is wrong and where.
std::string schema_error(const boost::json::value& root, const boost::json::value& schema,
                         const boost::json::value& value, const std::string& where);

// The project's schema, from docs/.
boost::json::value report_schema();

}  // namespace milonga::testing
