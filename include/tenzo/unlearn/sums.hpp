// Derivatives of the cross entropy of whole sets, summed batch by batch, in deployment.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/train/classifier.hpp"

namespace tenzo::unlearn {

namespace detail {

/// Σ over the batches of f(batch), trees of the model's form; zeros of none.
template <Tree M, Real T, class F>
M sum_of_batches(const M& model, const Samples<T>& s, std::int64_t batch, F&& f) {
  M total = zeros_like(model);
  for (std::int64_t i = 0; i < s.size(); i += batch) {
    const std::int64_t end = std::min(s.size(), i + batch);
    axpy_(1, f(Samples<T>{s.x.rows(i, end), s.labels.rows(i, end), s.classes}), total);
  }
  return total;
}

}  // namespace detail

/// Σ ∇_θ CE over the samples; zero for running statistics.
template <Tree M, Real T>
M sum_gradient(const M& model, const Samples<T>& s, std::int64_t batch = 256) {
  return detail::sum_of_batches(model, s, batch, [&](const Samples<T>& part) {
    return value_and_grad(
               [&](const auto& m) {
                 return cross_entropy(deployed_scores(m, part.x), part.labels, {.reduction = Reduction::sum});
               },
               model, is_trained)
        .grad;
  });
}

enum class Curvature { hessian, gauss_newton };

/// Σ ∇²_θ CE d over the samples, or Σ Jᵀ H J d with the Jacobian J of the scores and the Hessian H of CE by them, which
/// is positive semi-definite. Zero for running statistics, of which d is zero.
template <Tree M, Real T>
M sum_curvature_product(Curvature kind, const M& model, const Samples<T>& s, const M& d, std::int64_t batch = 256) {
  return detail::sum_of_batches(model, s, batch, [&](const Samples<T>& part) {
    const auto predict = [&](const auto& m) { return deployed_scores(m, part.x); };
    const auto loss = [&](const auto& z) { return cross_entropy(z, part.labels, {.reduction = Reduction::sum}); };
    if (kind == Curvature::gauss_newton) return gauss_newton_product(predict, loss, model, d);
    return hvp([&](const auto& m) { return loss(predict(m)); }, model, d);
  });
}

}  // namespace tenzo::unlearn
