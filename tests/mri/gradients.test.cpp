// Derivatives of unrolled networks by weights, λ and measurements, against central differences.
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

TEST_CASE("mri: every form differentiates by its weights, lambda and the measurements") {
  const auto e = some_encoding(2, 3, 4);
  const RowSolver solver(e);
  const auto y = scale(e.forward(arbitrary(e.image_shape(1), 3)), 0.4);
  for (const Smoothing s :
       {Smoothing::none, Smoothing::denoiser, Smoothing::step, Smoothing::input, Smoothing::measurements}) {
    CAPTURE(int(s));
    check_first_order([&](const auto& v) { return v.first(solver, e.adjoint(v.second)); },
                      std::pair{some_network(s), y});
  }
}

TEST_CASE("mri: end-to-end losses differentiate, by lambda too") {
  const auto e = some_encoding(2, 3, 4);
  const RowSolver solver(e);
  const auto z = scale(arbitrary(e.image_shape(1), 3), 0.4), c = scale(arbitrary(e.image_shape(1), 4), 0.4);
  for (const Smoothing s : {Smoothing::input, Smoothing::measurements}) {
    CAPTURE(int(s));
    check_first_order([&](const auto& m) { return end_to_end_loss(m, solver, z, c); }, some_network(s));
  }
}
