// Bounds of what smoothed unrolling amplifies, and what is measured.
#include "tenzo/mri/amplification.hpp"

#include "mri.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/mri/unrolled.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

/// A bounded denoiser whose constants are known: D(x) = q tanh(x), |D| ≤ q √elements, Lip(D) = q.
template <class V>
struct Bounded {
  V q;
  static void visit(auto&& f, auto&... self) { f("q", self.q...); }
  template <Value X>
  auto operator()(const X& x) const {
    using Y = promote_t<X, V>;
    return mul(tanh(lift<Y>(x)), q);
  }
};

}  // namespace

TEST_CASE("mri: bounds by their closed forms") {
  const AmplificationTerms t{.sigma = 0.5, .sup = 0.2, .steps = 5};
  const double q = std::sqrt(2 / std::numbers::pi) * 0.4;
  CHECK(t.alpha() == 1);
  CHECK(published_amplification(t) == doctest::Approx((1 - std::pow(q, 5)) / (1 - q) + std::pow(q, 5)).epsilon(1e-14));
  CHECK(tight_amplification(t) ==
        doctest::Approx((1 - std::pow(q, 5)) / (2 * (1 - q)) + std::pow(q, 5)).epsilon(1e-14));
  AmplificationTerms steep = t;
  steep.sup = 0.5 * std::sqrt(std::numbers::pi / 2);  // L = 1, where the closed form has 0 / 0
  CHECK(published_amplification(steep) == doctest::Approx(6));
  steep.lipschitz = 0;
  CHECK(tight_amplification(steep) == doctest::Approx(0.5));
  // at the size of a real image the published constant says nothing
  CHECK(published_amplification({.sigma = 0.01, .sup = 48}) > 1e27);
}

TEST_CASE("mri: measured amplification is the largest singular value, and below both bounds") {
  const auto e = some_encoding(2, 4, 5);
  const RowSolver solver(e);
  const auto y = e.forward(scale(arbitrary(e.image_shape(1), 3), 0.5));
  const auto [low, high] = solver.spectrum();
  // of a linear map: B⁻¹ Aᴴ, whose singular values are s / (s² + λ)
  const auto linear = [&](const auto& v) { return solver.solve(e.adjoint(v), Doubles::scalar(0.3)); };
  const double s = std::clamp(std::sqrt(0.3), std::sqrt(low), std::sqrt(high));
  const auto found = measured_amplification(linear, y, 300);
  CHECK(found.value <= s / (s * s + 0.3) * (1 + 1e-12));
  CHECK(found.value > 0.95 * s / (s * s + 0.3));  // singular values lie close to each other, none need be the best s
  CHECK(norm(found.direction) == doctest::Approx(1));

  const Bounded<Doubles> denoiser{Doubles::scalar(0.9)};
  for (const double sigma : {0.3, 3.0}) {
    const auto net = unrolled(
        denoiser, {.steps = 4, .smoothing = Smoothing::denoiser, .sigma = sigma, .samples = 8, .clamp = false}, 0.7);
    const AmplificationTerms t{.smallest = std::sqrt(low),
                               .largest = std::sqrt(high),
                               .lambda = 0.7,
                               .sigma = sigma,
                               .sup = 0.9 * std::sqrt(40.0),
                               .lipschitz = 0.9,
                               .steps = 4};
    const double measured =
        measured_amplification([&](const auto& v) { return net(solver, e.adjoint(v)); }, y, 30).value;
    CHECK(measured > 0.3);
    CHECK(measured <= tight_amplification(t));
    CHECK(tight_amplification(t) <= published_amplification(t));
  }
}
