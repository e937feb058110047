// Convolution kernels against the definition in seven loops. With small whole numbers every product and sum is exact,
// so the comparison is one of bits; with real numbers the bound is that of a sum of k terms.
#include "tenzo/ops/cpu/conv.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

using namespace tenzo;
using Index = std::int64_t;

namespace {

struct Generator {
  std::uint64_t state = 1;
  std::uint32_t next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return std::uint32_t(state >> 33);
  }
  double whole() { return double(next() % 7) - 3; }
  double real() { return double(next()) * 0x1p-30 - 1; }
};

template <class T>
std::vector<T> whole_numbers(Index n, std::uint64_t seed) {
  Generator g{seed};
  std::vector<T> x(static_cast<std::size_t>(n));
  for (T& v : x) v = T(g.whole());
  return x;
}

template <class T>
std::vector<T> real_numbers(Index n, std::uint64_t seed) {
  Generator g{seed};
  std::vector<T> x(static_cast<std::size_t>(n));
  for (T& v : x) v = T(g.real());
  return x;
}

/// Calls f(y index, x index, w index) for every product in the definition.
template <class F>
void for_each_product(const ConvGeometry& g, F f) {
  for (Index n = 0; n < g.batch; ++n)
    for (Index o = 0; o < g.out; ++o)
      for (Index i = 0; i < g.out_size.h; ++i)
        for (Index j = 0; j < g.out_size.w; ++j)
          for (Index c = 0; c < g.group_in(); ++c)
            for (Index k = 0; k < g.kernel.h; ++k)
              for (Index l = 0; l < g.kernel.w; ++l) {
                const Index h = i * g.stride.h - g.padding.h + k * g.dilation.h;
                const Index w = j * g.stride.w - g.padding.w + l * g.dilation.w;
                if (h < 0 || h >= g.in_size.h || w < 0 || w >= g.in_size.w) continue;
                const Index channel = o / g.group_out() * g.group_in() + c;
                f(std::size_t(((n * g.out + o) * g.out_size.h + i) * g.out_size.w + j),
                  std::size_t(((n * g.in + channel) * g.in_size.h + h) * g.in_size.w + w),
                  std::size_t(((o * g.group_in() + c) * g.kernel.h + k) * g.kernel.w + l));
              }
}

Index x_size(const ConvGeometry& g) { return g.batch * g.in * g.in_plane(); }
Index y_size(const ConvGeometry& g) { return g.batch * g.out * g.out_plane(); }
Index w_size(const ConvGeometry& g) { return g.out * g.group_in() * g.taps(); }

/// A result between sentinels; `intact` tells whether they stand.
template <class T>
struct Guarded {
  static constexpr Index margin = 64;
  std::vector<T> memory;
  explicit Guarded(Index n) : memory(std::size_t(n + 2 * margin), T(12345)) {}
  T* data() { return memory.data() + margin; }
  std::vector<T> values() const { return {memory.begin() + margin, memory.end() - margin}; }
  bool intact() const {
    for (Index i = 0; i < margin; ++i)
      if (memory[std::size_t(i)] != T(12345) || memory[memory.size() - 1 - std::size_t(i)] != T(12345)) return false;
    return true;
  }
};

template <class T>
struct Results {
  std::vector<T> y, dx, dw, db;
  bool intact = true;
};

template <class T>
Results<T> run_kernels(const ConvGeometry& g, const std::vector<T>& x, const std::vector<T>& w,
                       const std::vector<T>& dy, const T* bias, const T* bias_in) {
  Guarded<T> y(y_size(g)), dx(x_size(g)), dw(w_size(g)), db(g.out);
  cpu::conv2d(Cpu{}, g, x.data(), w.data(), bias, y.data());
  cpu::conv2d_input_gradient(Cpu{}, g, dy.data(), w.data(), bias_in, dx.data());
  cpu::conv2d_weight_gradient(Cpu{}, g, x.data(), dy.data(), dw.data());
  cpu::conv2d_bias_gradient(Cpu{}, g, dy.data(), db.data());
  return {y.values(), dx.values(), dw.values(), db.values(), y.intact() && dx.intact() && dw.intact() && db.intact()};
}

