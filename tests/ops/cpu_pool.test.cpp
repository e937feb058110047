// Pooling and resampling kernels against their definitions, one output at a time.
#include "tenzo/ops/cpu/pool.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "tenzo/ops/cpu/resample.hpp"

using namespace tenzo;
using Index = std::int64_t;

namespace {

/// Numbers in [-1, 1); few different ones, so that ties happen.
template <class T>
std::vector<T> numbers(Index n, std::uint64_t seed, Index levels = 0) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (T& v : x) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const double u = double(seed >> 40) * 0x1p-23 - 1;
    v = T(levels ? std::floor(u * double(levels)) : u);
  }
  return x;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

/// A result between sentinels.
template <class T>
struct Guarded {
  std::vector<T> memory;
  explicit Guarded(Index n) : memory(std::size_t(n + 64), T(123)) {}
  T* data() { return memory.data() + 32; }
  std::vector<T> values() const { return {memory.begin() + 32, memory.end() - 32}; }
  bool intact() const {
    for (std::size_t i = 0; i < 32; ++i)
      if (memory[i] != T(123) || memory[memory.size() - 1 - i] != T(123)) return false;
    return true;
  }
};

PoolGeometry geometry(Index planes, Index h, Index w, Index kernel, Index stride, Index padding, Index dilation,
                      bool count_include_pad = true) {
  PoolSettings s;
  s.kernel = {kernel, kernel}, s.stride = {stride, stride}, s.padding = {padding, padding};
  s.dilation = {dilation, dilation}, s.count_include_pad = count_include_pad;
  return pool_geometry("pool", planes, {h, w}, s);
}

/// Calls f(output index, plane, row, column) for the elements inside each window, in row order.
template <class F>
void for_each_element(const PoolGeometry& g, F f) {
  for (Index p = 0; p < g.planes; ++p)
    for (Index i = 0; i < g.out_size.h; ++i)
      for (Index j = 0; j < g.out_size.w; ++j)
        for (Index k = 0; k < g.kernel.h; ++k)
          for (Index l = 0; l < g.kernel.w; ++l) {
            const Index r = i * g.stride.h - g.padding.h + k * g.dilation.h;
            const Index c = j * g.stride.w - g.padding.w + l * g.dilation.w;
            if (r < 0 || r >= g.in_size.h || c < 0 || c >= g.in_size.w) continue;
            f(std::size_t((p * g.out_size.h + i) * g.out_size.w + j), p, r, c);
          }
}

template <class T, class I>
void check_max(const PoolGeometry& g, const std::vector<T>& x) {
  std::vector<T> y(std::size_t(g.planes * g.out_plane()));
  std::vector<I> index(y.size(), I(-1));
  for_each_element(g, [&](std::size_t o, Index p, Index r, Index c) {
    const T v = x[std::size_t(p * g.in_plane() + r * g.in_size.w + c)];
    if (index[o] < 0 || v > y[o] || v != v) y[o] = v, index[o] = I(r * g.in_size.w + c);
  });
  Guarded<T> got(g.planes * g.out_plane());
  Guarded<I> at(g.planes * g.out_plane());
  cpu::max_pool2d(Cpu{}, g, x.data(), got.data(), at.data());
  CHECK(got.intact());
  CHECK(at.intact());
  CHECK(same_bits(got.values(), y));
  CHECK(at.values() == index);
}

}  // namespace

TEST_CASE("max_pool2d: all settings, with ties, equal the definition") {
  for (Index kernel : {1, 2, 3, 5})
    for (Index stride : {1, 2, 3})
      for (Index padding = 0; 2 * padding <= kernel; ++padding)
        for (Index dilation : {1, 2})
          for (Index width : {9, 16, 33}) {
            const PoolGeometry g = geometry(3, 10, width, kernel, stride, padding, dilation);
            const Index n = g.planes * g.in_plane();
            check_max<float, std::int32_t>(g, numbers<float>(n, 1, 3));
            check_max<float, std::int64_t>(g, numbers<float>(n, 2));
            check_max<double, std::int64_t>(g, numbers<double>(n, 3, 2));
          }
}

TEST_CASE("max_pool2d: NaN and infinities") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (Index kernel : {2, 3})
    for (Index padding : {0, 1}) {
      const PoolGeometry g = geometry(2, 8, 18, kernel, 2, padding, 1);
      std::vector<float> x(std::size_t(g.planes * g.in_plane()), -inf);
      check_max<float, std::int32_t>(g, x);
      x = numbers<float>(g.planes * g.in_plane(), 5);
      for (std::size_t i = 0; i < x.size(); i += 7) x[i] = i % 2 ? nan : inf;
      check_max<float, std::int32_t>(g, x);
    }
}

