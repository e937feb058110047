// First-order optimizers against their closed forms, in double.
#include "tenzo/optim/optimizers.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tenzo/tree/algebra.hpp"

using namespace tenzo;

namespace {

using Vector = Tensor<double>;
using Model = std::vector<Vector>;

const Model start{Vector::from({2, 2}, {1, -2, 3, 0.5}), Vector::from({3}, {4, 0, -1})};
const Model slope{Vector::from({2, 2}, {0.3, -0.1, 0, 2}), Vector::from({3}, {-1, 1e-3, 5})};

double largest_difference(const Model& a, const Model& b) {
  double worst = 0;
  for_each_leaf(
      [&](const Path&, const Vector& x, const Vector& y) {
        for (std::int64_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x(i) - y(i)));
      },
      a, b);
  return worst;
}

/// The model whose elements are f(start, slope).
template <class F>
Model by(F&& f) {
  return map_tree<Vector>(
      start,
      [&](const Vector& x, const Vector& g) {
        Vector out(x.shape());
        for (std::int64_t i = 0; i < x.size(); ++i) out(i) = f(x(i), g(i));
        return out;
      },
      slope);
}

template <class O>
Model after(const O& optimizer, int steps, double factor = 1) {
  typename O::template State<Model> state;
  Model x = clone(start);
  for (int t = 0; t < steps; ++t) optimizer.step(state, x, slope, factor);
  CHECK(state.step == steps);
  return x;
}

/// Fifty steps of sums and products of numbers below 100.
constexpr double rounding = 50 * 100 * 4e-16;

}  // namespace

TEST_CASE("sgd: with a constant gradient it goes in equal steps") {
  CHECK(largest_difference(after(Sgd{.lr = 0.1}, 7), by([](double x, double g) { return x - 0.7 * g; })) < rounding);
  CHECK(largest_difference(after(Sgd{.lr = 0.1}, 7, 0.5), by([](double x, double g) { return x - 0.35 * g; })) <
        rounding);
}

TEST_CASE("sgd: weight decay shrinks geometrically towards −g / decay") {
  const double q = std::pow(1 - 0.1 * 0.2, 9);
  CHECK(largest_difference(after(Sgd{.lr = 0.1, .weight_decay = 0.2}, 9),
                           by([&](double x, double g) { return q * (x + g / 0.2) - g / 0.2; })) < 10 * rounding);
}

TEST_CASE("sgd: momentum sums a geometric series, Nesterov's looks one term ahead") {
  const double mu = 0.8, lr = 0.1;
  for (const bool nesterov : {false, true}) {
    double way = 0;
    for (int t = 1; t <= 12; ++t) {
      const double m = (1 - std::pow(mu, t)) / (1 - mu);
      way += nesterov ? 1 + mu * m : m;
    }
    CHECK(largest_difference(after(Sgd{.lr = lr, .momentum = mu, .nesterov = nesterov}, 12),
                             by([&](double x, double g) { return x - lr * way * g; })) < rounding);
  }
}

TEST_CASE("sign: equal steps against the sign, none where the gradient is zero") {
  const auto sign = [](double g) { return double((g > 0) - (g < 0)); };
  CHECK(largest_difference(after(SignSgd{.lr = 0.01}, 5), by([&](double x, double g) { return x - 0.05 * sign(g); })) <
        rounding);
  CHECK(largest_difference(after(SignSgd{.lr = 0.01, .weight_decay = 0.5}, 1),
                           by([&](double x, double g) { return x - 0.01 * (sign(g) + 0.5 * x); })) < rounding);
}

TEST_CASE("adam: with a constant gradient every step is lr g / (|g| + eps)") {
  // Without bias the moments are g and g² at all times; the second moment rises, so the largest so far is the last.
  for (const bool amsgrad : {false, true})
    CHECK(largest_difference(after(Adam{.lr = 0.01, .eps = 0.1, .amsgrad = amsgrad}, 20), by([](double x, double g) {
                               const double step = 0.01 * g / (std::abs(g) + 0.1);
                               return x - 20 * step;
                             })) < 1e-12);
}

TEST_CASE("adam: decoupled decay takes lr · decay of the weight beside the step") {
  const double q = 1 - 0.01 * 0.3;
  CHECK(largest_difference(after(Adam{.lr = 0.01, .eps = 0.1, .weight_decay = 0.3}, 3), by([&](double x, double g) {
                             const double step = 0.01 * g / (std::abs(g) + 0.1);
                             return ((x * q - step) * q - step) * q - step;
                           })) < 1e-12);
}

