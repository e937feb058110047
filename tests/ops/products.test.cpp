// Matrix products, linear layers, gates and rotary positions as primitives: right in every mode.
#include "tenzo/ops/gated.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/ops/rope.hpp"
#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("matmul: every pair of flags and of batches by definition") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const auto& [batch_a, batch_b] : std::vector<std::pair<Shape, Shape>>{
               {{}, {}}, {{2}, {2}}, {{3, 1}, {2}}, {{}, {4}}, {{2, 2}, {}}, {{0}, {}}}) {
        const std::int64_t m = 3, k = 5, n = 2;
        Shape sa = batch_a, sb = batch_b;
        sa.push_back(ta ? k : m);
        sa.push_back(ta ? m : k);
        sb.push_back(tb ? n : k);
        sb.push_back(tb ? k : n);
        const Doubles a = arbitrary(sa, 1), b = arbitrary(sb, 2);
        Shape out = broadcast_shapes(batch_a, batch_b);
        out.push_back(m);
        out.push_back(n);
        const Doubles want = made(out, [&](const Index& i) {
          const auto entry = [&](const Doubles& t, std::int64_t row, std::int64_t col) {
            const auto lead = std::size_t(t.rank() - 2);
            Index own(lead);
            for (std::size_t x = 0; x < lead; ++x) own[x] = t.shape()[int(x)] == 1 ? 0 : i[i.size() - 2 - lead + x];
            own.push_back(row);
            own.push_back(col);
            return at(t, own);
          };
          const std::int64_t r = i[i.size() - 2], c = i[i.size() - 1];
          double s = 0;
          for (std::int64_t p = 0; p < k; ++p)
            s += (ta ? entry(a, p, r) : entry(a, r, p)) * (tb ? entry(b, c, p) : entry(b, p, c));
          return s;
        });
        CHECK(distance(matmul(a, b, ta, tb), want) < 1e-14);
      }
  CHECK_THROWS_AS(matmul(arbitrary({2, 3}), arbitrary({2, 3})), ShapeError);
  CHECK_THROWS_AS(matmul(arbitrary({3}), arbitrary({3, 2})), ShapeError);
}

TEST_CASE("matmul differentiates in every mode, with flags and broadcast batches") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const auto f = [&](const auto& x) { return square(matmul(x.first, x.second, ta, tb)); };
      const Doubles a = arbitrary(ta ? Shape{2, 1, 3, 2} : Shape{2, 1, 2, 3}),
                    b = arbitrary(tb ? Shape{2, 2, 3} : Shape{2, 3, 2}, 2);
      check_modes(f, std::pair{a, b});
    }
}

TEST_CASE("linear differentiates in every mode, both ways of storing weights, with and without a bias") {
  for (const bool in_out : {false, true})
    for (const bool bias : {false, true}) {
      const auto f = [&](const auto& x) { return square(linear(x[0], x[1], x[2], in_out)); };
      const std::vector<Doubles> x{arbitrary({2, 2, 3}), arbitrary(in_out ? Shape{3, 4} : Shape{4, 3}, 2),
                                   bias ? arbitrary({4}, 3) : Doubles{}};
      check_modes(f, x);
    }
  CHECK_THROWS_AS(linear(arbitrary({2, 3}), arbitrary({4, 2})), ShapeError);
  CHECK_THROWS_AS(linear(arbitrary({2, 3}), arbitrary({4, 3}), arbitrary({3})), ShapeError);
}

TEST_CASE("gates differentiate in every mode") {
  const std::pair<Doubles, Doubles> x{arbitrary({3, 5}, 1, 2), arbitrary({3, 5}, 2)};
  check_modes([](const auto& v) { return silu_mul(v.first, v.second); }, x);
  check_modes([](const auto& v) { return mul(gelu_tanh_mul(v.first, v.second), v.first); }, x);
  CHECK(distance(silu_mul(x.first, x.second), mul(silu(x.first), x.second)) < 1e-15);
}

TEST_CASE("a gate is written over only where it was given away and nobody else sees it") {
  const Doubles up = arbitrary({3, 5}, 2), was = arbitrary({3, 5}, 1, 2);
  const Doubles want = silu_mul(was, up);
  Doubles gate = was.clone();
  const double* const there = gate.data();
  CHECK(distance(silu_mul(gate, up), want) == 0);
  CHECK(distance(gate, was) == 0);
  Doubles shared = gate;
  CHECK(distance(silu_mul(std::move(shared), up), want) == 0);
  CHECK(distance(gate, was) == 0);
  CHECK(distance(silu_mul(Doubles::borrow(gate.data(), gate.shape()), up), want) == 0);
  CHECK(distance(gate, was) == 0);
  const Doubles y = silu_mul(std::move(gate), up);
  CHECK(y.data() == there);
  CHECK(distance(y, want) == 0);
}

TEST_CASE("rope: wrong positions and heads are said") {
  CHECK_THROWS_WITH_AS(RopeTable({0, -1}, 4, 1e4), "rope: a position of -1; want at least 0", ValueError);
  CHECK_THROWS_WITH_AS(RopeTable({0}, 5, 1e4), "rope: a head of 5 features; want an even number", ValueError);
}

TEST_CASE("rope differentiates in every mode, and turns back") {
  for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved}) {
    const RopeTable table({0, 1, 5, 2}, 4, 100.0, layout);
    const auto f = [&](const auto& x) { return mul(rope(x, table), rope(square(x), table)); };
    check_modes(f, arbitrary({4, 8}));
    const Doubles x = arbitrary({4, 8});
    CHECK(norm(rope(x, table)) == doctest::Approx(norm(x)).epsilon(1e-13));
    CHECK(distance(rope(x, table).rows(0, 1), x.rows(0, 1)) == 0);
  }
}
