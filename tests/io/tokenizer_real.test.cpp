// The tokenizers of the real models against golden/real. A model that is not there is skipped with a message.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "real_models.hpp"
#include "tenzo/io/tokenizer/folder.hpp"
#include "tenzo/io/tokenizer/gguf.hpp"

using namespace tenzo;

TEST_CASE("tokenizer: SmolLM2's golden ids from its GGUF file") {
  const std::string path = model_file("TENZO_SMOLLM2", "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
  const auto expected = golden("smollm2.json");
  REQUIRE(expected["texts"].size() > 0);
  if (path.empty()) return;
  const Tokenizer tokenizer = tokenizer_from_gguf(GgufFile::open(path));
  CHECK(tokenizer.size() == 49152);
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.eos() == 2);
  CHECK(tokenizer.token_id("Ġthe") == 260);
  CHECK(tokenizer.token(260) == "Ġthe");
  CHECK(tokenizer.token_id("<|im_end|>") == 2);
  for (const auto& text : expected["texts"]) {
    const auto words = text["text"].get<std::string>();
    CAPTURE(words);
    CHECK(tokenizer.encode(words, true) == text["ids"].get<std::vector<int>>());
    CHECK(tokenizer.decode(tokenizer.encode(words, false), true) == words);
  }
}

TEST_CASE("tokenizer: a long word of SmolLM2 costs no square") {
  const std::string path = model_file("TENZO_SMOLLM2", "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
  if (path.empty()) return;
  const Tokenizer tokenizer = tokenizer_from_gguf(GgufFile::open(path));
  std::string word;
  for (std::uint32_t x = 1, i = 0; i < (1u << 20); ++i) word += char('a' + ((x = x * 1664525 + 1013904223) >> 24) % 26);
  CHECK(tokenizer.decode(tokenizer.encode(word, false)) == word);
}

TEST_CASE("tokenizer: MiniLM's golden ids from its folder and from vocab.txt") {
  const std::string path = model_file("TENZO_MINILM", "minilm");
  const auto expected = golden("minilm.json");
  REQUIRE(expected["texts"].size() > 0);
  if (path.empty()) return;
  const Tokenizer folder = tokenizer_from_folder(path), list = tokenizer_from_vocab_txt(path + "/vocab.txt");
  CHECK(folder.size() == 30522);
  CHECK(folder.token_id("[CLS]") == 101);
  for (const auto& text : expected["texts"]) {
    const auto words = text["text"].get<std::string>();
    CAPTURE(words);
    CHECK(folder.encode(words, true) == text["ids"].get<std::vector<int>>());
    CHECK(list.encode(words, true) == text["ids"].get<std::vector<int>>());
  }
}
