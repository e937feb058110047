// Graphs, and the slopes of a zeroth-order step where its losses are.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>

#include "device.hpp"
#include "noise.cuh"
#include "tenzo/cuda/recorded_step.hpp"

namespace tenzo::cuda {

namespace detail {

/// Slopes, and the factors of the terms that they make.
///   Mapping  one thread: a step has few queries, and one loss that is not finite stops all of it.
///   In double, as the host computes them.
struct TermsOfLossesKernel {
  static constexpr int max_threads = 32;
  std::int64_t queries;
  const float* losses;
  double width, weight;
  const double* rate;
  double* slopes;
  DeviceTerm<float>* to;

  TENZO_DEVICE void operator()() const {
    if (thread_in_grid() > 0) return;
    const double scale = -load(rate) * weight;
    bool finite = true;
    for (std::int64_t q = 0; q < queries; ++q) {
      const double slope = (double(load(losses + 2 * q)) - double(load(losses + 2 * q + 1))) / width;
      store(slopes + q, slope);
      finite = finite && std::isfinite(slope);
    }
    for (std::int64_t q = 0; q < queries; ++q) {
      DeviceTerm<float> t = load(to + q);
      t.factor[0] = finite ? float(scale * load(slopes + q)) : 0.f;
      store(to + q, t);
    }
  }
};

}  // namespace detail

template <std::same_as<Device> D>
std::shared_ptr<const void> record(D, const std::function<void()>& work) {
  return std::make_shared<const Graph>(Graph::capture(work));
}
template <std::same_as<Device> D>
void launch_recorded(D, const std::shared_ptr<const void>& graph) {
  static_cast<const Graph*>(graph.get())->launch();
}

template <std::same_as<Device> D>
void terms_of_losses(D, std::int64_t queries, const float* losses, double eps, double weight, const double* rate,
                     double* slopes, const TermBuffer& to) {
  require(queries == to.size(), "recorded step: ", to.size(), " terms for ", queries, " queries");
  if (queries == 0) return;
  auto* const terms = static_cast<detail::DeviceTerm<float>*>(const_cast<void*>(to.data()));
  launch(detail::TermsOfLossesKernel{queries, losses, 2 * eps, weight, rate, slopes, terms}, 1, 32);
}

}  // namespace tenzo::cuda
