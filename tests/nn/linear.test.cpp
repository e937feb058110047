// The linear layer, its adapter, and the embedding.
#include "tenzo/nn/linear.hpp"

#include <doctest/doctest.h>

#include "tenzo/nn/embedding.hpp"
#include "tenzo/tree/tree.hpp"

using namespace tenzo;

namespace {

using D = Tensor<double>;

const D x = D::from({2, 3}, {1, 2, 3, -1, 0, 2});
const D w = D::from({2, 3}, {1, 0, -1, 2, 1, 0.5});
const D b = D::from({2}, {10, 20});

bool equal(const D& a, const D& want) {
  return a.shape() == want.shape() && std::equal(a.values().begin(), a.values().end(), want.values().begin());
}

}  // namespace

TEST_CASE("linear: y = x Wᵀ + b, with and without a bias, of any number of leading axes") {
  const D y = D::from({2, 2}, {-2, 5.5, -3, -1}), yb = D::from({2, 2}, {8, 25.5, 7, 19});
  CHECK(equal(Linear<D>{w, {}, {}, {}}(x), y));
  CHECK(equal(Linear<D>{w, b, {}, {}}(x), yb));
  CHECK(equal(Linear<D>{w, b, {}, {}}(x.reshaped({1, 2, 1, 3})), yb.reshaped({1, 2, 1, 2})));
  CHECK(equal(Linear<D>{w, b, {}, {}}(D::from({3}, {1, 2, 3})), D::from({2}, {8, 25.5})));
  const D stored_in_out = D::from({3, 2}, {1, 2, 0, 1, -1, 0.5});
  CHECK(equal(Linear<D>{stored_in_out, b, {}, {}, 1, true}(x), yb));
}

TEST_CASE("linear: an adapter adds s (x Aᵀ) Bᵀ; with B = 0 it changes nothing") {
  Linear<D> l{w, b, D::from({1, 3}, {1, 1, 1}), D::from({2, 1}, {2, -1}), 0.5};
  // x Aᵀ = (6, 1): + 0.5 · 6 · (2, −1) and + 0.5 · 1 · (2, −1).
  CHECK(equal(l(x), D::from({2, 2}, {14, 22.5, 8, 18.5})));
  l.lora_b = D::zeros({2, 1});
  CHECK(equal(l(x), Linear<D>{w, b, {}, {}}(x)));
}

TEST_CASE("linear: wrong shapes are sentences") {
  const Linear<D> l{w, b, {}, {}};
  CHECK_THROWS_WITH_AS(l(D::zeros({4, 5})), "linear: x is (4, 5), weight is (2, 3); want x (..., 3)", ShapeError);
  CHECK_THROWS_AS(l(D::scalar(1)), ShapeError);
  const Linear<D> wrong_bias{w, D::zeros({3}), {}, {}};
  CHECK_THROWS_WITH_AS(wrong_bias(x), "linear: weight is (2, 3), bias is (3)", ShapeError);
  CHECK_THROWS_WITH_AS(Linear<D>{}(x), "linear: an undefined operand", ShapeError);
}

TEST_CASE("linear: leaves by the ecosystem's names, the undefined left out, settings copied") {
  Linear<D> l{w, b, {}, {}, 2};
  std::string names;
  for_each_leaf([&](const Path& at, const D&) { names += at.str() + ' '; }, std::as_const(l));
  CHECK(names == "weight bias ");
  l.lora_a = l.lora_b = w;
  names.clear();
  for_each_leaf([&](const Path& at, const D&) { names += at.str() + ' '; }, std::as_const(l));
  CHECK(names == "weight bias lora_A.weight lora_B.weight ");
  const auto f = map_tree<Tensor<float>>(l, [](const D& v) { return v.cast<float>(); });
  CHECK(f.lora_scale == 2);
  CHECK(f.weight(1, 2) == 0.5f);
}

TEST_CASE("embedding: row ids[i] of the table, and nothing outside it") {
  const Embedding<D> e{D::from({3, 2}, {0, 1, 10, 11, 20, 21})};
  CHECK(equal(e(Tensor<std::int64_t>::from({3}, {2, 0, 2})), D::from({3, 2}, {20, 21, 0, 1, 20, 21})));
  CHECK(equal(e(Tensor<std::int64_t>::from({1, 2}, {1, 0})), D::from({1, 2, 2}, {10, 11, 0, 1})));
  CHECK_THROWS(e(Tensor<std::int64_t>::from({1}, {3})));
  CHECK_THROWS(e(Tensor<std::int64_t>::from({1}, {-1})));
}
