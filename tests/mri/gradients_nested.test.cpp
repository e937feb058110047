// All modes of differentiation of a smoothed network's loss, nested.
#include "mri.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/losses.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

auto some_network(Smoothing s) {
  return unrolled(initialised<double>(residual_cnn_spec({.width = 2, .depth = 2}), 5),
                  {.steps = 2, .smoothing = s, .sigma = 0.1, .samples = 2}, 0.8);
}

}  // namespace

TEST_CASE("mri: smoothed unrolling differentiates in nested modes") {
  const auto e = some_encoding(2, 3, 4);
  const RowSolver solver(e);
  const auto z = scale(arbitrary(e.image_shape(1), 3), 0.4), t = scale(arbitrary(e.image_shape(1), 4), 0.4);
  auto net = some_network(Smoothing::denoiser);
  net.denoiser.layers.resize(1);  // without a kink
  net.denoiser.layers[0] = initialised<double>(residual_cnn_spec({.width = 2, .depth = 1}), 5).layers[0];
  net.settings.clamp = false;
  const auto report =
      check_gradients([&](const auto& m) { return stability_loss(m, solver, z, t); }, net, {.probes = 16});
  CHECK_MESSAGE(report.passed(), report);
}
