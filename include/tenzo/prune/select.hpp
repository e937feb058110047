// From scores to masks: the weights of the largest scores, by the value of the k-th smallest.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "tenzo/prune/mask.hpp"

namespace tenzo::prune {

/// Which weights compete with each other: all, those of a leaf, or those of an output (a row of the first axis).
enum class Scope { global, per_leaf, per_row };

/// What happens to weights whose score equals the threshold τ.
///   strict   only scores above τ are kept: with equal scores there, fewer than asked for
///   exact    of those that equal τ the first in the tree's order are kept, as many as asked for
enum class Ties { strict, exact };

struct Cut {
  double density = 0.5;  // the share that is kept, in [0, 1]
  Scope scope = Scope::global;
  Ties ties = Ties::strict;
};

/// How many of n weights are pruned: k = ⌊(1 − density) n⌋. The rounding of a density like 0.9 is forgiven: of ten
/// weights it prunes one.
inline std::int64_t pruned_count(double density, std::int64_t n) {
  require(0 <= density && density <= 1, "prune: the density is ", density, "; want a number in [0, 1]");
  return std::min(n, std::int64_t(std::floor((1 - density) * double(n) + 1e-6)));
}

/// The k-th smallest of the scores, from one on. Throws ValueError unless 1 <= k <= n.
template <Real T>
T kth_smallest(std::span<const T> scores, std::int64_t k) {
  require(1 <= k && k <= std::int64_t(scores.size()), "prune: the ", k, "-th smallest of ", scores.size(), " scores");
  std::vector<T> all(scores.begin(), scores.end());
  std::nth_element(all.begin(), all.begin() + (k - 1), all.end());
  return all[std::size_t(k - 1)];
}

namespace detail {

/// The score of what is out already: below all others, and never kept.
template <class T>
constexpr T out_already = -std::numeric_limits<T>::infinity();

template <Real T>
void keep_largest(std::span<const T> scores, double density, Ties ties, std::uint8_t* keep) {
  const auto n = std::int64_t(scores.size()), k = pruned_count(density, n);
  const T tau = k > 0 ? kth_smallest(scores, k) : out_already<T>;
  std::int64_t missing = n - k;
  for (std::int64_t i = 0; i < n; ++i) missing -= keep[i] = scores[std::size_t(i)] > tau;
  if (ties == Ties::strict || tau == out_already<T>) return;
  for (std::int64_t i = 0; i < n && missing > 0; ++i)
    if (scores[std::size_t(i)] == tau) keep[i] = 1, --missing;
}

}  // namespace detail

/// The mask of the largest scores: m = 1{s > τ}, τ the k-th smallest of the n scores that compete, k = ⌊(1 − density)
/// n⌋. k = 0 keeps all, a density of zero none. Undefined scores are leaves that are not pruned.
///   among    weights that this mask has pruned are the first to go, and never come back; the density counts them
///   Throws   ValueError for a score that is no finite number, naming its leaf, and for a density outside [0, 1].
template <Tree S>
Mask<S> largest(const S& scores, const Cut& cut, const Mask<S>* among = nullptr) {
  using V = leaf_t<S>;
  using T = scalar_t<V>;
  using U = Tensor<std::uint8_t>;
  std::vector<T> all;
  std::vector<std::int64_t> ends;  // of groups that compete
  const auto gather = [&](const Path& at, const V& there, const U* allowed) {
    const Tensor<T> s = there.template to<Cpu>();
    expect(!allowed || !allowed->defined() || allowed->shape() == s.shape(), "prune: the scores of ", at.str(), " are ",
           s.shape(), ", its mask ", allowed ? allowed->shape() : Shape{});
    const std::int64_t rows = cut.scope == Scope::per_row && s.rank() > 0 ? s.shape()[0] : 1,
                       width = s.size() / std::max<std::int64_t>(1, rows);
    for (std::int64_t i = 0; i < s.size(); ++i) {
      require(std::isfinite(s(i)), "prune: ", at.str(), " has a score of ", s(i));
      all.push_back(allowed && allowed->defined() && !(*allowed)(i) ? detail::out_already<T> : s(i));
      if (cut.scope == Scope::per_row && (i + 1) % width == 0) ends.push_back(std::int64_t(all.size()));
    }
    if (cut.scope == Scope::per_leaf) ends.push_back(std::int64_t(all.size()));
  };
  if (among) for_each_leaf([&](const Path& at, const V& s, const U& m) { gather(at, s, &m); }, scores, *among);
  else for_each_leaf([&](const Path& at, const V& s) { gather(at, s, nullptr); }, scores);
  if (cut.scope == Scope::global) ends.push_back(std::int64_t(all.size()));

  std::vector<std::uint8_t> keep(all.size());
  std::int64_t begin = 0;
  pruned_count(cut.density, 0);  // says what is wrong with a density even where there is nothing to prune
  for (const std::int64_t end : ends) {
    detail::keep_largest<T>(std::span<const T>(all).subspan(std::size_t(begin), std::size_t(end - begin)), cut.density,
                            cut.ties, keep.data() + begin);
    begin = end;
  }
  const std::uint8_t* from = keep.data();
  return map_tree<U>(scores, [&](const V& s) {
    U m(s.shape());
    std::copy_n(from, m.size(), m.data());
    from += m.size();
    return m;
  });
}

}  // namespace tenzo::prune
