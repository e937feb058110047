// What an attention computes: who attends to whom, and where the numbers lie.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/ops/shapes/heads.hpp"

namespace tenzo {

/// The tokens of one sequence: its queries and its keys.
struct AttentionSpan {
  std::int64_t q_begin, q_length, kv_begin, kv_length;
};

/// Attention of `heads` query heads to `kv_heads` heads of keys and values, each shared by heads / kv_heads query
/// heads.
///   Query i of a sequence stands at position p = i + kv_length − q_length, aligned at the end. It sees key j where
///   j <= p if causal, and where j > p − window if window > 0.
struct AttentionProblem {
  std::int64_t heads = 1, kv_heads = 1, head_dim = 1;
  double scale = 1;  // of the scores
  bool causal = false;
  std::int64_t window = 0;  // 0: all
  std::vector<AttentionSpan> sequences = {};
  HeadStrides q = {}, k = {}, v = {}, out = {};
  HeadStrides lse = {};                  // log Σ exp of the scores, one number a query and head
  std::int64_t bias_q = 0, bias_kv = 0;  // the bias, if there is one, is (heads, bias_q, bias_kv)

  std::int64_t group() const { return heads / kv_heads; }
  /// The keys that query i of a sequence sees: [first_key, end_key).
  std::int64_t first_key(const AttentionSpan& s, std::int64_t i) const {
    return window > 0 ? std::clamp<std::int64_t>(i + s.kv_length - s.q_length - window + 1, 0, s.kv_length) : 0;
  }
  std::int64_t end_key(const AttentionSpan& s, std::int64_t i) const {
    return causal ? std::clamp<std::int64_t>(i + s.kv_length - s.q_length + 1, 0, s.kv_length) : s.kv_length;
  }

  /// Throws where a size makes no sense or two sequences share queries; or keys, if `own_keys`.
  void check(bool with_bias, bool own_keys = false) const {
    expect(heads > 0 && kv_heads > 0 && heads % kv_heads == 0, "attention: ", heads, " heads share ", kv_heads,
           " heads of keys; want a multiple");
    expect(head_dim > 0, "attention: a head of ", head_dim, " numbers");
    require(window >= 0, "attention: a window of ", window);
    for (const AttentionSpan& s : sequences) {
      expect(s.q_length >= 0 && s.kv_length >= 0, "attention: a sequence of ", s.q_length, " queries and ", s.kv_length,
             " keys");
      expect(!with_bias || (s.q_length <= bias_q && s.kv_length <= bias_kv), "attention: a sequence of ", s.q_length,
             " queries and ", s.kv_length, " keys has a bias for ", bias_q, " and ", bias_kv);
    }
    check_apart("queries", &AttentionSpan::q_begin, &AttentionSpan::q_length);
    if (own_keys) check_apart("keys", &AttentionSpan::kv_begin, &AttentionSpan::kv_length);
  }

 private:
  void check_apart(const char* what, std::int64_t AttentionSpan::*begin, std::int64_t AttentionSpan::*length) const {
    std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
    for (const AttentionSpan& s : sequences)
      if (s.*length > 0) ranges.emplace_back(s.*begin, s.*begin + s.*length);
    std::sort(ranges.begin(), ranges.end());
    for (std::size_t i = 1; i < ranges.size(); ++i)
      require(ranges[i - 1].second <= ranges[i].first, "attention: two sequences share the ", what, " from ",
              ranges[i].first, " on");
  }
};

}  // namespace tenzo
