// Methods with a teacher: away from what the model said of the forget set, or towards what it says of samples that it
// has not seen.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tenzo/ops/loss.hpp"
#include "tenzo/unlearn/request.hpp"

namespace tenzo::unlearn {

namespace detail {

/// These rows of a table (n, classes), on a device.
template <class Device, Real T>
Tensor<T, Device> rows_of(const Tensor<T>& table, std::span<const std::int64_t> rows) {
  const std::int64_t k = table.shape()[1];
  Tensor<T> out(Shape{std::int64_t(rows.size()), k});
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(table.data() + rows[i] * k, k, out.data() + std::int64_t(i) * k);
  return out.template to<Device>();
}

}  // namespace detail

/// SCRUB: a student that begins as the teacher θ_o, which is frozen and answers as in deployment.
///   max epochs   on D_f, descend −T² KL(p_teacher ‖ p_student), both at temperature T, meaned over the batch
///   min epochs   on D_r, descend γ CE + α T² KL(p_teacher ‖ p_student)
///   The first `max_epochs` epochs are max epochs, as in the official code (whose m_steps = 1 makes two), the others
///   min epochs. With `alternate` a min pass follows each max epoch, as in the paper. The step size is multiplied by
///   `decay` at the epochs `decay_at`. Source  Kurmanji et al. 2023, "Towards unbounded machine unlearning".
struct Scrub {
  static constexpr std::string_view name = "scrub";
  static constexpr bool relabels = false;
  TrainOptions train = tuning(5e-3);
  std::int64_t max_epochs = 2;
  bool alternate = false;
  double temperature = 4, gamma = 0.99, alpha = 0.001;
  std::vector<std::int64_t> decay_at = {3, 5, 9};
  double decay = 0.1;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    require(temperature > 0, "scrub: temperature ", temperature);
    const Samples<T> forget = r.forget_samples(), retain = r.retain_samples();
    const Tensor<T> of_forget = scores(r.model, forget.x), of_retain = scores(r.model, retain.x);
    using D = device_t<leaf_t<M>>;
    const auto distance = [&](const auto& z, const Tensor<T>& teacher, std::span<const std::int64_t> rows) {
      return scale(kl_div(scale(z, 1 / temperature), scale(detail::rows_of<D>(teacher, rows), 1 / temperature)),
                   temperature * temperature);
    };
    M m = clone(r.model);
    TrainOptions o = detail::with_seed(train, r.seed);
    TrainState<M> state;
    while (state.epoch < train.epochs) {
      const std::int64_t epoch = state.epoch;
      for (const std::int64_t e : decay_at)
        if (e == epoch) o.sgd.lr *= decay;
      if (epoch < max_epochs) {
        train_epoch_(m, state, forget, o, [&](const auto& z, const Samples<T>&, std::span<const std::int64_t> rows) {
          return neg(distance(z, of_forget, rows));
        });
        if (!alternate) continue;
        state.epoch = epoch;
      }
      train_epoch_(
          m, state, retain, o, [&](const auto& z, const Samples<T>& batch, std::span<const std::int64_t> rows) {
            return add(scale(cross_entropy(z, batch.labels), gamma), scale(distance(z, of_retain, rows), alpha));
          });
    }
    return m;
  }
};

/// Reference-guided unlearning, in a simple form of our own: trains on D_r with its labels, and on D_f towards what θ_o
/// says on average of held-out samples of the same class, instead of towards wrong labels.
///   q_c = mean of softmax(θ_o(x)) over held-out x of class c;  descend the mean of CE(y) on rows of D_r and of
///   weight · CE(q_y) on rows of D_f.
///   Throws  ValueError without held-out samples, or where a class of the forget set has none.
///   Source  the idea: ReGUn, arXiv 2603.11210.
struct ReferenceGuided {
  static constexpr std::string_view name = "reference";
  static constexpr bool relabels = false;
  TrainOptions train = tuning(0.02);
  double weight = 1;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    require(r.held_out != nullptr, "reference-guided unlearning: wants held-out samples");
    const std::int64_t m_forget = std::int64_t(r.forget.size());
    const Samples<T> all = joined(r.forget_samples(), r.retain_samples());
    const Tensor<T> q = references(r.model, *r.held_out, all.classes);
    Tensor<T> target = Tensor<T>::zeros({all.size(), all.classes});
    for (std::int64_t i = 0; i < all.size(); ++i) {
      const std::int64_t y = all.labels(i);
      if (i >= m_forget) {
        target(i, y) = 1;
        continue;
      }
      require(!std::isnan(q(y, 0)), "reference-guided unlearning: no held-out sample of class ", y);
      for (std::int64_t c = 0; c < all.classes; ++c) target(i, c) = T(weight) * q(y, c);
    }
    M m = clone(r.model);
    train_(m, all, detail::with_seed(train, r.seed),
           [&](const auto& z, const Samples<T>&, std::span<const std::int64_t> rows) {
             const auto wanted = detail::rows_of<device_t<leaf_t<M>>>(target, rows);
             return scale(sum(mul(log_softmax(z, 1), wanted)), -1 / double(rows.size()));
           });
    return m;
  }

  /// Mean probabilities of the samples of each class: (classes, classes); NaN for a class without samples.
  template <Tree M, Real T>
  static Tensor<T> references(const M& model, const Samples<T>& s, std::int64_t classes) {
    Tensor<T> q = Tensor<T>::full({classes, classes}, T(std::nan("")));
    if (s.size() == 0) return q;
    const Tensor<T> p = softmax(scores(model, s.x), 1);
    expect(p.shape()[1] == classes, "reference-guided unlearning: ", p.shape()[1], " scores of ", classes, " classes");
    std::vector<double> sums(std::size_t(classes * classes), 0), count(std::size_t(classes), 0);
    for (std::int64_t i = 0; i < s.size(); ++i) {
      const std::int64_t y = s.labels(i);
      require(y >= 0 && y < classes, "reference-guided unlearning: label ", y, " of ", classes, " classes");
      count[std::size_t(y)] += 1;
      for (std::int64_t c = 0; c < classes; ++c) sums[std::size_t(y * classes + c)] += double(p(i, c));
    }
    for (std::int64_t y = 0; y < classes; ++y)
      for (std::int64_t c = 0; count[std::size_t(y)] > 0 && c < classes; ++c)
        q(y, c) = T(sums[std::size_t(y * classes + c)] / count[std::size_t(y)]);
    return q;
  }
};

}  // namespace tenzo::unlearn
