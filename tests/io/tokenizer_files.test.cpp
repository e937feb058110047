// Tokenizers from lists, GGUF metadata, vocab.txt and folders; damaged files; any bytes; memory and threads.
#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "files.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/io/gguf_writer.hpp"
#include "tenzo/io/tokenizer/folder.hpp"
#include "tenzo/io/tokenizer/gguf.hpp"

using namespace tenzo;

namespace {

#ifndef TENZO_SOURCE_DIR
#define TENZO_SOURCE_DIR "."
#endif
const std::string golden = std::string(TENZO_SOURCE_DIR) + "/tests/golden/tokenizers/";

using Ids = std::vector<int>;

/// Byte-level lists: the 256 bytes, then tokens with their merges, then a control token.
struct ByteLevelLists {
  std::vector<std::string> tokens;
  std::vector<std::string> merges{"h e", "l l", "he ll", "hell o", "Ġ w"};
  TokenizerLists lists;

  ByteLevelLists() {
    for (std::size_t b = 0; b < 256; ++b) text::append_utf8(tokens.emplace_back(), text::byte_alphabet[b]);
    for (const auto* t : {"he", "ll", "hell", "hello", "Ġw", "<|end|>", "<|end|>!"}) tokens.emplace_back(t);
    lists.tokens.assign(tokens.begin(), tokens.end());
    lists.merges.assign(merges.begin(), merges.end());
    lists.types.assign(tokens.size(), TokenizerLists::normal);
    lists.types[261] = lists.types[262] = TokenizerLists::control;
    lists.bos = 261;
  }
};

GgufMetadata metadata_of(const TokenizerLists& lists) {
  GgufMetadata m;
  m.set("general.architecture", "llama");
  m.set("tokenizer.ggml.model", lists.model);
  m.set("tokenizer.ggml.pre", lists.pre_tokenizer);
  m.set("tokenizer.ggml.tokens", GgufValue::array(lists.tokens));
  m.set("tokenizer.ggml.merges", GgufValue::array(lists.merges));
  m.set("tokenizer.ggml.token_type", GgufValue::array(lists.types));
  if (!lists.scores.empty()) m.set("tokenizer.ggml.scores", GgufValue::array(lists.scores));
  if (lists.bos >= 0) m.set("tokenizer.ggml.bos_token_id", std::uint32_t(lists.bos));
  if (lists.eos >= 0) m.set("tokenizer.ggml.eos_token_id", std::uint32_t(lists.eos));
  if (lists.unknown >= 0) m.set("tokenizer.ggml.unknown_token_id", std::uint32_t(lists.unknown));
  return m;
}

Tokenizer through_gguf(const GgufMetadata& metadata) {
  const TestFolder folder;
  write_gguf(folder / "t.gguf", metadata, {}, [](std::size_t) -> StoredTensor { throw ValueError("no tensors"); });
  return tokenizer_from_gguf(GgufFile::open(folder / "t.gguf"));
}

std::string reason(const std::string& json) {
  try {
    parse_tokenizer(json, "t.json");
  } catch (const FileError& e) {
    CHECK(e.path == "t.json");
    return e.reason;
  }
  return "no error";
}

}  // namespace

TEST_CASE("tokenizer: byte-level lists, directly and through a GGUF file") {
  const ByteLevelLists b;
  for (const Tokenizer& t : {make_tokenizer(b.lists), through_gguf(metadata_of(b.lists))}) {
    CHECK(t.size() == 263);
    CHECK(t.bos() == 261);
    CHECK(t.eos() == -1);
    CHECK(t.encode("hello w", true) == Ids{259, 260});
    CHECK(t.encode("hell", false) == Ids{258});
    CHECK(t.encode("<|end|>hello<|end|>!", false) == Ids{261, 259, 262});  // of tokens at one place the longest
    CHECK(t.encode("<|end|", false).size() == 6);
    CHECK(t.decode(Ids{261, 259, 260, 262}) == "hello w");
    CHECK(t.decode(Ids{261, 259, 260, 262}, true) == "<|end|>hello w<|end|>!");
    CHECK(t.decode(Ids{-1, 9999, 259}) == "hello");
    CHECK(t.token_id("hello") == 259);
    CHECK(t.token_id("hellO") == -1);
    CHECK(t.token_id("") == -1);
    CHECK(t.token(-1) == "");
    CHECK(t.is_special(262));
    CHECK(!t.is_special(259));
  }
}

