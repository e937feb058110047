// Weighted smoothing: derivatives, batch statistics, and calls that are made again instead of kept.
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

TEST_CASE("mri: weighted smoothing differentiates by both networks, with batch statistics") {
  const auto e = some_encoding(2, 4, 4);
  const RowSolver solver(e);
  const auto z = scale(arbitrary(e.image_shape(2), 3), 0.4);
  auto net = some_network(Smoothing::denoiser);
  net.weighting = initialised<double>(noise_weighting_spec({.width = 2, .depth = 1}), 6);
  UnrolledStatistics<Doubles> statistics;
  check_first_order([&](const auto& m) { return m(solver, z, {}, NoWatch{}, &statistics); }, net);
}

TEST_CASE("mri: what is computed again has the same bits as what was kept, and notes statistics once") {
  const auto e = some_encoding<float>(2, 8, 6);
  const RowSolver solver(e);
  const auto t = scale(arbitrary<float>(e.image_shape(2), 3), 0.4f), z = e.adjoint(e.forward(t));
  auto net = unrolled(initialised<float>(residual_cnn_spec({.width = 4, .depth = 3}), 5),
                      {.steps = 2, .smoothing = Smoothing::denoiser, .sigma = 0.1, .samples = 3});
  net.weighting = initialised<float>(noise_weighting_spec({.width = 3, .depth = 2}), 6);
  UnrolledStatistics<Tensor<float>> statistics;
  const auto gradient = [&] {
    statistics = {};
    return value_and_grad([&](const auto& m) { return stability_loss(m, solver, z, t, {}, {}, &net, &statistics); },
                          net);
  };
  const auto again = gradient();
  CHECK(statistics.weighting.size() == 2 * 2 * 3);  // layers, steps, samples
  net.settings.recompute = false;
  const auto kept = gradient();
  CHECK(same(again.value, kept.value));
  for_each_leaf([](const Path& at, const auto& a, const auto& b) { CHECK_MESSAGE(same(a, b), at.str()); }, again.grad,
                kept.grad);
  auto moved = net;
  moved.update_running_(statistics);
  CHECK_FALSE(same(moved.weighting.blocks[1].bn.running_mean, net.weighting.blocks[1].bn.running_mean));
}
