#include <algorithm>
#include <cmath>

#include "certify_measure.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/smoothing/base.hpp"
#include "tenzo/smoothing/closed_forms.hpp"
#include "tenzo/smoothing/function.hpp"
#include "tenzo/stats/log_slope.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

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

}  // namespace

ZeroOrder zero_order(const Setup& setup, const Network& network, std::uint64_t seed, int seeds) {
  ZeroOrder out;
  constexpr int directions = 250;  // of one estimate
  const D start = D::from({3}, {0.3, 0.2, -0.4}), slope = D::from({3}, {0.5, -1, 0.25}),
          curvature = D::from({3, 3}, {2, 0.5, 0, 0.5, 1, -0.3, 0, -0.3, -1});
  for (const ClosedForm& k : closed_forms({Family::gaussian, base_sigma}, start, slope, curvature)) {
    Estimated e{k.name};
    for (int s = 0; s < seeds; ++s) {
      std::vector<RunningMean> mean(3);
      for (std::uint32_t step = 0; std::int64_t(step) * directions < setup.sizes.directions; ++step) {
        const auto estimate =
            smoothed_gradient(k.f, start, seed + std::uint64_t(s), step, {.sigma = base_sigma, .queries = directions});
        const D g = zo::dense_gradient(estimate, start);
        for (std::int64_t i = 0; i < 3; ++i) mean[std::size_t(i)].add(g(i));
      }
      for (std::int64_t i = 0; i < 3; ++i) {
        const RunningMean& m = mean[std::size_t(i)];
        // 2.5e-10: rounding, where the variance vanishes
        e.deviation = std::max(e.deviation, std::abs(m.mean - k.gradient(i)) / (m.standard_error() + 2.5e-10));
      }
    }
    out.functions.push_back(e);
  }
  for (const int q : {2, 8, 32, 128}) {
    out.queries.push_back(q);
    out.query_variance.push_back(variance(variance_dimensions, q, seed, seeds));
  }
  for (const std::int64_t d : {16, 64, 256, 1024}) {
    out.dimensions.push_back(double(d));
    out.dimension_variance.push_back(variance(d, variance_queries, seed, seeds));
  }
  out.query_slope = log_slope(out.queries, out.query_variance);
  out.dimension_slope = log_slope(out.dimensions, out.dimension_variance);

  // a network's loss as a black box of its input, at the inputs that it is least sure of: there the slope is no
  // rounding
  const Tensor<float> losses = sample_losses(network, setup.held_out);
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < losses.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return losses(a) > losses(b); });
  const auto images = std::size_t(std::min<std::int64_t>(cosine_images, losses.size()));
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