/// Whole numbers: all four results equal the definition, with no rounding to allow for.
template <class T>
void check_exact(const ConvGeometry& g) {
  INFO("x (", g.batch, ", ", g.in, ", ", g.in_size.h, ", ", g.in_size.w, "), out ", g.out, ", kernel ", g.kernel.h,
       " x ", g.kernel.w, ", stride ", g.stride.h, " ", g.stride.w, ", padding ", g.padding.h, " ", g.padding.w,
       ", dilation ", g.dilation.h, " ", g.dilation.w, ", groups ", g.groups);
  const auto x = whole_numbers<T>(x_size(g), 1), w = whole_numbers<T>(w_size(g), 2),
             dy = whole_numbers<T>(y_size(g), 3);
  const auto bias = whole_numbers<T>(g.out, 4), bias_in = whole_numbers<T>(g.in, 5);
  std::vector<T> y(dy.size()), dx(x.size()), dw(w.size()), db(bias.size());
  for_each_product(g, [&](std::size_t i, std::size_t j, std::size_t k) {
    y[i] += w[k] * x[j];
    dx[j] += w[k] * dy[i];
    dw[k] += dy[i] * x[j];
  });
  for (std::size_t i = 0; i < y.size(); ++i) {
    const auto o = i / std::size_t(g.out_plane()) % std::size_t(g.out);
    y[i] += bias[o];
    db[o] += dy[i];
  }
  for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += bias_in[i / std::size_t(g.in_plane()) % std::size_t(g.in)];

  const Results<T> got = run_kernels(g, x, w, dy, bias.data(), bias_in.data());
  CHECK(got.intact);
  CHECK(got.y == y);
  CHECK(got.dx == dx);
  CHECK(got.dw == dw);
  CHECK(got.db == db);
}

ConvGeometry geometry(Index batch, Index in, Index h, Index w, Index out, Index kh, Index kw, Index stride,
                      Index padding, Index dilation, Index groups) {
  ConvSettings s;
  s.stride = {stride, stride}, s.padding = {padding, padding}, s.dilation = {dilation, dilation}, s.groups = groups;
  return conv_geometry({batch, in, h, w}, {out, in / groups, kh, kw}, s);
}

}  // namespace

TEST_CASE("conv2d: every combination of settings equals the definition exactly") {
  for (Index stride : {1, 2, 3})
    for (Index padding : {0, 1, 2})
      for (Index dilation : {1, 2})
        for (Index groups : {1, 2, 6})
          for (Index kernel : {1, 2, 3}) {
            check_exact<float>(geometry(2, 6, 7, 10, 12, kernel, kernel, stride, padding, dilation, groups));
            check_exact<double>(geometry(1, 6, 9, 6, 6, kernel, kernel, stride, padding, dilation, groups));
          }
}

TEST_CASE("conv2d: ragged channels") {
  for (Index in : {1, 3, 15, 17})
    for (Index out : {1, 3, 15, 16, 17, 31, 33, 64}) {
      check_exact<float>(geometry(2, in, 5, 9, out, 3, 3, 1, 1, 1, 1));
      check_exact<float>(geometry(1, in, 6, 5, out, 3, 3, 2, 1, 1, 1));
      check_exact<double>(geometry(1, in, 4, 5, out, 3, 3, 1, 0, 1, 1));
    }
}

TEST_CASE("conv2d: odd kernels, sides that differ, widths around a vector") {
  for (Index width : {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 50}) {
    check_exact<float>(geometry(1, 2, 3, width + 2, 20, 3, 3, 1, 0, 1, 1));
    check_exact<float>(geometry(3, 4, 2, width, 4, 1, 1, 1, 0, 1, 4));
    check_exact<float>(geometry(2, 2, 3, width, 3, 3, 3, 1, 1, 1, 1));
    check_exact<float>(geometry(1, 3, 4, width, 16, 1, 1, 2, 0, 1, 1));
  }
  for (Index kh : {1, 2, 5, 7})
    for (Index kw : {1, 4, 5, 7}) {
      check_exact<float>(geometry(1, 3, 9, 8, 18, kh, kw, 1, 2, 1, 1));
      check_exact<float>(geometry(2, 2, 9, 11, 5, kh, kw, 2, 3, 1, 1));
    }
  ConvSettings s;
  s.stride = {2, 1}, s.padding = {0, 3}, s.dilation = {1, 2}, s.groups = 3;
  check_exact<float>(conv_geometry({2, 9, 6, 7}, {24, 3, 2, 4}, s));
  s.stride = {1, 3}, s.padding = {4, 0}, s.dilation = {3, 1}, s.groups = 1;
  check_exact<float>(conv_geometry({2, 4, 3, 20}, {17, 4, 4, 3}, s));
}

