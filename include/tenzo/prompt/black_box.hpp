// Prompts of networks that only give losses: zeroth-order estimates instead of back-propagation. A prompt has few
// parameters, which is where such estimates are good.
//   Source  Tsai, Chen, Ho 2020 (BAR); Oh et al. 2023 (BlackVIP); estimators as in zo/estimators.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/optim/schedule.hpp"
#include "tenzo/prompt/visual_prompt.hpp"
#include "tenzo/zo/dense.hpp"
#include "tenzo/zo/estimators.hpp"

namespace tenzo::prompt {

enum class Estimator { random, coordinate };

struct BlackBoxOptions {
  Estimator estimator = Estimator::random;
  int queries = 16;  // directions of an update, or coordinates, two losses each
  double mu = 1e-2;  // radius, in the units of δ
  Adam adam{.lr = 1e-2};
  std::int64_t updates = 200;
  Schedule::Kind schedule = Schedule::Kind::cosine;
  std::uint64_t seed = 1;
};

/// The elements of δ and of the factor that can make a difference, in order.
template <Plain P>
std::vector<zo::Coordinate> prompt_coordinates(const VisualPrompt<P>& p) {
  std::vector<zo::Coordinate> all;
  const bool region = p.config.form == Form::pad || p.config.form == Form::expansive;
  const Tensor<std::uint8_t> m = region ? prompt_region(p.config) : Tensor<std::uint8_t>{};
  std::uint32_t leaf = 0;
  for_each_leaf(
      [&](const Path&, const P& v) {
        for (std::int64_t i = 0; i < v.size(); ++i)
          if (!region || m(i)) all.push_back({leaf, i});
        ++leaf;
      },
      p);
  return all;
}

/// Trains a prompt by losses alone.
///   loss(prompt, update)   a number; of the batch of that update, say
///   Returns                how many losses were asked for: two a query.
///   Bits                   a function of the prompt, the losses and the options.
template <Plain V, class Loss>
std::int64_t train_by_queries_(VisualPrompt<V>& p, Loss&& loss, const BlackBoxOptions& o) {
  require(o.queries > 0 && o.updates >= 0, "black box: ", o.queries, " queries, ", o.updates, " updates");
  using P = VisualPrompt<V>;
  const std::vector<zo::Coordinate> all = prompt_coordinates(p);
  const Schedule schedule{.kind = o.schedule, .steps = o.updates};
  Adam::State<P> state;
  std::int64_t asked = 0;
  std::vector<std::int64_t> order;  // coordinates go round in a random order, each once
  std::size_t next = 0;
  for (std::int64_t t = 0; t < o.updates; ++t) {
    const auto at = [&](const P& q) { return double(loss(q, t)); };
    zo::Estimate g;
    if (o.estimator == Estimator::random) {
      g = zo::rge(zo::CallableLoss(std::as_const(p), at), o.seed, std::uint32_t(t),
                  {.eps = o.mu, .queries = o.queries});
    } else {
      std::vector<zo::Coordinate> some;
      for (int q = 0; q < std::min<int>(o.queries, int(all.size())); ++q) {
        if (next == order.size()) {
          order = permutation(std::int64_t(all.size()),
                              NoiseKey{.seed = o.seed, .step = std::uint32_t(t), .query = 7}.of(Purpose::data_order));
          next = 0;
        }
        some.push_back(all[std::size_t(order[next++])]);
      }
      g = zo::cge(zo::CallableLoss(std::as_const(p), at), some, o.mu);
    }
    asked += g.forwards;
    if (!g.finite()) continue;
    P gradient = zo::dense_gradient(g, p);
    o.adam.step(state, p, gradient, schedule(t));
  }
  return asked;
}

}  // namespace tenzo::prompt
