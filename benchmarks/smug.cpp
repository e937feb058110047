// A training step of smoothed unrolled reconstruction (SMUG) in the specification's full setting, as in peers/smug.py.
#include <cstdint>
#include <memory>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/cg_solver.hpp"
#include "tenzo/mri/coil_maps.hpp"
#include "tenzo/mri/losses.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "workloads.hpp"

namespace {

using namespace tenzo;
using namespace tenzo::mri;

constexpr std::int64_t size = 96, coils = 8, width = 24;

/// One slice: gradient of ℓ_U with T = D(t), and of the reconstruction's loss, clipping, Adam.
void train(benchmark::State& s, bool exact_rows) {
  const auto e = encoding(simulated_maps<float>(coils, size, size), line_mask<float>(size, {}));
  const auto truth = scale(random_uniform<float>({1, size, size, 2}, initial_key(2, 0), -1, 1), 0.7);
  const auto z = e.adjoint(e.forward(truth));
  auto net = unrolled(initialised<float>(residual_cnn_spec({.width = width}), 1),
                      {.steps = 6, .smoothing = Smoothing::denoiser, .sigma = 0.05, .samples = 5});
  const RowSolver rows(e);
  rows.solve(z, net.lambda);  // factors are made once a mask
  const CgSolver cg(e, {.iterations = 8});
  const Adam adam{.lr = 1e-3};
  Adam::State<decltype(net)> state;
  SmoothingNoise noise;
  const auto loss = [&](const auto& solver) {
    return [&](const auto& m) { return stability_loss(m, solver, z, truth, noise); };
  };
  const auto trained = [](const Path& at) { return !is_lambda(at); };
  bench::repeat<Cpu>(s, [&] {
    noise.draw = (noise.draw + 1) % SmoothingNoise::last_draw;
    auto g = exact_rows ? value_and_grad(loss(rows), net, trained) : value_and_grad(loss(cg), net, trained);
    clip_norm_(g.grad, 1);
    adam.step(state, net, g.grad);
    benchmark::DoNotOptimize(g.value.data());
  });
}

const bench::Workloads workloads([](auto device) {
  if constexpr (HostDevice<decltype(device)>) {
    bench::add("smug_train/96-8c-n6-w24-m5/b1", train, true)->UseRealTime();
    bench::add("smug_train_by_cg/96-8c-n6-w24-m5/b1", train, false)->UseRealTime();
  }
});

}  // namespace
