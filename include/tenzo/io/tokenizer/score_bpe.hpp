// Byte-pair encoding as SentencePiece does it: no list of merges, but a score for each token.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tenzo/io/tokenizer/merge_loop.hpp"
#include "tenzo/io/tokenizer/utf8.hpp"
#include "tenzo/io/tokenizer/vocabulary.hpp"

namespace tenzo::text {

/// A text begins as its characters; of all neighbours whose join is a token, those whose join scores most are joined
/// first. What is no token at the end becomes the tokens <0x00> … of its bytes, or unknown; neighbours that are unknown
/// are one token.
struct ScoreBpe {
  std::vector<float> scores;                 // by id; NaN: a token that text can not give (control tokens, bytes)
  std::int32_t unknown = -1;                 // −1: left out
  std::array<std::int32_t, 256> byte_ids{};  // −1 where there is none

  void encode(const Vocabulary& vocabulary, std::string_view piece, MergeLoop& loop, std::vector<int>& ids) const {
    const auto token = [&](std::size_t begin, std::size_t size) {
      const int id = vocabulary.id(piece.substr(begin, size));
      return id >= 0 && scores[std::size_t(id)] == scores[std::size_t(id)] ? id : -1;
    };
    loop.clear();
    std::size_t at = 0;
    for_each_character(piece, [&](char32_t, std::string_view c) {
      loop.push(token(at, c.size()), std::int32_t(c.size()));
      at += c.size();
    });
    loop.run([&](const Symbol& l, const Symbol& r) {
      const int id = token(std::size_t(l.begin), std::size_t(l.size + r.size));
      return id < 0 ? Join{} : Join{descending(scores[std::size_t(id)]), id};
    });
    bool after_unknown = false;
    loop.for_each([&](const Symbol& s) {
      const bool known = s.id >= 0 || append_bytes(piece.substr(std::size_t(s.begin), std::size_t(s.size)), ids);
      if (s.id >= 0) ids.push_back(s.id);
      if (!known && !after_unknown && unknown >= 0) ids.push_back(unknown);
      after_unknown = !known;
    });
  }

 private:
  /// Appends the tokens of the bytes; false where there are none for all of them.
  bool append_bytes(std::string_view bytes, std::vector<int>& ids) const {
    const auto id_of = [&](char b) { return byte_ids[static_cast<unsigned char>(b)]; };
    if (!std::all_of(bytes.begin(), bytes.end(), [&](char b) { return id_of(b) >= 0; })) return false;
    for (const char b : bytes) ids.push_back(id_of(b));
    return true;
  }

  /// An integer that is smaller where the score is larger.
  static std::uint32_t descending(float score) {
    const auto bits = std::bit_cast<std::uint32_t>(score == 0 ? 0.0f : score);
    return bits >> 31 ? bits : ~bits & 0x7fffffffu;
  }
};

}  // namespace tenzo::text
