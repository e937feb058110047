// Steps of zeroth-order optimizers as numbers: what is done to the elements of a weight once the estimate's directions
// have been drawn.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/core/noise.hpp"

namespace tenzo::zo {

/// What an optimizer does with an estimate ĝ.
///   sgd       θ ← θ − η ĝ                                          no memory
///   sign      θ ← θ − η sign(ĝ), element by element                no memory
///   momentum  m ← β m + ĝ;  θ ← θ − η m                            one buffer
///   adam      Adam with bias correction on ĝ                       two buffers
/// Source  Zhang et al. 2024 (ZO-LLM), appendix A.
enum class UpdateRule { sgd, sign, momentum, adam };

struct UpdateOptions {
  UpdateRule rule = UpdateRule::sgd;
  double lr = 1e-6;         // η
  double weight_decay = 0;  // decoupled; not on leaves of one axis (biases, norms)
  double momentum = 0.9;    // β
  double beta1 = 0.9, beta2 = 0.999, adam_eps = 1e-8;
};

/// A step of a number t (from 1 on) with the step size lr, on all leaves; the key is that of its directions.
struct UpdateStep {
  UpdateOptions options;
  double lr = 0;
  std::uint32_t t = 1;
  NoiseKey key{};
};

/// A leaf to be stepped, with the buffers that the rule keeps of it.
template <class Stored>
struct LeafUpdate {
  Stored* w = nullptr;
  std::uint32_t number = 0;
  float *first = nullptr, *second = nullptr;
};

/// A step on the elements x of one leaf; d = Σ factor u is what the steps along directions add up to.
///   first     x ← x − decay x
///   sgd       x ← x + d, so the factors are −η of the slopes
///   sign      x ← x − rate sign d, and so on with the slopes themselves:
///   momentum  m ← beta m + d;  x ← x − rate m
///   adam      m ← b1 m + c1 d;  v ← b2 v + c2 d²;  x ← x − scale1 m / (√(scale2 v) + eps)
struct Descent {
  UpdateRule rule = UpdateRule::sgd;
  float decay = 0, rate = 0, beta = 0;
  float b1 = 0, c1 = 0, b2 = 0, c2 = 0, scale1 = 0, scale2 = 0, eps = 0;
  NoiseKey rounding{};  // of bfloat16: with the leaf's number, and the purpose

  Descent() = default;
  /// On the leaf of a number, of several axes or of one.
  explicit Descent(const UpdateStep& s, std::uint32_t leaf = 0, bool matrix = true)
      : Descent(s.options, s.lr, s.t, {s.key.seed, s.key.step, s.key.query, leaf}, matrix) {}

  /// Buffers that a rule keeps of a leaf: m, and v.
  static bool has_first(UpdateRule rule) { return rule == UpdateRule::momentum || rule == UpdateRule::adam; }
  static bool has_second(UpdateRule rule) { return rule == UpdateRule::adam; }

 private:
  Descent(const UpdateOptions& o, double lr, std::uint32_t t, const NoiseKey& key, bool matrix)
      : rule(o.rule),
        decay(matrix ? float(lr * o.weight_decay) : 0.f),
        rate(float(lr)),
        beta(float(o.momentum)),
        b1(float(o.beta1)),
        c1(1 - float(o.beta1)),
        b2(float(o.beta2)),
        c2(1 - float(o.beta2)),
        scale1(float(lr / (1 - std::pow(o.beta1, double(t))))),
        scale2(float(1 / (1 - std::pow(o.beta2, double(t))))),
        eps(float(o.adam_eps)),
        rounding(key.of(Purpose::rounding)) {}
};

}  // namespace tenzo::zo
