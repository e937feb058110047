// Small networks whose sizes are known when they are compiled: forward, backward and the optimizer's step without an
// allocation, a tape, or a decision.
//
//   using Net = fixed::Network<fixed::Linear<4, 64>, fixed::Relu<64>, fixed::Linear<64, 2>>;
//
// A layer has no members. Its parameters are a run of one array of floats, in the order of the leaves of the same layer
// in nn/. Values are stored feature by feature, (features, B) for a batch of B samples, B a multiple of 16: samples
// fill the vectors, so that no width is wasted on layers of two or of five neurons. Products are those of
// core/gemm.hpp: their elements are chains of fused multiply-adds in the same order, so that a forward pass has the
// same bits as nn/linear.hpp.
//
// These are no instances of the layers in nn/: those are trees of tensors whose sizes, device and value type (a number,
// a dual, a variable) are open, with a sample's features side by side; these have neither tensors nor values, and
// samples side by side. What is one, is shared: the order of parameters, so that weights go from one to the other as
// they are, and the kernel of products.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include "tenzo/core/detail/gemm_kernel.hpp"
#include "tenzo/core/simd.hpp"

namespace tenzo::fixed {

using Lanes = Simd<float>;

namespace detail {

using tenzo::detail::tile_product;

/// c (M, N) = a (M, k) b (k, N), from zero; strides as in tile_product. b is read up to the next multiple of 16
/// columns.
template <int M, int N>
void product(std::int64_t k, const float* a, std::int64_t a_row, std::int64_t a_col, const float* b, std::int64_t b_row,
             float* c, std::int64_t c_row) {
  constexpr int R = std::min(M, tenzo::detail::tile_rows), width = Lanes::size, all = (N + width - 1) / width;
  constexpr int V = std::min(all, tenzo::detail::tile_vectors), rest = all % V;
  const auto rows = [&]<int Rows>(std::integral_constant<int, Rows>, int i) {
    const auto tile = [&]<int Vectors>(std::integral_constant<int, Vectors>, int j) {
      tile_product<float, Rows, Vectors>(k, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row,
                                         {false, nullptr, std::min(N - j, Vectors * width), a + i * a_row});
    };
    for (int v = 0; v + V <= all; v += V) tile(std::integral_constant<int, V>{}, v * width);
    if constexpr (rest > 0) tile(std::integral_constant<int, rest>{}, (all - rest) * width);
  };
  for (int i = 0; i + R <= M; i += R) rows(std::integral_constant<int, R>{}, i);
  if constexpr (M % R > 0) rows(std::integral_constant<int, M % R>{}, M - M % R);
}

/// f(i, vector at i) for the vectors of n floats, n a multiple of 16.
template <class F>
TENZO_INLINE void for_vectors(std::int64_t n, F&& f) {
  for (std::int64_t i = 0; i < n; i += Lanes::size) f(i);
}

}  // namespace detail

/// (rows, columns) → (columns, to_row), to_row >= rows.
inline void transpose(std::int64_t rows, std::int64_t columns, const float* from, float* to, std::int64_t to_row) {
  constexpr std::int64_t edge = 16;  // a block's lines stay in the nearest cache
  for (std::int64_t r = 0; r < rows; r += edge)
    for (std::int64_t c = 0; c < columns; c += edge)
      for (std::int64_t j = c; j < std::min(columns, c + edge); ++j)
        for (std::int64_t i = r; i < std::min(rows, r + edge); ++i) to[j * to_row + i] = from[i * columns + j];
}

/// y = W x + b; parameters W (Out, In), b (Out).
template <int In, int Out>
struct Linear {
  static constexpr int in = In, out = Out, parameters = Out * In + Out;

  template <int B>
  static void forward(const float* w, const float* x, float* y) {  // (In, B) -> (Out, B)
    detail::product<Out, B>(In, w, In, 1, x, B, y, B);
    const float* const bias = w + Out * In;
    for (int o = 0; o < Out; ++o) {
      const Lanes b(bias[o]);
      detail::for_vectors(B, [&](std::int64_t i) { (Lanes::load(y + o * B + i) + b).store(y + o * B + i); });
    }
  }

