// Scores against closed forms and finite differences, in double; SynFlow's conservation; Wanda against loops.
#include "tenzo/prune/scores.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "net.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/prune/synflow.hpp"
#include "tenzo/prune/wanda.hpp"
#include "tenzo/tree/algebra.hpp"

using namespace tenzo;
using namespace tenzo::prune;
using namespace tenzo::test;

namespace {

using D = Tensor<double>;

/// Two linear layers with tanh between: smooth, so that differences hold.
template <class V>
struct Smooth {
  Linear<V> a, b;
  static void visit(auto&& f, auto&... self) {
    f("a", self.a...);
    f("b", self.b...);
  }
  template <Value X>
  auto operator()(const X& x) const {
    return b(tanh(a(x)));
  }
};

Smooth<D> smooth() {
  return {random_linear<double>(4, 3, initial_key(1, 0)), random_linear<double>(3, 2, initial_key(1, 2))};
}

const D inputs = random_normal<double>({5, 4}, initial_key(2, 0));
const Tensor<std::int64_t> labels = Tensor<std::int64_t>::from({5}, {0, 1, 1, 0, 1});
const auto loss = [](const auto& m) { return cross_entropy(m(inputs), labels); };

}  // namespace

TEST_CASE("scores: magnitude and random") {
  const auto net = smooth();
  const auto s = magnitude_scores(net);
  CHECK(s.a.weight(2, 1) == std::abs(net.a.weight(2, 1)));
  CHECK_FALSE(s.a.bias.defined());

  const std::vector<D> wide{D::zeros({300, 100}), D::zeros({3}), D::zeros({300, 100})};
  const auto r = random_scores(wide, 7), again = random_scores(wide, 7), other = random_scores(wide, 8);
  CHECK_FALSE(r[1].defined());
  std::set<double> seen;
  double mean = 0;
  for (const D& leaf : {r[0], r[2], other[0]})
    for (const double v : leaf.values()) {
      CHECK_MESSAGE((v > 0 && v < 1), v);
      seen.insert(v);
      mean += v / 90000;
    }
  CHECK(seen.size() == 90000);
  CHECK(std::abs(mean - 0.5) < 6 * std::sqrt(1. / 12 / 90000));  // six deviations
  CHECK(std::equal(r[2].values().begin(), r[2].values().end(), again[2].values().begin()));
  CHECK(density(largest(r, {.density = 0.37})).kept == 22200);
}

TEST_CASE("scores: SNIP is the change of the loss when a weight is scaled") {
  const auto net = smooth();
  const auto s = snip_scores(loss, net);
  CHECK_FALSE(s.b.bias.defined());
  const double h = 1e-6;
  for (const bool second : {false, true}) {
    const D& got = second ? s.b.weight : s.a.weight;
    for (std::int64_t i = 0; i < got.size(); ++i) {
      const auto at = [&](double factor) {
        auto moved = clone(net);
        (second ? moved.b : moved.a).weight(i) *= factor;
        return loss(moved).item();
      };
      CHECK(got(i) == doctest::Approx(std::abs((at(1 + h) - at(1 - h)) / (2 * h))).epsilon(1e-6));
    }
  }
}

TEST_CASE("scores: GraSP is half the change of the squared gradient norm when a weight is scaled") {
  // d/dε ‖g(θ + ε θ_i e_i)‖² / 2 = θ_i (H g)_i, the gradient being that of the weights, without biases.
  const auto net = smooth();
  const auto s = grasp_scores(loss, net);
  const double h = 1e-5;
  for (const bool second : {false, true}) {
    const D& got = second ? s.b.weight : s.a.weight;
    for (std::int64_t i = 0; i < got.size(); ++i) {
      const auto at = [&](double factor) {
        auto moved = clone(net);
        (second ? moved.b : moved.a).weight(i) *= factor;
        const auto g = grad(loss, moved);
        return (inner(g.a.weight, g.a.weight) + inner(g.b.weight, g.b.weight)) / 2;
      };
      CHECK(got(i) == doctest::Approx((at(1 + h) - at(1 - h)) / (2 * h)).epsilon(1e-6));
    }
  }
}

TEST_CASE("synflow: the scores of every layer sum to the flow") {
  const auto network = absolute_network(conv_net<float>(3));
  CHECK(network.bn1.running_var(0) == 1);
  CHECK(network.conv1.bias(0) == 0);
  const auto flow = synaptic_flow(network, Shape{1, 8, 8});
  CHECK(flow.value > 0);
  for (const D& s : {flow.grad.conv1.weight, flow.grad.conv2.weight, flow.grad.fc.weight}) {
    CHECK(sum(s).item() == doctest::Approx(flow.value).epsilon(1e-12));
    for (const double v : s.values()) CHECK(v >= 0);
  }
}

