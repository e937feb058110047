// What a rotary embedding turns, and by how much.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/tensor.hpp"
#include "tenzo/ops/shapes/heads.hpp"

namespace tenzo {

/// Which numbers of a head of `rotary` turning numbers form pair i: `half` in transformers, `interleaved` in
/// llama.cpp's files of the LLaMA family, whose rows of W_q and W_k are permuted to match.
enum class RopeLayout {
  half,         // i and i + rotary / 2
  interleaved,  // 2 i and 2 i + 1
};

/// Angles a position of the pairs: base^(−2 i / rotary).
inline std::vector<double> rope_frequencies(std::int64_t rotary, double base) {
  std::vector<double> f;
  for (std::int64_t i = 0; i < rotary / 2; ++i) f.push_back(std::pow(base, -2. * double(i) / double(rotary)));
  return f;
}

/// cos and sin of position · frequency, (positions, pairs), computed in double.
template <Real T>
struct RopeAngles {
  Tensor<T> cos, sin;

  RopeAngles() = default;
  /// For positions 0 … count − 1; `size` multiplies both, as some long-context schemes ask.
  RopeAngles(std::int64_t count, const std::vector<double>& frequencies, double size = 1)
      : cos(Shape{count, std::int64_t(frequencies.size())}), sin(cos.shape()) {
    T *to_cos = cos.data(), *to_sin = sin.data();
    for (std::int64_t p = 0; p < count; ++p)
      for (double f : frequencies) {
        *to_cos++ = T(size * std::cos(double(p) * f));
        *to_sin++ = T(size * std::sin(double(p) * f));
      }
  }

  std::int64_t positions() const { return cos.dim(0); }
  std::int64_t pairs() const { return cos.dim(1); }
};

/// What turns: the first 2 · pairs numbers of each head, the others stay.
struct RopeShape {
  std::int64_t tokens, heads, dim, pairs;
  RopeLayout layout = RopeLayout::half;
  bool inverse = false;  // turn back: the gradient
  HeadStrides from = {}, to = {};
};

}  // namespace tenzo
