// Batch normalisation. Its running statistics are named leaves of the model; they change only when the caller says so.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/ops/channel_norm.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

/// The statistics of a batch at one layer, a number a channel.
template <Plain P>
struct ChannelStatistics {
  P mean, variance;        // the variance without Bessel's correction
  std::int64_t count = 0;  // numbers a channel that they are of
};

/// The statistics of all batch norms that a training pass has gone through, in its order.
template <Plain P>
using BatchStatistics = std::vector<ChannelStatistics<P>>;

template <class V>
struct BatchNorm {
  V weight, bias;               // (channels)
  V running_mean, running_var;  // (channels); not trained by gradients
  double eps = 1e-5, momentum = 0.1;

  static void visit(auto&& f, auto&... self) {
    f("weight", self.weight...);
    f("bias", self.bias...);
    f("running_mean", self.running_mean...);
    f("running_var", self.running_var...);
    f("eps", self.eps...);
    f("momentum", self.momentum...);
  }

  /// With the running statistics, or, given a place to note them, with the batch's own.
  template <Value X>
  auto operator()(const X& x, BatchStatistics<plain_t<X>>* training = nullptr) const {  // (n, channels, …) -> the same
    if (!training) return batch_norm(x, plain(running_mean), plain(running_var), weight, bias, eps);
    auto out = batch_norm(x, weight, bias, eps);
    training->push_back({out.mean, out.variance, x.shape().numel() / std::max<std::int64_t>(1, x.shape()[1])});
    return out.y;
  }

  /// running ← (1 − momentum) running + momentum · batch, the batch's variance with Bessel's correction.
  template <Plain P>
  void update_running_(const ChannelStatistics<P>& s) {
    const double unbiased = s.count > 1 ? double(s.count) / double(s.count - 1) : 1.0;
    running_mean = lift<V>(add(scale(plain(running_mean), 1 - momentum), scale(s.mean, momentum)));
    running_var = lift<V>(add(scale(plain(running_var), 1 - momentum), scale(s.variance, momentum * unbiased)));
  }
};

/// Whether a leaf is a running statistic, which no gradient trains.
inline bool is_running_statistic(const Path& leaf) { return leaf.name == "running_mean" || leaf.name == "running_var"; }

}  // namespace tenzo
