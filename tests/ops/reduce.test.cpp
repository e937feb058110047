// Reductions against sums in long double by index.
#include "tenzo/ops/reduce.hpp"

#include "tenzo/core/parallel.hpp"
#include "tenzo/ops/softmax.hpp"
#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// Σ f(x) over the axes, in long double, with the axes kept.
Doubles summed(const Doubles& x, const Axes& axes, const std::function<long double(double)>& f) {
  const Axes over = axes.normalized(x.shape());
  Shape out = x.shape();
  for (const int a : over) out = out.with(a, 1);
  std::vector<long double> total(std::size_t(out.numel()), 0);
  const auto strides = strides_of(out);
  for_each_index(x.shape(), [&](const Index& index, std::int64_t i) {
    std::int64_t offset = 0;
    for (int a = 0; a < x.rank(); ++a)
      if (!over.contains(a)) offset += index[std::size_t(a)] * strides[std::size_t(a)];
    total[std::size_t(offset)] += f(x(i));
  });
  Doubles y(out);
  for (std::int64_t i = 0; i < y.size(); ++i) y(i) = double(total[std::size_t(i)]);
  return y;
}

}  // namespace

TEST_CASE("sum, mean, variance: every set of axes of odd shapes") {
  for (const Shape& shape : {Shape{3, 5, 7}, Shape{1, 300, 3}, Shape{257, 1, 2}, Shape{2, 70, 1}}) {
    const Doubles x = arbitrary(shape, 3);
    for (const Axes& axes : {Axes{0}, Axes{1}, Axes{2}, Axes{0, 1}, Axes{-1, 0}, Axes{1, 2}, Axes{0, 1, 2}}) {
      const Doubles want = summed(x, axes, [](double v) { return v; });
      const double n = double(x.size()) / double(want.size());
      CHECK(distance(sum(x, axes, true), want) <= 1e-15 * n);
      CHECK(distance(mean(x, axes, true), scale(want, 1 / n)) <= 1e-15);
      const Shape gone = sum(x, axes).shape();
      CHECK(gone.rank() == 3 - axes.count());
      if (axes.count() == 3) {
        const double m = mean(x).item();
        const Doubles squares = summed(x, axes, [m](double v) { return (v - m) * (v - m); });
        CHECK(variance(x, axes).item() == doctest::Approx(squares.item() / (n - 1)).epsilon(1e-13));
        CHECK(variance(x, axes, 0).item() == doctest::Approx(squares.item() / n).epsilon(1e-13));
      }
    }
  }
}

TEST_CASE("variance: a large mean loses no digits") {
  Doubles x = arbitrary({1000}, 5);
  const double small = variance(x, 0).item();
  CHECK(variance(x + 1e6, 0).item() == doctest::Approx(small).epsilon(1e-9));
}

TEST_CASE("sum of nothing is zero, mean of nothing no number, everything of rank 0") {
  const Doubles none = Doubles::zeros({3, 0});
  CHECK(same(sum(none, 1), Doubles::zeros({3})));
  CHECK(std::isnan(mean(none).item()));
  CHECK(sum(arbitrary({2, 3})).rank() == 0);
  CHECK(sum(Doubles::scalar(4)).item() == 4);
  CHECK_THROWS_AS(sum(none, {0, 0}), ShapeError);
  CHECK_THROWS_AS(sum(none, 2), ShapeError);
  CHECK_THROWS_WITH_AS(max(none, 1), "argmax: axis 1 of (3, 0) is empty", ShapeError);
}

TEST_CASE("max, min, argmax: the first among equals, NaN before all") {
  const Doubles x = Doubles::from({3, 4}, {1, 5, 5, 2, -1, -3, -1, -3, 7, NAN, 8, NAN});
  CHECK(argmax(x, 1)(0) == 1);
  CHECK(argmax(x, 1)(1) == 0);
  CHECK(argmin(x, 1)(1) == 1);
  CHECK(argmax(x, 1)(2) == 1);
  CHECK(argmin(x, 1)(2) == 1);
  CHECK(std::isnan(max(x, 1)(2)));
  CHECK(max(x, 0, true).shape() == Shape{1, 4});
  CHECK(max(x, 0)(0) == 7);
  CHECK(min(x, 0)(0) == -1);
  const Doubles g = grad([](const auto& v) { return sum(max(v, 1)); }, x);
  CHECK(same(g, Doubles::from({3, 4}, {0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0})));
}

TEST_CASE("cumsum: along any axis, and on threads") {
  const Doubles x = arbitrary({3, 5, 2});
  for (const int axis : {0, 1, -1}) {
    const Doubles y = cumsum(x, axis);
    const auto a = std::size_t(axis < 0 ? axis + 3 : axis);
    bool all = true;
    for_each_index(x.shape(), [&](const Index& i, std::int64_t) {
      double s = 0;
      Index j = i;
      for (j[a] = 0; j[a] <= i[a]; ++j[a]) s += at(x, j);
      all = all && std::abs(s - at(y, i)) < 1e-14;
    });
    CHECK(all);
  }
}

TEST_CASE("softmax, log_softmax, logsumexp: any axis, large numbers, minus infinity") {
  const Doubles x = Doubles::from({2, 3}, {1000, 1001, 999, -INFINITY, 0, -INFINITY});
  const Doubles p = softmax(x, 1), l = log_softmax(x, -1), s = logsumexp(x, 1);
  const double z = std::exp(-1.0) + 1 + std::exp(-2.0);
  CHECK(p(0, 0) == doctest::Approx(std::exp(-1.0) / z).epsilon(1e-14));
  CHECK(l(0, 2) == doctest::Approx(-2 - std::log(z)).epsilon(1e-14));
  CHECK(s(0) == doctest::Approx(1001 + std::log(z)).epsilon(1e-14));
  CHECK(p(1, 0) == 0);
  CHECK(p(1, 1) == 1);
  CHECK(s(1) == 0);
  CHECK(logsumexp(x, 0, true).shape() == Shape{1, 3});
  CHECK(softmax(Doubles::zeros({0, 3}), 1).shape() == Shape{0, 3});
}

TEST_CASE("reductions give the same bits on one thread and on two") {
  const Tensor<float> x = arbitrary<float>({130, 5, 701});
  const int before = threads();
  std::vector<std::vector<Tensor<float>>> runs;
  for (const int n : {1, 2}) {
    set_threads(n);
    runs.push_back({sum(x), sum(x, 0), sum(x, 1), sum(x, {0, 2}), variance(x, 2), max(x, 0), cumsum(x, 1),
                    softmax(x, 1), logsumexp(x, 2), norm(x, {1, 2})});
  }
  set_threads(before);
  for (std::size_t i = 0; i < runs[0].size(); ++i) CHECK(same(runs[0][i], runs[1][i]));
}

TEST_CASE("sums and their kin differentiate in every mode") {
  check_modes([](const auto& x) { return mul(variance(x, {0, 2}), sum(mean(square(x), 1))); }, arbitrary({2, 3, 4}));
  check_modes([](const auto& x) { return mul(norm(x, {0, -1}, true), cumsum(x, 1)); }, arbitrary({2, 3, 2}));
  check_modes([](const auto& x) { return mul(max(x, 1, true), square(min(x, 0, true))); }, arbitrary({3, 4}));
}

TEST_CASE("softmax and its kin differentiate in every mode") {
  check_modes([](const auto& x) { return mul(softmax(x, 1), log_softmax(x, 0)); }, arbitrary({3, 4}));
  check_modes([](const auto& x) { return mul(logsumexp(x, 1), logsumexp(square(x), -2)); }, arbitrary({2, 2, 2}));
}
