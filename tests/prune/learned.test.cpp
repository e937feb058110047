// Learned masks: the golden case, the straight-through gradient as that of its surrogate, nesting, training.
#include "tenzo/prune/learned.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "../tree/same_bits.hpp"
#include "net.hpp"
#include "tenzo/prune/scores.hpp"

using namespace tenzo;
using namespace tenzo::prune;
using namespace tenzo::test;

namespace {

using D = Tensor<double>;
using U = Tensor<std::uint8_t>;
using Tensors = std::vector<D>;

}  // namespace

TEST_CASE("learned masks: the golden case of the specification") {
  const Tensors theta{D::from({1, 4}, {2, -1, 0.5, -3})};
  const auto l = begin_scores(theta, {.density = 0.5});
  const double c[] = {.816497, -.408248, .204124, -1.224745};
  for (std::int64_t i = 0; i < 4; ++i) CHECK(l.scores[0](i) == doctest::Approx(c[i]).epsilon(1e-6));
  std::vector<double> sizes;
  for (const double v : l.scores[0].values()) sizes.push_back(std::abs(v));
  CHECK(kth_smallest<double>(sizes, 2) == doctest::Approx(.408248).epsilon(1e-6));
  const int m[] = {1, 0, 0, 1};
  for (std::int64_t i = 0; i < 4; ++i) CHECK(l.mask[0](i) == m[i]);
  const auto g = score_gradient([](const auto& x) { return sum(x[0]); }, theta, l);
  CHECK(g.value.item() == -1);
  const double want[] = {2, 1, .5, 3};
  for (std::int64_t i = 0; i < 4; ++i) CHECK(g.grad[0](i) == want[i]);
}

TEST_CASE("learned masks: the gradient by scores is that of the surrogate Σ |c| θ g, by weights that of θ m") {
  const D theta = random_normal<double>({3, 4}, initial_key(1, 0)),
          c = random_normal<double>({3, 4}, initial_key(1, 1));
  const D up = random_normal<double>({3, 4}, initial_key(1, 2));
  const Mask<Tensors> m = mask_of(Tensors{c}, {.density = 0.4});
  const auto f = [&](const auto& pair) {
    const auto y = straight_through(std::vector{pair[0]}, std::vector{pair[1]}, m);
    return dot(y[0], up);
  };
  const Tensors g = grad(f, Tensors{theta, c});
  const double h = 1e-6;
  for (std::int64_t i = 0; i < 12; ++i) {
    const double surrogate = (std::abs(c(i) + h) - std::abs(c(i) - h)) / (2 * h) * theta(i) * up(i);
    CHECK(g[1](i) == doctest::Approx(surrogate).epsilon(1e-8));
    CHECK(g[0](i) == (m[0](i) ? up(i) : 0));
  }
  // A step along −∂L/∂c raises |c| exactly where the weight helps, for scores of either sign.
  for (std::int64_t i = 0; i < 12; ++i)
    CHECK((std::abs(c(i) - 1e-9 * g[1](i)) > std::abs(c(i))) == (theta(i) * up(i) < 0));
  // Forward mode says the same along a direction.
  const Tensors d{random_normal<double>({3, 4}, initial_key(1, 3)), random_normal<double>({3, 4}, initial_key(1, 4))};
  CHECK(jvp(f, Tensors{theta, c}, d).second.item() == doctest::Approx(inner(g, d)).epsilon(1e-13));
  // Nested: of L = Σ y² / 2 the rules give ∂L/∂θ = m² θ and ∂L/∂c = s θ (m θ); their derivative, m and s constant.
  const auto energy = [&](const auto& pair) {
    return scale(sum(square(straight_through(std::vector{pair[0]}, std::vector{pair[1]}, m)[0])), 0.5);
  };
  const auto nested = grad_and_hvp(energy, Tensors{theta, c}, d);
  for (std::int64_t i = 0; i < 12; ++i) {
    const double s = c(i) > 0 ? 1 : -1, keep = m[0](i), dy = keep * d[0](i) + s * theta(i) * d[1](i);
    CHECK(nested.grad[1](i) == doctest::Approx(s * theta(i) * keep * theta(i)).epsilon(1e-13));
    CHECK(nested.hvp[0](i) == doctest::Approx(keep * dy).epsilon(1e-13));
    CHECK(nested.hvp[1](i) == doctest::Approx(s * (d[0](i) * keep * theta(i) + theta(i) * dy)).epsilon(1e-13));
  }
}

