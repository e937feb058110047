// Images to another size, as image libraries do it: every pixel is a mean of those that it covers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/parallel.hpp"
#include "tenzo/core/tensor.hpp"
#include "tenzo/data/image.hpp"

namespace tenzo {

namespace detail {

/// The weights of `in` pixels in each of `out`: a triangle around the pixel's centre, as wide as two pixels of the
/// coarser grid together.
struct ResizeWeights {
  struct Taps {
    std::int64_t first;
    std::vector<float> weights;
  };
  std::vector<Taps> at;

  ResizeWeights(std::int64_t in, std::int64_t out) {
    const double scale = double(in) / double(out), reach = std::max(1.0, scale);
    for (std::int64_t i = 0; i < out; ++i) {
      const double centre = (double(i) + 0.5) * scale;
      const auto first = std::max<std::int64_t>(0, std::int64_t(centre - reach + 0.5));
      const auto end = std::min(in, std::int64_t(centre + reach + 0.5));
      std::vector<double> w;
      double sum = 0;
      for (std::int64_t k = first; k < end; ++k) {
        w.push_back(std::max(0.0, 1 - std::abs(double(k) + 0.5 - centre) / reach));
        sum += w.back();
      }
      Taps taps{first, {}};
      for (const double x : w) taps.weights.push_back(float(x / sum));
      at.push_back(std::move(taps));
    }
  }
};

}  // namespace detail

/// Planes (..., h, w) → (..., height, width): bilinear where it grows; where it shrinks the triangle grows with it, so
/// that no pixel is passed over.
///   Source  the bilinear filter of PIL, in float.
inline Tensor<float> resized(const Tensor<float>& x, std::int64_t height, std::int64_t width) {
  expect(x.rank() >= 2 && x.dim(-1) > 0 && x.dim(-2) > 0 && height > 0 && width > 0, "resized: x is ", x.shape(),
         ", the output (", height, ", ", width, "); want (..., h, w) and sizes of at least 1");
  const std::int64_t h = x.dim(-2), w = x.dim(-1), planes = x.shape().outer(x.rank() - 2);
  Tensor<float> out(x.shape().with(-2, height).with(-1, width));
  const detail::ResizeWeights down(h, height), across(w, width);
  parallel_for(planes, 4, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> wide(std::size_t(h * width));
    for (std::int64_t p = begin; p < end; ++p) {
      const float* from = x.data() + p * h * w;
      for (std::int64_t i = 0; i < h; ++i)
        for (std::int64_t j = 0; j < width; ++j) {
          const auto& taps = across.at[std::size_t(j)];
          float sum = 0;
          for (std::size_t k = 0; k < taps.weights.size(); ++k)
            sum += taps.weights[k] * from[i * w + taps.first + std::int64_t(k)];
          wide[std::size_t(i * width + j)] = sum;
        }
      float* to = out.data() + p * height * width;
      for (std::int64_t i = 0; i < height; ++i) {
        const auto& taps = down.at[std::size_t(i)];
        for (std::int64_t j = 0; j < width; ++j) {
          float sum = 0;
          for (std::size_t k = 0; k < taps.weights.size(); ++k)
            sum += taps.weights[k] * wide[std::size_t((taps.first + std::int64_t(k)) * width + j)];
          to[i * width + j] = sum;
        }
      }
    }
  });
  return out;
}

/// The part [top, top + height) x [left, left + width) of a picture as planes (3, height, width) in [0, 1].
inline Tensor<float> cropped(const Image& image, std::int64_t top, std::int64_t left, std::int64_t height,
                             std::int64_t width) {
  expect(
      top >= 0 && left >= 0 && height > 0 && width > 0 && height <= image.height - top && width <= image.width - left,
      "cropped: ", height, " x ", width, " from (", top, ", ", left, ") of ", image.height, " x ", image.width);
  Tensor<float> out(Shape{3, height, width});
  for (std::int64_t c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < height; ++i)
      for (std::int64_t j = 0; j < width; ++j)
        out((c * height + i) * width + j) =
            float(image.rgb[std::size_t(((top + i) * image.width + left + j) * 3 + c)]) / 255.f;
  return out;
}

/// A picture as planes (3, height, width) in [0, 1]: the largest part around its centre that has these proportions,
/// resized.
inline Tensor<float> fitted(const Image& image, std::int64_t height, std::int64_t width) {
  expect(height > 0 && width > 0, "fitted: to ", height, " x ", width, " pixels");
  std::int64_t h = image.height, w = image.width;
  if (h * width > w * height) h = std::max<std::int64_t>(1, (w * height + width / 2) / width);
  else w = std::max<std::int64_t>(1, (h * width + height / 2) / height);
  h = std::min(h, image.height), w = std::min(w, image.width);
  const Tensor<float> part = cropped(image, (image.height - h) / 2, (image.width - w) / 2, h, w);
  return h == height && w == width ? part : resized(part, height, width);
}

}  // namespace tenzo
