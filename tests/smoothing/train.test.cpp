// Smoothed training: every objective learns and certifies what training without noise does not; single steps against
// gradients by hand; the same bits.
#include "tenzo/smoothing/train.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "tenzo/models/mlp.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/smoothing/certificate_log.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using F = Tensor<float>;

/// Images of 36 pixels in [0, 1], bright in one of three thirds.
template <Real T = float>
Samples<T> thirds(std::int64_t n, std::uint64_t seed) {
  Samples<T> s{Tensor<T>(Shape{n, 36}), Tensor<std::int64_t>(Shape{n}), 3};
  const Tensor<T> u = random_uniform<T>({n, 36}, initial_key(seed, 0), 0, 1);
  for (std::int64_t i = 0; i < n; ++i) {
    s.labels(i) = i % 3;
    for (std::int64_t j = 0; j < 36; ++j)
      s.x(i * 36 + j) = (j / 12 == i % 3 ? T(0.6) : T(0.1)) + T(0.3) * u(i * 36 + j);
  }
  return s;
}

double acr(const Mlp<F>& m, double sigma) {
  const Samples<float> test = thirds(15, 9);
  const SmoothedClassifier g([&](const F& x) { return m(x); }, AdditiveNoise{Family::gaussian, sigma});
  CertificateLog log;
  for (std::int64_t i = 0; i < test.size(); ++i) {
    const Certificate c = g.certify(test.x.rows(i, i + 1).reshaped(Shape{36}), i, {.samples = 500});
    log.push_back({.index = i, .label = test.labels(i), .predicted = c.label, .radius = c.radius});
  }
  return average_certified_radius(log);
}

Mlp<F> trained(const SmoothedTraining& how, std::int64_t epochs = 15) {
  auto m = initialised<float>(mlp_spec({.widths = {36, 24, 3}}), 5);
  train_smoothed_(m, thirds(240, 1), {.epochs = epochs, .batch = 24, .sgd = {.lr = 0.05, .momentum = 0.9}}, how);
  return m;
}

using D = Tensor<double>;

const Samples<double> one_batch = thirds<double>(12, 4);
constexpr std::uint64_t seed = 7;

/// The gradient that an epoch of a single step goes down: what the weights lose by a step of length 1.
Mlp<D> gradient_of_training(const Mlp<D>& model, const SmoothedTraining& how, std::int64_t epoch) {
  Mlp<D> m = clone(model);
  TrainState<Mlp<D>> state;
  state.epoch = epoch;
  train_smoothed_epoch_(
      m, state, one_batch,
      {.epochs = 100, .batch = one_batch.size(), .sgd = {.lr = 1}, .schedule = Schedule::Kind::constant, .seed = seed},
      how);
  Mlp<D> g = clone(model);
  axpy_(-1, m, g);
  return g;
}

/// The same by hand: noise η of each sample's own stream, δ of an adversary of radius eps (0: none), and the loss of
/// the scores (copies, n, classes) at x + δ + η.
template <class Loss>
Mlp<D> gradient_by_hand(const Mlp<D>& model, const SmoothedTraining& how, std::int64_t epoch, double eps, Loss&& loss) {
  const std::int64_t n = one_batch.size(), m = how.copies, width = 36;
  const Rows order = epoch_order(n, seed, epoch);
  const Samples<double> batch = one_batch.at(order);
  D eta(Shape{m, n, width});
  for (std::int64_t c = 0; c < m; ++c)
    for (std::int64_t i = 0; i < n; ++i)
      AdditiveNoise{Family::gaussian, how.sigma}.draw(
          Stream{seed, order[std::size_t(i)], Phase::training}.key(epoch * m + c), width,
          eta.data() + (c * n + i) * width);
  D delta = D::zeros(batch.x.shape());
  if (eps > 0) {
    SmoothAdvOptions attack = *how.adversary;
    attack.eps = eps;
    delta = smooth_adversary(model, batch.x, batch.labels, eta, attack);
    for (const double s : attack::sample_norms(attack::Norm::l2, delta)) CHECK(s > 0.5 * eps);  // it is no null
  }
  D inputs(Shape{m * n, width});
  for (std::int64_t c = 0; c < m; ++c)
    for (std::int64_t k = 0; k < n * width; ++k)
      inputs(c * n * width + k) = batch.x(k) + delta(k) + eta(c * n * width + k);
  return grad([&](const auto& lifted) { return loss(by_copies(lifted(inputs), m), batch.labels); }, model);
}

/// ‖a − b‖ / ‖b‖.
double distance(const Mlp<D>& a, const Mlp<D>& b) {
  Mlp<D> d = clone(a);
  axpy_(-1, b, d);
  return norm(d) / norm(b);
}

}  // namespace

TEST_CASE("smoothed training: each objective makes a network that certifies") {
  constexpr double sigma = 0.5;
  // One class for all is certified far, but right a third of the time: 0.39 at most.
  const double untrained = acr(trained({.sigma = sigma}, 0), sigma), gaussian = acr(trained({.sigma = sigma}), sigma);
  CHECK(untrained < 0.4);
  CHECK(gaussian > 0.6);
  const auto check = [&](SmoothedTraining how) {
    how.sigma = sigma;
    CAPTURE(int(how.objective));
    CHECK(acr(trained(how), sigma) > 0.8 * gaussian);
  };
  check({.objective = Objective::stability, .lambda = 2});
  check({.objective = Objective::consistency, .copies = 2, .lambda = 5});
  check({.objective = Objective::macer, .copies = 8, .lambda = 4, .defer = 5});
  check({.copies = 2, .adversary = SmoothAdvOptions{.eps = 0.25, .steps = 2}, .warmup = 5});
  check({.objective = Objective::consistency,
         .copies = 2,
         .lambda = 1,
         .adversary = SmoothAdvOptions{.attack = SmoothAdvOptions::Attack::gradient_free, .eps = 0.25, .steps = 2}});
}

