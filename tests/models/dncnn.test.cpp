// DnCNN: its leaves, where it begins, and that it takes noise away.
#include "tenzo/models/dncnn.hpp"

#include <doctest/doctest.h>

#include "classifiers.hpp"
#include "tenzo/ops/loss.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/train/classifier.hpp"

using namespace tenzo;

namespace {

using D = Tensor<double>;
const DnCnnConfig tiny{.channels = 2, .depth = 3, .width = 4};

}  // namespace

TEST_CASE("dncnn: its leaves") {
  CHECK(leaves_of(dncnn_spec(tiny)) ==
        "layers.0.conv.weight (4, 2, 3, 3)\nlayers.0.conv.bias (4)\n"
        "layers.1.conv.weight (4, 4, 3, 3)\nlayers.1.bn.weight (4)\nlayers.1.bn.bias (4)\n"
        "layers.1.bn.running_mean (4)\nlayers.1.bn.running_var (4)\n"
        "layers.2.conv.weight (2, 4, 3, 3)\n");
  CHECK(leaves_of(dncnn_spec({.channels = 1, .depth = 2, .width = 3, .norm = false})) ==
        "layers.0.conv.weight (3, 1, 3, 3)\nlayers.0.conv.bias (3)\n"
        "layers.1.conv.weight (1, 3, 3, 3)\nlayers.1.conv.bias (1)\n");
  CHECK(dncnn_spec().layers.size() == 17);
  CHECK_THROWS_AS(dncnn_spec({.depth = 1}), ValueError);
  CHECK_THROWS_AS(dncnn_spec({.width = 0}), ValueError);
}

TEST_CASE("dncnn: begins as the identity, with orthogonal convolutions") {
  const auto m = initial_dncnn<double>({.channels = 3, .depth = 4, .width = 8}, 5);
  const D x = random_normal<double>({2, 3, 5, 7}, initial_key(1, 0)), y = m(x);
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(y(i) == x(i));
  for (const std::size_t l : {0u, 1u}) {  // (8, 27) and (8, 72): orthonormal rows
    const auto w = m.layers[l].conv.weight.reshaped({8, m.layers[l].conv.weight.size() / 8});
    const Eigen::MatrixXd product = w.matrix() * w.matrix().transpose();
    CHECK((product - Eigen::MatrixXd::Identity(8, 8)).norm() < 1e-12);
  }
  const auto wide = initial_dncnn<double>({.channels = 1, .depth = 2, .width = 16}, 5);  // (16, 9): columns
  const auto w = wide.layers[0].conv.weight.reshaped({16, 9});
  CHECK((w.matrix().transpose() * w.matrix() - Eigen::MatrixXd::Identity(9, 9)).norm() < 1e-12);
}

TEST_CASE("dncnn: learns to take noise away") {
  using F = Tensor<float>;
  const F clean = bars(64, 8, 1).x;
  auto m = initial_dncnn<float>({.channels = 1, .depth = 4, .width = 8}, 1);
  Adam::State<DnCnn<F>> state;
  double first = 0, last = 0;
  for (std::uint32_t t = 0; t < 150; ++t) {
    const F noisy_ones = add(clean, random_normal<float>(clean.shape(), initial_key(9, t), 0.3));
    BatchStatistics<F> statistics;
    const auto g = value_and_grad(
        [&](const auto& q) {
          statistics.clear();
          return mse_loss(training_scores(q, noisy_ones, statistics), clean);
        },
        m, [](const Path& at) { return is_trained(at); });
    (t == 0 ? first : last) = double(g.value.item());
    Adam{.lr = 5e-3}.step(state, m, g.grad);
    m.update_running_(statistics);
  }
  CHECK(first == doctest::Approx(0.09).epsilon(0.05));
  CHECK(last < 0.4 * first);
  const F test = add(clean, random_normal<float>(clean.shape(), initial_key(10, 0), 0.3));
  CHECK(mse_loss(m(test), clean).item() < 0.5f * float(first));
}
