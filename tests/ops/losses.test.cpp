// Losses: formulas, extremes, reductions, and the fused rules against the generic ones.
#include "tenzo/ops/loss.hpp"

#include "tenzo/ops/cross_entropy.hpp"
#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("mse, l1, huber: formulas and reductions") {
  const Doubles x = arbitrary({2, 3}, 1, 2), t = arbitrary({2, 3}, 2, 2);
  const Doubles d = sub(x, t);
  CHECK(same(mse_loss(x, t, Reduction::none), square(d)));
  CHECK(mse_loss(x, t, Reduction::sum).item() == doctest::Approx(sum(square(d)).item()));
  CHECK(l1_loss(x, t).item() == doctest::Approx(mean(abs(d)).item()));
  const Doubles h = huber_loss(x, t, 0.7, Reduction::none);
  for (std::int64_t i = 0; i < 6; ++i) {
    const double a = std::abs(d(i));
    CHECK(h(i) == doctest::Approx(a < 0.7 ? a * a / 2 : 0.7 * (a - 0.35)));
  }
  CHECK_THROWS_WITH_AS(mse_loss(x, arbitrary({3})), "mse_loss: the shapes (2, 3) and (3) differ", ShapeError);
  CHECK_THROWS_AS(huber_loss(x, t, 0), ValueError);
}

TEST_CASE("bce_with_logits: no digits cancel at either end") {
  const Doubles x = Doubles::from({4}, {40, -40, 1000, -1000}), t = Doubles::from({4}, {1, 0, 1, 0});
  const Doubles y = bce_with_logits(x, t, Reduction::none);
  CHECK(y(0) == doctest::Approx(std::exp(-40.0)).epsilon(1e-12));
  CHECK(y(1) == doctest::Approx(std::exp(-40.0)).epsilon(1e-12));
  CHECK(y(2) == 0);
  CHECK(y(3) == 0);
  CHECK(bce_with_logits(Doubles::scalar(1000), Doubles::scalar(0)).item() == 1000);
}

TEST_CASE("kl_div: zero of equal logits, positive of others, four reductions") {
  const Doubles x = arbitrary({3, 4}, 1, 3), t = arbitrary({3, 4}, 2, 3);
  CHECK(std::abs(kl_div(x, x + 5).item()) < 1e-15);
  CHECK(kl_div(x, t).item() > 0);
  const double total = kl_div(x, t, KlReduction::sum).item();
  CHECK(kl_div(x, t).item() == doctest::Approx(total / 3));
  CHECK(kl_div(x, t, KlReduction::mean).item() == doctest::Approx(total / 12));
  CHECK(sum(kl_div(x, t, KlReduction::none)).item() == doctest::Approx(total));
}

TEST_CASE("cross_entropy: ignored rows, smoothing, reductions") {
  const Doubles x = arbitrary({4, 5}, 1, 2);
  const Indices labels = Indices::from({4}, {2, -100, 0, 4});
  const Doubles l = log_softmax(x, 1);
  CrossEntropyOptions o;
  o.reduction = Reduction::none;
  const Doubles rows = cross_entropy(x, labels, o);
  CHECK(rows(0) == doctest::Approx(-l(0, 2)));
  CHECK(rows(1) == 0);
  o.label_smoothing = 0.2;
  CHECK(cross_entropy(x, labels, o)(3) == doctest::Approx(-0.8 * l(3, 4) - 0.2 * mean(l, 1)(3)));
  CHECK(cross_entropy(x, labels).item() == doctest::Approx(-(l(0, 2) + l(2, 0) + l(3, 4)) / 3));
  CHECK(cross_entropy(reshape(x, {2, 2, 5}), labels.reshaped({2, 2})).item() == cross_entropy(x, labels).item());
  CHECK_THROWS_WITH_AS(cross_entropy(x, Indices::from({4}, {0, 5, 0, 0})),
                       "cross_entropy: label 5 of row 1 is not in [0, 5)", ValueError);
  CHECK_THROWS_AS(cross_entropy(x, Indices::from({3}, {0, 0, 0})), ShapeError);
}

TEST_CASE("losses differentiate in every mode") {
  const std::vector<Doubles> x{arbitrary({3, 4}, 1, 2), arbitrary({3, 4}, 2, 2)};
  check_modes([](const auto& v) { return add(mse_loss(v[0], v[1]), huber_loss(v[0], v[1], 0.6, Reduction::sum)); }, x);
  check_modes([](const auto& v) { return mul(l1_loss(v[0], v[1], Reduction::none), kl_div(v[0], v[1])); }, x);
  check_modes([](const auto& v) { return bce_with_logits(v[0], sigmoid(v[1]), Reduction::none); }, x);
}

TEST_CASE("cross_entropy differentiates in every mode") {
  const Indices labels = Indices::from({3}, {1, 7, 3});
  for (const Reduction r : {Reduction::mean, Reduction::none}) {
    const CrossEntropyOptions o{r, 7, 0.3};
    check_modes([&](const auto& x) { return square(cross_entropy(x, labels, o)); }, arbitrary({3, 4}, 5, 2));
  }
}

TEST_CASE("cross_entropy: the loop over plain tensors and the rule on values agree") {
  const Tensor<float> x = arbitrary<float>({33, 1000}, 7, 5);
  Indices labels(Shape{33});
  for (std::int64_t i = 0; i < 33; ++i) labels(i) = i == 5 ? -100 : i * 29 % 1000;
  const CrossEntropyOptions o{Reduction::mean, -100, 0.1};
  const auto loss = [&](const auto& v) { return cross_entropy(v, labels, o); };
  const auto [fused, hessian] = grad_and_hvp(loss, x, x);
  const Tensor<float> plain_gradient = grad(loss, x);
  CHECK(distance(plain_gradient, fused) < 1e-7);
  CHECK(norm(hessian) > 0);
}
