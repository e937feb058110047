// A batch for models with learnt positions: OPT, GPT-2, BERT, RoBERTa.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tenzo/models/packed.hpp"
#include "tenzo/ops/attention.hpp"
#include "tenzo/ops/index.hpp"

namespace tenzo {

/// Packed tokens, the rows of the position table that they read, and which positions see which.
struct PositionedBatch {
  PackedTokens tokens;
  Indices ids, positions;
  std::vector<std::int64_t> ends;  // row of the hidden states after the last one of each sequence
  std::shared_ptr<const AttentionLayout> attention;

  PositionedBatch(PackedTokens packed, std::int64_t heads, std::int64_t head_dim, bool causal,
                  std::int64_t first_position)
      : tokens(std::move(packed)), ids(tokens.id_tensor()), positions(Shape{tokens.tokens()}) {
    AttentionLayout l;
    l.heads = l.kv_heads = heads;
    l.head_dim = head_dim;
    l.causal = causal;
    for (std::int64_t s = 0; s < tokens.sequences(); ++s) {
      const std::int64_t begin = tokens.offsets[std::size_t(s)], length = tokens.length(s);
      l.sequences.push_back({begin, length, begin, length});
      ends.push_back(begin + length);
    }
    for (std::int64_t i = 0; i < tokens.tokens(); ++i) positions(i) = tokens.positions[std::size_t(i)] + first_position;
    attention = std::make_shared<const AttentionLayout>(std::move(l));
  }
};

}  // namespace tenzo