  /// g: the parameters' gradients, written; dx may be null.
  template <int B>
  static void backward(const float* w, const float* x, const float*, const float* dy, float* dx, float* g) {
    constexpr int row = (In + 15) / 16 * 16;
    alignas(64) float samples[B * row];
    if constexpr (In % 16 > 0)
      for (int b = 0; b < B; ++b) std::fill(samples + b * row + In, samples + (b + 1) * row, 0.f);
    transpose(In, B, x, samples, row);
    detail::product<Out, In>(B, dy, B, 1, samples, row, g, In);
    for (int o = 0; o < Out; ++o) {
      Lanes total(0.f);
      detail::for_vectors(B, [&](std::int64_t i) { total = total + Lanes::load(dy + o * B + i); });
      g[Out * In + o] = sum(total);
    }
    if (dx) detail::product<In, B>(Out, w, 1, In, dy, B, dx, B);
  }
};

/// y = max(x, 0).
template <int F>
struct Relu {
  static constexpr int in = F, out = F, parameters = 0;

  template <int B>
  static void forward(const float*, const float* x, float* y) {
    const Lanes zero(0.f);
    detail::for_vectors(F * B, [&](std::int64_t i) { max(Lanes::load(x + i), zero).store(y + i); });
  }
  template <int B>
  static void backward(const float*, const float*, const float* y, const float* dy, float* dx, float*) {
    if (!dx) return;
    const Lanes zero(0.f);
    detail::for_vectors(F * B, [&](std::int64_t i) {
      where_greater(Lanes::load(y + i), zero, Lanes::load(dy + i), zero).store(dx + i);
    });
  }
};

/// y = (x − mean) / sqrt(var + 1e-5) · weight + bias over the features; parameters weight (F), bias (F).
template <int F>
struct LayerNorm {
  static constexpr int in = F, out = F, parameters = 2 * F;
  static constexpr float eps = 1e-5f;

  template <int B>
  static void forward(const float* w, const float* x, float* y) {
    detail::for_vectors(B, [&](std::int64_t b) {
      const auto [mean, scale] = moments<B>(x + b);
      for (int f = 0; f < F; ++f) {
        const Lanes normal = (Lanes::load(x + f * B + b) - mean) * scale;
        fmadd(normal, Lanes(w[f]), Lanes(w[F + f])).store(y + f * B + b);
      }
    });
  }

  template <int B>
  static void backward(const float* w, const float* x, const float*, const float* dy, float* dx, float* g) {
    alignas(64) float slope[F * Lanes::size] = {}, shift[F * Lanes::size] = {};  // the gradients, sample by sample
    detail::for_vectors(B, [&](std::int64_t b) {
      const auto [mean, scale] = moments<B>(x + b);
      Lanes along(0.f), total(0.f);  // Σ d x̂ and Σ d, d the slope by x̂
      for (int f = 0; f < F; ++f) {
        const Lanes normal = (Lanes::load(x + f * B + b) - mean) * scale, d = Lanes::load(dy + f * B + b);
        float *const to_slope = slope + f * Lanes::size, *const to_shift = shift + f * Lanes::size;
        fmadd(d, normal, Lanes::load(to_slope)).store(to_slope);
        (Lanes::load(to_shift) + d).store(to_shift);
        along = fmadd(d * Lanes(w[f]), normal, along);
        total = total + d * Lanes(w[f]);
      }
      if (!dx) return;
      const Lanes share(1.f / F);
      for (int f = 0; f < F; ++f) {
        const Lanes normal = (Lanes::load(x + f * B + b) - mean) * scale;
        const Lanes d = Lanes::load(dy + f * B + b) * Lanes(w[f]);
        (scale * (d - share * (total + normal * along))).store(dx + f * B + b);
      }
    });
    for (int f = 0; f < F; ++f) {
      g[f] = sum(Lanes::load(slope + f * Lanes::size));
      g[F + f] = sum(Lanes::load(shift + f * Lanes::size));
    }
  }

 private:
  /// The mean of the features and 1 / their deviation, of the 16 samples at x.
  template <int B>
  static std::pair<Lanes, Lanes> moments(const float* x) {
    const Lanes share(1.f / F);
    Lanes mean(0.f), squares(0.f);
    for (int f = 0; f < F; ++f) mean = mean + Lanes::load(x + f * B);
    mean = mean * share;
    for (int f = 0; f < F; ++f) {
      const Lanes d = Lanes::load(x + f * B) - mean;
      squares = fmadd(d, d, squares);
    }
    return {mean, Lanes(1.f) / sqrt(squares * share + Lanes(eps))};
  }
};

/// The value and the advantages of actions as action values: x = (value, advantages) → value + advantage − their mean.
///   Source  Wang et al. 2016, equation 9.
template <int Actions>
struct Dueling {
  static constexpr int in = Actions + 1, out = Actions, parameters = 0;