TEST_CASE("smoothed training: what no copy without noise would show is learnt with noise") {
  // A pixel says the class exactly, at a hundredth of the noise; the rest says it faintly, 36 times.
  const auto task = [](std::int64_t n, std::uint64_t seed) {
    Samples<float> s = thirds(n, seed);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < 36; ++j) s.x(i * 36 + j) = j == 0 ? 0.005f * float(i % 3) : s.x(i * 36 + j);
    return s;
  };
  // A linear network on the exact pixel alone is right without noise and by chance with it.
  auto exact = initialised<float>(mlp_spec({.widths = {36, 3}}), 1);
  for (float& w : exact.layers[0].weight.values()) w = 0;
  exact.layers[0].weight(1, 0) = 2000, exact.layers[0].weight(2, 0) = 4000;
  exact.layers[0].bias = F::from({3}, {0, -5, -20});
  const Samples<float> test = task(30, 3);
  CHECK(accuracy(exact, test) > 0.99);
  auto m = exact;
  for_each_leaf([](const Path&, F& v) { v = scale(v.clone(), 1e-3); }, m);
  train_smoothed_(m, task(240, 2), {.epochs = 15, .batch = 24, .sgd = {.lr = 0.05, .momentum = 0.9}}, {.sigma = 0.5});
  CHECK(acr(m, 0.5) > acr(exact, 0.5) + 0.15);
}

TEST_CASE("smoothed training: fresh noise in each epoch, the same bits in each run; options that can not be") {
  const SmoothedTraining how{.objective = Objective::stability,
                             .sigma = 0.3,
                             .copies = 2,
                             .adversary = SmoothAdvOptions{.eps = 0.1, .steps = 1}};
  const int before = threads();
  const auto a = trained(how, 2);
  set_threads(3);
  const auto b = trained(how, 2);
  set_threads(before);
  for_each_leaf(
      [](const Path&, const F& u, const F& v) {
        for (std::int64_t i = 0; i < u.size(); ++i) CHECK(u(i) == v(i));
      },
      a, b);
  CHECK(objective("macer") == Objective::macer);
  CHECK_THROWS_AS(objective("mcer"), ValueError);
  CHECK_THROWS_AS(trained({.copies = 0}), ValueError);
  CHECK_THROWS_AS(trained({.sigma = -1}), ValueError);
}

TEST_CASE("smoothed training: a step with an adversary is the gradient at x + δ + η; its eps rises from epoch 0") {
  const auto model = initialised<double>(mlp_spec({.widths = {36, 24, 3}}), 5);
  const SmoothedTraining how{
      .sigma = 0.3, .copies = 3, .adversary = SmoothAdvOptions{.eps = 0.8, .steps = 3}, .warmup = 4};
  const auto cross = [](const auto& scores, const Indices& labels) { return copies_loss(scores, labels); };
  for (const auto& [epoch, eps] : {std::pair(0, 0.2), {1, 0.4}, {3, 0.8}, {9, 0.8}}) {
    CAPTURE(epoch);
    const Mlp<D> g = gradient_of_training(model, how, epoch);
    CHECK(distance(g, gradient_by_hand(model, how, epoch, eps, cross)) < 1e-12);
    // without the adversary, and with one of another size, it is another gradient
    CHECK(distance(g, gradient_by_hand(model, how, epoch, 0, cross)) > 0.01);
    CHECK(distance(g, gradient_by_hand(model, how, epoch, 1.5 * eps, cross)) > 0.01);
  }
  SmoothedTraining plain = how;
  plain.adversary.reset();
  CHECK(distance(gradient_of_training(model, plain, 0), gradient_by_hand(model, plain, 0, 0, cross)) < 1e-12);
}

TEST_CASE("smoothed training: MACER's radius counts from the deferred epoch on, and not before") {
  auto model = initialised<double>(mlp_spec({.widths = {36, 24, 3}}), 5);
  train_(model, one_batch, {.epochs = 10, .batch = 12, .sgd = {.lr = 0.2}});  // some samples are right
  const SmoothedTraining how{
      .objective = Objective::macer, .sigma = 0.3, .copies = 4, .lambda = 6, .beta = 1, .defer = 2};
  for (const std::int64_t epoch : {0, 1, 2, 5}) {
    CAPTURE(epoch);
    const auto with = [&](double lambda) {
      return gradient_by_hand(model, how, epoch, 0, [&](const auto& scores, const Indices& labels) {
        return macer_loss(scores, labels, {.sigma = 0.3, .lambda = lambda, .beta = 1});
      });
    };
    const Mlp<D> g = gradient_of_training(model, how, epoch);
    CHECK(distance(g, with(epoch < 2 ? 0 : 6)) < 1e-12);
    CHECK(distance(g, with(epoch < 2 ? 6 : 0)) > 0.1);
  }
}
