// Classifiers that are smoothed by all shifts of a deterministic splitting: exact, certain, and in the l1 norm.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/smoothing/classifier.hpp"
#include "tenzo/smoothing/split_noise.hpp"
#include "tenzo/stats/bounds.hpp"

namespace tenzo::smoothing {

/// The class with most votes over all shifts, with the l1 radius λ (p − pb) of the exact shares p and pb, pb being the
/// largest of another class. It holds with certainty, for perturbed inputs on the same levels; nothing abstains but a
/// tie.
///   scores(inputs (b, …)) → (b, classes); x (…), multiples of 1/levels in [0, 1]
template <class F, Real T>
Certificate certify_split(F&& scores, const Tensor<T>& x, const DeterministicSplit& split, std::int64_t batch = 400) {
  require(batch > 0, "certify: batches of ", batch);
  Votes v;
  for (std::int64_t i = 0, n = split.shifts(); i < n; i += batch) {
    const std::int64_t some = std::min(batch, n - i);
    const Tensor<T> s = scores(split.samples(x, i, some));
    expect(s.rank() == 2 && s.shape()[0] == some, "smoothing: a function gave ", s.shape(), " for ", some, " inputs");
    const std::int64_t classes = s.shape()[1];
    v.counts.resize(std::size_t(classes));
    for (std::int64_t r = 0; r < some; ++r) {
      const std::int64_t c = vote_of(s.data() + r * classes, classes);
      if (c >= 0) ++v.counts[std::size_t(c)];
      ++v.draws;
    }
  }
  Certificate c;
  c.candidate = v.winner();
  c.hits = v.of(c.candidate);
  c.draws = v.draws;
  c.lower = double(c.hits) / double(c.draws);
  const std::int64_t second = v.runner_up(c.candidate);
  if (c.candidate >= 0 && c.hits > second) {
    c.label = c.candidate;
    c.radius = uniform_l1_radius(split.lambda, c.lower, double(second) / double(c.draws));
  }
  return c;
}

/// Whether random shifts say what a certificate of all shifts says: the share of its class lies within their exact
/// two-sided interval. Each of the `draws` shifts is drawn anywhere, its input made and classified anew.
///   Wrongly false with probability 2α, where `scores` does not notice that a piece's centre moves by half a level.
template <class F, Real T>
bool agrees_with_random_shifts(F&& scores, const Tensor<T>& x, const DeterministicSplit& split,
                               const Certificate& exact, const Stream& stream, std::int64_t draws, double alpha,
                               std::int64_t batch = 400) {
  const Votes v = count_votes(scores, split.at_random(x.size()), x, stream, draws, batch);
  const std::int64_t hits = v.of(exact.candidate);
  return exact.lower >= clopper_pearson_lower(hits, draws, alpha) &&
         exact.lower <= clopper_pearson_upper(hits, draws, alpha);
}

}  // namespace tenzo::smoothing