TEST_CASE("max_pool2d: taking and putting by the index are adjoint") {
  const PoolGeometry g = geometry(4, 9, 11, 3, 2, 1, 1);
  const auto x = numbers<double>(g.planes * g.in_plane(), 1), t = numbers<double>(g.planes * g.in_plane(), 2);
  std::vector<double> y(std::size_t(g.planes * g.out_plane())), ty(y.size()), dx(x.size());
  std::vector<std::int64_t> index(y.size());
  cpu::max_pool2d(Cpu{}, g, x.data(), y.data(), index.data());
  cpu::take_in_planes(Cpu{}, g.planes, g.in_plane(), g.out_plane(), index.data(), x.data(), ty.data());
  CHECK(ty == y);
  const auto dy = numbers<double>(Index(y.size()), 3);
  cpu::take_in_planes(Cpu{}, g.planes, g.in_plane(), g.out_plane(), index.data(), t.data(), ty.data());
  cpu::put_in_planes(Cpu{}, g.planes, g.in_plane(), g.out_plane(), index.data(), dy.data(), dx.data());
  CHECK(std::abs(dot(ty, dy) - dot(t, dx)) < double(y.size()) * 8 * 0x1p-53);
}

TEST_CASE("mean_pool2d: both ways of counting, value and adjoint") {
  for (Index kernel : {1, 2, 3, 5})
    for (Index stride : {1, 2, 3})
      for (Index padding = 0; 2 * padding <= kernel; ++padding)
        for (bool include : {true, false}) {
          const PoolGeometry g = geometry(3, 9, 20, kernel, stride, padding, 1, include);
          const auto x = numbers<double>(g.planes * g.in_plane(), 1);
          std::vector<double> want(std::size_t(g.planes * g.out_plane())), count(want.size());
          for_each_element(g, [&](std::size_t o, Index p, Index r, Index c) {
            want[o] += x[std::size_t(p * g.in_plane() + r * g.in_size.w + c)];
            count[o] += 1;
          });
          for (std::size_t o = 0; o < want.size(); ++o) want[o] /= include ? double(kernel * kernel) : count[o];
          Guarded<double> y(Index(want.size())), dx(Index(x.size()));
          cpu::mean_pool2d(Cpu{}, g, x.data(), y.data());
          CHECK(y.intact());
          CHECK(same_bits(y.values(), want));
          const auto dy = numbers<double>(Index(want.size()), 2);
          cpu::mean_pool2d_adjoint(Cpu{}, g, dy.data(), dx.data());
          CHECK(dx.intact());
          CHECK(std::abs(dot(want, dy) - dot(x, dx.values())) <
                double(g.planes * g.out_plane() * kernel * kernel) * 0x1p-50);
        }
}

TEST_CASE("adaptive_mean_pool2d: ranges overlap where sizes do not divide") {
  for (Size2 in : {Size2{7, 9}, Size2{8, 8}, Size2{5, 40}})
    for (Size2 out : {Size2{1, 1}, Size2{1, 3}, Size2{4, 2}, Size2{7, 5}, Size2{9, 11}}) {
      const Index planes = 3;
      const auto x = numbers<double>(planes * in.h * in.w, 1);
      std::vector<double> want;
      for (Index p = 0; p < planes; ++p)
        for (Index i = 0; i < out.h; ++i)
          for (Index j = 0; j < out.w; ++j) {
            double s = 0, n = 0;
            for (Index r = 0; r < in.h; ++r)
              for (Index c = 0; c < in.w; ++c)
                if (r * out.h < (i + 1) * in.h && (r + 1) * out.h > i * in.h && c * out.w < (j + 1) * in.w &&
                    (c + 1) * out.w > j * in.w)
                  s += x[std::size_t((p * in.h + r) * in.w + c)], n += 1;
            want.push_back(s / n);
          }
      Guarded<double> y(Index(want.size())), dx(Index(x.size()));
      cpu::adaptive_mean_pool2d(Cpu{}, planes, in, out, x.data(), y.data());
      CHECK(y.intact());
      double worst = 0;
      const auto got = y.values();
      for (std::size_t o = 0; o < want.size(); ++o) worst = std::max(worst, std::abs(got[o] - want[o]));
      CHECK(worst < 200 * 0x1p-53);  // a mean of at most 200 numbers below 1
      const auto dy = numbers<double>(Index(want.size()), 2);
      cpu::adaptive_mean_pool2d_adjoint(Cpu{}, planes, in, out, dy.data(), dx.data());
      CHECK(dx.intact());
      CHECK(std::abs(dot(want, dy) - dot(x, dx.values())) < 4000 * 0x1p-53);
    }
}