TEST_CASE("tokenizer: byte-level vocabularies keep any bytes") {
  const Tokenizer t = make_tokenizer(ByteLevelLists().lists);
  Xorshift random;
  for (int i = 0; i < 300; ++i) {
    std::string bytes;
    for (std::uint64_t n = random() % 60; n > 0; --n) bytes += char(random() % 4 ? random() % 256 : ' ');
    CHECK(t.decode(t.encode(bytes, false), true) == bytes);
  }
}

TEST_CASE("tokenizer: other vocabularies take any bytes") {
  Xorshift random;
  std::vector<Tokenizer> all;
  for (const auto* name : {"bert", "stripped", "llama2", "mistral", "characters", "t5", "unigram"})
    all.push_back(tokenizer_from_json(golden + name + ".json"));
  for (int i = 0; i < 100; ++i) {
    std::string bytes;
    for (std::uint64_t n = random() % 60; n > 0; --n) bytes += char(random() % 4 ? random() % 256 : ' ');
    for (const Tokenizer& t : all)
      for (const int id : t.encode(bytes, true)) CHECK((id >= 0 && id < t.size()));
  }
  CHECK(all[2].decode(all[2].encode("a\xff\xc3 b", false)) == "a\xff\xc3 b");  // falls back to bytes
  CHECK(all[0].encode("a\xff", false) == all[0].encode("a", false));           // cleaned as U+FFFD
}

