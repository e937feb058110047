// Attention as a primitive: packed and in batches, with windows, groups and a bias, right in every mode.
#include "tenzo/ops/attention.hpp"

#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// Two sequences: the first attends to itself, the second has two more keys than queries.
AttentionLayout packed(bool causal, std::int64_t window) {
  AttentionLayout l{.heads = 4, .kv_heads = 2, .head_dim = 2, .causal = causal, .window = window};
  l.sequences = {{0, 3, 0, 3}, {3, 2, 3, 4}};
  return l;
}

std::vector<Doubles> operands(bool bias) {
  return {arbitrary({5, 8}, 1), arbitrary({7, 4}, 2), arbitrary({7, 4}, 3), bias ? arbitrary({4, 3, 4}, 4) : Doubles{}};
}

}  // namespace

TEST_CASE("attention: the kernel is the composition of products and softmax") {
  for (const bool causal : {false, true})
    for (const std::int64_t window : {0, 1, 2})
      for (const bool bias : {false, true}) {
        const auto layout = std::make_shared<const AttentionLayout>(packed(causal, window));
        const auto x = operands(bias);
        const Doubles fused = attention(x[0], x[1], x[2], layout, x[3]);
        const Doubles composed = Attention{layout, false}.compose(Values<Doubles, 4>{x[0], x[1], x[2], x[3]})[0];
        CHECK(distance(fused, composed) < 1e-14);
      }
}

TEST_CASE("attention differentiates in every mode") {
  for (const bool causal : {false, true})
    for (const bool bias : {false, true}) {
      const auto layout = std::make_shared<const AttentionLayout>(packed(causal, causal ? 2 : 0));
      check_modes([&](const auto& x) { return square(attention(x[0], x[1], x[2], layout, x[3])); }, operands(bias));
    }
}

TEST_CASE("batched attention differentiates in every mode and equals packed attention") {
  const std::vector<Doubles> x{arbitrary({2, 2, 3, 2}, 1), arbitrary({2, 1, 3, 2}, 2), arbitrary({2, 1, 3, 2}, 3)};
  const auto f = [&](const auto& v) { return batched_attention(v[0], v[1], v[2], {.causal = true}); };
  check_modes(f, x);

  AttentionLayout l{.heads = 2, .kv_heads = 1, .head_dim = 2, .causal = true};
  l.sequences = {{0, 3, 0, 3}, {3, 3, 3, 3}};
  const auto tokens = [](const Doubles& t) {
    return reshape(permute(t, {0, 2, 1, 3}), {t.dim(0) * t.dim(2), t.dim(1) * t.dim(3)});
  };
  const Doubles flat = attention(tokens(x[0]), tokens(x[1]), tokens(x[2]), std::make_shared<const AttentionLayout>(l));
  CHECK(same(tokens(f(x)), flat));
}

TEST_CASE("attention: what does not fit is a sentence") {
  const auto layout = std::make_shared<const AttentionLayout>(packed(true, 0));
  const auto x = operands(false);
  CHECK_THROWS_AS(attention(x[1], x[1], x[2], layout), ShapeError);
  CHECK_THROWS_AS(attention(x[0], x[1].rows(0, 6), x[2].rows(0, 6), layout), ShapeError);
  CHECK_THROWS_AS(attention(x[0], x[1], x[2], layout, arbitrary({3, 3, 4})), ShapeError);
}
