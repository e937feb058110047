#include "loops.cuh"

#include <array>

#include "compare.hpp"
#include "index.cuh"
#include "tenzo/ops/cpu/index.hpp"
#include "tenzo/ops/elementwise.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// f(device, x..., y) on both: the same bits.
template <class T, class F>
bool agree(std::int64_t out, const std::vector<std::vector<T>>& in, F&& f, double tolerance = 0) {
  std::vector<T> want(static_cast<std::size_t>(out)), got;
  std::vector<const T*> host, there;
  std::vector<cuda::DeviceArray<T>> arrays;
  for (const auto& x : in) {
    host.push_back(x.data());
    arrays.emplace_back(x);
    there.push_back(arrays.back().data());
  }
  f(Cpu{}, host, want.data());
  cuda::DeviceArray<T> y(out);
  f(Cuda{}, there, y.data());
  got = y.to_host();
  return tolerance == 0 ? same_bits(got, want) : distance(got, want) <= tolerance;
}

const std::int64_t lengths[] = {0, 1, 2, 3, 4, 5, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025, 5000};

}  // namespace

TEST_CASE_TEMPLATE("map: the CPU's bits for any function, length and alignment", T, float, double) {
  for (const std::int64_t n : lengths)
    emulation::for_all_schedules([&](const auto& schedule) {
      CAPTURE(n);
      CAPTURE(schedule);
      const auto x = normals<T>(n + 1, 1), z = normals<T>(n + 1, 2);
      CHECK(agree<T>(n, {x}, [&](auto d, auto& in, T* y) { map(d, n, y, fn::Gelu{}, in[0]); }));
      CHECK(agree<T>(n, {x}, [&](auto d, auto& in, T* y) { map(d, n, y, fn::Tanh{}, in[0] + 1); }));
      CHECK(agree<T>(n, {x, z}, [&](auto d, auto& in, T* y) { map(d, n, y, fn::Times{}, in[0], in[1]); }));
      CHECK(agree<T>(n, {x, z},
                     [&](auto d, auto& in, T* y) { map(d, n, y, fn::SlopeTimes<fn::Silu>{}, in[0], in[1], in[0]); }));
    });
  emulation::expect_clean();
}

TEST_CASE("every function of a number has the CPU's bits") {
  const std::int64_t n = 1000;
  const auto x = normals<float>(n, 3);
  const auto check = [&](const auto& f) {
    CHECK(agree<float>(n, {x}, [&](auto d, auto& in, float* y) { map(d, n, y, f, in[0]); }));
    CHECK(agree<float>(n, {x}, [&](auto d, auto& in, float* y) {
      map(d, n, y, fn::SlopeTimes<std::remove_cvref_t<decltype(f)>>{f}, in[0], in[0], in[0]);
    }));
  };
  check(fn::Exp{}), check(fn::Log{}), check(fn::Sqrt{}), check(fn::Rsqrt{}), check(fn::Square{}), check(fn::Abs{});
  check(fn::Sin{}), check(fn::Cos{}), check(fn::Tanh{}), check(fn::Sigmoid{}), check(fn::Erf{}), check(fn::Relu{});
  check(fn::LeakyRelu{}), check(fn::Clamp{-0.5, 1}), check(fn::Silu{}), check(fn::Softplus{}), check(fn::Gelu{});
  check(fn::GeluTanh{}), check(fn::Pow{3}), check(fn::Sign{}), check(fn::Step{}), check(fn::Within{{}, -1, 1});
}

