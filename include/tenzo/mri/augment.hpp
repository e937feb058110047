// Slices changed at random, and given a phase: from magnitudes to complex images.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "tenzo/core/error.hpp"
#include "tenzo/core/math.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo::mri {

namespace detail {

/// Eight numbers in (0, 1) for sample `id`, whatever the batch that it is in.
struct SliceDraws {
  float u[8];

  SliceDraws(std::uint64_t seed, std::int64_t step, std::uint32_t query, std::int64_t id) {
    const NoiseKey key = NoiseKey{.seed = seed, .step = std::uint32_t(step), .query = query}.of(Purpose::data_order);
    fill(Law::uniform, key, 8, id, 0, 8, u);
  }
  /// Number i, in (−limit, limit).
  double around_zero(int i, double limit) const { return limit * (2 * double(u[i]) - 1); }
};

inline void expect_slices(const Tensor<float>& x, std::span<const std::int64_t> ids, const char* who) {
  expect(x.rank() == 3 && x.dim(0) == std::int64_t(ids.size()), who, ": images are ", x.shape(), "; want (", ids.size(),
         ", h, w)");
  for (const std::int64_t id : ids) require(id >= 0 && id < std::int64_t(1) << 31, who, ": sample ", id);
}

}  // namespace detail

/// x (n, w, w) mirrored left and right, up and down, turned over the diagonal, each every other time, and with the
/// contrast m ↦ m^γ, γ = e^u with u uniform within ±`contrast`. Image i is that of sample ids[i]: what becomes of it
/// depends on the seed, the step and this number alone. Negative pixels keep their sign.
///   Throws  ShapeError where the images are not square.
inline Tensor<float> augmented(const Tensor<float>& x, std::span<const std::int64_t> ids, std::uint64_t seed,
                               std::int64_t step, double contrast = 0.3) {
  detail::expect_slices(x, ids, "augmented");
  const std::int64_t w = x.dim(2);
  expect(x.dim(1) == w, "augmented: images are ", x.shape(), "; want (n, w, w)");
  Tensor<float> out(x.shape());
  float* const all = out.data();
  parallel_for(x.dim(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const detail::SliceDraws draw(seed, step, 9, ids[std::size_t(i)]);
      const bool across = draw.u[0] < 0.5f, down = draw.u[1] < 0.5f, over = draw.u[2] < 0.5f;
      const float gamma = math::exp(float(draw.around_zero(3, contrast)));
      const float* const from = x.data() + i * w * w;
      float* const to = all + i * w * w;
      for (std::int64_t r = 0; r < w; ++r)
        for (std::int64_t c = 0; c < w; ++c) {
          const std::int64_t y = down ? w - 1 - r : r, k = across ? w - 1 - c : c;
          const float m = over ? from[k * w + y] : from[y * w + k];
          to[r * w + c] = m == 0 ? 0 : std::copysign(math::exp(gamma * math::log(std::abs(m))), m);
        }
    }
  });
  return out;
}

/// The largest coefficients of a phase, in radians at the image's edge.
struct PhaseLimits {
  double constant = 0.3, linear = 0.5, quadratic = 0.3;
};

/// x (n, h, w) → complex images (n, h, w, 2): x exp(i (φ₀ + φ₁ X + φ₂ Y + φ₃ X Y + φ₄ (X² − Y²))), X and Y from −1 to 1
/// across and down the image, at its pixels' centres; the φ uniform within the limits, drawn for sample ids[i] as in
/// `augmented`.
///   Source  our own: smooth, as the phase of a real scan is away from air.
inline Tensor<float> with_phase(const Tensor<float>& x, std::span<const std::int64_t> ids, std::uint64_t seed,
                                std::int64_t step, const PhaseLimits& most = {}) {
  detail::expect_slices(x, ids, "with_phase");
  const std::int64_t h = x.dim(1), w = x.dim(2);
  Tensor<float> out(Shape{x.dim(0), h, w, 2});
  float* const all = out.data();
  parallel_for(x.dim(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const detail::SliceDraws draw(seed, step, 10, ids[std::size_t(i)]);
      const double p0 = draw.around_zero(0, most.constant), p1 = draw.around_zero(1, most.linear),
                   p2 = draw.around_zero(2, most.linear), p3 = draw.around_zero(3, most.quadratic),
                   p4 = draw.around_zero(4, most.quadratic);
      for (std::int64_t r = 0; r < h; ++r)
        for (std::int64_t c = 0; c < w; ++c) {
          const double X = double(2 * c + 1) / double(w) - 1, Y = double(2 * r + 1) / double(h) - 1;
          const auto angle = float(p0 + p1 * X + p2 * Y + p3 * X * Y + p4 * (X * X - Y * Y));
          const std::int64_t at = (i * h + r) * w + c;
          const float m = x(at);
          all[2 * at] = m * math::cos(angle);
          all[2 * at + 1] = m * math::sin(angle);
        }
    }
  });
  return out;
}

}  // namespace tenzo::mri
