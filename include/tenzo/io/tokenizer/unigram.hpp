// Unigram, the vocabulary model of T5: the cut into tokens whose scores sum to the most.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/tokenizer/prefix_index.hpp"
#include "tenzo/io/tokenizer/utf8.hpp"
#include "tenzo/io/tokenizer/vocabulary.hpp"

namespace tenzo::text {

/// The best cut by dynamic programming; of equal ones that whose last token is longest.
///   A character without a token scores 10 less than the worst token, and is unknown, or its bytes with
///   `byte_fallback`. Cost    O(n · longest token) time and 16 n bytes for a piece of n bytes. Source  Kudo 2018.
struct Unigram {
  PrefixIndex index;
  std::vector<double> scores;     // log-probabilities by id
  std::int32_t unknown = -1;      // −1: an unknown character is left out
  double worst = 0;               // the least of the scores
  bool single_precision = false;  // sum the scores in float, as SentencePiece does: other ties
  bool byte_fallback = false;
  bool fuse_unknown = true;                  // neighbours that are unknown become one token
  std::array<std::int32_t, 256> byte_ids{};  // of <0x00> …

  void encode(const Vocabulary& vocabulary, std::string_view piece, std::vector<int>& ids) const {
    struct Best {
      double score;
      std::int32_t begin, id;  // of the last token; begin −1: no cut ends here
    };
    std::vector<Best> best(piece.size() + 1, Best{-std::numeric_limits<double>::infinity(), -1, -1});
    best[0].score = 0;
    const auto offer = [&](std::size_t begin, std::size_t end, std::int32_t id, double score) {
      double sum = best[begin].score + score;
      if (single_precision) sum = double(float(sum));
      if (best[end].begin < 0 || sum > best[end].score) best[end] = {sum, std::int32_t(begin), id};
    };
    for (std::size_t at = 0; at < piece.size();) {
      const auto rest = piece.substr(at);
      const auto character = std::size_t(first_character(rest).size);
      bool has_token = false;
      index.for_each_prefix(vocabulary, rest, [&](std::int32_t id, std::size_t size) {
        offer(at, at + size, id, scores[std::size_t(id)]);
        has_token = has_token || size == character;
      });
      if (!has_token) offer(at, at + character, unknown, worst - 10);
      at += character;
    }

    const std::size_t before = ids.size();
    bool after_unknown = false;
    for (auto end = std::int32_t(piece.size()); end > 0; end = best[std::size_t(end)].begin) {
      const Best& last = best[std::size_t(end)];
      const bool is_unknown = last.id == unknown;
      if (!is_unknown) {
        ids.push_back(last.id);
      } else if (byte_fallback) {
        for (std::int32_t i = end; i-- > last.begin;)
          ids.push_back(byte_ids[static_cast<unsigned char>(piece[std::size_t(i)])]);
      } else if (unknown >= 0 && !(fuse_unknown && after_unknown)) {
        ids.push_back(unknown);
      }
      after_unknown = is_unknown;
    }
    std::reverse(ids.begin() + std::ptrdiff_t(before), ids.end());
  }
};

}  // namespace tenzo::text
