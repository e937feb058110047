// Vector-space operations on trees.
#include "tenzo/tree/algebra.hpp"

#include <doctest/doctest.h>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;

namespace {

template <class V>
struct Model {
  V a, b;
  std::vector<V> list;
  int setting = 3;

  static void visit(auto&& f, auto&... self) {
    f("a", self.a...);
    f("b", self.b...);
    f("list", self.list...);
    f("setting", self.setting...);
  }
};

using T = Tensor<double>;

Model<T> model(double first) {
  Model<T> m;
  m.a = T::from({2}, {first, 2});
  m.list = {T::scalar(5), T::from({1, 2}, {-1, 3})};
  return m;
}

}  // namespace

TEST_CASE("tree algebra: dot, norm, axpy_, scale_, zeros_like, clone") {
  const Model<T> x = model(1), y = model(4);
  CHECK(dot(x, y).item() == 4 + 4 + 25 + 1 + 9);
  CHECK(norm(x) == doctest::Approx(std::sqrt(1 + 4 + 25 + 1 + 9)));
  Model<T> z = clone(y);
  axpy_(-2, x, z);
  CHECK(z.a(0) == 2);
  CHECK(z.list[1](1) == -3);
  CHECK(y.a(0) == 4);
  scale_(z, 3);
  CHECK(z.a(0) == 6);
  const Model<T> zero = zeros_like(x);
  CHECK(norm(zero) == 0);
  CHECK(zero.setting == 3);
  CHECK_FALSE(zero.b.defined());
}

TEST_CASE("tree algebra: shapes that differ are named by their place") {
  Model<T> x = model(1), y = model(1);
  y.list[1] = T::scalar(1);
  CHECK_THROWS_WITH_AS(dot(x, y), "inner product: list.1 is (1, 2) and ()", ShapeError);
  CHECK_THROWS_WITH_AS(axpy_(1, x, y), "axpy_: list.1 is () and (1, 2)", ShapeError);
}

TEST_CASE("dot: recorded where a tree is, and differentiable in every mode") {
  const Model<T> d = model(-3);
  const auto f = [&](const auto& m) { return mul(dot(m, d), dot(m, m)); };
  const GradientReport report = check_gradients(f, model(0.5));
  CAPTURE(report);
  CHECK(report.passed());
}

TEST_CASE("dot: the same bits on one thread and two; float sums keep seven digits") {
  Tensor<float> x(Shape{1 << 20});
  for (std::int64_t i = 0; i < x.size(); ++i) x(i) = 1 + 1e-3f * float(i % 7);
  double exact = 0;
  for (const float v : x.values()) exact += double(v) * double(v);
  const int before = threads();
  std::vector<float> runs;
  for (const int n : {1, 2}) {
    set_threads(n);
    runs.push_back(dot(x, x).item());
  }
  set_threads(before);
  CHECK(runs[0] == runs[1]);
  CHECK(runs[0] == doctest::Approx(exact).epsilon(3e-7));
}
