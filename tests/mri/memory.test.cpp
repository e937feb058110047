// Training by recomputation: the memory of one unrolling step, whatever their number.
#include "mri.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/losses.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

TEST_CASE("mri: a training step takes at most half as much again as one unrolling step that keeps everything") {
  const std::int64_t n = 48;
  const auto e = encoding(simulated_maps<float>(4, n, n), line_mask<float>(n, {}));
  const RowSolver solver(e);
  const auto t = scale(arbitrary<float>(e.image_shape(1), 3), 0.5f), z = e.adjoint(e.forward(t));
  auto net = unrolled(initialised<float>(residual_cnn_spec({.width = 24}), 5),
                      {.smoothing = Smoothing::denoiser, .sigma = 0.05, .samples = 5});
  solver.solve(z, net.lambda);
  const auto peak = [&](int steps, bool recompute) {
    net.settings.steps = steps, net.settings.recompute = recompute;
    const std::size_t before = Pool::instance().statistics().in_use;
    Pool::instance().reset_peak();
    const auto g = value_and_grad([&](const auto& m) { return stability_loss(m, solver, z, t); }, net);
    return double(Pool::instance().statistics().peak - before);
  };
  const double one = peak(1, false), six = peak(6, true), kept = peak(6, false);
  MESSAGE("one step ", one / 1e6, " MB, six ", six / 1e6, " MB, six kept ", kept / 1e6, " MB");
  CHECK(six <= 1.5 * one);
  CHECK(kept > 4 * one);
}