TEST_CASE("adam: changing gradients, against the formulas in plain loops") {
  const Adam o{.lr = 0.02, .beta1 = 0.7, .beta2 = 0.9, .eps = 1e-3};
  for (const bool amsgrad : {false, true}) {
    Adam adam = o;
    adam.amsgrad = amsgrad;
    Adam::State<Vector> state;
    Vector x = Vector::from({1}, {1});
    double want = 1, m = 0, v = 0, top = 0;
    for (int t = 1; t <= 30; ++t) {
      const double g = std::cos(0.7 * t) / t;
      adam.step(state, x, Vector::from({1}, {g}));
      m = 0.7 * m + 0.3 * g;
      v = 0.9 * v + 0.1 * g * g;
      top = std::max(top, v);
      const double vh = (amsgrad ? top : v) / (1 - std::pow(0.9, t));
      want -= 0.02 * m / (1 - std::pow(0.7, t)) / (std::sqrt(vh) + 1e-3);
      CHECK(x(0) == doctest::Approx(want).epsilon(1e-13));
    }
  }
}

TEST_CASE("optimizers: a leaf without a gradient stays, and gets no buffers") {
  Model x = clone(start), g = slope;
  g[0] = Vector{};
  Adam::State<Model> state;
  Adam{.lr = 0.1}.step(state, x, g);
  CHECK(largest_difference({x[0]}, {start[0]}) == 0);
  CHECK(largest_difference({x[1]}, {start[1]}) > 0.01);
  CHECK_FALSE(state.first[0].defined());
  CHECK(state.first[1].defined());
}

TEST_CASE("optimizers: a gradient of another shape is a sentence") {
  Model x = clone(start), g{Vector::zeros({4}), Vector::zeros({3})};
  Sgd::State<Model> state;
  CHECK_THROWS_WITH_AS(Sgd{}.step(state, x, g), "optimizer: 0 is (2, 2), its gradient (4)", ShapeError);
}

TEST_CASE_TEMPLATE("optimizers: halted and gone on with, the same bits on any number of threads", O, Sgd, SignSgd,
                   Adam) {
  O o;
  if constexpr (requires { o.momentum; }) o.momentum = 0.9;
  const Tensor<float> x0 = Tensor<float>::full({100, 333}, 0.5f);
  const auto gradient = [&](int t) {
    Tensor<float> g(x0.shape());
    for (std::int64_t i = 0; i < g.size(); ++i) g(i) = float((i * 37 + t * 11) % 101 - 50) / 50;
    return g;
  };
  const int before = threads();
  std::vector<float> ends[3];
  for (int way = 0; way < 3; ++way) {
    set_threads(way == 0 ? 1 : 2);
    typename O::template State<Tensor<float>> s;
    Tensor<float> x = x0.clone();
    for (int t = 0; t < 6; ++t) {
      if (way == 2 && t == 3) {  // as a checkpoint would: the state and the weights in memory of their own
        x = x.clone();
        if constexpr (requires { s.momentum; }) s.momentum = s.momentum.clone();
        if constexpr (requires { s.first; }) s.first = s.first.clone(), s.second = s.second.clone();
      }
      o.step(s, x, gradient(t));
    }
    ends[way].assign(x.values().begin(), x.values().end());
  }
  set_threads(before);
  CHECK(ends[0] == ends[1]);
  CHECK(ends[0] == ends[2]);
}

TEST_CASE("clip: by norm only what is longer, by value each element") {
  Model g{Vector::from({2}, {3, 0}), Vector::from({1}, {-4})};
  CHECK(clip_norm_(g, 10) == doctest::Approx(5).epsilon(1e-15));
  CHECK(g[1](0) == -4);
  CHECK(clip_norm_(g, 1) == doctest::Approx(5).epsilon(1e-15));
  CHECK(g[0](0) == doctest::Approx(0.6).epsilon(1e-15));
  CHECK(g[1](0) == doctest::Approx(-0.8).epsilon(1e-15));
  clip_value_(g, 0.7);
  CHECK(g[0](0) == doctest::Approx(0.6).epsilon(1e-15));
  CHECK(g[1](0) == -0.7);
  Model none{Vector{}, Vector::from({1}, {2})};
  CHECK(clip_norm_(none, 1) == 2);
  CHECK(none[1](0) == 1);
}

TEST_CASE("clip: floats whose squares are none") {
  using Floats = std::vector<Tensor<float>>;
  for (const float size : {1e25f, 1e-25f}) {
    Floats g{Tensor<float>::full({4}, size)};
    CHECK(clip_norm_(g, double(size)) == doctest::Approx(2 * double(size)).epsilon(1e-6));
    CHECK(double(g[0](3)) == doctest::Approx(double(size) / 2).epsilon(1e-6));
  }
}