TEST_CASE("conv2d: strides beyond the kernel leave inputs untouched") {
  check_exact<float>(geometry(1, 2, 11, 13, 16, 1, 1, 3, 0, 1, 1));
  check_exact<float>(geometry(1, 2, 11, 13, 16, 2, 2, 4, 1, 1, 1));
  check_exact<float>(geometry(1, 2, 13, 13, 2, 2, 2, 5, 0, 3, 2));
}

TEST_CASE("conv2d: many images, many bands, many channels") {
  check_exact<float>(geometry(33, 4, 4, 4, 40, 3, 3, 1, 1, 1, 1));
  check_exact<float>(geometry(40, 5, 1, 1, 35, 1, 1, 1, 0, 1, 1));
  check_exact<float>(geometry(1, 3, 70, 300, 18, 3, 3, 1, 1, 1, 1));
  check_exact<float>(geometry(1, 200, 9, 9, 150, 3, 3, 1, 1, 1, 1));
  check_exact<float>(geometry(17, 16, 8, 8, 16, 3, 3, 1, 1, 1, 16));
  check_exact<float>(geometry(1, 300, 33, 34, 4, 3, 3, 2, 1, 1, 1));
}

TEST_CASE("conv2d: an empty batch") {
  const ConvGeometry g = geometry(0, 3, 5, 5, 4, 3, 3, 1, 1, 1, 1);
  const std::vector<float> w = whole_numbers<float>(w_size(g), 1);
  const Results<float> got = run_kernels<float>(g, {}, w, {}, nullptr, nullptr);
  CHECK(got.intact);
  CHECK(got.y.empty());
  CHECK(got.dw == std::vector<float>(w.size(), 0.f));
  CHECK(got.db == std::vector<float>(4, 0.f));
}

TEST_CASE("conv2d: no input channels, and images that are padding only") {
  check_exact<float>(conv_geometry({2, 0, 5, 5}, {3, 0, 3, 3}, {}));
  check_exact<float>(geometry(2, 3, 0, 0, 20, 3, 3, 1, 2, 1, 1));
}

TEST_CASE("conv2d: real numbers within the bound of their sums") {
  // Each product meets at most `terms` roundings on its way, a bias one more.
  const ConvGeometry g = geometry(3, 19, 12, 13, 37, 3, 3, 1, 1, 1, 1);
  const auto x = real_numbers<float>(x_size(g), 1), w = real_numbers<float>(w_size(g), 2),
             dy = real_numbers<float>(y_size(g), 3);
  std::vector<double> y(dy.size()), dx(x.size()), dw(w.size()), ay(dy.size()), ax(x.size()), aw(w.size());
  for_each_product(g, [&](std::size_t i, std::size_t j, std::size_t k) {
    y[i] += double(w[k]) * x[j], ay[i] += std::abs(double(w[k]) * x[j]);
    dx[j] += double(w[k]) * dy[i], ax[j] += std::abs(double(w[k]) * dy[i]);
    dw[k] += double(dy[i]) * x[j], aw[k] += std::abs(double(dy[i]) * x[j]);
  });
  const Results<float> got = run_kernels<float>(g, x, w, dy, nullptr, nullptr);
  auto worst = [](const std::vector<float>& a, const std::vector<double>& b, const std::vector<double>& scale) {
    double r = 0;
    for (std::size_t i = 0; i < a.size(); ++i) r = std::max(r, std::abs(a[i] - b[i]) / scale[i]);
    return r;
  };
  CHECK(worst(got.y, y, ay) < 19 * 9 * 0x1p-24);
  CHECK(worst(got.dx, dx, ax) < 37 * 9 * 0x1p-24);
  CHECK(worst(got.dw, dw, aw) < 3 * 12 * 13 * 0x1p-24);
}

TEST_CASE("conv2d: the three are adjoint, <conv(x, w), dy> = <x, dx> = <w, dw>") {
  for (Index stride : {1, 2, 3})
    for (Index groups : {1, 2, 6}) {
      const ConvGeometry g = geometry(2, 6, 9, 11, 18, 3, 3, stride, 1, 2, groups);
      const auto x = real_numbers<double>(x_size(g), 1), w = real_numbers<double>(w_size(g), 2),
                 dy = real_numbers<double>(y_size(g), 3);
      const Results<double> got = run_kernels<double>(g, x, w, dy, nullptr, nullptr);
      auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
        double s = 0;
        for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
        return s;
      };
      // All numbers are below 1, and there are fewer than multiplications() products.
      const double bound = double(g.multiplications()) * 100 * 0x1p-53;
      const double value = dot(got.y, dy);
      CHECK(std::abs(value - dot(got.dx, x)) < bound);
      CHECK(std::abs(value - dot(got.dw, w)) < bound);
    }
}

