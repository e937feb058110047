#include "tenzo/core/hash.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace tenzo;

TEST_CASE("hash: the known answers of XXH64, whole and in pieces") {
  const auto hash = [](std::string_view text) {
    Hash64 h;
    h.update(text);
    return h.value();
  };
  CHECK(hash("") == 0xef46db3751d8e999u);
  CHECK(hash("a") == 0xd24ec4f1a98c6e5bu);
  CHECK(hash("abc") == 0x44bc2cf5ad770999u);

  std::string text;
  for (int i = 0; i < 300; ++i) text += char(i * 7 + i / 11);
  CHECK(hash(std::string_view(text).substr(0, 33)) == 0xd743c380c4b94cc9u);
  CHECK(hash(text) == 0x84c2c6584801e9fbu);
  for (const std::size_t n : {0, 1, 3, 4, 7, 8, 31, 32, 33, 63, 64, 65, 299, 300}) {
    const std::string_view part = std::string_view(text).substr(0, n);
    for (const std::size_t step : {1, 5, 31, 32, 33, 64, 100}) {
      Hash64 h;
      for (std::size_t i = 0; i < n; i += step) h.update(part.substr(i, step));
      CHECK(h.value() == hash(part));
    }
  }
  CHECK(hash(std::string_view(text).substr(0, 299)) != hash(text));
}
