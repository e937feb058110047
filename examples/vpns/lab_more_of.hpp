// Times, prompts by queries, and networks without their pruned channels; included where one network's are compiled.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "lab_of.hpp"
#include "tenzo/prompt/black_box.hpp"
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

template <template <class> class Net>
std::vector<Latency> LabOf<Net>::latencies(const std::vector<double>& densities) const {
  std::vector<Latency> out;
  for (const double density : densities) {
    const auto mask = prune::largest(prune::magnitude_scores(dense_.net), {.density = density});
    const auto dense = prune::masked(dense_.net, mask);
    const auto sparse = prune::sparse_model(dense_.net, mask);
    for (const std::int64_t n : {1, 64}) {
      const F x = random_uniform<float>({n, o_.channels, o_.image, o_.image}, initial_key(1, 0), 0, 1);
      const prune::Sparse<float> given{x};
      const int times = n == 1 ? 60 : 12;
      out.push_back({density, n, milliseconds([&] { dense(x); }, times), milliseconds([&] { sparse(given); }, times)});
    }
  }
  return out;
}

template <template <class> class Net>
std::vector<Queries> LabOf<Net>::by_queries(const DataSet& target, double density, const std::string& text,
                                            const Rates& rates, std::uint64_t seed) {
  Arm arm{.method = "hydra", .density = density, .tune_epochs = 0};
  run(arm, target, rates, seed, {});
  const M net = last_.model;
  const Samples<float> train = canvas(target.train, o_.image), test = canvas(target.test, o_.image);
  const auto fresh = [&] {
    M m = net;
    m.prompt = prompt::begin_prompt<float>(prompt::parse_prompt(text, o_.channels, o_.image, o_.image), seed);
    return m;
  };
  std::vector<Queries> out;
  const auto judge = [&](const std::string& way, const M& m, std::int64_t forwards) {
    out.push_back({way, seed, 100 * tenzo::accuracy(m, test),
                   double(cross_entropy(scores(m, train.x), train.labels).item()), forwards});
  };
  judge("no prompt", net, 0);
  const std::int64_t updates = 200, epochs = 20;
  M by_gradient = fresh();
  prompt::tune_(by_gradient, last_.mask, train,
                {.passes = {.protocol = prompt::Protocol::text, .epochs = epochs, .batch = batch, .seed = seed},
                 .net = {},
                 .prompt = {.lr = rates.prompt_alone, .momentum = 0.9},
                 .train_net = false});
  const std::int64_t each = (train.size() + batch - 1) / batch;
  judge("back-propagation", by_gradient, epochs * each);
  for (const prompt::Estimator e : {prompt::Estimator::random, prompt::Estimator::coordinate}) {
    M m = fresh();
    const auto loss = [&](const auto& p, std::int64_t t) {
      const Rows order = epoch_order(train.size(), seed, t / each);
      const Samples<float> some = train.at(std::span<const std::int64_t>(order).subspan(
          std::size_t(t % each * batch), std::size_t(std::min(batch, train.size() - t % each * batch))));
      M probe = m;
      probe.prompt = p;
      return double(cross_entropy(probe(some.x), some.labels).item());
    };
    const std::int64_t asked = prompt::train_by_queries_(m.prompt, loss,
                                                         {.estimator = e,
                                                          .queries = 8,
                                                          .mu = 1e-2,
                                                          .adam = {.lr = e == prompt::Estimator::random ? 1e-2 : 5e-2},
                                                          .updates = updates,
                                                          .seed = seed});
    judge(e == prompt::Estimator::random ? "random directions" : "coordinates", m, asked);
  }
  return out;
}

template <template <class> class Net>
Compact LabOf<Net>::compact(const DataSet& target) const {
  require(chain_, "channels are taken out of chains alone; this network has branches");
  const auto c = prune::compacted(last_.model.net, last_.mask.net, prune::chain_links(last_.model.net));
  const F x = canvas(target.test, o_.image).x.rows(0, std::min<std::int64_t>(64, target.test.size()));
  const F whole = prune::masked(last_.model.net, c.mask)(x), small = c.model(x);
  Compact out;
  out.difference = 0;
  for (std::int64_t i = 0; i < whole.size(); ++i)
    out.difference = std::max(out.difference, double(std::abs(whole(i) - small(i))));
  const auto weights_of = [](const auto& net) {
    std::int64_t n = 0;
    for_each_leaf([&](const Path& at, const F& w) { n += prune::is_prunable(at, w.shape()) * w.size(); }, net);
    return n;
  };
  out.weights = weights_of(c.model), out.dense_weights = weights_of(dense_.net);
  out.operations = prune::operations(c.model, x.rows(0, 1));
  out.dense_operations = prune::operations(dense_.net, x.rows(0, 1));
  out.ms = milliseconds([&] { c.model(x); }, 12);
  out.dense_ms = milliseconds([&] { dense_.net(x); }, 12);
  out.widths = c.widths;
  return out;
}

/// What is to be compiled of a network.
#define VPNS_MORE(Net)                                                                                           \
  template std::vector<Latency> LabOf<Net>::latencies(const std::vector<double>&) const;                         \
  template std::vector<Queries> LabOf<Net>::by_queries(const DataSet&, double, const std::string&, const Rates&, \
                                                       std::uint64_t);                                           \
  template Compact LabOf<Net>::compact(const DataSet&) const;

}  // namespace vpns