  template <int B>
  static void forward(const float*, const float* x, float* y) {
    const Lanes share(1.f / Actions);
    detail::for_vectors(B, [&](std::int64_t b) {
      Lanes mean(0.f);
      for (int a = 0; a < Actions; ++a) mean = mean + Lanes::load(x + (a + 1) * B + b);
      const Lanes base = Lanes::load(x + b) - mean * share;
      for (int a = 0; a < Actions; ++a) (base + Lanes::load(x + (a + 1) * B + b)).store(y + a * B + b);
    });
  }
  template <int B>
  static void backward(const float*, const float*, const float*, const float* dy, float* dx, float*) {
    if (!dx) return;
    const Lanes share(1.f / Actions);
    detail::for_vectors(B, [&](std::int64_t b) {
      Lanes total(0.f);
      for (int a = 0; a < Actions; ++a) total = total + Lanes::load(dy + a * B + b);
      total.store(dx + b);
      for (int a = 0; a < Actions; ++a) (Lanes::load(dy + a * B + b) - total * share).store(dx + (a + 1) * B + b);
    });
  }
};

/// Layers one behind another.
template <class... L>
struct Network;

/// None: what lists of layers begin with.
template <>
struct Network<> {};

template <class First, class... More>
struct Network<First, More...> {
  using Layers = std::tuple<First, More...>;
  template <int i>
  using Layer = std::tuple_element_t<std::size_t(i), Layers>;

  static constexpr int layers = 1 + int(sizeof...(More));
  static constexpr int in = Layer<0>::in, out = Layer<layers - 1>::out;
  static constexpr int parameters = (First::parameters + ... + More::parameters);
  static constexpr int widest = std::max({First::in, First::out, More::out...});
  static constexpr int values = (First::out + ... + More::out);  // of all layers, for one sample

  using Sizes = std::array<int, layers>;
  static constexpr bool fits() {
    constexpr Sizes to{First::out, More::out...}, from{First::in, More::in...};
    for (std::size_t i = 1; i < to.size(); ++i)
      if (to[i - 1] != from[i]) return false;
    return true;
  }
  static_assert(fits(), "a layer's inputs are not the outputs of the one before");

  /// Where the parameters of layer i begin, and its values, in units of a sample.
  static constexpr int parameters_at(int i) { return before(i, {First::parameters, More::parameters...}); }
  static constexpr int values_at(int i) { return before(i, {First::out, More::out...}); }

  /// All layers' values (values, B); the last (out, B) are the network's.
  template <int B>
  static void forward(const float* w, const float* x, float* y) {
    static_assert(B % 16 == 0, "samples come in sixteens");
    each([&]<int i>(std::integral_constant<int, i>) {
      Layer<i>::template forward<B>(w + parameters_at(i), i == 0 ? x : y + values_at(i - 1) * B, y + values_at(i) * B);
    });
  }

  /// The parameters' gradients from those of the network's values (out, B), which are overwritten.
  ///   x, y  as in forward
  template <int B>
  static void backward(const float* w, const float* x, const float* y, float* dy, float* g) {
    alignas(64) float other[widest * B];
    alignas(64) float more[widest * B];
    const float* from = dy;
    each([&]<int k>(std::integral_constant<int, k>) {
      constexpr int i = layers - 1 - k;
      float* const to = i == 0 ? nullptr : from == other ? more : other;
      Layer<i>::template backward<B>(w + parameters_at(i), i == 0 ? x : y + values_at(i - 1) * B, y + values_at(i) * B,
                                     from, to, g + parameters_at(i));
      from = to;
    });
  }

 private:
  static constexpr int before(int i, Sizes sizes) {
    int total = 0;
    for (int k = 0; k < i; ++k) total += sizes[std::size_t(k)];
    return total;
  }
  template <class F>
  static void each(F&& f) {
    [&]<int... i>(std::integer_sequence<int, i...>) { (f(std::integral_constant<int, i>{}), ...); }
    (std::make_integer_sequence<int, layers>{});
  }
};

}  // namespace tenzo::fixed
