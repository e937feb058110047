// The losses of unrolled networks: their values by hand.
#include "tenzo/mri/losses.hpp"

#include "mri.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

auto some_network(Smoothing s, std::uint64_t seed = 5) {
  return unrolled(initialised<double>(residual_cnn_spec({.width = 3, .depth = 2}), seed),
                  {.steps = 2, .smoothing = s, .sigma = 0.1, .samples = 3}, 0.8);
}

double squares(const Doubles& x, const Doubles& y) { return inner(sub(x, y), sub(x, y)) / double(x.size()); }

}  // namespace

TEST_CASE("mri: the stability loss is the sum over steps of the mean over noise, each target by hand") {
  const auto e = some_encoding(2, 5, 4);
  const RowSolver solver(e);
  const auto t = scale(arbitrary(e.image_shape(2), 3), 0.6), z = e.adjoint(e.forward(t));
  const SmoothingNoise noise{.seed = 4};
  for (const Smoothing where : {Smoothing::denoiser, Smoothing::step}) {
    const auto net = some_network(where), first = some_network(where, 6);
    for (const StabilityTarget by : {StabilityTarget::denoised_truth, StabilityTarget::truth,
                                     StabilityTarget::initial_iterate, StabilityTarget::iterate}) {
      const auto made = [&](const Doubles& d) {
        return where == Smoothing::step ? consistent(solver, z, d, net.lambda) : d;
      };
      double apart = 0;
      auto x = z;
      for (int n = 0; n < 2; ++n) {
        const auto target = by == StabilityTarget::truth             ? t
                            : by == StabilityTarget::denoised_truth  ? net.denoised(t)
                            : by == StabilityTarget::initial_iterate ? first.denoised(x)
                                                                     : net.denoised(x);
        Doubles mean;
        for (int m = 0; m < 3; ++m) {
          const auto d = net.denoised(net.noisy_input(x, noise, n, m));
          apart += squares(made(d), made(target)) / 3;
          mean = plus(mean, scale(d, 1.0 / 3));
        }
        x = consistent(solver, z, mean, net.lambda);
      }
      const StabilityOptions o{.target = by, .stability = 0.3, .reconstruction = 2};
      const auto loss = stability_loss(net, solver, z, t, noise, o, &first);
      CHECK(loss.item() == doctest::Approx(0.3 * apart + 2 * squares(x, t)).epsilon(1e-12));
    }
  }
}

TEST_CASE("mri: the end-to-end loss is the mean over whole reconstructions; labels are no other loss") {
  const auto e = some_encoding(2, 5, 4);
  const RowSolver solver(e);
  const auto t = scale(arbitrary(e.image_shape(1), 3), 0.6), z = e.adjoint(e.forward(t));
  for (const Smoothing where : {Smoothing::input, Smoothing::measurements}) {
    const auto net = some_network(where);
    const auto clean = without_smoothing(some_network(where, 6))(solver, z);
    double want = 0;
    Doubles mean;
    for (int m = 0; m < 3; ++m) {
      const auto x = net.sample(solver, z, {}, m);
      want += squares(x, clean) / 3;
      mean = plus(mean, scale(x, 1.0 / 3));
    }
    CHECK(end_to_end_loss(net, solver, z, clean).item() == doctest::Approx(want).epsilon(1e-13));
    CHECK(reconstruction_loss(net, solver, z, t).item() == doctest::Approx(squares(mean, t)).epsilon(1e-13));
  }
}

TEST_CASE("mri: the loss of a denoiser is of its output on noisy, clamped truth") {
  const auto net = some_network(Smoothing::none);
  const auto t = scale(arbitrary({2, 5, 4, 2}, 3), 1.2);
  const auto v = clamp(add(t, SmoothingNoise{}.operator()<double>(t.shape(), 0.1, 0, 0)), -1, 1);
  CHECK(denoiser_loss(net, t).item() == doctest::Approx(squares(net.denoised(v), t)).epsilon(1e-13));
}

TEST_CASE("mri: losses are asked of networks that they are for") {
  const auto e = some_encoding(2, 5, 4);
  const RowSolver solver(e);
  const auto t = arbitrary(e.image_shape(1), 3);
  CHECK_THROWS_AS(stability_loss(some_network(Smoothing::none), solver, t, t), ValueError);
  CHECK_THROWS_AS(end_to_end_loss(some_network(Smoothing::denoiser), solver, t, t), ValueError);
  CHECK_THROWS_AS(
      stability_loss(some_network(Smoothing::step), solver, t, t, {}, {.target = StabilityTarget::initial_iterate}),
      ValueError);
}
