// Attacks on smoothed classifiers: gradients against differences and against values alone; certificates that hold, and
// that are not vacuous.
#include "tenzo/smoothing/adversary.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "tenzo/smoothing/classifier.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

/// Class 0 in the disc of radius 1.2, softly.
struct Disc {
  template <Value V>
  V operator()(const V& x) const {  // (n, 2) -> (n, 2)
    return mul(1.44 - sum(square(x), 1, true), plain_t<V>::from({1, 2}, {4, -4}));
  }
};
const Disc disc;

const D x = D::from({3, 2}, {0.1, 0.2, -0.5, 0.3, 0.9, 0.5});
const Indices labels = Indices::from({3}, {0, 0, 0});

}  // namespace

TEST_CASE("smoothed attack: the gradient is that of −log mean probability, checked by differences") {
  const D eta = noise_for<double>({Family::gaussian, 0.4}, x.shape(), {.seed = 3}, 0, 5);
  const D delta = D::from({3, 2}, {0.05, 0, 0.1, -0.1, 0, 0.02});
  const auto at = smoothed_attack_gradient(disc, x, labels, eta, delta);
  const D again = smoothed_attack_losses(disc, x, labels, eta, delta, 4);
  for (std::int64_t i = 0; i < 3; ++i) CHECK(again(i) == doctest::Approx(at.losses(i)).epsilon(1e-12));
  for (std::int64_t k = 0; k < 6; ++k) {
    D up = delta.clone(), down = delta.clone();
    up(k) += 1e-5, down(k) -= 1e-5;
    const double slope = (smoothed_attack_losses(disc, x, labels, eta, up)(k / 2) -
                          smoothed_attack_losses(disc, x, labels, eta, down)(k / 2)) /
                         2e-5;
    CHECK(at.gradient(k) == doctest::Approx(slope).epsilon(1e-6).scale(1e-3));
  }
  CHECK_THROWS_AS(smoothed_attack_gradient(disc, x, labels, D::zeros({5, 2, 2}), delta), ShapeError);
}

TEST_CASE("gradient-free attack: its direction is the gradient's, of enough noise") {
  // ∇ F̂_y = E[F_y η] / σ²; of 40,000 draws within a few hundredths.
  const D eta = noise_for<double>({Family::gaussian, 0.4}, x.shape(), {.seed = 5}, 0, 40000);
  const D zero = D::zeros(x.shape());
  const auto values = gradient_free_attack(disc, x, labels, eta, zero);
  const auto exact = smoothed_attack_gradient(disc, x, labels, eta, zero);
  for (std::int64_t i = 0; i < 3; ++i) {
    const double p = std::exp(-exact.losses(i));  // ∇(−F̂) = F̂ ∇(−log F̂)
    for (std::int64_t j = 0; j < 2; ++j)
      CHECK(values.gradient(i, j) / 0.16 == doctest::Approx(p * exact.gradient(i, j)).epsilon(0.05).scale(0.5));
    CHECK(values.losses(i) == doctest::Approx(exact.losses(i)).epsilon(1e-12));
  }
}

TEST_CASE("adversaries of training raise the loss at their noise, within their radius and range") {
  const D eta = noise_for<double>({Family::gaussian, 0.4}, x.shape(), {.seed = 7}, 0, 4);
  const D inside = add(scale(x, 0.5), D::scalar(0.5));  // in [0, 1]
  using A = SmoothAdvOptions::Attack;
  for (const A attack : {A::pgd, A::ddn, A::gradient_free}) {
    CAPTURE(int(attack));
    const D delta = smooth_adversary(disc, inside, labels, eta, {.attack = attack, .eps = 0.3, .steps = 8});
    for (const double s : attack::sample_norms(attack::Norm::l2, delta)) CHECK(s <= 0.3 * (1 + 1e-12));
    for (std::int64_t k = 0; k < 6; ++k) {
      CHECK(inside(k) + delta(k) >= -1e-15);
      CHECK(inside(k) + delta(k) <= 1 + 1e-15);
    }
    const D before = smoothed_attack_losses(disc, inside, labels, eta, D::zeros(x.shape())),
            after = smoothed_attack_losses(disc, inside, labels, eta, delta);
    CHECK(sum(after).item() > sum(before).item() + 0.1);
  }
}

TEST_CASE("R5: no attack within a certified radius changes a prediction; at twice the radius some do") {
  const AdditiveNoise noise{Family::gaussian, 0.5};
  const SmoothedClassifier g(disc, noise);
  const CertifyOptions o{.samples = 2000};
  const auto flips = [&](double share) {
    std::int64_t flipped = 0, certified = 0;
    for (std::int64_t i = 0; i < 12; ++i) {
      const double turn = 0.5 * double(i);
      const D point = D::from({1, 2}, {0.08 * double(i) * std::cos(turn), 0.08 * double(i) * std::sin(turn)});
      const Certificate c = g.certify(point.reshaped(Shape{2}), i, o);
      if (c.label == abstain) continue;
      ++certified;
      const auto r = attack_smoothed(disc, noise, point, Indices::from({1}, {c.label}), {.eps = {share * c.radius}},
                                     {.pgd = {.steps = 12}, .draws = 32}, i);
      const std::int64_t there = g.predict(add(point, r.delta).reshaped(Shape{2}), i, o);
      flipped += there != abstain && there != c.label;
    }
    CHECK(certified >= 8);
    return flipped;
  };
  CHECK(flips(0.95) == 0);
  CHECK(flips(2) >= 3);
}