TEST_CASE("pooling: the same bits with one thread and two; an empty batch") {
  const PoolGeometry g = geometry(70, 30, 31, 3, 2, 1, 1, false);
  const auto x = numbers<float>(g.planes * g.in_plane(), 1);
  auto all = [&] {
    std::vector<float> y(std::size_t(g.planes * g.out_plane())), z(y.size()), dx(x.size()),
        r(std::size_t(g.planes * 900));
    std::vector<std::int32_t> index(y.size());
    cpu::max_pool2d(Cpu{}, g, x.data(), y.data(), index.data());
    cpu::mean_pool2d(Cpu{}, g, x.data(), z.data());
    cpu::put_in_planes(Cpu{}, g.planes, g.in_plane(), g.out_plane(), index.data(), z.data(), dx.data());
    cpu::resample2d(Cpu{}, g.planes, g.in_size, {30, 30}, Interpolation::bilinear, dx.data(), r.data());
    cpu::resample2d_adjoint(Cpu{}, g.planes, g.in_size, {30, 30}, Interpolation::bilinear, r.data(), dx.data());
    return dx;
  };
  const int before = threads();
  set_threads(1);
  const auto one = all();
  set_threads(2);
  const auto two = all();
  set_threads(before);
  CHECK(same_bits(one, two));

  const PoolGeometry none = geometry(0, 8, 8, 2, 2, 0, 1);
  cpu::max_pool2d<float, std::int32_t>(Cpu{}, none, nullptr, nullptr, nullptr);
  cpu::mean_pool2d<float>(Cpu{}, none, nullptr, nullptr);
  cpu::resample2d<float>(Cpu{}, 0, {4, 4}, {8, 8}, Interpolation::nearest, nullptr, nullptr);
}

TEST_CASE("pooling: what does not fit is a sentence") {
  CHECK_THROWS_WITH_AS(geometry(1, 3, 8, 5, 1, 0, 1),
                       "pool: kernel of 5 with dilation 1 spans 5, the input padded to 3; want a span of at most the "
                       "padded input",
                       ShapeError);
  CHECK_THROWS_WITH_AS(geometry(1, 8, 8, 3, 1, 2, 1),
                       "pool: padding is (2, 2), the window spans (3, 3); want a padding of at most half of that",
                       ValueError);
  CHECK_THROWS_AS(geometry(1, 8, 8, 3, 0, 0, 1), ValueError);
}

TEST_CASE("resample2d: nearest repeats, bilinear weighs by nearness, both have their adjoints") {
  for (auto how : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bilinear_aligned})
    for (Size2 in : {Size2{1, 1}, Size2{3, 5}, Size2{8, 7}})
      for (Size2 out : {Size2{1, 1}, Size2{2, 3}, Size2{9, 15}, Size2{16, 21}}) {
        const Index planes = 2;
        const auto x = numbers<double>(planes * in.h * in.w, 1);
        auto weight = [how](Index i, Index k, Index n_in, Index n_out) {  // of input k in output i
          if (how == Interpolation::nearest) return i * n_in / n_out == k ? 1. : 0.;
          const double at =
              how == Interpolation::bilinear_aligned
                  ? (n_out > 1 ? double(i) * double(n_in - 1) / double(n_out - 1) : 0.)
                  : std::min(double(n_in - 1), std::max(0., (double(i) + .5) * double(n_in) / double(n_out) - .5));
          return std::max(0., 1 - std::abs(at - double(k)));
        };
        std::vector<double> want;
        for (Index p = 0; p < planes; ++p)
          for (Index i = 0; i < out.h; ++i)
            for (Index j = 0; j < out.w; ++j) {
              double s = 0;
              for (Index r = 0; r < in.h; ++r)
                for (Index c = 0; c < in.w; ++c)
                  s +=
                      weight(i, r, in.h, out.h) * weight(j, c, in.w, out.w) * x[std::size_t((p * in.h + r) * in.w + c)];
              want.push_back(s);
            }
        Guarded<double> y(Index(want.size())), dx(Index(x.size()));
        cpu::resample2d(Cpu{}, planes, in, out, how, x.data(), y.data());
        CHECK(y.intact());
        const auto got = y.values();
        double worst = 0;
        for (std::size_t o = 0; o < want.size(); ++o) worst = std::max(worst, std::abs(got[o] - want[o]));
        CHECK(worst < 64 * 0x1p-53);  // coordinates below 32 are known to 16 eps, and slopes are below 2
        const auto dy = numbers<double>(Index(want.size()), 2);
        cpu::resample2d_adjoint(Cpu{}, planes, in, out, how, dy.data(), dx.data());
        CHECK(dx.intact());
        CHECK(std::abs(dot(got, dy) - dot(x, dx.values())) < double(want.size()) * 16 * 0x1p-53);
      }
}