TEST_CASE("tokenizer: lists that contradict one another") {
  const auto fails = [](auto&& change) {
    ByteLevelLists b;
    change(b.lists);
    try {
      make_tokenizer(b.lists);
    } catch (const ValueError& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  CHECK(fails([](auto& l) { l.types.pop_back(); }) == "tokenizer: 263 tokens, but 262 types");
  CHECK(fails([](auto& l) { l.eos = 263; }) == "tokenizer: special id 263 of 263 tokens");
  CHECK(fails([](auto& l) { l.model = "rwkv"; }) ==
        "tokenizer: model 'rwkv' is not known; known are gpt2, llama, bert, t5");
  CHECK(fails([](auto& l) { l.merges.push_back("he"); }) == "merge 5: 'he' is not two tokens with a space between");
  CHECK(fails([](auto& l) { l.merges.push_back("o o"); }) == "merge 5: 'oo' is not in the vocabulary");
  CHECK(fails([](auto& l) { l.model = "llama"; }) == "tokenizer: 263 tokens, but 0 scores");
}

TEST_CASE("tokenizer: WordPiece as GGUF files write it is the WordPiece of tokenizer.json") {
  const Tokenizer json = tokenizer_from_json(golden + "bert.json");
  std::vector<std::string> tokens;
  TokenizerLists lists;
  lists.model = "bert";
  for (int id = 0; id < json.size(); ++id) {
    const std::string_view t = json.token(id);
    const bool control = json.is_special(id);
    tokens.push_back(control ? std::string(t) : t.starts_with("##") ? std::string(t.substr(2)) : "▁" + std::string(t));
    lists.types.push_back(control ? TokenizerLists::control : TokenizerLists::normal);
  }
  lists.tokens.assign(tokens.begin(), tokens.end());
  lists.bos = json.token_id("[CLS]");
  lists.eos = json.token_id("[SEP]");
  lists.unknown = json.token_id("[UNK]");
  const Tokenizer gguf = through_gguf(metadata_of(lists));
  for (const auto* text : {"", "The film is witty, and moving!", "naïve CAFÉ 東京 x", "[MASK] of unknown ☃ words"})
    CHECK(gguf.encode(text, true) == json.encode(text, true));
  CHECK(gguf.decode(gguf.encode("the film is moving", true)) == "the film is moving");
}

TEST_CASE("tokenizer: scored vocabularies through a GGUF file") {
  const std::vector<std::string> tokens{"<unk>", "<s>", "</s>", "▁",      "a",      "b",
                                        "▁a",    "ab",  "▁ab",  "<0xC3>", "<0xA9>", "xy"};
  TokenizerLists lists;
  lists.tokens.assign(tokens.begin(), tokens.end());
  lists.types.assign(12, TokenizerLists::normal);
  lists.types[0] = TokenizerLists::unknown_type;
  lists.types[1] = lists.types[2] = TokenizerLists::control;
  lists.types[9] = lists.types[10] = TokenizerLists::byte;
  lists.types[11] = TokenizerLists::user_defined;
  lists.scores = {0, 0, 0, -5, -5, -5, -1, -2, -3, 0, 0, 0};
  lists.bos = 1, lists.eos = 2, lists.unknown = 0;
  lists.model = "llama";
  const Tokenizer llama = through_gguf(metadata_of(lists));
  CHECK(llama.encode("ab", true) == Ids{1, 8});  // ▁a scores more than ab, then ▁ab
  CHECK(llama.encode("aab", false) == Ids{6, 7});
  CHECK(llama.encode("é", false) == Ids{3, 9, 10});     // by its bytes
  CHECK(llama.encode("zz", false) == Ids{3, 0});        // neighbours that are unknown are one
  CHECK(llama.encode("axyb", false) == Ids{6, 11, 5});  // what a user defined is one token
  CHECK(llama.encode("", false) == Ids{});
  CHECK(llama.decode(Ids{1, 6, 7, 9, 10}) == "aabé");

  lists.model = "t5";
  const Tokenizer t5 = through_gguf(metadata_of(lists));
  CHECK(t5.encode("ab", true) == Ids{8, 2});  // −3 is more than −1 − 5
  CHECK(t5.encode("  aab  ", false) == Ids{6, 7});
  CHECK(t5.encode("azzb", false) == Ids{6, 0, 5});
}

TEST_CASE("tokenizer: a GGUF file without a tokenizer, or with half of one") {
  const auto fails = [](const GgufMetadata& m) {
    try {
      through_gguf(m);
    } catch (const FileError& e) {
      return e.reason;
    }
    return std::string("no error");
  };
  GgufMetadata m;
  m.set("general.architecture", "llama");
  CHECK(fails(m) == "has no tokenizer (no key 'tokenizer.ggml.model')");
  m.set("tokenizer.ggml.model", "gpt2");
  CHECK(fails(m) == "has no key 'tokenizer.ggml.tokens'");
  m.set("tokenizer.ggml.tokens", 3.0f);
  CHECK(fails(m).starts_with("key 'tokenizer.ggml.tokens': the value is of type f32"));
  m = metadata_of(ByteLevelLists().lists);
  m.set("tokenizer.ggml.pre", "tea leaves");
  CHECK(fails(m).starts_with("pre-tokenizer 'tea leaves' is not known"));
  m = metadata_of(ByteLevelLists().lists);
  m.set("tokenizer.ggml.token_type", "text");
  CHECK(fails(m) == "the value is of type text; want array");
}

TEST_CASE("tokenizer: vocab.txt, and the folder it lies in") {
  const TestFolder folder;
  put_file(folder / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\r\n[SEP]\n[MASK]\nfilm\n##s\nthe");
  const Tokenizer t = tokenizer_from_vocab_txt(folder / "vocab.txt");
  CHECK(t.size() == 8);
  CHECK(t.encode("The FILMS [MASK] xx", true) == Ids{2, 7, 5, 6, 4, 1, 3});
  CHECK(t.decode(Ids{2, 7, 5, 6, 3}) == "the films");
  CHECK(tokenizer_from_folder(folder / "").encode("The", false) == Ids{7});
  put_file(folder / "tokenizer_config.json", R"({"do_lower_case": false})");
  CHECK(tokenizer_from_folder(folder / "").encode("The", false) == Ids{1});
  CHECK_THROWS_WITH_AS(parse_vocab_txt("a\nb", "v", true), "v: is no vocabulary of BERT: there is no line [UNK]",
                       FileError);
}

TEST_CASE("tokenizer: folders with vocab.json and merges.txt, with tokenizer.json, with a .model, with nothing") {
  const TestFolder folder;
  CHECK_THROWS_AS(tokenizer_from_folder(folder / ""), FileError);
  std::filesystem::copy_file(golden + "spm_bpe.model", folder / "tokenizer.model");
  CHECK(tokenizer_from_folder(folder / "").encode("a", true).front() == 1);

  const ByteLevelLists b;
  nlohmann::json vocabulary;
  for (std::size_t i = 0; i < b.tokens.size(); ++i) vocabulary[b.tokens[i]] = i;
  put_file(folder / "vocab.json", vocabulary.dump());
  std::string merges = "#version: 0.2\n";
  for (const auto& m : b.merges) merges += m + "\n";
  put_file(folder / "merges.txt", merges);
  put_file(folder / "tokenizer_config.json", R"({"bos_token": {"content": "<|end|>"}, "add_bos_token": true})");
  const Tokenizer t = tokenizer_from_folder(folder / "");
  CHECK(t.encode("hello w", true) == Ids{261, 259, 260});
  CHECK(t.bos() == 261);
  CHECK(t.decode(Ids{261, 259, 260}) == "hello w");
  put_file(folder / "merges.txt", merges + "hello x\n");
  CHECK_THROWS_AS(tokenizer_from_folder(folder / ""), FileError);

  std::filesystem::copy_file(golden + "qwen2.json", folder / "tokenizer.json");
  CHECK(tokenizer_from_folder(folder / "").size() == tokenizer_from_json(golden + "qwen2.json").size());
}

TEST_CASE("tokenizer: reasons why a tokenizer.json is refused") {
  const auto bpe = [](const std::string& more, const std::string& model = R"("merges": ["a b"])") {
    return R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, )" + model + "}" + more + "}";
  };
  CHECK(reason(bpe("")) == "no error");
  CHECK(reason("") == "is no valid JSON");
  CHECK(reason("{\"a\": 1," + std::string(5000, '\n') + "x") == "is no valid JSON");
  CHECK(reason("{\"a\": 1" + std::string(5000, '0') + "}") == "holds a number out of range");
  CHECK(reason("[1]") == "is JSON, but not an object");
  CHECK(reason("{}") == "has no \"model\" with a \"vocab\"");
  CHECK(reason(R"({"model": {"type": "BPE", "vocab": {}}})") == "has no \"model\" with a \"vocab\"");
  CHECK(reason(R"({"model": {"vocab": {"a": -1}}})") == "vocabulary: '-1' where the id of a token belongs");
  CHECK(reason(R"({"model": {"vocab": {"a": "b"}}})") == "vocabulary: '\"b\"' where the id of a token belongs");
  CHECK(reason(R"({"model": {"vocab": {"a": {}}}})") == "vocabulary: an object where none belongs");
  CHECK(reason(R"({"model": {"vocab": {"a": [1]}}})") == "vocabulary: a list where none belongs");
  CHECK(reason(R"({"model": {"vocab": [["a"]]}})") == "vocabulary: an item of 1 values; want 2");
  CHECK(reason(R"({"model": {"vocab": [["a", "b"]]}})") == "vocabulary: want pairs of a token and a number");
  CHECK(reason(R"({"model": {"vocab": [1]}})") == "vocabulary: '1' where the id of a token belongs");
  CHECK(reason(R"({"model": {"vocab": {"a": 2000000000}}})") == "vocabulary: 1 tokens, but an id 2000000000");
  CHECK(reason(R"({"model": {"vocab": {"a": 1, "b": 1}}})") == "vocabulary: the id 1 is both 'a' and 'b'");
  CHECK(reason(bpe("", R"("merges": ["ab"])")) == "merges: 'ab' is not two tokens with a space between");
  CHECK(reason(bpe("", R"("merges": [["a", "c"]])")) == "merge 0: 'c' is not in the vocabulary");
  CHECK(reason(bpe("", R"("merges": [["a", "b", "c"]])")) == "merges: an item of 3 values; want 2");
  CHECK(reason(bpe("", R"("unk_token": "?")")) == "\"unk_token\": the token '?' is not in the vocabulary");
  CHECK(reason(bpe("", R"("end_of_word_suffix": "</w>")")) ==
        "BPE with a continuing_subword_prefix or an end_of_word_suffix is not supported");
  CHECK(reason(bpe(R"(, "normalizer": {"type": "NFKC"})")) == "the normalizer 'NFKC' is not supported");
  CHECK(reason(bpe(R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AA"})")) ==
        "charsmap: 1 bytes; it begins with the 4 bytes of a size");
  CHECK(reason(bpe(R"(, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a|b)*"}})")) ==
        "the regular expression '(a|b)*' is not supported");
  CHECK(reason(bpe(R"(, "pre_tokenizer": {})")) == "a string \"type\" is missing in '{}'");
  CHECK(reason(bpe(R"(, "post_processor": {"type": "TemplateProcessing", "single": []})")) ==
        "the post-processor leaves the text out");
  CHECK(reason(bpe(R"(, "post_processor": {"type": "BertProcessing", "cls": ["a", 0], "sep": ["b", 7]})")) ==
        "tokenizer: id 7 is to be put around texts; there are 3");
  CHECK(reason(bpe(R"(, "added_tokens": [{"id": -1, "content": "x"}])")) ==
        "added token '{\"content\":\"x\",\"id\":-1}': its id is no integer from 0 on");
  CHECK(reason(bpe(R"(, "added_tokens": [{"id": 0, "content": "x"}])")) == "vocabulary: the id 0 is both 'a' and 'x'");
  std::string deep = R"({"type": "NFC"})";
  for (int i = 0; i < 20; ++i) deep = R"({"type": "Sequence", "normalizers": [)" + deep + "]}";
  CHECK(reason(bpe(R"(, "normalizer": )" + deep)) == "normalizers: sequences are nested more than 8 deep");
  CHECK(reason(std::string(100000, '[')) == "is nested deeper than 100 levels");
  std::string many = R"({"type": "NFC"})";
  for (int i = 0; i < 64; ++i) many += R"(, {"type": "NFC"})";
  CHECK(reason(bpe(R"(, "normalizer": {"type": "Sequence", "normalizers": [)" + many + "]}")) ==
        "65 stages; at most 64 are read");
}

