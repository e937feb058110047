// The autoencoder: its halves, that they learn, and a gradient through a box behind the decoder.
#include "tenzo/models/autoencoder.hpp"

#include <doctest/doctest.h>

#include <utility>

#include "classifiers.hpp"
#include "tenzo/ops/loss.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/smoothing/black_box.hpp"

using namespace tenzo;

TEST_CASE("autoencoder: leaves, codes of 192 numbers for 28 and 32 pixels, odd sizes") {
  CHECK(leaves_of(encoder_spec()) ==
        "stages.0.weight (12, 1, 3, 3)\nstages.0.bias (12)\nstages.1.weight (24, 12, 3, 3)\nstages.1.bias (24)\n"
        "stages.2.weight (12, 24, 3, 3)\nstages.2.bias (12)\n");
  CHECK(leaves_of(decoder_spec({.channels = 3, .widths = {4, 5}})) ==
        "stages.0.weight (4, 5, 3, 3)\nstages.0.bias (4)\nstages.1.weight (3, 4, 3, 3)\nstages.1.bias (3)\n");
  CHECK(AutoencoderConfig{}.code() == 192);
  CHECK(AutoencoderConfig{.channels = 3, .image = {32, 32}}.code() == 192);
  const AutoencoderConfig odd{.channels = 2, .image = {5, 9}, .widths = {3, 2}};
  const auto e = initialised<double>(encoder_spec(odd), 1);
  const auto d = initialised<double>(decoder_spec(odd), 1);
  const Tensor<double> x = random_uniform<double>({2, 2, 5, 9}, initial_key(1, 0), 0, 1);
  CHECK(e(x).shape() == Shape{2, odd.code()});
  CHECK(d(e(x)).shape() == x.shape());
  CHECK_THROWS_AS(d(x), ShapeError);
  CHECK_THROWS_AS(encoder_spec({.widths = {}}), ValueError);
  CHECK_THROWS_AS(decoder_spec({.widths = {0}}), ValueError);
}

TEST_CASE("autoencoder: learns to keep images; through its code a box's gradient is the encoder's") {
  using F = Tensor<double>;
  const F images = bars(48, 8, 1).x.cast<double>();
  F scaled = images.clone();
  for (double& v : scaled.values()) v = std::clamp(v, 0.0, 1.0);
  const AutoencoderConfig c{.image = {8, 8}, .widths = {6, 6}};
  auto both = std::pair{initialised<double>(encoder_spec(c), 1), initialised<double>(decoder_spec(c), 2)};
  const auto loss = [&](const auto& m) { return mse_loss(m.second(m.first(scaled)), scaled); };
  Adam::State<decltype(both)> state;
  const double first = loss(both).item();
  for (int t = 0; t < 120; ++t) Adam{.lr = 1e-2}.step(state, both, grad(loss, both));
  CHECK(loss(both).item() < 0.7 * first);
  // by coordinates of the code, of the pixels' loss behind the decoder, it is the white-box gradient
  const auto pixels = [&](const F& z) { return mean(square(sub(both.second(z), scaled)), {1, 2, 3}); };
  BatchStatistics<F> statistics;
  const auto estimate = smoothing::black_box_gradient(
      both.first, scaled, pixels, {.kind = smoothing::CodeGradient::Kind::cge, .mu = 1e-4}, 1, 0, statistics);
  const auto want = grad(loss, both).first;
  CHECK(estimate.loss == doctest::Approx(loss(both).item()).epsilon(1e-12));
  CHECK(estimate.queries == 2 * c.code() + 1);
  auto difference = clone(estimate.grad);
  axpy_(-1, want, difference);
  CHECK(norm(difference) < 1e-4 * norm(want));
}
