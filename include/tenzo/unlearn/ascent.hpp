// Methods that climb the loss of the forget set.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "tenzo/unlearn/request.hpp"

namespace tenzo::unlearn {

/// GA: ascent on the cross entropy of the forget set. Weight decay still pulls to zero. Nothing holds it: few small
/// steps.
///   Source  Thudi et al. 2022; Graves et al. 2021.
struct GradientAscent {
  static constexpr std::string_view name = "ga";
  static constexpr bool relabels = false;
  TrainOptions train = tuning(1e-3);

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    M m = clone(r.model);
    train_(m, r.forget_samples(), detail::with_seed(train, r.seed),
           [](const auto& z, const Samples<T>& batch, auto) { return neg(cross_entropy(z, batch.labels)); });
    return m;
  }
};

/// NegGrad+: descends CE(batch of D_r) − λ CE(batch of D_f). An epoch goes once through the retain set; the forget set
/// is gone through as often as that takes.
///   Source  Kurmanji et al. 2023.
struct GradientDifference {
  static constexpr std::string_view name = "neggrad+";
  static constexpr bool relabels = false;
  TrainOptions train = tuning(0.02);
  double lambda = 0.05;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    M m = clone(r.model);
    const TrainOptions o = detail::with_seed(train, r.seed);
    const Samples<T> forget = r.forget_samples();
    const std::int64_t n = forget.size(), size = std::min(n, o.batch);
    Rows order;
    std::int64_t at = n, pass = 0;
    train_(m, r.retain_samples(), o, CrossEntropyLoss{}, [&](M& g) {
      if (at + size > n) order = epoch_order(n, ~o.seed, pass++), at = 0;  // apart from the retain set's order
      const Samples<T> batch =
          forget.at(std::span<const std::int64_t>(order).subspan(std::size_t(at), std::size_t(size)));
      at += size;
      BatchStatistics<leaf_t<M>> unused;  // running statistics are the retain set's
      const auto up = value_and_grad(
          [&](const auto& q) {
            if (!o.batch_statistics) return cross_entropy(deployed_scores(q, batch.x), batch.labels);
            return cross_entropy(training_scores(q, batch.x, unused), batch.labels);
          },
          m, is_trained);
      axpy_(-lambda, up.grad, g);
    });
    return m;
  }
};

}  // namespace tenzo::unlearn
