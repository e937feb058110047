#include "pool.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/pool.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

struct Case {
  std::int64_t planes;
  Size2 in;
  PoolSettings settings;
};

std::vector<Case> all_cases(bool dilated) {
  std::vector<Case> all{
      {2, {4, 6}, {}},
      {3, {7, 9}, {{2, 2}, {2, 2}, {0, 0}, {1, 1}, true}},
      {3, {7, 9}, {{3, 3}, {2, 2}, {1, 1}, {1, 1}, true}},
      {3, {7, 9}, {{3, 3}, {2, 2}, {1, 1}, {1, 1}, false}},
      {2, {9, 7}, {{3, 2}, {1, 3}, {1, 1}, {1, 1}, false}},
      {1, {33, 31}, {{5, 5}, {1, 1}, {2, 2}, {1, 1}, false}},
      {2, {1, 40}, {{1, 4}, {1, 4}, {0, 2}, {1, 1}, true}},
      {0, {4, 4}, {}},
      {70, {3, 3}, {{3, 3}, {1, 1}, {0, 0}, {1, 1}, true}},
      {2, {12, 12}, {{2, 2}, {5, 5}, {0, 0}, {1, 1}, true}},  // elements that no window holds
  };
  if (dilated) {
    all.push_back({2, {11, 13}, {{3, 3}, {2, 1}, {2, 1}, {2, 3}, true}});
    all.push_back({2, {11, 13}, {{2, 3}, {1, 1}, {1, 2}, {3, 2}, true}});
  }
  return all;
}

template <class F>
void check_cases(bool dilated, F&& f) {
  for (const Case& c : all_cases(dilated)) {
    const PoolGeometry g = pool_geometry("pool", c.planes, c.in, c.settings);
    CAPTURE(g.planes);
    CAPTURE(g.in_size.h);
    CAPTURE(g.in_size.w);
    CAPTURE(g.kernel.h);
    CAPTURE(g.kernel.w);
    under_schedules([&] { f(g); });
  }
  emulation::expect_clean();
}

}  // namespace

TEST_CASE_TEMPLATE("max_pool2d, its tangent and its adjoint have the CPU's bits", T, float, double) {
  check_cases(true, [](const PoolGeometry& g) {
    const std::int64_t in = g.planes * g.in_plane(), out = g.planes * g.out_plane();
    auto numbers = normals<T>(in, 1);
    for (std::size_t i = 0; i < numbers.size(); i += 5) numbers[i] = T(2);  // equal ones
    for (std::size_t i = 3; i < numbers.size(); i += 50) numbers[i] = std::numeric_limits<T>::quiet_NaN();
    if (in > 40) std::fill_n(numbers.begin(), 40, -std::numeric_limits<T>::infinity());
    Both<T> x(numbers), y(out), dx(normals<T>(in, 2)), dy(out), back(in);
    Both<std::int32_t> index(out);
    on_both([&](auto d) { max_pool2d(d, g, x.at(d), y.at(d), index.at(d)); });
    CHECK(y.error() == 0);  // which NaN is left open
    CHECK(index.same());
    on_both([&](auto d) { take_in_planes(d, g.planes, g.in_plane(), g.out_plane(), index.at(d), dx.at(d), dy.at(d)); });
    CHECK(dy.same());
    on_both(
        [&](auto d) { put_in_planes(d, g.planes, g.in_plane(), g.out_plane(), index.at(d), dy.at(d), back.at(d)); });
    CHECK(back.same());
  });
}

TEST_CASE_TEMPLATE("put_in_planes adds in order wherever indices meet", T, float, double) {
  for (const std::int64_t out : {0, 1, 31, 32, 33, 200})
    for (const std::int64_t in : {1, 3, 40}) {
      CAPTURE(out);
      CAPTURE(in);
      const std::int64_t planes = 6;
      std::vector<std::int32_t> index(static_cast<std::size_t>(planes * out));
      for (std::size_t i = 0; i < index.size(); ++i) index[i] = std::int32_t(i * i * 2654435761u % std::uint64_t(in));
      under_schedules([&] {
        Both<std::int32_t> at(index);
        Both<T> dy(normals<T>(planes * out, 1)), dx(planes * in);
        on_both([&](auto d) { put_in_planes(d, planes, in, out, at.at(d), dy.at(d), dx.at(d)); });
        CHECK(dx.same());
      });
    }
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("mean_pool2d and its adjoint have the CPU's bits", T, float, double) {
  check_cases(false, [](const PoolGeometry& g) {
    const std::int64_t in = g.planes * g.in_plane(), out = g.planes * g.out_plane();
    Both<T> x(normals<T>(in, 1)), y(out), dy(normals<T>(out, 2)), dx(in);
    on_both([&](auto d) { mean_pool2d(d, g, x.at(d), y.at(d)); });
    CHECK(y.same());
    on_both([&](auto d) { mean_pool2d_adjoint(d, g, dy.at(d), dx.at(d)); });
    CHECK(dx.same());
  });
}

TEST_CASE_TEMPLATE("adaptive_mean_pool2d: any sizes; its adjoint has the CPU's bits", T, float, double) {
  struct Sizes {
    Size2 in, out;
  };
  for (const Sizes& s : {Sizes{{7, 7}, {1, 1}},
                         {{1, 1}, {1, 1}},
                         {{10, 13}, {3, 4}},
                         {{3, 4}, {5, 7}},
                         {{32, 33}, {1, 2}},
                         {{9, 100}, {9, 1}},
                         {{64, 64}, {8, 8}}})
    for (const std::int64_t planes : {0, 1, 37}) {
      CAPTURE(planes);
      CAPTURE(s.in.h);
      CAPTURE(s.in.w);
      CAPTURE(s.out.h);
      CAPTURE(s.out.w);
      under_schedules([&] {
        const std::int64_t in = planes * s.in.h * s.in.w, out = planes * s.out.h * s.out.w;
        Both<T> x(normals<T>(in, 1)), y(out), dy(normals<T>(out, 2)), dx(in);
        on_both([&](auto d) { adaptive_mean_pool2d(d, planes, s.in, s.out, x.at(d), y.at(d)); });
        CHECK(y.error() <= 4 + std::sqrt(double(s.in.h * s.in.w)));
        on_both([&](auto d) { adaptive_mean_pool2d_adjoint(d, planes, s.in, s.out, dy.at(d), dx.at(d)); });
        CHECK(dx.same());
      });
    }
  emulation::expect_clean();
}