TEST_CASE_TEMPLATE("map_broadcast: any pair of shapes", T, float, double) {
  const std::array<std::array<Shape, 2>, 8> pairs{{{Shape{3, 1, 5}, Shape{4, 1}},
                                                   {Shape{}, Shape{7}},
                                                   {Shape{33, 31}, Shape{31}},
                                                   {Shape{33, 31}, Shape{33, 1}},
                                                   {Shape{2, 3, 4, 5, 6}, Shape{3, 1, 5, 1}},
                                                   {Shape{0, 3}, Shape{3}},
                                                   {Shape{1, 257}, Shape{3, 1}},
                                                   {Shape{5, 6}, Shape{5, 6}}}};
  for (const auto& [a, b] : pairs) {
    const Shape out = broadcast_shapes(a, b);
    CAPTURE(out);
    CHECK(agree<T>(
        out.numel(), {normals<T>(a.numel(), 1), normals<T>(b.numel(), 2)},
        [&, &a = a, &b = b](auto d, auto& in, T* y) { map_broadcast(d, out, y, a, in[0], b, in[1], fn::Over{}); }));
  }
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("copy_strided: permutations, slices, transposes of any size", T, float, std::uint8_t) {
  const auto permuted = [&](const Shape& in, const std::vector<int>& order) {
    Shape out;
    Strides walk{};
    const auto strides = strides_of(in);
    for (std::size_t i = 0; i < order.size(); ++i) {
      out.push_back(in[order[i]]);
      walk[i] = strides[std::size_t(order[i])];
    }
    std::vector<T> x(static_cast<std::size_t>(in.numel()));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(i % 251);
    CHECK(agree<T>(out.numel(), {x},
                   [&](auto d, auto& from, T* y) { copy_strided(d, out, from[0], walk, y, strides_of(out)); }));
  };
  permuted({7, 9}, {1, 0});
  permuted({33, 65}, {1, 0});
  permuted({32, 64}, {1, 0});
  permuted({3, 40, 31}, {0, 2, 1});
  permuted({3, 4, 5}, {2, 1, 0});
  permuted({2, 3, 4, 5}, {0, 2, 1, 3});
  permuted({1, 100, 1}, {2, 1, 0});
  permuted({0, 5}, {1, 0});
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("sum_middle: rows, columns, pieces", T, float, double) {
  const double tolerance = 30 * double(std::numeric_limits<T>::epsilon());
  struct Case {
    std::int64_t outer, n, inner;
  };
  for (const Case c : {Case{1, 1, 1},
                       {3, 255, 1},
                       {2, 257, 1},
                       {1, 20000, 1},
                       {0, 4, 1},
                       {4, 0, 3},
                       {1, 33, 31},
                       {2, 100, 33},
                       {1, 700, 65},
                       {5, 1, 7}})
    emulation::for_all_schedules([&](const auto& schedule) {
      CAPTURE(c.outer);
      CAPTURE(c.n);
      CAPTURE(c.inner);
      CAPTURE(schedule);
      CHECK(agree<T>(
          c.outer * c.inner, {normals<T>(c.outer * c.n * c.inner, 5)},
          [&](auto d, auto& in, T* y) { sum_middle(d, c.outer, c.n, c.inner, in[0], y); },
          std::max(tolerance, 1e-300)));
    });
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("index: select, add, gather, scatter, extremes, running sums, choice", T, float, double) {
  for (const Shape& s : {Shape{1, 5, 8}, Shape{3, 7, 1}, Shape{2, 33, 5}, Shape{1, 6, 130}, Shape{4, 1, 3}})
    for (const std::int64_t k : {0, 1, 4, 33, 5000}) {
      if (k == 5000 && s.numel() > 100) continue;
      CAPTURE(s);
      CAPTURE(k);
      const AroundAxis around(s, 1);
      std::vector<std::int64_t> rows(static_cast<std::size_t>(k)), each(std::size_t(s[0] * k * s[2]));
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = std::int64_t(i * i * 7 + i) % s[1];
      for (std::size_t i = 0; i < each.size(); ++i) each[i] = std::int64_t(i * 5 + i / 3) % s[1];
      const cuda::DeviceArray<std::int64_t> rows_there(rows), each_there(each);
      const auto at = [&](auto d, bool all) {
        if constexpr (HostDevice<decltype(d)>) return all ? each.data() : rows.data();
        else return static_cast<const std::int64_t*>(all ? each_there.data() : rows_there.data());
      };
      const std::int64_t taken = s[0] * k * s[2];
      const auto x = normals<T>(s.numel(), 1), g = normals<T>(taken, 2);
      CHECK(agree<T>(taken, {x}, [&](auto d, auto& in, T* y) { select_rows(d, around, k, at(d, false), in[0], y); }));
      CHECK(agree<T>(s.numel(), {g}, [&](auto d, auto& in, T* y) { add_rows(d, around, k, at(d, false), in[0], y); }));
      CHECK(
          agree<T>(taken, {x}, [&](auto d, auto& in, T* y) { gather_elements(d, around, k, at(d, true), in[0], y); }));
      CHECK(agree<T>(s.numel(), {g},
                     [&](auto d, auto& in, T* y) { scatter_elements(d, around, k, at(d, true), in[0], y); }));
    }
  for (const Shape& s : {Shape{1, 1, 1}, Shape{3, 31, 1}, Shape{9, 100, 1}, Shape{2, 33, 5}, Shape{0, 4, 2}})
    for (const bool nan : {false, true}) {
      CAPTURE(s);
      auto x = normals<T>(s.numel(), 4);
      for (T& v : x) v = std::round(4 * v);  // equals among them
      if (nan && x.size() > 20) x[7] = x[20] = std::numeric_limits<T>::quiet_NaN();
      const AroundAxis around(s, 1);
      std::vector<std::int64_t> want(std::size_t(s[0] * s[2]));
      cpu::arg_extreme(Cpu{}, around, fn::Greater{}, x.data(), want.data());
      emulation::for_all_schedules([&](const auto& schedule) {
        CAPTURE(schedule);
        const cuda::DeviceArray<T> there(x);
        const cuda::DeviceArray<std::int64_t> found(std::int64_t(want.size()));
        cuda::arg_extreme(Cuda{}, around, fn::Greater{}, static_cast<const T*>(there.data()), found.data());
        CHECK(found.to_host() == want);
      });
      if (nan) continue;
      for (const bool back : {false, true})
        CHECK(agree<T>(s.numel(), {x}, [&](auto d, auto& in, T* y) { cumulative_sum(d, around, back, in[0], y); }));
    }
  emulation::expect_clean();
}
