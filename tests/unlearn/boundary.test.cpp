// Boundary unlearning: the attack in closed form, the labels that it leads to, and an output that comes and goes.
#include "tenzo/unlearn/boundary.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "clusters.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

using Vector = Tensor<double>;

/// Scores (x₀, x₁, 0).
Linear<Vector> axes() {
  Linear<Vector> l;
  l.weight = Vector::from({3, 2}, {1, 0, 0, 1, 0, 0});
  return l;
}

}  // namespace

TEST_CASE("sign attack: ε against the class, cut to the box, on the grid") {
  // CE of class 0: ∂/∂x = (p₀ − 1, p₁): down the first axis, up the second.
  const Samples<double> s{Vector::from({3, 2}, {0.5, 0.4, 0.05, 0.95, 0.333, 0.5}), Tensor<std::int64_t>::full({3}, 0),
                          3};
  const auto x = SignAttack{}(axes(), s);
  const double want[] = {0.4, 0.5, 0, 1, 0.233, 0.6};
  for (std::int64_t i = 0; i < 6; ++i) CHECK(x(i) == doctest::Approx(want[i]).epsilon(1e-15));
  const auto coarse = SignAttack{.epsilon = 0.1, .grid = 0.25}(axes(), s);
  const double rounded[] = {0.5, 0.5, 0, 1, 0.25, 0.5};
  for (std::int64_t i = 0; i < 6; ++i) CHECK(coarse(i) == rounded[i]);
  CHECK_THROWS_AS((SignAttack{.low = 1, .high = 0}(axes(), s)), ValueError);
}

TEST_CASE("boundary shrink: the label on the other side where the attack gets there") {
  const Samples<double> s{Vector::from({3, 2}, {0.5, 0.4, 0.9, 0.1, 0.2, 0.9}),
                          Tensor<std::int64_t>::from({3}, {0, 0, 1}), 3};
  const auto y = nearest_labels(axes(), s, {}, false, 2);
  CHECK(y(0) == 1);  // (0.4, 0.5)
  CHECK(y(1) == 0);  // (0.8, 0.2): not reached
  CHECK(y(2) == 1);
  const auto wrong = nearest_labels(axes(), s, {}, true);
  CHECK(wrong(0) == 1);
  CHECK(wrong(1) == 1);
  CHECK(wrong(2) == 0);
}

TEST_CASE("boundary: an output more, and back to the bits") {
  const auto m = mlp<double>(2, 5, 3);
  const auto grown = with_extra_output(m, 3, 7);
  CHECK(grown.last.weight.shape() == Shape{4, 5});
  CHECK(grown.last.bias.shape() == Shape{4});
  CHECK(bits(grown.first) == bits(m.first));
  CHECK(bits(without_extra_output(grown, 3)) == bits(m));
  const double bound = 1 / std::sqrt(5.0);
  for (std::int64_t i = 0; i < 5; ++i) CHECK(std::abs(grown.last.weight(3, i)) <= bound);
  CHECK(grown.last.weight(3, 0) != with_extra_output(m, 3, 8).last.weight(3, 0));
  CHECK_THROWS_WITH_AS(with_extra_output(m, 4, 7), "boundary: the last layer has 3 rows of 5 weights, not 4 outputs",
                       ValueError);
}

TEST_CASE("boundary: both drive the cluster out of its class") {
  const std::vector<Centre> three{{0.2, 0.2, 0}, {0.8, 0.2, 1}, {0.2, 0.8, 2}};
  const auto samples = clusters<double>(three, 30, 0.05);
  auto m = mlp<double>(2, 16, 3);
  train_(m, samples, {.epochs = 60});
  REQUIRE(accuracy(m, samples) == 1);
  const Request r{m, samples, range(0, 30), range(30, 90)};
  const std::string before = bits(m);

  BoundaryShrink shrink{tuning(0.02)};
  shrink.attack.epsilon = 0.4;
  CHECK(accuracy(shrink(r), r.forget_samples()) < 0.2);

  BoundaryExpand expand{tuning(0.05)};
  expand.train.epochs = 40;
  expand.keep_output = true;
  const auto wide = expand(r);
  const auto guess = predictions(scores(wide, r.forget_samples().x));
  for (std::int64_t i = 0; i < 30; ++i) CHECK(guess(i) == 3);
  expand.keep_output = false;
  const auto back = expand(r);
  CHECK(back.last.weight.shape() == m.last.weight.shape());
  CHECK(bits(back) == bits(without_extra_output(wide, 3)));
  CHECK(bits(m) == before);
}
