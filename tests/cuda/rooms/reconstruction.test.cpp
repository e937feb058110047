// Unrolled reconstruction on the device: solutions, smoothed networks, their gradients and attacks, beside the CPU's.
#include "beside.hpp"
#include "mri/mri.hpp"
#include "tenzo/models/didn.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/amplification.hpp"
#include "tenzo/mri/attacks.hpp"
#include "tenzo/mri/cg_solver.hpp"
#include "tenzo/mri/losses.hpp"
#include "tenzo/mri/row_solver.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

using F = Tensor<float>;
using G = Tensor<float, Cuda>;

struct Case {
  Encoding<F> e = some_encoding<float>(2, 8, 6);
  Encoding<G> there{e.maps.to<Cuda>(), e.mask.to<Cuda>()};
  F truth = scale(random_normal<float>(e.image_shape(2), initial_key(3, 0u)), 0.4), y = e.forward(truth),
    z = e.adjoint(y);
  UnrolledSettings settings{.steps = 2, .smoothing = Smoothing::denoiser, .sigma = 0.05, .samples = 2};
  Unrolled<ResidualCnn>::Model<F> net =
      unrolled(initialised<float>(residual_cnn_spec({.width = 3, .depth = 3}), 5), settings);
};

}  // namespace

TEST_CASE("reconstruction on the device: the encoding, its solution by conjugate gradients, and a smoothed network") {
  const AtEnd clean;
  const Case c;
  CHECK(apart(c.there.forward(c.truth.to<Cuda>()), c.y) < 1e-5);
  CHECK(apart(c.there.adjoint(c.y.to<Cuda>()), c.z) < 1e-5);
  CHECK(apart(c.there.gram(c.truth.to<Cuda>()), c.e.gram(c.truth)) < 1e-5);
  const CgSolver<G> solver(c.there, {.iterations = 30});
  const RowSolver<F> exact(c.e);
  CHECK(apart(solver.solve_plain(c.z.to<Cuda>(), 0.5), exact.solve_plain(c.z, 0.5)) < 1e-4);
  CHECK(apart(UnrolledCg<G>(c.there, 12).solve(c.z.to<Cuda>(), G::scalar(0.5f)), exact.solve_plain(c.z, 0.5)) < 1e-3);
  const auto there = to_device<Cuda>(c.net);
  const SmoothingNoise noise{.seed = 7};
  CHECK(apart(there(solver, c.z.to<Cuda>(), noise), c.net(exact, c.z, noise)) < 1e-4);
  const auto loss = [&](const auto& s, const auto& z, const auto& truth) {
    return [&](const auto& m) { return stability_loss(m, s, z, truth, noise); };
  };
  const G z = c.z.to<Cuda>(), truth = c.truth.to<Cuda>();
  const auto got = value_and_grad(loss(solver, z, truth), there);
  const auto want = value_and_grad(loss(exact, c.z, c.truth), c.net);
  CHECK(got.value.item() == doctest::Approx(want.value.item()).epsilon(1e-4));
  CHECK(apart(got.grad, want.grad) < 1e-3);
}

TEST_CASE("reconstruction on the device: every place of the smoothing, and weights, with their gradients") {
  const AtEnd clean;
  const CgSolver<G> solver(Case().there, {.iterations = 30});
  for (const Smoothing at : {Smoothing::step, Smoothing::input, Smoothing::measurements, Smoothing::denoiser}) {
    CAPTURE(int(at));
    Case c;
    c.net.settings.smoothing = at;
    if (at == Smoothing::denoiser)
      c.net.weighting = initialised<float>(noise_weighting_spec({.width = 2, .depth = 1}), 6);
    const RowSolver<F> exact(c.e);
    const auto there = to_device<Cuda>(c.net);
    const SmoothingNoise noise{.seed = 7};
    const auto loss = [&](const auto& s, const auto& z, const auto& truth) {
      return [&](const auto& m) {
        return m.settings.end_to_end() ? end_to_end_loss(m, s, z, truth, noise)
                                       : reconstruction_loss(m, s, z, truth, noise);
      };
    };
    const G z = c.z.to<Cuda>(), truth = c.truth.to<Cuda>();
    const auto got = value_and_grad(loss(solver, z, truth), there);
    const auto want = value_and_grad(loss(exact, c.z, c.truth), c.net);
    CHECK(got.value.item() == doctest::Approx(want.value.item()).epsilon(1e-4));
    CHECK(apart(got.grad, want.grad) < 1e-3);
  }
}

TEST_CASE("reconstruction on the device: attacks and amplification as on the CPU") {
  const AtEnd clean;
  const Case c;
  const CgSolver<G> solver(c.there, {.iterations = 30});
  const RowSolver<F> exact(c.e);
  const auto there = to_device<Cuda>(c.net);
  for (const AttackGradient gradient : {AttackGradient::adaptive, AttackGradient::masked}) {
    const AttackOptions o{
        .gradient = gradient, .threat = {.eps = relative_radii(c.y, 0.1)}, .pgd = {.steps = 2, .step = 0.5}};
    const auto got = worst_perturbation(there, solver, c.y, c.truth, o);
    const auto want = worst_perturbation(c.net, exact, c.y, c.truth, o);
    CHECK(apart(got.delta, want.delta) < 1e-3);
  }
  const auto amplified = [](const auto& net, const auto& s, const auto& y) {
    return measured_amplification([&](const auto& v) { return net(s, s.encoding().adjoint(v)); }, y, 2).value;
  };
  CHECK(amplified(there, solver, c.y.to<Cuda>()) == doctest::Approx(amplified(c.net, exact, c.y)).epsilon(1e-3));
}

TEST_CASE("reconstruction on the device: a denoiser with learnt rectifiers") {
  const AtEnd clean;
  const auto here = initialised<float>(didn_spec({.channels = 2, .width = 4, .blocks = 1}), 3);
  const auto x = random_normal<float>({1, 2, 8, 8}, initial_key(5, 0u));
  const auto square = [](const auto& in) { return [&in](const auto& m) { return mean(tenzo::square(m(in))); }; };
  const auto there = to_device<Cuda>(here);
  const auto x_there = x.to<Cuda>();
  const auto want = value_and_grad(square(x), here);
  const auto got = value_and_grad(square(x_there), there);
  CHECK(got.value.item() == doctest::Approx(want.value.item()).epsilon(1e-4));
  CHECK(apart(got.grad, want.grad) < 1e-3);
}
