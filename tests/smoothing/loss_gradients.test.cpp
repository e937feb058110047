// Objectives of smoothed training: all derivatives by their scores, modes nested.
#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>
#include <vector>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/ops/concat.hpp"
#include "tenzo/smoothing/losses.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

TEST_CASE("losses: derivatives of all, in all modes") {
  using D = Tensor<double>;
  const D scores = random_normal<double>({3, 3, 4}, initial_key(4, 0), 1.0);
  const Indices labels = Indices::from({3}, {0, 3, 1});
  D sure = scores.clone();  // MACER's radii are of samples that are right
  for (std::int64_t m = 0; m < 3; ++m)
    for (std::int64_t i = 0; i < 3; ++i) sure((m * 3 + i) * 4 + labels(i)) += 2.5;
  const auto all = [&](const auto& s) {
    const auto clean = squeeze(slice(s, 0, 0, 1), 0);
    return concat(
        std::vector<std::decay_t<decltype(s)>>{unsqueeze(copies_loss(s, labels), 0), smoothed_losses(s, labels),
                                               unsqueeze(stability_loss(clean, s, labels), 0),
                                               unsqueeze(consistency_loss(s, labels), 0),
                                               unsqueeze(macer_loss(s, labels, {.beta = 1}), 0)},
        0);
  };
  const auto report = check_gradients(all, sure, {.tolerance = 3e-6});
  CHECK_MESSAGE(report.passed(), report);
}

TEST_CASE("normal quantile of tensors: derivatives, float, outside") {
  const auto p = random_uniform<double>({40}, initial_key(1, 0), 0.02, 0.98);
  const auto report = check_gradients([](const auto& v) { return normal_quantile(v); }, p);
  CHECK_MESSAGE(report.passed(), report);
  const auto f = normal_quantile(Tensor<float>::from({4}, {0.9f, 0.f, 1.f, 1.5f}));
  CHECK(f(0) == doctest::Approx(1.2815515f).epsilon(1e-6));
  CHECK(std::isinf(f(1)));
  CHECK(std::isinf(f(2)));
  CHECK(std::isnan(f(3)));
}
