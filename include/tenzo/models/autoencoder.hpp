// A small convolutional autoencoder in two halves: what passes between them is a code of few numbers, where the
// gradients of a black box behind the decoder are estimated.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/resample.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

struct AutoencoderConfig {
  std::int64_t channels = 1;
  Size2 image{28, 28};
  std::vector<std::int64_t> widths = {12, 24, 12};  // channels of the encoder's stages, each of which halves the image

  /// The image before each stage, and behind the last.
  std::vector<Size2> sizes() const {
    std::vector<Size2> all{image};
    for (std::size_t i = 0; i < widths.size(); ++i) all.push_back({(all.back().h + 1) / 2, (all.back().w + 1) / 2});
    return all;
  }
  /// Numbers of a code: 192 of 28 × 28 and of 32 × 32 pixels, 12 channels of 4 × 4.
  std::int64_t code() const { return widths.back() * sizes().back().h * sizes().back().w; }
};

/// x (n, channels, h, w) → codes (n, d). Convolutions 3 × 3 with stride 2, relu between them. Leaves are named
/// "stages.0.weight".
///   Source  the encoder of 12, 24, 12 channels of Zhang et al. 2022, with a kernel that takes odd sizes, too.
template <class V>
struct ConvEncoder {
  AutoencoderConfig config;
  std::vector<Conv2d<V>> stages;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("stages", self.stages...);
  }

  template <Value X>
  auto operator()(const X& images) const {  // (n, channels, h, w) -> (n, code)
    using Y = promote_t<X, V>;
    Y x = lift<Y>(images);
    for (std::size_t i = 0; i < stages.size(); ++i) x = i == 0 ? Y(stages[i](x)) : Y(stages[i](relu(x)));
    return reshape(x, Shape{x.shape()[0], x.shape().inner(0)});
  }
};

/// Codes (n, d) → images (n, channels, h, w) in (0, 1): the nearest pixels of twice the size and a convolution 3 × 3,
/// as often as the encoder halves; a sigmoid at the end.
template <class V>
struct ConvDecoder {
  AutoencoderConfig config;
  std::vector<Conv2d<V>> stages;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("stages", self.stages...);
  }

  template <Value X>
  auto operator()(const X& code) const {  // (n, code) -> (n, channels, h, w)
    using Y = promote_t<X, V>;
    const std::vector<Size2> sizes = config.sizes();
    expect(code.shape().rank() == 2 && code.shape()[1] == config.code(), "decoder: codes are ", code.shape(),
           "; want (n, ", config.code(), ')');
    Y x = reshape(lift<Y>(code), Shape{code.shape()[0], config.widths.back(), sizes.back().h, sizes.back().w});
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const Y wide = resample2d(i == 0 ? x : relu(x), sizes[sizes.size() - 2 - i], Interpolation::nearest);
      x = stages[i](wide);
    }
    return sigmoid(x);
  }
};

namespace detail {

inline void check_autoencoder(const AutoencoderConfig& c) {
  require(c.channels > 0 && c.image.h > 0 && c.image.w > 0 && !c.widths.empty(), "autoencoder: images of ", c.channels,
          " x ", c.image.h, " x ", c.image.w, ", ", c.widths.size(), " stages");
  for (const std::int64_t w : c.widths) require(w > 0, "autoencoder: a stage of ", w, " channels");
}

inline Conv2d<Expected> stage(std::int64_t in, std::int64_t out, std::int64_t stride) {
  Conv2d<Expected> s;
  s.weight = Shape{out, in, 3, 3};
  s.bias = Shape{out};
  s.settings.stride = {stride, stride};
  s.settings.padding = {1, 1};
  return s;
}

}  // namespace detail

/// Throws ValueError for sizes that are not positive.
inline ConvEncoder<Expected> encoder_spec(const AutoencoderConfig& c = {}) {
  detail::check_autoencoder(c);
  ConvEncoder<Expected> m{c, {}};
  std::int64_t in = c.channels;
  for (const std::int64_t width : c.widths) m.stages.push_back(detail::stage(in, width, 2)), in = width;
  return m;
}
inline ConvDecoder<Expected> decoder_spec(const AutoencoderConfig& c = {}) {
  detail::check_autoencoder(c);
  ConvDecoder<Expected> m{c, {}};
  for (std::size_t i = c.widths.size(); i-- > 0;)
    m.stages.push_back(detail::stage(c.widths[i], i == 0 ? c.channels : c.widths[i - 1], 1));
  return m;
}

}  // namespace tenzo
