// Denoised smoothing, white-box and through a black box: gradients against each other, and that it makes a classifier
// certifiable that was not.
#include "tenzo/smoothing/denoised.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "tenzo/nn/init.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/smoothing/black_box.hpp"
#include "tenzo/smoothing/classifier.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;
using White = Linear<D>;

/// Classes are the signs of a dead-zone: the box is sure of what is near ±1 and confused by what is not.
struct Box {
  template <Value V>
  V operator()(const V& x) const {  // (n, 4) -> (n, 2)
    const V s = sum(sin(scale(x, 2.2)), 1, true);
    return mul(s, plain_t<V>::from({1, 2}, {3, -3}));
  }
};
const Box box;

/// Points (±1, ±1, ±1, ±1) of one sign, and their class.
D clean_points(std::int64_t n, std::uint32_t number) {
  const D u = random_uniform<double>({n, 1}, initial_key(3, number), -1, 1);
  D x(Shape{n, 4});
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < 4; ++j) x(i, j) = u(i) > 0 ? 1 : -1;
  return x;
}
D noise_of(std::int64_t n, std::uint32_t number, double sigma) {
  return random_normal<double>({n, 4}, initial_key(4, number), sigma);
}
White identity() {
  White w;
  w.weight = D::zeros({4, 4});
  for (std::int64_t i = 0; i < 4; ++i) w.weight(i, i) = 1;
  w.bias = D::zeros({4});
  return w;
}

}  // namespace

TEST_CASE("black box: coordinates give the white-box gradient; directions have it as their mean") {
  const D clean = clean_points(6, 0), noisy = add(clean, noise_of(6, 0, 0.5));
  const White white = initialised<double>(identity(), 8);
  const Indices targets = predictions(box(clean));
  BatchStatistics<D> statistics;
  const auto want = value_and_grad(
      [&](const auto& m) { return denoiser_loss(DenoiserLoss::stab, m, box, clean, noisy, targets, statistics); },
      white);
  const auto losses = answers_loss(box, targets);
  const auto exact =
      black_box_gradient(white, noisy, losses, {.kind = CodeGradient::Kind::cge, .mu = 1e-4}, 1, 0, statistics);
  CHECK(exact.loss == doctest::Approx(want.value.item()).epsilon(1e-12));
  CHECK(exact.queries == 9);
  for (std::int64_t k = 0; k < 16; ++k)
    CHECK(exact.grad.weight(k) == doctest::Approx(want.grad.weight(k)).epsilon(1e-6).scale(1));
  White mean = zeros_like(white);
  for (std::uint32_t t = 0; t < 200; ++t)
    axpy_(1. / 200, black_box_gradient(white, noisy, losses, {.mu = 1e-4, .queries = 40}, 2, t, statistics).grad, mean);
  axpy_(-1, want.grad, mean);
  // of 8,000 directions in 4 dimensions a sample: √(4 / 8000) of the size, a few times
  CHECK(norm(mean) < 4 * std::sqrt(4 / 8000.) * norm(want.grad));
  CHECK_THROWS_AS(black_box_gradient(white, noisy, losses, {.mu = 0}, 1, 0, statistics), ValueError);
}

TEST_CASE("denoiser losses: MSE is that of the images, its gradient too") {
  const D clean = clean_points(5, 1), noisy = add(clean, noise_of(5, 1, 0.3));
  BatchStatistics<D> statistics;
  const D loss = denoiser_loss(DenoiserLoss::mse, identity(), box, clean, noisy, {}, statistics);
  double want = 0;
  for (std::int64_t i = 0; i < 20; ++i) want += std::pow(noisy(i) - clean(i), 2) / 20;
  CHECK(loss.item() == doctest::Approx(want).epsilon(1e-12));
}

TEST_CASE("a denoiser, by MSE, by STAB and through the black box, makes a classifier certifiable") {
  // At σ = 1 the box's sines go round; the mean of four coordinates, which a linear layer can take, does not.
  const AdditiveNoise noise{Family::gaussian, 1};
  const auto certified = [&](const White& w) {
    const SmoothedClassifier g(Denoised(w, box), noise);
    double total = 0;
    for (std::int64_t i = 0; i < 6; ++i) {
      const D x = clean_points(6, 9).rows(i, i + 1).reshaped(Shape{4});
      const Certificate c = g.certify(x, i, {.samples = 1000, .seed = 4});
      total += c.label == (x(0) > 0 ? 0 : 1) ? c.radius : 0;
    }
    return total / 6;
  };
  const auto train = [&](int kind) {
    White w = identity();
    Adam::State<White> state;
    BatchStatistics<D> statistics;
    for (std::uint32_t t = 0; t < 250; ++t) {
      const D clean = clean_points(32, 100 + t), noisy = add(clean, noise_of(32, 100 + t, 1));
      const Indices targets = predictions(box(clean));
      White g;
      if (kind < 2) {
        const auto how = kind == 0 ? DenoiserLoss::mse : DenoiserLoss::stab;
        g = grad([&](const auto& m) { return denoiser_loss(how, m, box, clean, noisy, targets, statistics); }, w);
      } else {
        const CodeGradient how = kind == 2 ? CodeGradient{.mu = 0.01, .queries = 4}
                                           : CodeGradient{.kind = CodeGradient::Kind::cge, .mu = 0.01};
        g = black_box_gradient(w, noisy, answers_loss(box, targets), how, 5, t, statistics).grad;
      }
      Adam{.lr = 0.02}.step(state, w, g);
    }
    return certified(w);
  };
  const double none = certified(identity()), mse = train(0), stab = train(1), rge = train(2), cge = train(3);
  CAPTURE(none);
  CHECK(mse > none + 0.5);
  CHECK(stab > none + 0.5);
  CHECK(rge > none + 0.5);
  CHECK(cge > none + 0.5);
  CHECK(std::abs(cge - stab) < 0.05);  // the same gradient to μ²
}