TEST_CASE("tokenizer: a text does not grow without bounds, whatever the file says") {
  const std::string twice = R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"})";
  std::string stages = twice;
  for (int i = 0; i < 40; ++i) stages += ", " + twice;
  const Tokenizer t =
      parse_tokenizer(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "normalizer":
      {"type": "Sequence", "normalizers": [)" +
                          stages + R"(]}, "decoder": {"type": "Sequence", "decoders": [)" + stages + "]}}",
                      "t.json");
  CHECK_THROWS_AS(t.encode("aaa", false), ValueError);
  CHECK_THROWS_AS(t.decode(Ids{0, 0}), ValueError);
}

TEST_CASE("tokenizer: damaged files end in FileError or in a tokenizer that works") {
  Xorshift random;
  int refused = 0, read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".expected.json")) continue;
    const std::string whole = read_file(entry.path().string());
    for (int round = 0; round < 40; ++round) {
      std::string damaged = whole.substr(0, round % 4 ? whole.size() : random() % whole.size());
      for (std::uint64_t n = random() % 3 + (round % 4 != 0); n > 0 && !damaged.empty(); --n)
        damaged[random() % damaged.size()] = round % 2 ? char(random() % 256) : "09aZ\"{}[]:, \\"[random() % 13];
      try {
        const Tokenizer t = name.ends_with(".json") ? parse_tokenizer(damaged, "f") : parse_spm(damaged, "f");
        for (const int id : t.encode("The film, naïve 東京 123\n\xff<s>", true)) CHECK((id >= 0 && id < t.size()));
        t.decode(t.encode("the film", false));
        ++read;
      } catch (const FileError& e) {
        CHECK(e.path == "f");
        ++refused;
      }
    }
  }
  CHECK(refused >= 50);
  CHECK(read >= 50);
}

