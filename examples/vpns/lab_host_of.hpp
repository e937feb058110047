// Times of sparse networks and networks without their pruned channels, on the CPU; included where one network's are
// compiled.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "lab_of.hpp"
#include "tenzo/prune/operations.hpp"
#include "tenzo/prune/sparse_model.hpp"

namespace vpns {

/// The least of some times of f, in milliseconds.
template <class F>
double milliseconds(F&& f, int times) {
  double best = INFINITY;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

template <class N>
std::vector<Latency> latencies_of(const N& net, const Shape& image, const std::vector<double>& densities) {
  std::vector<Latency> out;
  for (const double density : densities) {
    const auto mask = prune::largest(prune::magnitude_scores(net), {.density = density});
    const auto dense = prune::masked(net, mask);
    const auto sparse = prune::sparse_model(net, mask);
    for (const std::int64_t n : {1, 64}) {
      const auto x = random_uniform<float>(image.inserted(0, n), initial_key(1, 0), 0, 1);
      const prune::Sparse<float> given{x};
      const int times = n == 1 ? 60 : 12;
      out.push_back({density, n, milliseconds([&] { dense(x); }, times), milliseconds([&] { sparse(given); }, times)});
    }
  }
  return out;
}

template <class N, class K>
Compact compact_of(const N& net, const K& mask, const N& dense, const Tensor<float>& x) {
  using F = Tensor<float>;
  const auto c = prune::compacted(net, mask, prune::chain_links(net));
  const F whole = prune::masked(net, c.mask)(x), small = c.model(x);
  Compact out;
  out.difference = 0;
  for (std::int64_t i = 0; i < whole.size(); ++i)
    out.difference = std::max(out.difference, double(std::abs(whole(i) - small(i))));
  const auto weights_of = [](const N& n) {
    std::int64_t count = 0;
    for_each_leaf([&](const Path& at, const F& w) { count += prune::is_prunable(at, w.shape()) * w.size(); }, n);
    return count;
  };
  out.weights = weights_of(c.model), out.dense_weights = weights_of(dense);
  out.operations = prune::operations(c.model, x.rows(0, 1));
  out.dense_operations = prune::operations(dense, x.rows(0, 1));
  out.ms = milliseconds([&] { c.model(x); }, 12);
  out.dense_ms = milliseconds([&] { dense(x); }, 12);
  out.widths = c.widths;
  return out;
}

/// What is to be compiled of a network.
#define VPNS_HOST(Net)                                                                                                \
  template std::vector<Latency> latencies_of(const Net<Tensor<float>>&, const Shape&, const std::vector<double>&);    \
  template Compact compact_of(const Net<Tensor<float>>&, const Net<Tensor<std::uint8_t>>&, const Net<Tensor<float>>&, \
                              const Tensor<float>&);

}  // namespace vpns
