#include <algorithm>
#include <cmath>
#include <functional>

#include "certify_measure.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/smoothing/function.hpp"
#include "tenzo/stats/normal.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

constexpr double radius = 0.5;  // σ of the functions
const D slope = D::from({3}, {0.5, -1, 0.25}), start = D::from({3}, {0.3, 0.2, -0.4});
constexpr double curvature[3][3] = {{2, 0.5, 0}, {0.5, 1, -0.3}, {0, -0.3, -1}};

double along(const D& x) { return inner(slope, x); }

/// A function, and the gradient of the smoothed one at `start`.
struct Known {
  const char* name;
  std::function<double(const D&)> f;
  std::vector<double> gradient;
};

std::vector<Known> functions() {
  const double t = along(start), n = norm(slope), z = t / (radius * n);
  const auto slopes = [](double s) { return std::vector<double>{s * slope(0), s * slope(1), s * slope(2)}; };
  std::vector<double> of_quadratic;
  for (const auto& row : curvature) of_quadratic.push_back(row[0] * start(0) + row[1] * start(1) + row[2] * start(2));
  return {{"linear", along, slopes(1)},
          {"quadratic",
           [](const D& x) {
             double s = 0;
             for (int i = 0; i < 3; ++i)
               for (int j = 0; j < 3; ++j) s += 0.5 * curvature[i][j] * x(i) * x(j);
             return s;
           },
           of_quadratic},
          {"exp", [](const D& x) { return std::exp(along(x)); }, slopes(std::exp(t + 0.5 * radius * radius * n * n))},
          {"cos", [](const D& x) { return std::cos(along(x)); },
           slopes(-std::sin(t) * std::exp(-0.5 * radius * radius * n * n))},
          {"half-space", [](const D& x) { return double(along(x) > 0); }, slopes(normal_density(z) / (radius * n))}};
}

/// E ‖ĝ − ∇f‖² of the estimate of x₀ by q directions in d dimensions.
double variance(std::int64_t d, int q, std::uint64_t seed, int seeds) {
  const D x = D::zeros({d});
  double total = 0;
  const std::int64_t repeats = 600;
  for (std::int64_t r = 0; r < repeats; ++r) {
    D g = zo::dense_gradient(smoothed_gradient([](const D& at) { return at(0); }, x, seed + std::uint64_t(r % seeds),
                                               std::uint32_t(r / seeds), {.queries = q}),
                             x);
    g(0) -= 1;
    total += inner(g, g);
  }
  return total / double(repeats);
}

/// The slope of log y over log x, by least squares.
double log_log_slope(const std::vector<double>& x, const std::vector<double>& y) {
  double mx = 0, my = 0, xy = 0, xx = 0;
  const double n = double(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) mx += std::log(x[i]) / n, my += std::log(y[i]) / n;
  for (std::size_t i = 0; i < x.size(); ++i)
    xy += (std::log(x[i]) - mx) * (std::log(y[i]) - my), xx += (std::log(x[i]) - mx) * (std::log(x[i]) - mx);
  return xy / xx;
}

}  // namespace

ZeroOrder zero_order(const Setup& setup, const Network& network, std::uint64_t seed, int seeds) {
  ZeroOrder out;
  constexpr int each = 250;
  for (const Known& k : functions()) {
    Estimated e{k.name};
    for (int s = 0; s < seeds; ++s) {
      std::vector<RunningMean> mean(3);
      for (std::uint32_t step = 0; std::int64_t(step) * each < setup.sizes.directions; ++step) {
        const D g = zo::dense_gradient(
            smoothed_gradient(k.f, start, seed + std::uint64_t(s), step, {.sigma = radius, .queries = each}), start);
        for (std::int64_t i = 0; i < 3; ++i) mean[std::size_t(i)].add(g(i));
      }
      for (std::size_t i = 0; i < 3; ++i)  // 2.5e-10: rounding, where the variance vanishes
        e.deviation =
            std::max(e.deviation, std::abs(mean[i].mean - k.gradient[i]) / (mean[i].standard_error() + 2.5e-10));
    }
    out.functions.push_back(e);
  }
  for (const int q : {2, 8, 32, 128}) {
    out.queries.push_back(q);
    out.query_variance.push_back(variance(40, q, seed, seeds));
  }
  for (const std::int64_t d : {16, 64, 256, 1024}) {
    out.dimensions.push_back(double(d));
    out.dimension_variance.push_back(variance(d, 8, seed, seeds));
  }
  out.query_slope = log_log_slope(out.queries, out.query_variance);
  out.dimension_slope = log_log_slope(out.dimensions, out.dimension_variance);

  // a network's loss as a black box of its input, at the inputs that it is least sure of: there the slope is no
  // rounding
  const Tensor<float> losses = sample_losses(network, setup.held_out);
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < losses.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return losses(a) > losses(b); });
  const std::size_t images = std::min<std::size_t>(4, order.size());
  for (const int q : {4, 16, 64, 256, 1024}) {
    double cosine = 0, expected = 0;
    for (std::size_t i = 0; i < images; ++i) {
      const Samples<float> one = setup.held_out.at(Rows{order[i]});
      const auto loss = [&](const auto& x) { return cross_entropy(base_output(network, x), one.labels); };
      const Tensor<float> g = grad(loss, one.x);
      const auto estimate = smoothed_gradient([&](const Tensor<float>& x) { return double(loss(x).item()); }, one.x,
                                              seed, std::uint32_t(i), {.sigma = 1e-2, .queries = q});
      const GradientAgreement a = gradient_agreement(zo::dense_gradient(estimate, one.x), g, q);
      cosine += a.cosine / double(images), expected += a.expected_cosine / double(images);
    }
    out.cosine_queries.push_back(q), out.cosine.push_back(cosine), out.expected_cosine.push_back(expected);
  }
  return out;
}

}  // namespace smug::certify
