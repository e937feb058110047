// What tokenizers do to text: UTF-8, properties of characters, normal forms, words, normalizers.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tenzo/io/tokenizer.hpp"
#include "tenzo/io/tokenizer/base64.hpp"
#include "tenzo/io/tokenizer/normal_forms.hpp"

using namespace tenzo;
using namespace tenzo::text;

namespace {

using Words = std::vector<std::string>;

Words words(const std::vector<PreTokenizer>& stages, std::string_view text) {
  Words out;
  pre_tokenize(stages, {text, true}, [&](std::string_view w) { out.emplace_back(w); });
  return out;
}

std::string normal(std::string_view text, bool composed) {
  std::string out;
  append_normal_form(text, composed, out);
  return out;
}

std::string mapped(const Normalizer& n, std::string_view text) { return normalized(std::vector{n}, text); }

}  // namespace

TEST_CASE("tokenizer text: UTF-8, all code points there and back") {
  std::string s;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    s.clear();
    append_utf8(s, c);
    const Character first = first_character(s), last = last_character("x" + s);
    if (first.code != c || std::size_t(first.size) != s.size() || last.code != c) FAIL("code point ", std::uint32_t(c));
  }
  CHECK(s.size() == 4);
}

TEST_CASE("tokenizer text: what is no UTF-8 is read byte by byte") {
  for (const std::string bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe2\x82", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x9f\x9a"}) {
    std::size_t bytes = 0;
    for_each_character(bad, [&](char32_t c, std::string_view b) {
      CHECK(c == invalid_byte);
      bytes += b.size();
    });
    CHECK(bytes == bad.size());
    CHECK(last_character(bad).code == invalid_byte);
  }
  std::string s;
  append_utf8(s, invalid_byte);
  CHECK(s == "\ufffd");
}

TEST_CASE("tokenizer text: properties of characters") {
  CHECK(is(U'a', letter));
  CHECK(is(U'東', letter));
  CHECK(!is(U'1', letter));
  for (const char32_t c : {U'1', U'½', U'²', U'Ⅻ', U'४'}) CHECK(is(c, number));
  int spaces = 0, letters = 0, numbers = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    spaces += is(c, space);
    letters += is(c, letter);
    numbers += is(c, number);
  }
  CHECK(spaces == 25);       // White_Space
  CHECK(letters == 141028);  // \p{L} and \p{N} of Unicode 16.0.0
  CHECK(numbers == 1911);
  CHECK(is_sign(U'$'));
  CHECK(is_sign(U'«'));
  CHECK(!is_sign(U'€'));
  CHECK(properties(invalid_byte) == 0);
}

TEST_CASE("tokenizer text: lower case, character by character") {
  CHECK(mapped(Lowercase{}, "ABC ÀÉ ΣΑΣ ПРИВЕТ Ǆ ǅ ẞ Ꙁ 𐐀 1") == "abc àé σασ привет ǆ ǆ ß ꙁ 𐐨 1");
  CHECK(mapped(Lowercase{}, "İ") == "i\u0307");
}

TEST_CASE("tokenizer text: NFC and NFD") {
  CHECK(normal("é", false) == "e\u0301");
  CHECK(normal("e\u0301", true) == "é");
  CHECK(normal("ệ", false) == "e\u0323\u0302");             // two steps, marks in order
  CHECK(normal("e\u0302\u0323", true) == "ệ");              // reordered, then composed
  CHECK(normal("q\u0307\u0323", true) == "q\u0323\u0307");  // ordered, nothing to compose
  CHECK(normal("각", false) == "\u1100\u1161\u11a8");
  CHECK(normal("\u1100\u1161\u11a8", true) == "각");
  CHECK(normal("\u212b", true) == "Å");                    // Ångström sign: a singleton
  CHECK(normal("\u0958", true) == "\u0915\u093c");         // excluded from composition
  CHECK(normal("a\u0334\u0301", true) == "\u00e1\u0334");  // a mark of another class does not block
  CHECK(normal("a\u0300\u0301", true) == "\u00e0\u0301");  // one of the same class does
  CHECK(normal("\u0301", true) == "\u0301");
  CHECK(normal("\xff", true) == "\ufffd");
  std::string composed_all, twice;
  for (char32_t c = 0x80; c < 0x30000; ++c)
    if (c < 0xd800 || c >= 0xe000) append_utf8(composed_all, c), composed_all += ' ';
  const std::string nfc = normal(composed_all, true);
  CHECK(normal(nfc, true) == nfc);
  CHECK(normal(normal(composed_all, false), true) == nfc);
}

TEST_CASE("tokenizer text: words of GPT-2") {
  const std::vector<PreTokenizer> gpt2 = pre_tokenizers_by_name("gpt2");
  CHECK(words(gpt2, "") == Words{});
  CHECK(words(gpt2, "Hello world") == Words{"Hello", " world"});
  CHECK(words(gpt2, "I'll we've 'S x'dy") == Words{"I", "'ll", " we", "'ve", " '", "S", " x", "'d", "y"});
  CHECK(words(gpt2, "a  b   ") == Words{"a", " ", " b", "   "});
  CHECK(words(gpt2, "a \n\t b\n") == Words{"a", " \n\t", " b", "\n"});
  CHECK(words(gpt2, "x12 y3.5!?") == Words{"x", "12", " y", "3", ".", "5", "!?"});
  CHECK(words(gpt2, "a\xff\xfe b") == Words{"a", "\xff\xfe", " b"});
  CHECK(words(gpt2, "e\u0301") == Words{"e", "\u0301"});
}

