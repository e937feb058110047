// Checkpointing: the same derivatives, less memory.
#include "tenzo/autodiff/checkpoint.hpp"

#include <doctest/doctest.h>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/ops/elementwise.hpp"

using namespace tenzo;

namespace {

using T = Tensor<double>;

const auto block = [](const auto& x, const auto& w) { return tanh(mul(sin(mul(exp(scale(x, 0.1)), w)), w)); };

/// `depth` blocks one after another, each checkpointed where asked.
auto network(int depth, bool save) {
  return [depth, save](const auto& p) {
    auto x = p.first;
    for (int i = 0; i < depth; ++i) x = save ? checkpoint(block, x, p.second) : block(x, p.second);
    return sum(square(x));
  };
}

std::pair<T, T> parameters(std::int64_t n) {
  T x({n}), w({n});
  for (std::int64_t i = 0; i < n; ++i) {
    x(i) = std::sin(double(i));
    w(i) = 1 + 0.5 * std::cos(double(i));
  }
  return {x, w};
}

std::size_t peak_of(bool save, const std::pair<T, T>& p) {
  const std::size_t before = Pool::instance().statistics().in_use;
  Pool::instance().reset_peak();
  const auto g = grad(network(20, save), p);
  return Pool::instance().statistics().peak - before;
}

}  // namespace

TEST_CASE("checkpoint: the same numbers as without") {
  const auto p = parameters(37);
  const auto plain_run = value_and_grad(network(5, false), p), saved = value_and_grad(network(5, true), p);
  CHECK(plain_run.value.item() == saved.value.item());
  for (std::int64_t i = 0; i < 37; ++i) {
    CHECK(plain_run.grad.first(i) == saved.grad.first(i));
    // w is read twice a block: its cotangents are summed within a block first, so the last bits may differ.
    CHECK(std::abs(plain_run.grad.second(i) - saved.grad.second(i)) < 1e-15);
  }
}

TEST_CASE("checkpoint: right in every mode, nested too") {
  CHECK(check_gradients(network(3, true), parameters(5)).passed());
  // A checkpoint within a checkpoint, with a constant among its inputs.
  const T c = T::from({5}, {1, 2, 3, 4, 5});
  const auto inner = [](const auto& x, const T& k) { return sin(mul(x, k)); };
  const auto outer = [&](const auto& x) { return checkpoint(inner, square(x), c); };
  const auto f = [&](const auto& x) { return checkpoint(outer, x); };
  CHECK(check_gradients(f, parameters(5).first).passed());
}

TEST_CASE("checkpoint: the tape keeps one number array a block") {
  const std::int64_t n = 1 << 15;
  const auto p = parameters(n);
  const std::size_t bytes = std::size_t(n) * sizeof(double);
  // A block keeps exp(…), its product, the sine's argument, the second product's operands and the result: at least five
  // arrays. With checkpoints it keeps its input, and one block's arrays live while it is differentiated.
  const std::size_t without = peak_of(false, p), with = peak_of(true, p);
  CHECK(without > 20 * 4 * bytes);
  CHECK(with < (20 + 16) * bytes);
}

TEST_CASE("checkpoint: what it does with constants and with other tapes") {
  const auto p = parameters(3);
  CHECK(checkpoint(block, p.first, p.second)(1) == block(p.first, p.second)(1));
  Tape<T> a, b;
  const Var<T> x = a.leaf(p.first), w = b.leaf(p.second), k{p.second};
  CHECK(checkpoint(block, k, k).tape == nullptr);
  CHECK(checkpoint(block, x, k).tape == &a);
  CHECK(a.size() == 1);
  CHECK_THROWS_WITH_AS(checkpoint(block, x, w), "checkpoint: inputs of two different tapes", Error);
}
