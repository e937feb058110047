// BiP: the golden quadratic, exact and approximate; its step and its loop.
#include "tenzo/prune/bip.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::prune;

namespace {

using D = Tensor<double>;
using Tensors = std::vector<D>;

const D q_matrix = D::from({2, 2}, {2, .5, .5, 1}), target = D::from({1, 2}, {1, -1});

/// ½ (z − q)ᵀ Q (z − q).
const auto quadratic = [](const auto& z) {
  const auto d = sub(z[0], target);
  return scale(sum(mul(matmul(d, q_matrix), d)), 0.5);
};

/// argmin over θ of ℓ(m ⊙ θ) + γ/2 ‖θ‖²:  (M Q M + γ) θ = M Q q.
D lower_solution(const D& m, double gamma) {
  const double a = m(0) * 2 * m(0) + gamma, b = m(0) * .5 * m(1), d = m(1) * 1 * m(1) + gamma;
  const double r0 = m(0) * (2 * 1 + .5 * -1), r1 = m(1) * (.5 * 1 + 1 * -1), det = a * d - b * b;
  return D::from({1, 2}, {(d * r0 - b * r1) / det, (a * r1 - b * r0) / det});
}

double upper(const D& m) { return quadratic(Tensors{mul(m, lower_solution(m, 1))}).item(); }

}  // namespace

TEST_CASE("bip: the golden quadratic") {
  const D m = D::from({1, 2}, {.8, .4}), theta = lower_solution(m, 1);
  CHECK(theta(0) == doctest::Approx(.543677458766).epsilon(1e-11));
  CHECK(theta(1) == doctest::Approx(-.247403787416).epsilon(1e-11));
  CHECK(upper(m) == doctest::Approx(.470656239400).epsilon(1e-11));

  const Tensors exact = bip_exact_gradient(quadratic, Tensors{theta}, Tensors{m}, 1);
  CHECK(exact[0](0) == doctest::Approx(-.347816189892).epsilon(1e-9));
  CHECK(exact[0](1) == doctest::Approx(-.307492638157).epsilon(1e-9));
  for (std::int64_t i = 0; i < 2; ++i) {
    D up = m.clone(), down = m.clone();
    up(i) += 1e-5, down(i) -= 1e-5;
    CHECK(exact[0](i) == doctest::Approx((upper(up) - upper(down)) / 2e-5).epsilon(1e-8));
  }

  const Tensors g = grad(quadratic, Tensors{mul(m, theta)});
  const Tensors approximate = bip_gradient(Tensors{theta}, Tensors{m}, g, 1);
  CHECK(approximate[0](0) == doctest::Approx(-.738962947926).epsilon(1e-9));
  CHECK(approximate[0](1) == doctest::Approx(-.306043170139).epsilon(1e-9));
  const Tensors code = bip_gradient_of_code(Tensors{theta}, g, 0.1);
  for (std::int64_t i = 0; i < 2; ++i) {
    const double first = theta(i) * g[0](i);
    CHECK(code[0](i) == doctest::Approx(first - 0.1 * first * first).epsilon(1e-14));
  }
}

TEST_CASE("bip: without curvature the approximation is exact") {
  const D slope = D::from({1, 3}, {1, -2, .5}), m = D::from({1, 3}, {1, .3, 0});
  const auto linear_loss = [&](const auto& z) { return sum(mul(z[0], slope)); };
  const double gamma = 0.7;
  const D theta = scale(mul(m, slope), -1 / gamma);
  const Tensors a = bip_gradient(Tensors{theta}, Tensors{m}, Tensors{slope}, gamma);
  const Tensors b = bip_exact_gradient(linear_loss, Tensors{theta}, Tensors{m}, gamma);
  for (std::int64_t i = 0; i < 3; ++i) CHECK(a[0](i) == doctest::Approx(b[0](i)).epsilon(1e-12));
}

TEST_CASE("bip: a step of the scores goes against sign(c) times the gradient by the mask") {
  const Tensors theta{D::from({1, 4}, {2, -1, 0.5, -3})}, g{D::from({1, 4}, {.1, .2, -.3, .4})};
  BipOptions o{.scores = {.cut = {.density = 0.5}, .adam = {.lr = 1e-2}, .weight_decay = 0}, .gamma = 2};
  auto l = begin_scores(theta, o.scores.cut);
  const Tensors c = clone(l.scores);
  bip_score_step_(l, theta, g, o);
  for (std::int64_t i = 0; i < 4; ++i) {
    const double m = i == 0 || i == 3, by_mask = (theta[0](i) - m * g[0](i) / 2) * g[0](i);
    const double direction = (c[0](i) > 0 ? 1 : -1) * by_mask;  // Adam's first step is its sign
    CHECK(l.scores[0](i) == doctest::Approx(c[0](i) - 1e-2 * (direction > 0 ? 1 : -1)).epsilon(1e-5));
  }
  CHECK_THROWS_WITH_AS(bip_gradient(theta, l.mask, g, 0), "bip: gamma is 0; want more than 0", ValueError);
  CHECK_THROWS_AS(bip_gradient(theta, Tensors{D::ones({4, 1})}, g, 1), ShapeError);
}

TEST_CASE("bip: the loop learns a sparse classifier of what matters, the same bits again") {
  // Only the first two of ten features tell the classes.
  Samples<float> s{random_normal<float>({200, 10}, initial_key(3, 0)), Tensor<std::int64_t>(Shape{200}), 2};
  for (std::int64_t i = 0; i < 200; ++i) s.labels(i) = s.x(i, 0) - 2 * s.x(i, 1) > 0;
  const auto start = random_linear<float>(10, 2, initial_key(3, 1));
  for (const bool as_code : {false, true}) {
    const BipOptions o{.scores = {.cut = {.density = 0.2}, .adam = {.lr = 3e-2}, .weight_decay = 0},
                       .as_code = as_code,
                       .epochs = 15,
                       .batch = 20};
    auto net = clone(start), again = clone(start);
    const auto l = bip_(net, s, o);
    CHECK(l.updates == 150);
    CHECK(density(l.mask).kept == 4);
    CHECK(accuracy(masked(net, l.mask), s) > 0.95);
    for (std::int64_t j = 0; j < 2; ++j) CHECK((l.mask.weight(0, j) || l.mask.weight(1, j)));
    const auto other = bip_(again, s, o);
    CHECK(std::equal(net.weight.values().begin(), net.weight.values().end(), again.weight.values().begin()));
    CHECK(jaccard(l.mask, other.mask) == 1);
  }
}
