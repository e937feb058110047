#include "tenzo/core/error.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace tenzo;

TEST_CASE("error: what a file says is told on one line") {
  using namespace std::literals;
  CHECK(printable("llama") == "'llama'");
  CHECK(printable("a\nb\0c\x7f"sv) == "'a\\x0ab\\x00c\\x7f'");
  CHECK(printable("gr\u00fcn") == "'gr\u00fcn'");
  CHECK(printable(std::string(61, 'x')) == "'" + std::string(60, 'x') + "...'");

  const FileError e("model.gguf", 12, "the key is 'a\r\nb'");
  CHECK(e.what() == "model.gguf: offset 12: the key is 'a\\x0d\\x0ab'"s);
  CHECK(e.reason == "the key is 'a\\x0d\\x0ab'");
  CHECK(std::string(FileError("f", -1, std::string(100'000, 'x')).what()).size() < 1000);
  CHECK(FileError("f", -1, "is empty").what() == "f: is empty"s);
}