TEST_CASE("learned masks: scores of a layer stored (in, out) are those of its transpose") {
  std::vector<Linear<D>> layers(2);
  layers[0].weight = random_normal<double>({3, 7}, initial_key(1, 0));  // seven inputs
  layers[1].weight = transpose(layers[0].weight);
  layers[1].in_out = true;
  layers[1].bias = D::ones({3});
  CHECK(in_out_leaves(layers) == std::vector<bool>{false, true, false});
  const auto c = initial_scores(layers);
  CHECK(std::abs(c[0].weight(1, 2)) > 0);
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t j = 0; j < 7; ++j) CHECK(c[1].weight(j, i) == c[0].weight(i, j));
  CHECK_FALSE(c[1].bias.defined());
  // √(6 / 7) at the largest |θ|, whatever the layout.
  double top = 0;
  for (const double v : c[1].weight.values()) top = std::max(top, std::abs(v));
  CHECK(top == doctest::Approx(std::sqrt(6. / 7)).epsilon(1e-14));
}

TEST_CASE("learned masks: a layer of zeros, an empty layer, a wrong shape") {
  const Tensors theta{D::zeros({2, 2}), D(Shape{0, 3}), D::ones({3})};
  const Tensors c = initial_scores(theta);
  CHECK(c[0](3) == 0);
  CHECK(c[1].size() == 0);
  CHECK_FALSE(c[2].defined());
  CHECK_THROWS_AS(straight_through(Tensors{D::ones({2, 1})}, Tensors{D::ones({1, 2})}, Mask<Tensors>{U::ones({2, 1})}),
                  ShapeError);
}

TEST_CASE("learned masks: decay and Adam move scores as they say, the threshold follows every step") {
  const Tensors theta{D::from({1, 4}, {2, -1, 0.5, -3})};
  const ScoreOptions o{.cut = {.density = 0.5}, .adam = {.lr = 0.3}, .weight_decay = 0.1};
  auto l = begin_scores(theta, o.cut);
  const Tensors c = clone(l.scores);
  Tensors g{D::from({1, 4}, {1, 1, -1, 0})};
  l.step_(g, o);  // Adam's first step is lr · sign(g + decay · c)
  const double want[] = {-0.3, -0.3, 0.3, 0.3};
  for (std::int64_t i = 0; i < 4; ++i) CHECK(l.scores[0](i) == doctest::Approx(c[0](i) + want[i]).epsilon(1e-6));
  CHECK(l.updates == 1);
  const int m[] = {0, 1, 0, 1};  // |c| = .516, .708, .504, .925
  for (std::int64_t i = 0; i < 4; ++i) CHECK(l.mask[0](i) == m[i]);
}

TEST_CASE("learned masks: HYDRA finds a better mask than its start, weights and norms keep their bits") {
  const auto train = stripes<float>(120, 1);
  auto net = conv_net<float>(7);
  train_(net, train, {.epochs = 6, .batch = 20, .sgd = {.lr = 0.05, .momentum = 0.9}});
  const auto before = clone(net);
  CHECK(accuracy(net, train) > 0.95);
  const HydraOptions o{.scores = {.cut = {.density = 0.2}, .adam = {.lr = 5e-3}}, .epochs = 10, .batch = 20};
  const auto start = begin_scores(net, o.scores.cut).mask;
  auto again = clone(net);
  const auto l = learn_mask_(net, train, o);
  CHECK(l.updates == 60);
  CHECK(density(l.mask).kept == density(start).kept);
  CHECK(jaccard(l.mask, start) < 1);
  const double was = accuracy(masked(before, start), train), is = accuracy(masked(net, l.mask), train);
  CHECK(is > was + 0.1);
  CHECK(is > 0.8);
  // Only running statistics moved.
  CHECK_FALSE(same_bits(net.bn1.running_mean, before.bn1.running_mean));
  CHECK_FALSE(same_bits(net.bn2.running_var, before.bn2.running_var));
  net.bn1.running_mean = before.bn1.running_mean, net.bn1.running_var = before.bn1.running_var;
  net.bn2.running_mean = before.bn2.running_mean, net.bn2.running_var = before.bn2.running_var;
  CHECK(same_bits(net, before));
  // The same again, on one thread.
  const int threads_before = threads();
  set_threads(1);
  const auto same = learn_mask_(again, train, o);
  set_threads(threads_before);
  CHECK(same_bits(same.scores, l.scores));
}
