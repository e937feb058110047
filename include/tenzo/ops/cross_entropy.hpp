// Softmax cross entropy with labels.
#pragma once

#include <string_view>

#include "tenzo/ops/cpu/cross_entropy.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/reduce.hpp"

namespace tenzo {

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;  // the mean is over the rows whose label is not ignored
  std::int64_t ignore_index = -100;       // rows with this label have no loss
  double label_smoothing = 0;             // the share of the target that is spread over all classes
};

/// Of logits (rows, classes): the loss of each row and log Σ eˣ of each row.
///   loss = lse − (1 − s) x[label] − s mean(x);  its gradient (softmax − target) g needs no more than x and lse.
struct CrossEntropy {
  static constexpr std::size_t inputs = 1, outputs = 2;
  static constexpr std::string_view name = "cross_entropy";
  static constexpr bool reads_inputs[] = {true}, reads_outputs[] = {false, true};
  Indices labels;
  std::int64_t ignore_index = -100;
  double smoothing = 0;

  template <class T, class D>
  Values<Tensor<T, D>, 2> eval(const Values<Tensor<T, D>, 1>& x) const {
    Tensor<T, D> loss(labels.shape()), lse(labels.shape());
    cross_entropy(D{}, x[0].dim(0), x[0].dim(1), x[0].data(), labels.on<D>().data(), target(), loss.data(), lse.data());
    return {loss, lse};
  }
  template <class V>
  Values<V, 2> jvp(const Values<V, 1>& x, const Values<V, 1>& dx, const Values<V, 2>& y) const {
    const Kept<V> kept(*this);
    const V dlse = mul(sum(mul(probabilities(x[0], y[1]), dx[0]), 1), kept.mask);
    const V at_label = flatten(gather(dx[0], 1, kept.labels));
    V dloss = sub(dlse, scale(mul(at_label, kept.mask), 1 - smoothing));
    if (smoothing != 0) dloss = sub(dloss, scale(mul(mean(dx[0], 1), kept.mask), smoothing));
    return {dloss, dlse};
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>& x, const Values<V, 2>& y, const Values<V, 2>& gy, const Values<bool, 1>&) const {
    if constexpr (Plain<V>) {
      if (!gy[1].defined()) {
        V gx(x[0].shape());
        using D = device_t<V>;
        cross_entropy_backward(D{}, gx.dim(0), gx.dim(1), x[0].data(), labels.on<D>().data(), target(), y[1].data(),
                               gy[0].data(), 1, gx.data());
        return {gx};
      }
    }
    const Kept<V> kept(*this);
    const std::int64_t classes = x[0].shape()[1];
    const V gloss = times(gy[0], lift<V>(kept.mask)), glse = plus(gloss, times(gy[1], lift<V>(kept.mask)));
    V gx = mul(probabilities(x[0], y[1]), unsqueeze(glse, 1));
    if (gloss.defined()) {
      const V column = unsqueeze(gloss, 1);
      gx = sub(gx, scatter_add(scale(column, 1 - smoothing), 1, kept.labels, classes));
      if (smoothing != 0) gx = sub(gx, scale(column, smoothing / double(classes)));
    }
    return {gx};
  }

 private:
  /// Labels as a column, the ignored ones replaced by 0, and a mask that is 0 where they were.
  template <class V>
  struct Kept {
    Indices labels;
    plain_t<V> mask;
    explicit Kept(const CrossEntropy& p) : labels(Shape{p.labels.size(), 1}) {
      Tensor<scalar_t<V>> counts(p.labels.shape());
      for (std::int64_t i = 0; i < counts.size(); ++i) {
        const bool ignored = p.labels(i) == p.ignore_index;
        labels(i) = ignored ? 0 : p.labels(i);
        counts(i) = ignored ? 0 : 1;
      }
      mask = counts.template to<device_t<V>>();
    }
  };

  CrossEntropyTarget target() const { return {ignore_index, smoothing}; }

  template <class V>
  static V probabilities(const V& x, const V& lse) {
    return exp(sub(x, unsqueeze(lse, 1)));
  }
};

/// −log softmax(x)[label], meaned over the rows that count.  x (…, classes), labels (…).
///   Memory  one number a row beside x; the probabilities are never written.
///   Throws ValueError at a label outside [0, classes) that is not ignored.
template <Value V>
V cross_entropy(const V& x, const Indices& labels, const CrossEntropyOptions& o = {}) {
  expect(x.shape().rank() > 0 && x.shape().without(-1) == labels.shape(), "cross_entropy: x is ", x.shape(),
         ", labels are ", labels.shape(), "; want x (…, classes) and labels (…)");
  const std::int64_t rows = labels.size(), classes = x.shape().dim(-1);
  const V logits = reshape(x, Shape{rows, classes});
  const Indices flat = labels.reshaped(Shape{rows});
  cpu::check_labels(rows, flat.data(), classes, o.ignore_index);
  const V loss = dispatch(CrossEntropy{flat, o.ignore_index, o.label_smoothing}, Values<V, 1>{logits})[0];
  if (o.reduction == Reduction::none) return reshape(loss, labels.shape());
  if (o.reduction == Reduction::sum) return sum(loss);
  return scale(sum(loss), 1.0 / double(cpu::count_labels(rows, flat.data(), o.ignore_index)));
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
