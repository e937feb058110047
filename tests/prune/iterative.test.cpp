// Training under a mask, IMP, gradual pruning and RigL.
#include "tenzo/prune/iterative.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tenzo/nn/init.hpp"
#include "tenzo/prune/dynamic.hpp"

using namespace tenzo;
using namespace tenzo::prune;

namespace {

using D = Tensor<double>;
using U = Tensor<std::uint8_t>;
using Tensors = std::vector<D>;
using Layer = Linear<D>;

Samples<double> two_classes() {
  Samples<double> s{random_normal<double>({90, 6}, initial_key(1, 0)), Tensor<std::int64_t>(Shape{90}), 3};
  for (std::int64_t i = 0; i < 90; ++i)
    s.labels(i) = std::max_element(s.x.data() + 6 * i, s.x.data() + 6 * i + 3) - (s.x.data() + 6 * i);
  return s;
}

}  // namespace

TEST_CASE("train_masked: the outputs are those of training with the mask in the forward pass") {
  const auto s = two_classes();
  const Layer start = random_linear<double>(6, 3, initial_key(1, 1));
  const auto mask = largest(magnitude_scores(start), {.density = 0.6});
  const TrainOptions o{.epochs = 4, .batch = 32, .sgd = {.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-2}};
  Layer a = clone(start);
  std::int64_t hooks = 0;
  train_masked_(a, mask, s, o, CrossEntropyLoss{}, [&](Layer&) { ++hooks; });
  CHECK(hooks == 12);

  // Momentum and decay act on pruned weights here, and do not show.
  Layer b = clone(start);
  Sgd::State<Layer> state;
  const Schedule schedule{.kind = o.schedule, .steps = 12};
  for (std::int64_t step = 0; step < 12; ++step) {
    const Rows order = epoch_order(90, o.seed, step / 3);
    const auto rows = std::span(order).subspan(std::size_t(step % 3 * 32), std::size_t(step % 3 == 2 ? 26 : 32));
    const auto batch = s.at(rows);
    o.sgd.step(state, b, grad([&](const auto& m) { return cross_entropy(masked(m, mask)(batch.x), batch.labels); }, b),
               schedule(step));
  }
  for (std::int64_t i = 0; i < 18; ++i)
    CHECK(a.weight(i) == doctest::Approx(mask.weight(i) ? b.weight(i) : 0).epsilon(1e-13));
  CHECK(b.weight(std::find(mask.weight.data(), mask.weight.data() + 18, 0) - mask.weight.data()) != 0);
  for (std::int64_t i = 0; i < 3; ++i) CHECK(a.bias(i) == doctest::Approx(b.bias(i)).epsilon(1e-13));
}

TEST_CASE("imp: rounds, densities, nested masks, rewinding") {
  CHECK(imp_rounds({.density = 0.8}) == 1);
  CHECK(imp_rounds({.density = 0.64}) == 2);
  CHECK(imp_rounds({.density = 0.6}) == 3);
  CHECK(imp_rounds({.density = 1}) == 0);
  CHECK_THROWS_AS(imp_rounds({.density = 0}), ValueError);
  CHECK_THROWS_AS(imp_rounds({.density = 0.5, .keep = 1}), ValueError);

  // "Training" adds the round's number to what is kept, so that magnitudes and rewinding are known.
  const Tensors start{D::from({1, 10}, {1, -2, 3, -4, 5, -6, 7, -8, 9, -10}), D::from({2}, {0.5, 0.25})};
  Tensors model = clone(start);
  std::vector<std::int64_t> kept;
  Mask<Tensors> last;
  const auto train = [&](Tensors& m, const Mask<Tensors>& mask) {
    for (std::int64_t i = 0; i < 10; ++i) CHECK(m[0](i) == (mask[0](i) ? start[0](i) : 0));  // rewound
    CHECK(m[1](0) == 0.5);
    if (!kept.empty())
      for (std::int64_t i = 0; i < 10; ++i) CHECK(mask[0](i) <= last[0](i));
    last = mask;
    kept.push_back(density(mask).kept);
    for (std::int64_t i = 0; i < 10; ++i) m[0](i) *= 2;
    m[1](0) = 9;
  };
  const auto mask = imp_(model, {.density = 0.3, .keep = 0.7}, train);
  CHECK(kept == std::vector<std::int64_t>{10, 7, 5, 4, 3});  // n − ⌊(1 − 0.7^k) n⌋, at the end 0.3 n
  for (std::int64_t i = 0; i < 10; ++i) CHECK(model[0](i) == (i >= 7 ? 2 * start[0](i) : 0));
  CHECK(model[1](0) == 9);
  CHECK(density(mask).kept == 3);
}

TEST_CASE("gradual pruning: the cubic schedule, and masks that only shrink") {
  const GradualDensity rho{.final = 0.2, .begin = 100, .end = 300, .every = 50};
  CHECK(rho(0) == 1);
  CHECK(rho(100) == 1);
  CHECK(rho(200) == doctest::Approx(0.2 + 0.8 / 8));
  CHECK(rho(300) == doctest::Approx(0.2));
  CHECK(rho(1000) == doctest::Approx(0.2));
  CHECK(rho.due(150));
  CHECK_FALSE(rho.due(160));
  CHECK_FALSE(rho.due(350));

  Tensors model{D::from({1, 5}, {1, -5, 2, 4, -3}), D::from({1}, {7})};
  auto mask = dense_mask(model);
  prune_by_magnitude_(model, mask, 0.6);
  CHECK(model[0](0) == 0);
  model[0](0) = 100;  // whatever stands there, it is out
  prune_by_magnitude_(model, mask, 0.4);
  const double want[] = {0, -5, 0, 4, 0};
  for (std::int64_t i = 0; i < 5; ++i) CHECK(model[0](i) == want[i]);
  CHECK(model[1](0) == 7);
}

TEST_CASE("rigl: the smallest weights go, the largest gradients come, the count stays") {
  Tensors model{D::from({2, 4}, {.1, 0, -.2, 0, 3, 0, 4, 0}), D::ones({3})};
  Mask<Tensors> mask{U::from({2, 4}, {1, 0, 1, 0, 1, 0, 1, 0}), U{}};
  const Tensors g{D::from({2, 4}, {0, 1, 9, -5, 100, 2, 100, 0}), D{}};
  rigl_move_(model, mask, g, 0.5);
  // .1 and −.2 go; of positions 0, 1, 2, 3, 5, 7 the gradients 9 and −5 are largest: position 2 comes again.
  const int m[] = {0, 0, 1, 1, 1, 0, 1, 0};
  const double w[] = {0, 0, 0, 0, 3, 0, 4, 0};
  for (std::int64_t i = 0; i < 8; ++i) {
    CHECK(mask[0](i) == m[i]);
    CHECK(model[0](i) == w[i]);
  }
  CHECK(model[1](0) == 1);
  const auto before = mask[0].clone();
  rigl_move_(model, mask, g, 0);
  for (std::int64_t i = 0; i < 8; ++i) CHECK(mask[0](i) == before(i));
  CHECK(rigl_share(0, 100) == doctest::Approx(0.3));
  CHECK(rigl_share(50, 100) == doctest::Approx(0.15));
  CHECK(rigl_share(100, 100) == 0);
  CHECK_THROWS_AS(rigl_move_(model, mask, g, 1.5), ValueError);
  Tensors nan{D::full({2, 4}, std::nan("")), D{}};
  CHECK_THROWS_AS(rigl_move_(model, mask, nan, 0.5), ValueError);
}
