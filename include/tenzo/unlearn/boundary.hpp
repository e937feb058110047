// Boundary unlearning: the forget set moves to the nearest class, or to a class of its own.
//   Source  Chen et al. 2023, "Boundary unlearning".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "tenzo/unlearn/request.hpp"

namespace tenzo::unlearn {

/// The fast gradient sign attack: x + ε sign ∇_x CE, cut to [low, high]; `grid` > 0 rounds to its multiples.
struct SignAttack {
  double epsilon = 0.1, low = 0, high = 1, grid = 0;

  template <Tree M, Real T>
  Tensor<T> operator()(const M& model, const Samples<T>& s) const {
    require(low <= high && epsilon >= 0 && grid >= 0, "sign attack: ", epsilon, " in [", low, ", ", high, "], grid ",
            grid);
    const auto loss = [&](const auto& x) {
      return cross_entropy(deployed_scores(model, x), s.labels, {.reduction = Reduction::sum});
    };
    const Tensor<T> g = grad(loss, s.x.template to<device_t<leaf_t<M>>>()).template to<Cpu>();
    Tensor<T> out(s.x.shape());
    for (std::int64_t i = 0; i < out.size(); ++i) {
      double v = double(s.x(i)) + epsilon * (double(g(i) > 0) - double(g(i) < 0));
      v = std::min(std::max(v, low), high);
      out(i) = T(grid > 0 ? std::round(v / grid) * grid : v);
    }
    return out;
  }
};

/// The labels that the model gives to attacked samples: a wrong class nearby where the attack succeeds.
///   only_wrong   the true class is passed over
template <Tree M, Real T>
Tensor<std::int64_t> nearest_labels(const M& model, const Samples<T>& s, const SignAttack& attack,
                                    bool only_wrong = false, std::int64_t batch = 256) {
  require(batch > 0, "boundary: batches of ", batch);
  Tensor<std::int64_t> out(s.labels.shape());
  for (std::int64_t i = 0; i < s.size(); i += batch) {
    const std::int64_t end = std::min(s.size(), i + batch);
    const Samples<T> part{s.x.rows(i, end), s.labels.rows(i, end), s.classes};
    Tensor<T> z = scores(model, attack(model, part), batch);
    if (only_wrong)
      for (std::int64_t j = 0; j < part.size(); ++j) z(j, part.labels(j)) = -std::numeric_limits<T>::infinity();
    const auto labels = predictions(z);
    std::copy_n(labels.data(), labels.size(), out.data() + i);
  }
  return out;
}

/// BS: fine-tunes on the forget set alone, with the labels that θ_o gives to its attacked samples.
struct BoundaryShrink {
  static constexpr std::string_view name = "bs";
  static constexpr bool relabels = true;
  TrainOptions train = tuning(1e-3);
  SignAttack attack = {};
  bool only_wrong = false;  // where the attack fails, takes the best wrong class instead of the true one

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    Samples<T> forget = r.forget_samples();
    forget.labels = nearest_labels(r.model, forget, attack, only_wrong);
    M m = clone(r.model);
    train_(m, forget, detail::with_seed(train, r.seed));
    return m;
  }
};

namespace detail {

/// The model with its last layer resized to `outputs`: what both have is kept, further rows are as layers begin.
template <Tree M>
M resized_outputs(const M& model, std::int64_t classes, std::int64_t outputs, std::uint64_t seed) {
  using V = leaf_t<M>;
  using T = scalar_t<V>;
  std::string last;
  std::int64_t fan_in = 0, rows = 0;
  for_each_leaf(
      [&](const Path& at, const V& v) {
        if (v.shape().rank() < 2) return;
        last = at.parent ? at.parent->str() : std::string();
        fan_in = v.shape().inner(0), rows = v.shape()[0];
      },
      model);
  require(rows == classes && fan_in > 0, "boundary: the last layer has ", rows, " rows of ", fan_in, " weights, not ",
          classes, " outputs");
  const double bound = 1 / std::sqrt(double(fan_in));
  return map_tree<V>(model, [&](const Path& at, const V& v) {
    const bool of_last = (at.parent ? at.parent->str() : std::string()) == last;
    if (!of_last || v.shape().rank() == 0 || v.shape()[0] != classes) return v.clone();
    const Shape shape = v.shape().with(0, outputs);
    const Tensor<T> old = v.template to<Cpu>();
    Tensor<T> out =
        outputs > classes ? random_uniform<T>(shape, initial_key(seed, at.str()), -bound, bound) : Tensor<T>(shape);
    std::copy_n(old.data(), std::min(old.size(), out.size()), out.data());
    return out.template to<device_t<V>>();
  });
}

}  // namespace detail

/// The model with an output more, as layers begin; and one back to its first `classes`.
///   The last layer is the one of the last weight; its leaves have a row an output.
template <Tree M>
M with_extra_output(const M& model, std::int64_t classes, std::uint64_t seed) {
  return detail::resized_outputs(model, classes, classes + 1, seed);
}
template <Tree M>
M without_extra_output(const M& model, std::int64_t classes) {
  return detail::resized_outputs(model, classes + 1, classes, 0);
}

/// BE: fine-tunes on the forget set alone, labelled as a class of its own for which the model gets a further output.
///   The output is dropped at the end, which the official code leaves out: `keep_output`.
struct BoundaryExpand {
  static constexpr std::string_view name = "be";
  static constexpr bool relabels = true;
  TrainOptions train = tuning(1e-3);
  bool keep_output = false;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    const std::int64_t classes = r.samples.classes;
    Samples<T> forget = r.forget_samples();
    forget.labels = Tensor<std::int64_t>::full(forget.labels.shape(), classes);
    forget.classes = classes + 1;
    M m = with_extra_output(r.model, classes, r.seed);
    train_(m, forget, detail::with_seed(train, r.seed));
    return keep_output ? m : without_extra_output(m, classes);
  }
};

}  // namespace tenzo::unlearn