TEST_CASE("conv2d: one thread and two give the same bits, and these are pinned") {
  auto hash = [](std::uint64_t h, const std::vector<float>& v) {
    for (float f : v) {
      std::uint32_t u;
      std::memcpy(&u, &f, sizeof u);
      h = (h ^ u) * 1099511628211u;
    }
    return h;
  };
  auto all = [&] {
    std::uint64_t h = 14695981039346656037u;
    for (const ConvGeometry& g :
         {geometry(5, 16, 13, 14, 34, 3, 3, 1, 1, 1, 1), geometry(3, 6, 17, 19, 12, 3, 3, 2, 1, 1, 2),
          geometry(2, 20, 9, 21, 20, 3, 3, 1, 2, 2, 20), geometry(9, 33, 6, 6, 24, 1, 1, 2, 0, 1, 1)}) {
      const auto x = real_numbers<float>(x_size(g), 1), w = real_numbers<float>(w_size(g), 2),
                 dy = real_numbers<float>(y_size(g), 3);
      const auto bias = real_numbers<float>(g.out, 4);
      const Results<float> got = run_kernels<float>(g, x, w, dy, bias.data(), nullptr);
      h = hash(hash(hash(hash(h, got.y), got.dx), got.dw), got.db);
    }
    return h;
  };
  const int before = threads();
  set_threads(1);
  const std::uint64_t one = all();
  set_threads(2);
  const std::uint64_t two = all();
  set_threads(before);
  CHECK(one == two);
  CHECK(one == 11566485500792988204u);
}

TEST_CASE("conv2d: what does not fit is a sentence") {
  CHECK_THROWS_WITH_AS(geometry(1, 2, 3, 8, 4, 5, 3, 1, 0, 1, 1),
                       "conv2d: kernel of 5 with dilation 1 spans 5, the input padded to 3; want a span of at most the "
                       "padded input",
                       ShapeError);
  CHECK_THROWS_WITH_AS(conv_geometry({1, 3, 8, 8}, {4, 2, 3, 3}, {}),
                       "conv2d: x is (1, 3, 8, 8), weight is (4, 2, 3, 3), groups is 1; want x (n, groups c, h, w) and "
                       "weight (groups o, c, kh, kw)",
                       ShapeError);
  CHECK_THROWS_AS(geometry(1, 2, 8, 8, 4, 3, 3, 0, 0, 1, 1), ValueError);
  CHECK_THROWS_AS(geometry(1, 2, 8, 8, 4, 3, 3, 1, -1, 1, 1), ValueError);
  CHECK_THROWS_AS(geometry(1, 2, 8, 8, 4, 3, 3, 1, 0, 0, 1), ValueError);
  CHECK_THROWS_AS(geometry(1, 2, 8, 8, 4, 0, 3, 1, 0, 1, 1), ShapeError);
}

TEST_CASE("conv_transpose2d: sizes invert those of conv2d, output padding chooses among them") {
  for (Index stride : {1, 2, 3})
    for (Index padding : {0, 1})
      for (Index dilation : {1, 2})
        for (Index extra = 0; extra < std::max(stride, dilation); ++extra) {
          ConvSettings s;
          s.stride = {stride, stride}, s.padding = {padding, padding}, s.dilation = {dilation, dilation};
          const ConvGeometry g = conv_transpose_geometry({2, 5, 6, 4}, {5, 3, 3, 2}, s, {extra, 0});
          CHECK(g.in_size.h == (6 - 1) * stride - 2 * padding + dilation * 2 + extra + 1);
          CHECK(g.in == 3);
          if (extra >= stride) continue;
          const ConvGeometry back = conv_geometry({2, 3, g.in_size.h, g.in_size.w}, {5, 3, 3, 2}, s);
          CHECK(back.out_size == Size2{6, 4});
        }
  CHECK_THROWS_AS(conv_transpose_geometry({1, 2, 3, 3}, {2, 1, 3, 3}, {}, {1, 0}), ValueError);
  CHECK_THROWS_AS(conv_transpose_geometry({1, 2, 3, 3}, {3, 1, 3, 3}, {}, {0, 0}), ShapeError);
}