TEST_CASE("synflow: exact counts, no layer emptied where magnitude would, and a refusal where there is no way") {
  auto net = conv_net<float>(4);
  for (float& v : net.conv1.weight.values()) v *= 1e-3f;  // magnitude empties this layer
  const std::int64_t all = density(dense_mask(net)).total;
  CHECK_THROWS_AS(require_every_layer("magnitude", largest(magnitude_scores(net), {.density = 0.05})), ValueError);
  for (const double rho : {0.5, 0.05, 0.02}) {
    const auto m = synflow_mask(net, Shape{1, 8, 8}, rho);
    CHECK(density(m).kept == all - pruned_count(rho, all));
    require_every_layer("synflow", m);
    CHECK(jaccard(m, synflow_mask(net, Shape{1, 8, 8}, rho)) == 1);
  }
  // Two weights for three layers.
  CHECK_THROWS_AS(synflow_mask(net, Shape{1, 8, 8}, 1.99 / double(all)), ValueError);
  CHECK_THROWS_WITH_AS(synflow_mask(net, Shape{1, 8, 8}, 0), "synflow: the density is 0; want a number in (0, 1]",
                       ValueError);
}

TEST_CASE("wanda: the norms of what linear layers and convolutions read") {
  const auto net = conv_net<double>(5, 2);
  const auto samples = stripes<double>(7, 1);
  const auto s = wanda_scores(net, samples.x, is_prunable, 3);
  CHECK_FALSE(s.conv1.bias.defined());
  // conv1 reads the padded image: tap (k, l) meets x(i + k − 1, j + l − 1).
  for (std::int64_t k = 0; k < 3; ++k)
    for (std::int64_t l = 0; l < 3; ++l) {
      double squares = 0;
      for (std::int64_t n = 0; n < 7; ++n)
        for (std::int64_t i = 0; i < 8; ++i)
          for (std::int64_t j = 0; j < 8; ++j) {
            const std::int64_t y = i + k - 1, x = j + l - 1;
            if (0 <= y && y < 8 && 0 <= x && x < 8) squares += std::pow(samples.x(n * 64 + y * 8 + x), 2);
          }
      for (std::int64_t o = 0; o < 2; ++o)
        CHECK(s.conv1.weight(o * 9 + k * 3 + l) ==
              doctest::Approx(std::abs(net.conv1.weight(o * 9 + k * 3 + l)) * std::sqrt(squares)).epsilon(1e-12));
    }
  // fc's input, by taking the layers apart
  auto open = net;
  open.fc.weight = D::zeros({16, 16});
  open.fc.bias = D{};
  for (std::int64_t i = 0; i < 16; ++i) open.fc.weight(i, i) = 1;
  const D read = open(samples.x);
  for (std::int64_t c = 0; c < 16; ++c) {
    double squares = 0;
    for (std::int64_t n = 0; n < 7; ++n) squares += read(n, c) * read(n, c);
    for (std::int64_t o = 0; o < 3; ++o)
      CHECK(s.fc.weight(o, c) == doctest::Approx(std::abs(net.fc.weight(o, c)) * std::sqrt(squares)).epsilon(1e-12));
  }
}

TEST_CASE("wanda: groups, weights stored by inputs, and leaves that are no layer") {
  Conv2d<D> conv;
  conv.weight = random_normal<double>({4, 2, 1, 1}, initial_key(6, 0));
  conv.settings.groups = 2;
  const D x = random_normal<double>({3, 4, 2, 2}, initial_key(6, 1));
  const auto s = wanda_scores(conv, x);
  for (std::int64_t o = 0; o < 4; ++o)
    for (std::int64_t c = 0; c < 2; ++c) {
      double squares = 0;
      for (std::int64_t n = 0; n < 3; ++n)
        for (std::int64_t i = 0; i < 4; ++i) squares += std::pow(x((n * 4 + o / 2 * 2 + c) * 4 + i), 2);
      CHECK(s.weight(o * 2 + c) ==
            doctest::Approx(std::abs(conv.weight(o * 2 + c)) * std::sqrt(squares)).epsilon(1e-12));
    }
  Linear<D> l;
  l.weight = random_normal<double>({4, 3}, initial_key(6, 2));
  l.in_out = true;
  const auto t = wanda_scores(l, inputs);
  double squares = 0;
  for (std::int64_t n = 0; n < 5; ++n) squares += inputs(n, 2) * inputs(n, 2);
  CHECK(t.weight(2, 1) == doctest::Approx(std::abs(l.weight(2, 1)) * std::sqrt(squares)).epsilon(1e-12));

  Linear<D> unused = l;
  unused.lora_b = D::ones({3, 1});  // an adapter that is not there takes no part
  CHECK_THROWS_WITH_AS(wanda_scores(unused, inputs),
                       "wanda: lora_B.weight is not the weight of a linear layer or a convolution that was used",
                       ValueError);
}
