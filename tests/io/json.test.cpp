// JSON read with care: what is wrong is one line that names the file, the key and the offset.
#include "tenzo/io/json.hpp"

#include <doctest/doctest.h>

#include "files.hpp"

using namespace tenzo;

namespace {

std::string complaint(std::string_view text, const char* key = nullptr) {
  try {
    const JsonObject j = JsonObject::parse(text, "c");
    if (key) j.integer(key);
  } catch (const FileError& e) {
    return e.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("json: values by key, with a fallback where there is none") {
  const JsonObject j = JsonObject::parse(R"({"n": -3, "x": 1.5, "b": true, "t": "a", "o": {"n": 4}, "z": null})", "c");
  CHECK(j.integer("n") == -3);
  CHECK(j.number("n") == -3.0);
  CHECK(j.number("x") == 1.5);
  CHECK(j.boolean("b"));
  CHECK(j.text("t") == "a");
  CHECK(j.object("o").integer("n") == 4);
  CHECK_FALSE(j.has("z"));
  CHECK(j.integer("z", 7) == 7);
  CHECK_FALSE(j.object("none").has("n"));
  CHECK_THROWS_WITH_AS(j.integer("none"), "c: has no key 'none'", FileError);
  CHECK_THROWS_WITH_AS(j.integer("x"), "c: key 'x' is no integer", FileError);
  CHECK_THROWS_WITH_AS(j.object("n"), "c: key 'n' is no object", FileError);

  const TestFolder folder;
  put_file(folder / "c.json", "{\"n\": 1}");
  CHECK(JsonObject::open(folder / "c.json").integer("n") == 1);
  CHECK_THROWS_WITH_AS(JsonObject::open(folder / "none"), cat(folder / "none", ": can not be opened").c_str(),
                       FileError);
}

TEST_CASE("json: hostile texts are refused in one line") {
  CHECK(complaint("") == "c: offset 1: is no valid JSON");
  CHECK(complaint("[1]") == "c: offset 0: is no JSON object");
  CHECK(complaint("{\"n\": 1e999}") == "c: holds a number out of range");
  CHECK(complaint("{\"n\": 18446744073709551615}", "n") == "c: key 'n' is no integer");
  CHECK(complaint("{\"n\": 9223372036854775807}", "n") == "nothing");
  const std::string deep(1'000'000, '[');
  CHECK(complaint("{\"n\": " + deep) == "c: is nested deeper than 100 levels");
  std::string within = "{\"n\": " + deep.substr(0, 99) + std::string(99, ']') + "}";
  CHECK(complaint(within) == "nothing");
}
