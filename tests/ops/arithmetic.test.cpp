// Element-wise arithmetic with broadcasting.
#include "tenzo/ops/arithmetic.hpp"

#include "tenzo/ops/elementwise.hpp"
#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// The element of x that broadcasting puts at an index of a larger shape.
double stretched(const Doubles& x, const Index& index) {
  Index own(std::size_t(x.rank()));
  for (std::size_t a = 0; a < own.size(); ++a)
    own[a] = x.shape()[int(a)] == 1 ? 0 : index[index.size() - own.size() + a];
  return at(x, own);
}

const std::vector<std::pair<Shape, Shape>> pairs = {{{3, 5}, {3, 5}},          {{3, 5}, {5}},
                                                    {{3, 1}, {1, 5}},          {{}, {2, 3}},
                                                    {{2, 1, 4}, {3, 1}},       {{1}, {7}},
                                                    {{4, 3, 1, 5}, {3, 2, 1}}, {{0, 3}, {3}},
                                                    {{2, 0}, {1, 1}},          {{33, 1000}, {33, 1}},
                                                    {{1, 257}, {129, 257}}};

}  // namespace

TEST_CASE("add, sub, mul, div: every way of broadcasting") {
  for (const auto& [sa, sb] : pairs) {
    const Doubles a = arbitrary(sa, 1), b = arbitrary(sb, 2);
    const Shape out = broadcast_shapes(sa, sb);
    const auto want = [&](auto&& f) {
      return made(out, [&](const Index& i) { return f(stretched(a, i), stretched(b, i)); });
    };
    CHECK(same(a + b, want([](double x, double y) { return x + y; })));
    CHECK(same(a - b, want([](double x, double y) { return x - y; })));
    CHECK(same(a * b, want([](double x, double y) { return x * y; })));
    CHECK(same(a / b, want([](double x, double y) { return x / y; })));
    CHECK(same(b - a, want([](double x, double y) { return y - x; })));
  }
  CHECK_THROWS_WITH_AS(add(arbitrary({2, 3}), arbitrary({2})), "shapes (2, 3) and (2) do not broadcast", ShapeError);
  CHECK_THROWS_AS(mul(Doubles{}, arbitrary({2})), ShapeError);
}

TEST_CASE("expand_to and sum_to are adjoint") {
  for (const auto& [sa, sb] : pairs) {
    const Shape out = broadcast_shapes(sa, sb);
    const Doubles x = arbitrary(sa, 3), g = arbitrary(out, 4);
    const double forward = dot(expand_to(x, out), g).item(), reverse = dot(x, sum_to(g, sa)).item();
    CHECK(std::abs(forward - reverse) <= 1e-12 * double(out.numel() + 1));
  }
  CHECK_THROWS_AS(expand_to(arbitrary({3}), Shape{2}), ShapeError);
  CHECK_THROWS_AS(sum_to(arbitrary({3}), Shape{2, 3}), ShapeError);
}

TEST_CASE("numbers beside tensors") {
  const Doubles x = arbitrary({2, 3});
  CHECK((2.0 * x)(1, 2) == 2 * x(1, 2));
  CHECK((x + 1)(0, 1) == x(0, 1) + 1);
  CHECK((1.0 - x)(0, 1) == -x(0, 1) + 1);
  CHECK((x / 4)(1, 1) == x(1, 1) / 4);
  CHECK((-x)(1, 0) == -x(1, 0));
}

TEST_CASE("arithmetic differentiates in every mode with broadcasting") {
  const auto f = [](const auto& x) { return div(add(mul(x[0], x[1]), 2.0 - x[2]), x[1] + 3.0); };
  check_modes(f, std::vector<Doubles>{arbitrary({2, 1, 4}), arbitrary({3, 1}), arbitrary({4})});
  check_modes(f, std::vector<Doubles>{arbitrary({}), arbitrary({2}), arbitrary({3, 1})});
  check_modes(f, std::vector<Doubles>{arbitrary({0, 2}), arbitrary({2}), arbitrary({1, 2})});
}

TEST_CASE("one operand twice") {
  check_modes([](const auto& x) { return sub(mul(x, mul(x, x)), div(x, x + 5.0)); }, arbitrary({3}));
}

TEST_CASE("accumulation in place leaves what others hold alone") {
  Doubles a = arbitrary({4}), kept = a;
  const Doubles b = arbitrary({4}, 2), before = a.clone();
  add_to(a, b);
  CHECK(same(kept, before));
  CHECK(same(a, before + b));
}
