// Times, prompts by queries, and networks without their pruned channels; included where one network's are compiled.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
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

/// Trains a model's prompt by the losses of its batches, eight directions or coordinates an update. The radius 1e-2 and
/// the step size 1e-2 of random directions are the library's defaults; coordinates take 5e-2, set by hand: an update
/// moves eight numbers of the prompt alone. `vpns tune` has chosen none of them.
///   Returns the number of losses.
template <class M>
std::int64_t prompt_by_queries(M& model, const Samples<float>& train, prompt::Estimator estimator, std::int64_t batch,
                               std::int64_t updates, std::uint64_t seed) {
  const std::int64_t each = (train.size() + batch - 1) / batch;
  const auto loss = [&](const auto& p, std::int64_t t) {
    const Rows order = epoch_order(train.size(), seed, t / each);
    const Samples<float> some = train.at(std::span<const std::int64_t>(order).subspan(
        std::size_t(t % each * batch), std::size_t(std::min(batch, train.size() - t % each * batch))));
    M probe = model;
    probe.prompt = p;
    return double(cross_entropy(probe(some.x), some.labels).item());
  };
  return prompt::train_by_queries_(model.prompt, loss,
                                   {.estimator = estimator,
                                    .queries = 8,
                                    .mu = 1e-2,
                                    .adam = {.lr = estimator == prompt::Estimator::random ? 1e-2 : 5e-2},
                                    .updates = updates,
                                    .seed = seed});
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
#define VPNS_MORE(Net)                                                                                                \
  template std::vector<Latency> latencies_of(const Net<Tensor<float>>&, const Shape&, const std::vector<double>&);    \
  template std::int64_t prompt_by_queries(prompt::Prompted<Net>::Model<Tensor<float>>&, const Samples<float>&,        \
                                          prompt::Estimator, std::int64_t, std::int64_t, std::uint64_t);              \
  template Compact compact_of(const Net<Tensor<float>>&, const Net<Tensor<std::uint8_t>>&, const Net<Tensor<float>>&, \
                              const Tensor<float>&);

}  // namespace vpns