TEST_CASE("tokenizer text: words of SmolLM, Llama 3 and Qwen 2") {
  CHECK(words(pre_tokenizers_by_name("smollm"), "a 12  3") == Words{"a", " ", "1", "2", "  ", "3"});
  const auto llama = pre_tokenizers_by_name("llama-bpe");
  CHECK(words(llama, "1234567 12") == Words{"123", "456", "7", " ", "12"});
  CHECK(words(llama, "I'LL don'T 'ſx") == Words{"I", "'LL", " don", "'T", " '", "ſx"});
  CHECK(words(llama, "'ſx") == Words{"'ſ", "x"});  // ſ is an s in another case
  CHECK(words(llama, "(a) \tb _c") == Words{"(a", ")", " ", "\tb", " _", "c"});
  CHECK(words(llama, "end.\r\n\r\n  x") == Words{"end", ".\r\n\r\n", " ", " x"});
  CHECK(words(llama, "a  \n \n  b") == Words{"a", "  \n \n", " ", " b"});
  CHECK(words(llama, "a   ") == Words{"a", "   "});
  CHECK(words(pre_tokenizers_by_name("qwen2"), "x123") == Words{"x", "1", "2", "3"});
  CHECK_THROWS_AS(pre_tokenizers_by_name("tea leaves"), ValueError);
}

TEST_CASE("tokenizer text: what becomes of the matches of a split") {
  const auto cut = [](Split::Keep keep, bool inverted = false) {
    return words({Split{{Pattern::literal, 1, "-"}, keep, inverted}}, "-a--b-");
  };
  CHECK(cut(Split::isolated) == Words{"-", "a", "-", "-", "b", "-"});
  CHECK(cut(Split::removed) == Words{"a", "b"});
  CHECK(cut(Split::removed, true) == Words{"-", "-", "-", "-"});
  CHECK(cut(Split::contiguous) == Words{"-", "a", "--", "b", "-"});
  CHECK(cut(Split::with_previous) == Words{"-", "a-", "-", "b-"});
  CHECK(cut(Split::with_next) == Words{"-a", "-", "-b", "-"});
}

TEST_CASE("tokenizer text: marked spaces") {
  CHECK(words({MarkedSpaces{}}, "a b  c") == Words{"▁a", "▁b", "▁", "▁c"});
  CHECK(words({MarkedSpaces{"▁", MarkedSpaces::never, false}}, "a b") == Words{"a▁b"});
  CHECK(words({Split{{Pattern::literal, 1, "|"}, Split::removed}, MarkedSpaces{"▁", MarkedSpaces::first}}, "a|b") ==
        Words{"▁a", "b"});
}

TEST_CASE("tokenizer text: normalizers") {
  CHECK(mapped(CleanText{}, "a\tb\u00a0c\x01\u200b\ufffd\xff.") == "a b c.");
  CHECK(mapped(SpaceChinese{}, "a中文b") == "a 中  文 b");
  CHECK(mapped(StripAccents{}, "e\u0301\u0903") == "e\u0903");
  CHECK(mapped(StripAccents{true}, "e\u0301\u0903") == "e");
  CHECK(mapped(Strip{}, " \u3000a b\n") == "a b");
  CHECK(mapped(Strip{true, false}, " a ") == "a ");
  CHECK(mapped(Strip{}, "  ") == "");
  CHECK(mapped(Prepend{"▁"}, "") == "");
  CHECK(mapped(Prepend{"▁"}, "a") == "▁a");
  CHECK(mapped(Replace{{Pattern::blanks}, " "}, "a   b c") == "a b c");
  CHECK(mapped(Replace{{Pattern::literal, 1, ""}, "x"}, "ab") == "ab");
  CHECK(mapped(SentencePieceSpaces{}, "  a   b ") == "▁a▁b");
  CHECK(mapped(SentencePieceSpaces{false, true}, " a  b") == "▁▁a▁▁b");
  CHECK(mapped(SentencePieceSpaces{}, "   ") == "");
}

TEST_CASE("tokenizer text: a damaged table of replacements") {
  CHECK_THROWS_AS(Charsmap(std::string("\1\0", 2)), ValueError);
  CHECK_THROWS_AS(Charsmap(std::string("\x10\0\0\0abc", 7)), ValueError);
  // Every trie of one or two units: no read outside, whatever the units say.
  for (std::uint32_t u = 0; u < 100000; ++u) {
    std::string table("\x08\0\0\0", 4);
    const std::uint32_t units[] = {u * 2654435761u, u * 40503u};
    table.append(reinterpret_cast<const char*>(units), 8).append("xy");
    std::string out;
    Charsmap(table).append_mapped("az\x80\xff", out);
    Charsmap(table, Charsmap::clusters).append_mapped("az\x80\xff", out);
  }
}

TEST_CASE("tokenizer text: base64") {
  CHECK(base64_decoded("") == "");
  CHECK(base64_decoded("TWFu") == "Man");
  CHECK(base64_decoded("TWE=") == "Ma");
  CHECK(base64_decoded("TQ==") == "M");
  CHECK_THROWS_WITH_AS(base64_decoded("TW*u"), "base64: character 2 is not of its alphabet", ValueError);
}

TEST_CASE("tokenizer text: the byte alphabet is a bijection") {
  std::string bytes, written, back;
  for (int b = 0; b < 256; ++b) bytes += char(b);
  append_in_byte_alphabet(written, bytes);
  append_bytes_of(back, written);
  CHECK(back == bytes);
  CHECK(written.find(' ') == std::string::npos);
  back.clear();
  append_bytes_of(back, "Ġ東");  // not of the alphabet: its own bytes
  CHECK(back == "Ġ東");
}
