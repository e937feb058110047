// Claims that need no language model: what the estimators are, exactly.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "claims.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/core/hash.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/tree/algebra.hpp"
#include "tenzo/zo/dense.hpp"
#include "tenzo/zo/estimators.hpp"
#include "tenzo/zo/log.hpp"
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

struct Sizes {
  std::int64_t batch, in, hidden, out;
};

template <class T>
Smooth<Tensor<T>> smooth_model(const Sizes& n) {
  Smooth<Tensor<T>> m;
  m.first.weight = noise<T>({n.hidden, n.in}, 0, 1.2 / std::sqrt(double(n.in)));
  m.first.bias = noise<T>({n.hidden}, 1, 0.2);
  m.second.weight = noise<T>({n.out, n.hidden}, 2, 2 / std::sqrt(double(n.hidden)));
  m.second.bias = noise<T>({n.out}, 3, 0.2);
  return m;
}

template <class T>
auto smooth_loss(const Sizes& n) {
  return [x = noise<T>({n.batch, n.in}, 4, 1.0), y = noise<T>({n.batch, n.out}, 5, 1.0)](const auto& m) {
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

using Vectors = std::vector<Tensor<double>>;

/// Figures of an estimate ĝ in the mean over trials: the squared cosine with the gradient g, and ⟨ĝ, g⟩ / ‖g‖², which
/// is 1 for an estimate without bias.
struct Alignment {
  double squared_cosine = 0, projection = 0;
};

/// Of `estimate(losses, trial)` for L = ½ Σ ‖x − c‖², on whose differences two-sided slopes are exact, over `parts`
/// vectors x of `size` elements.
template <class F>
Alignment alignment(std::int64_t parts, std::int64_t size, std::int64_t trials, F&& estimate) {
  Vectors x, c;
  for (std::int64_t i = 0; i < parts; ++i) {
    x.push_back(noise<double>({size}, std::uint32_t(2 * i), 1.0));
    c.push_back(noise<double>({size}, std::uint32_t(2 * i + 1), 1.0));
  }
  const auto loss = [&](const auto& m) {
    auto total = sum(square(sub(m[0], c[0])));
    for (std::size_t i = 1; i < m.size(); ++i) total = add(total, sum(square(sub(m[i], c[i]))));
    return scale(total, 0.5);
  };
  const Vectors gradient = grad(loss, x);
  const double squares = dot(gradient, gradient).item();
  CallableLoss at(x, [&](const Vectors& m) { return loss(m).item(); });
  Alignment mean;
  for (std::int64_t t = 0; t < trials; ++t) {
    const Vectors g = dense_gradient(estimate(at, std::uint32_t(t)), x);
    const double along = dot(g, gradient).item();
    mean.squared_cosine += along * along / (squares * dot(g, g).item()) / double(trials);
    mean.projection += along / squares / double(trials);
  }
  return mean;
}

}  // namespace

Claim estimator_orders() {
  const Sizes sizes{.batch = 32, .in = 9, .hidden = 24, .out = 3};
  const auto model = smooth_model<double>(sizes);
  const auto loss = smooth_loss<double>(sizes);
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
  // Single figures deviate by about √(2 / directions), that is 1.8 %.
  constexpr std::int64_t directions = 6000;
  double worst = 0;
  std::string where;
  const auto compare = [&](double value, double want, const std::string& what) {
    const double error = std::abs(value / want - 1);
    if (error <= worst) return;
    worst = error;
    where = what;
  };
  double one = 0;  // the squared cosine of one query at d = 1000
  for (const std::int64_t d : {100, 1000, 10000})
    for (const int q : {1, 8, 64}) {
      const Alignment a = alignment(1, d, directions / q,
                                    [&](auto& at, std::uint32_t step) { return rge(at, seed, step, {.queries = q}); });
      const std::string what = cat("d = ", d, ", q = ", q);
      compare(a.squared_cosine, double(q) / double(q + d + 1), what);
      compare(a.projection, 1, cat("the projection at ", what));
      if (d == 1000 && q == 1) one = a.squared_cosine;
    }
  std::string factors;
  for (const std::int64_t k : {4, 20, 100}) {
    const std::int64_t d = 1000;
    std::vector<LeafRange> blocks;
    for (std::int64_t b = 0; b < k; ++b) blocks.push_back({std::uint32_t(b), std::uint32_t(b + 1)});
    const Alignment a = alignment(k, d / k, directions / k,
                                  [&](auto& at, std::uint32_t step) { return block_rge(at, seed, step, blocks); });
    const std::string what = cat("d = ", d, ", K = ", k);
    const double want = double(d + 2) / double(2 + d / k);
    compare(a.squared_cosine / one, want, what);
    compare(a.projection, 1, cat("the projection at ", what));
    factors += cat(factors.empty() ? "" : ", ", k, " blocks: ", a.squared_cosine / one, " (law ", want, ")");
  }
  Claim v{.id = "C2",
          .statement =
              "The estimate's squared cosine with the gradient is q / (q + d + 1) in the mean, and K equal blocks "
              "multiply that of q = 1 by (d + 2) / (2 + d/K); its projection on the gradient is 1",
          .value = worst,
          .threshold = 0.15,
          .relation = "≤"};
  v.holds = worst <= 0.15;
  v.reason = cat("the largest deviation is ", 100 * worst, " %: ", where, "; ", factors);
  return v;
}

Claim replay_bits(const std::string& folder) {
  // Of the weights after the run, with all instruction sets. The weights and products are in several pieces each, so
  // that two threads share them.
  constexpr std::uint64_t recorded = 0xf85c94b9706fc448;
  constexpr std::uint32_t steps = 40;
  constexpr std::uint64_t seed = 1;
  const Sizes sizes{.batch = 64, .in = 512, .hidden = 256, .out = 64};
  const RgeOptions probe{.eps = 1e-3, .queries = 2};
  const UpdateOptions update{.lr = 1e-3};
  const auto loss = smooth_loss<float>(sizes);
  const auto stored = [&] {
    return map_tree<StoredTensor>(smooth_model<float>(sizes),
                                  [](const Tensor<float>& t) { return StoredTensor::from(t); });
  };
  const auto hash = [](const auto& m) {
    Hash64 h;
    for_each_leaf([&](const Path&, const StoredTensor& w) { h.update(w.bytes()); }, m);
    return h.value();
  };
  const std::string path = (std::filesystem::path(folder) / "identity.zolog").string();
  const int before = threads();
  std::vector<std::uint64_t> ends;
  bool untouched = true;
  for (const int n : {1, 2}) {
    set_threads(n);
    auto model = stored();
    UpdateState state;
    LogWriter writer;
    writer.create(path, {{"slopes", cat(probe.queries)}});
    for (std::uint32_t step = 0; step < steps; ++step) {
      const std::uint64_t was = hash(model);
      const Estimate g = rge(ModelLoss(model, loss), seed, step, probe);
      untouched = untouched && hash(model) == was;
      LogStep record{step, {}};
      for (const Slope& s : g.slopes) record.slopes.push_back(s.value);
      writer.append(record);
      apply_estimate_(model, {}, g, update, state);
    }
    writer.finish(steps);
    ends.push_back(hash(model));
  }
  const Log log = Log::read(path);  // of the run on two threads
  std::filesystem::remove(path);
  for (const int n : {1, 2}) {
    set_threads(n);
    auto model = stored();
    UpdateState state;
    for (const LogStep& record : log.steps) {
      Estimate g;
      g.weight = 1.0 / probe.queries;
      g.loss = 0;
      for (const double slope : record.slopes)
        g.slopes.push_back({probe.direction(seed, record.step, std::uint32_t(g.slopes.size())), slope});
      apply_estimate_(model, {}, g, update, state);
    }
    ends.push_back(hash(model));
  }
  set_threads(before);
  Claim v{.id = "C3",
          .statement =
              "A run and its replay from the log file end with the recorded bits, which are those of all instruction "
              "sets, on one and two threads; probes leave the weights alone",
          .threshold = 0,
          .relation = "≤"};
  v.value = double(std::count_if(ends.begin(), ends.end(), [&](std::uint64_t h) { return h != recorded; })) +
            (untouched ? 0 : 1);
  v.holds = v.value == 0;
  v.reason = cat(steps, " steps of two queries; the hashes of the runs on one and two threads and of the replays are");
  for (const std::uint64_t h : ends) v.reason += cat(' ', h);
  v.reason += cat("; recorded is ", recorded);
  return v;
}

}  // namespace zo_llm
