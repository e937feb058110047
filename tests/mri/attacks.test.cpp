// Attacks on reconstructions: budgets, masks, the adaptive gradient against the masked one.
#include "tenzo/mri/attacks.hpp"

#include "mri.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/measurement_noise.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

struct Case {
  Encoding<Doubles> e = some_encoding(3, 8, 7);
  RowSolver<Doubles> solver{e};
  Doubles truth = scale(arbitrary(e.image_shape(2), 3), 0.6), y = e.forward(truth), z = e.adjoint(y);
  Unrolled<ResidualCnn>::Model<Doubles> net =
      unrolled(initialised<double>(residual_cnn_spec({.width = 4, .depth = 3}), 5),
               {.steps = 3, .smoothing = Smoothing::denoiser, .sigma = 0.05, .samples = 2});

  double loss(const Doubles& image, std::int64_t i, bool smoothed = true) const {
    const auto x = (smoothed ? net : without_smoothing(net))(solver, image, SmoothingNoise{}.held_out());
    const auto d = sub(x.rows(i, i + 1), truth.rows(i, i + 1));
    return inner(d, d) / double(d.size());
  }
};

}  // namespace

TEST_CASE("mri: attacks keep their budget and the sampled lines, and report what they reach") {
  const Case c;
  for (const auto norm : {attack::Norm::l2, attack::Norm::linf})
    for (const auto gradient : {AttackGradient::adaptive, AttackGradient::masked}) {
      const std::vector<double> radii =
          norm == attack::Norm::l2 ? relative_radii(c.y, 0.2) : std::vector<double>{0.02, 0.03};
      const auto found = worst_perturbation(c.net, c.solver, c.y, c.truth,
                                            {.gradient = gradient, .threat = {.norm = norm, .eps = radii}});
      const auto size = attack::sample_norms(norm, found.delta);
      for (std::size_t i = 0; i < 2; ++i) {
        CHECK(size[i] <= radii[i] * (1 + 1e-12));
        const bool smoothed = gradient == AttackGradient::adaptive;  // the masked one knows the other network alone
        const double clean = c.loss(c.z, std::int64_t(i), smoothed);
        const double attacked = c.loss(c.e.adjoint(add(c.y, found.delta)), std::int64_t(i), smoothed);
        CHECK(attacked == doctest::Approx(found.score[i]).epsilon(1e-12));
        CHECK(attacked > clean);
      }
      for (std::int64_t i = 0; i < found.delta.size(); ++i)
        if (c.e.mask(i / 2 % 7) == 0) CHECK(found.delta(i) == 0);
    }
}

TEST_CASE("mri: the adaptive gradient is the gradient of the smoothed reconstruction, the masked one a part of it") {
  const Case c;
  const auto loss = [&](const Doubles& d) {
    return c.loss(c.e.adjoint(add(c.y, d)), 0) + c.loss(c.e.adjoint(add(c.y, d)), 1);
  };
  // one step of the attack from zero, by a gradient whose draw is the held-out one, goes along the true gradient
  const SmoothingNoise at_last{.seed = 1, .draw = SmoothingNoise::last_draw};
  const auto radii = relative_radii(c.y, 1e-5);
  const AttackOptions one{.threat = {.eps = radii}, .pgd = {.steps = 1, .step = 1, .start = 0}};
  const auto step = worst_perturbation(c.net, c.solver, c.y, c.truth, one, at_last).delta;
  const auto by_masked = [&] {
    AttackOptions o = one;
    o.gradient = AttackGradient::masked;
    return worst_perturbation(c.net, c.solver, c.y, c.truth, o, at_last).delta;
  }();
  const double gain = loss(step) - loss(scale(step, -1));
  CHECK(gain > 0);
  CHECK(loss(by_masked) - loss(scale(by_masked, -1)) < gain);
  for (std::uint64_t k = 0; k < 4; ++k) {
    const auto other = random_perturbation(c.e, c.y, radii, k);
    CHECK(std::abs(loss(other) - loss(scale(other, -1))) < gain);
  }
}

TEST_CASE("mri: attacks on images stay in their range; adversarial measurements are those of the attack") {
  const Case c;
  const auto z = clamp(c.z, -1, 1);
  const AttackOptions o{.domain = AttackDomain::image,
                        .threat = {.norm = attack::Norm::linf, .eps = {0.1}, .low = -1, .high = 1}};
  const auto found = worst_perturbation(c.net, c.solver, z, c.truth, o);
  const auto moved = add(z, found.delta);
  for (std::int64_t i = 0; i < moved.size(); ++i) {
    CHECK(std::abs(moved(i)) <= 1 + 1e-12);
    CHECK(std::abs(found.delta(i)) <= 0.1 + 1e-12);
  }
  CHECK(c.loss(moved, 0) > c.loss(z, 0));
  const AttackOptions k{.threat = {.eps = {0.3}}, .pgd = {.steps = 2}};
  CHECK(same(adversarial_measurements(c.net, c.solver, c.y, c.truth, k),
             add(c.y, worst_perturbation(c.net, c.solver, c.y, c.truth, k).delta)));
  CHECK_THROWS_AS(adversarial_measurements(c.net, c.solver, c.y, c.truth, o), ValueError);
  CHECK_THROWS_AS(worst_perturbation(c.net, c.solver, c.z, c.truth, k), ShapeError);
}

TEST_CASE("mri: random perturbations and noise are on the sampled lines, of the size asked for, by their seed") {
  const Case c;
  const auto radii = relative_radii(c.y, 0.1);
  const auto d = random_perturbation(c.e, c.y, radii, 3);
  const auto size = attack::sample_norms(attack::Norm::l2, d);
  for (std::size_t i = 0; i < 2; ++i) CHECK(size[i] == doctest::Approx(radii[i]).epsilon(1e-12));
  CHECK(same(random_perturbation(c.e, c.y, radii, 3), d));
  CHECK_FALSE(same(random_perturbation(c.e, c.y, radii, 4), d));
  const auto noisy = with_measurement_noise(c.e, c.y, 0.1, 5);
  CHECK(same(with_measurement_noise(c.e, c.y.rows(1, 2), 0.1, 5, 1), noisy.rows(1, 2)));
  const auto e = sub(noisy, c.y);
  double squares = 0, sampled = 0;
  for (std::int64_t i = 0; i < e.size(); ++i) {
    const bool in = c.e.mask(i / 2 % 7) != 0;
    if (!in) CHECK(e(i) == 0);
    squares += e(i) * e(i), sampled += in;
  }
  CHECK(std::abs(squares / sampled / 0.01 - 1) < 6 * std::sqrt(2 / sampled));
}
