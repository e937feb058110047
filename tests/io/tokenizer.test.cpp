// Tokenizers of every kind against what the reference libraries do (golden/tokenizers, scripts/tokenizer_goldens.py).
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tenzo/io/tokenizer/json.hpp"
#include "tenzo/io/tokenizer/spm.hpp"

using namespace tenzo;

namespace {

#ifndef TENZO_SOURCE_DIR
#define TENZO_SOURCE_DIR "."
#endif
const std::string folder = std::string(TENZO_SOURCE_DIR) + "/tests/golden/tokenizers/";

/// Checks all texts of NAME.expected.json; returns how many there are.
int check(const Tokenizer& tokenizer, const std::string& name) {
  std::ifstream file(folder + name + ".expected.json");
  const auto expected = nlohmann::json::parse(file);
  const auto before = expected["before"].get<std::vector<int>>(), after = expected["after"].get<std::vector<int>>();
  int texts = 0;
  for (const auto& c : expected["cases"]) {
    const auto text = c["text"].get<std::string>();
    const auto ids = c["ids"].get<std::vector<int>>();
    CAPTURE(name);
    CAPTURE(text);
    CHECK(tokenizer.encode(text, false) == ids);
    CHECK(tokenizer.decode(ids) == c["decoded"].get<std::string>());
    std::vector<int> whole = before;
    whole.insert(whole.end(), ids.begin(), ids.end());
    whole.insert(whole.end(), after.begin(), after.end());
    CHECK(tokenizer.encode(text, true) == whole);
    for (const int id : ids) CHECK(tokenizer.token_id(tokenizer.token(id)) == id);
    ++texts;
  }
  return texts;
}

}  // namespace

TEST_CASE("tokenizer: all kinds of tokenizer.json give the reference's ids and texts") {
  int kinds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(".json") || file.ends_with(".expected.json")) continue;
    CHECK(check(tokenizer_from_json(entry.path().string()), entry.path().stem().string()) >= 20);
    ++kinds;
  }
  CHECK(kinds == 13);
}

TEST_CASE("tokenizer: SentencePiece models give their library's ids and texts") {
  for (const std::string name : {"spm_unigram", "spm_bpe", "spm_bpe_collapse"})
    CHECK(check(tokenizer_from_spm(folder + name + ".model"), name) >= 20);
}
