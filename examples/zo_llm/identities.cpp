// Claims that need no language model: what the estimators are, exactly.
#include <algorithm>
#include <cmath>

#include "claims.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/core/hash.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/zo/estimators.hpp"
#include "tenzo/zo/optimizers.hpp"

namespace zo_llm {

using namespace tenzo;
using namespace tenzo::zo;

namespace {

/// A smooth network with all derivatives: two tanh layers and a squared loss.
template <class V>
struct Smooth {
  Linear<V> first, second;

  static void visit(auto&& f, auto&... self) {
    f("first", self.first...);
    f("second", self.second...);
  }
};

template <class T>
Tensor<T> noise(const Shape& s, std::uint32_t number, double size) {
  Tensor<T> t(s);
  fill_matrix(Law::normal, NoiseKey{77, 0, 0, number}, 1, t.size(), t.data());
  return scale(t, size);
}

template <class T>
Smooth<Tensor<T>> smooth_model() {
  Smooth<Tensor<T>> m;
  m.first.weight = noise<T>({24, 9}, 0, 0.4);
  m.first.bias = noise<T>({24}, 1, 0.2);
  m.second.weight = noise<T>({3, 24}, 2, 0.4);
  m.second.bias = noise<T>({3}, 3, 0.2);
  return m;
}

template <class T>
auto smooth_loss() {
  return [x = noise<T>({32, 9}, 4, 1.0), y = noise<T>({32, 3}, 5, 1.0)](const auto& m) {
    return mean(square(sub(tanh(m.second(tanh(m.first(x)))), y)));
  };
}

double dot_direction(const Smooth<Tensor<double>>& g, const Direction& d) {
  double total = 0;
  std::uint32_t leaf = 0;
  for_each_leaf(
      [&](const Path&, const Tensor<double>& t) {
        Tensor<double> u = Tensor<double>::zeros(t.shape());
        add_steps_(u.data(), u.matrix_rows(), u.matrix_cols(), leaf++, {{d, 1.0}});
        for (std::int64_t i = 0; i < t.size(); ++i) total += t(i) * u(i);
      },
      g);
  return total;
}

/// Slope of log error against log eps, by least squares.
double order(const std::vector<double>& eps, const std::vector<double>& error) {
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  const double n = double(eps.size());
  for (std::size_t i = 0; i < eps.size(); ++i) {
    const double x = std::log(eps[i]), y = std::log(error[i]);
    sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

}  // namespace

Claim estimator_orders() {
  const auto model = smooth_model<double>();
  const auto loss = smooth_loss<double>();
  const auto gradient = grad(loss, model);
  CallableLoss at(model, [&](const auto& m) { return loss(m).item(); });
  const std::vector<double> eps = {8e-3, 4e-3, 2e-3, 1e-3};
  std::vector<double> two, one;
  for (const double e : eps) {
    double worst_two = 0, worst_one = 0;
    for (std::uint32_t step = 0; step < 8; ++step) {
      RgeOptions o;
      o.eps = e;
      const Slope s = rge(at, 5, step, o).slopes[0];
      const double exact = dot_direction(gradient, s.direction);
      o.two_sided = false;
      worst_two = std::max(worst_two, std::abs(s.value - exact));
      worst_one = std::max(worst_one, std::abs(rge(at, 5, step, o).slopes[0].value - exact));
    }
    two.push_back(worst_two);
    one.push_back(worst_one);
  }
  double cge_error = 0;
  std::uint32_t leaf = 0;
  for_each_leaf(
      [&](const Path&, const Tensor<double>& g) {
        std::vector<Coordinate> all;
        for (std::int64_t i = 0; i < g.size(); ++i) all.push_back({leaf, i});
        const Estimate e = cge(at, all, 1e-5);
        for (std::int64_t i = 0; i < g.size(); ++i)
          cge_error = std::max(cge_error, std::abs(e.slopes[std::size_t(i)].value - g(i)));
        ++leaf;
      },
      gradient);
  Claim v{.id = "C1",
          .statement = "Two-sided slopes err by O(ε²), one-sided by O(ε); central CGE equals automatic differentiation",
          .threshold = 0.2,
          .relation = "≤"};
  const double p2 = order(eps, two), p1 = order(eps, one);
  v.value = std::max(std::abs(p2 - 2), std::abs(p1 - 1));
  v.holds = v.value <= 0.2 && cge_error <= 1e-6;
  v.reason = cat("orders ", p2, " and ", p1, "; CGE differs from the gradient by at most ", cge_error);
  return v;
}

Claim cosine_law(std::uint64_t seed) {
  // On a linear loss L = g·x the slope along u is g·u exactly: the estimate's cosine with g is the noise's law alone.
  double worst = 0;
  std::string where;
  for (const std::int64_t d : {100, 1000, 10000})
    for (const int q : {1, 8, 64}) {
      const std::int64_t trials = std::max<std::int64_t>(60, 12000 / q);
      double total = 0;
      std::vector<double> u(static_cast<std::size_t>(d)), sum(u.size());
      for (std::int64_t t = 0; t < trials; ++t) {
        std::fill(sum.begin(), sum.end(), 0.0);
        for (int i = 0; i < q; ++i) {
          fill_matrix(Law::normal, NoiseKey{seed, std::uint32_t(t), std::uint32_t(i), std::uint32_t(d)}, 1, d,
                      u.data());
          for (std::size_t k = 0; k < u.size(); ++k) sum[k] += u[0] * u[k];  // g = e_0
        }
        double squares = 0;
        for (const double x : sum) squares += x * x;
        total += sum[0] * sum[0] / squares;
      }
      const double want = double(q) / double(q + d + 1), error = std::abs(total / double(trials) / want - 1);
      if (error > worst) {
        worst = error;
        where = cat("at d = ", d, ", q = ", q);
      }
    }
  Claim v{.id = "C2",
          .statement = "The mean squared cosine between estimate and gradient is q / (q + d + 1)",
          .value = worst,
          .threshold = 0.15,
          .relation = "≤"};
  v.holds = worst <= 0.15;
  v.reason = cat("the largest deviation, ", 100 * worst, " %, is ", where);
  return v;
}

Claim replay_bits(std::uint64_t seed) {
  const auto loss = smooth_loss<float>();
  const auto stored = [] {
    return map_tree<StoredTensor>(smooth_model<float>(), [](const Tensor<float>& t) { return StoredTensor::from(t); });
  };
  const auto hash = [](const auto& m) {
    Hash64 h;
    for_each_leaf([&](const Path&, const StoredTensor& w) { h.update(w.bytes()); }, m);
    return h.value();
  };
  const int before = threads();
  std::vector<std::uint64_t> ends;
  bool untouched = true;
  std::vector<Estimate> log;
  for (const int n : {1, 2}) {
    set_threads(n);
    auto model = stored();
    UpdateState state;
    log.clear();
    for (std::uint32_t step = 0; step < 200; ++step) {
      const std::uint64_t was = hash(model);
      const Estimate g = rge(ModelLoss(model, loss), seed, step, {.eps = 1e-3, .queries = 2});
      untouched = untouched && hash(model) == was;
      log.push_back(g);
      apply_estimate_(model, {}, g, {.lr = 1e-3}, state);
    }
    ends.push_back(hash(model));
    auto again = stored();
    UpdateState fresh;
    for (const Estimate& g : log) apply_estimate_(again, {}, g, {.lr = 1e-3}, fresh);
    ends.push_back(hash(again));
  }
  set_threads(before);
  Claim v{
      .id = "C3",
      .statement =
          "A run rebuilt from its slopes has the run's bits, on one and two threads; probes leave the weights alone",
      .threshold = 0,
      .relation = "≤"};
  v.value = double(std::count_if(ends.begin(), ends.end(), [&](std::uint64_t h) { return h != ends[0]; })) +
            (untouched ? 0 : 1);
  v.holds = v.value == 0;
  v.reason = "200 steps of two queries; one and two threads, run and replay";
  return v;
}

}  // namespace zo_llm
