// Decoders: tokens back to text.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/tokenizer/byte_alphabet.hpp"
#include "tenzo/io/tokenizer/pattern.hpp"

namespace tenzo::text {

/// Tokens in the byte alphabet → the bytes, joined.
struct JoinByteLevel {};

/// Puts a space before each token but the first and those that begin with `continuation`, whose mark goes; `cleanup`
/// takes back spaces before English punctuation.
struct JoinWords {
  std::string continuation = "##";
  bool cleanup = true;
};

/// Marks → spaces; in the first token they go, where the text was given one in front.
struct MarksToSpaces {
  std::string mark = "▁";
  bool first_goes = true;
};

/// Tokens <0x00> … → their byte.
struct ByteTokens {};

/// All tokens → one.
struct Fuse {};

/// Takes at most `left` and `right` copies of `text` from the ends of each token.
struct StripCopies {
  std::string text = " ";
  std::size_t left = 0, right = 0;
};

/// Replaces each match in each token.
struct ReplaceInTokens {
  Pattern pattern;
  std::string by;
};

using Decoder = std::variant<JoinByteLevel, JoinWords, MarksToSpaces, ByteTokens, Fuse, StripCopies, ReplaceInTokens>;

#if TENZO_DEFINES(text)
namespace detail {

using Tokens = std::vector<std::string>;

inline void apply(const Fuse&, Tokens& tokens, std::size_t) {
  std::string all;
  for (const std::string& t : tokens) all += t;
  tokens.assign(1, std::move(all));
}

inline void apply(const JoinByteLevel&, Tokens& tokens, std::size_t) {
  std::string all;
  for (const std::string& t : tokens) append_bytes_of(all, t);
  tokens.assign(1, std::move(all));
}

inline void apply(const ReplaceInTokens& r, Tokens& tokens, std::size_t limit) {
  for (std::string& t : tokens) {
    std::string replaced;
    replace_all(r.pattern, t, r.by, replaced, limit);
    check_result(replaced.size(), limit);
    limit -= replaced.size();
    t.swap(replaced);
  }
}

inline void apply(const JoinWords& join, Tokens& tokens, std::size_t) {
  static constexpr std::pair<std::string_view, std::string_view> shorter[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::string& t = tokens[i];
    if (i > 0) t.starts_with(join.continuation) ? t.erase(0, join.continuation.size()) : t.insert(0, " ");
    if (!join.cleanup) continue;
    for (const auto& [from, to] : shorter) {
      std::string replaced;
      replace_all({Pattern::literal, 1, std::string(from)}, t, to, replaced);
      t.swap(replaced);
    }
  }
}

inline void apply(const MarksToSpaces& m, Tokens& tokens, std::size_t) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::string replaced;
    replace_all({Pattern::literal, 1, m.mark}, tokens[i], i == 0 && m.first_goes ? "" : " ", replaced);
    tokens[i].swap(replaced);
  }
}

/// The byte that a token <0x00> … <0xFF> names, −1 for other tokens.
inline int named_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const auto value = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  const int high = value(token[3]), low = value(token[4]);
  return high < 0 || low < 0 ? -1 : 16 * high + low;
}

inline void apply(const ByteTokens&, Tokens& tokens, std::size_t) {
  for (std::string& t : tokens)
    if (const int b = named_byte(t); b >= 0) t.assign(1, char(b));
}

inline void apply(const StripCopies& s, Tokens& tokens, std::size_t) {
  if (s.text.empty()) return;
  for (std::string& t : tokens) {
    std::size_t begin = 0, end = t.size();
    const auto view = [&] { return std::string_view(t).substr(begin, end - begin); };
    for (std::size_t i = 0; i < s.left && view().starts_with(s.text); ++i) begin += s.text.size();
    for (std::size_t i = 0; i < s.right && view().ends_with(s.text); ++i) end -= s.text.size();
    t = std::string(view());
  }
}

}  // namespace detail
#endif

/// The text of the tokens. Without decoders they are joined by spaces. Throws ValueError where it becomes longer than
/// `longest_result`.
///   Bytes that name no whole character come out as they are.
TENZO_COMPILED std::string decoded(std::span<const Decoder> decoders, std::vector<std::string> tokens);

#if TENZO_DEFINES(text)
TENZO_COMPILED std::string decoded(std::span<const Decoder> decoders, std::vector<std::string> tokens) {
  std::size_t size = tokens.size();
  for (const std::string& t : tokens) size += t.size();
  for (const Decoder& d : decoders)
    std::visit([&](const auto& one) { detail::apply(one, tokens, longest_result(size)); }, d);
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && decoders.empty()) text += ' ';
    text += tokens[i];
  }
  return text;
}
#endif

}  // namespace tenzo::text
