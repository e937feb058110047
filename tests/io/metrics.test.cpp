#include "tenzo/io/metrics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "files.hpp"

using namespace tenzo;

TEST_CASE("metrics: the keys and their order are those that readers expect") {
  Metrics m{.example = "zo_llm",
            .mode = "full",
            .seed = 18446744073709551615u,
            .wall_seconds = 92.5,
            .peak_rss_bytes = 592000000};
  m.set("accuracy", 0.59);
  m.set("auc", 0.75);
  m.set("accuracy", 0.61);
  m.claims = {{.id = "C1",
               .statement = "it \"works\"",
               .value = 2,
               .threshold = 1.8,
               .seeds = 3,
               .ci95 = {1.9, 2.1},
               .holds = true,
               .reason = "not for programs",
               .relation = "≥"}};
  CHECK(m.json() == R"({
  "example": "zo_llm",
  "mode": "full",
  "seed": 18446744073709551615,
  "wall_seconds": 92.5,
  "peak_rss_bytes": 592000000,
  "metrics": {
    "accuracy": 0.61,
    "auc": 0.75
  },
  "claims": [
    {
      "id": "C1",
      "statement": "it \"works\"",
      "value": 2.0,
      "threshold": 1.8,
      "seeds": 3,
      "ci95": [
        1.9,
        2.1
      ],
      "holds": true
    }
  ]
}
)");
}

TEST_CASE("metrics: what is not finite is null, what is empty is there") {
  Metrics m{.example = "dqn"};
  m.set("nan", NAN);
  m.set("infinite", -std::numeric_limits<double>::infinity());
  m.set("least", std::numeric_limits<double>::denorm_min());
  m.claims = {{.id = "C1"}};
  const auto j = nlohmann::json::parse(m.json());
  CHECK(j["mode"] == "quick");
  CHECK(j["seed"] == 0);
  CHECK(j["wall_seconds"].is_null());
  CHECK(j["metrics"]["nan"].is_null());
  CHECK(j["metrics"]["infinite"].is_null());
  CHECK(j["metrics"]["least"].get<double>() == std::numeric_limits<double>::denorm_min());
  CHECK(j["claims"][0]["value"].is_null());
  CHECK(j["claims"][0]["ci95"] == nlohmann::json::array({nullptr, nullptr}));
  CHECK(j["claims"][0]["holds"] == false);
  CHECK(j["claims"][0].size() == 7);
  const auto none = nlohmann::json::parse(Metrics{}.json());
  CHECK(none.size() == 7);
  CHECK(none["metrics"].is_object());
  CHECK(none["claims"].is_array());
}

TEST_CASE("metrics: numbers come back with the same bits, bytes that are no UTF-8 do no harm") {
  Metrics m;
  for (const double v : {0.1, 1.0 / 3, 1e300, -5e-324, 123456789.123456789}) m.set(std::to_string(m.metrics.size()), v);
  m.example = "caf\xe9";
  const auto j = nlohmann::json::parse(m.json());
  for (const auto& [name, value] : m.metrics) CHECK(j["metrics"][name].get<double>() == value);
  CHECK(j["example"] == "caf\xef\xbf\xbd");
}

TEST_CASE("metrics: the file is replaced as a whole") {
  const TestFolder folder;
  const std::string path = folder / "metrics.json";
  put_file(path, "old");
  Metrics m{.example = "lgpn"};
  m.write(path);
  CHECK(read_file(path) == m.json());
  CHECK(folder.count() == 1);
  CHECK_THROWS_AS(m.write(folder / "none/metrics.json"), FileError);
}