TEST_CASE("tokenizer: added tokens, which match where") {
  using text::AddedToken;
  const text::TokenFinder finder({{.id = 0, .content = "<a>"},
                                  {.id = 1, .content = "<a>b"},
                                  {.id = 2, .content = "<l>", .takes_left = true},
                                  {.id = 3, .content = "<r>", .takes_right = true},
                                  {.id = 4, .content = "word", .single_word = true}});
  const auto cut = [&](std::string_view s) {
    std::string out;
    finder.cut(
        s, [&](std::string_view t) { out += "[" + std::string(t) + "]"; }, [&](int id) { out += std::to_string(id); });
    return out;
  };
  CHECK(cut("") == "");
  CHECK(cut("x<a>b<a>y<a") == "[x]10[y<a]");
  CHECK(cut("x  <l>  y") == "[x]2[  y]");
  CHECK(cut("x  <r> \n y") == "[x  ]3[y]");
  CHECK(cut("<r>  <l>") == "32");
  CHECK(cut("  <l>") == "2");
  CHECK(cut("a word, wordy, sword, 東word") == "[a ]4[, wordy, sword, 東word]");
}

TEST_CASE("tokenizer: a vocabulary of 49,152 tokens and 48,900 merges takes less than 2 MB") {
  std::vector<std::string> tokens;
  for (int i = 0; i < 49152; ++i) tokens.push_back(std::to_string(i * 7919) + "x");
  const std::vector<std::string_view> views(tokens.begin(), tokens.end());
  const text::Vocabulary vocabulary(views);
  text::MergeTable merges;
  merges.reserve(48900);
  for (int i = 0; i < 48900; ++i) merges.add(i, i * 31 % 49152, i);
  CHECK(vocabulary.memory() + merges.memory() < 2'000'000);
  for (int i = 0; i < 49152; ++i)
    if (vocabulary.id(tokens[std::size_t(i)]) != i || vocabulary.token(i) != tokens[std::size_t(i)]) FAIL("token ", i);
  for (int i = 0; i < 48900; ++i)
    if (merges.find(i, i * 31 % 49152).priority != std::uint32_t(i)) FAIL("merge ", i);
  CHECK(merges.find(1, 1).priority == text::Join::never);
}

TEST_CASE("tokenizer: many threads may use one tokenizer") {
  const Tokenizer t = tokenizer_from_json(golden + "t5.json");
  const std::string text = "The film is a gorgeous, witty and unexpectedly moving portrait of a family.";
  const Ids want = t.encode(text, true);
  std::atomic<int> wrong = 0;
  parallel_for(200, 1, [&](std::int64_t, std::int64_t) { wrong += t.encode(text, true) != want; });
  CHECK(wrong == 0);
}
