#include "tenzo/ops/cpu/rope.hpp"

#include <complex>

#include "cpu_support.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

// The definition: pair i of a token at position p is multiplied by e^(i p f).
std::vector<double> turned(const RopeShape& s, std::int64_t rotary, double base, const std::vector<std::int64_t>& at,
                           std::vector<double> x) {
  for (std::int64_t r = 0; r < s.tokens * s.heads; ++r)
    for (std::int64_t i = 0; i < rotary / 2; ++i) {
      const bool half = s.layout == RopeLayout::half;
      double& a = x[std::size_t(r * s.dim + (half ? i : 2 * i))];
      double& b = x[std::size_t(r * s.dim + (half ? i + rotary / 2 : 2 * i + 1))];
      const double angle = at[std::size_t(r / s.heads)] * std::pow(base, -2. * double(i) / double(rotary));
      const auto z = std::complex<double>(a, b) * std::polar(1., s.inverse ? -angle : angle);
      a = z.real();
      b = z.imag();
    }
  return x;
}

template <class T>
void turn(const RopeShape& s, const RopeAngles<T>& table, const std::vector<std::int64_t>& at, const std::vector<T>& x,
          std::vector<T>& y) {
  cpu::rope(Cpu{}, s, std::as_const(table.cos).data(), std::as_const(table.sin).data(), at.data(), x.data(), y.data());
}

}  // namespace

TEST_CASE_TEMPLATE("cpu rope: both layouts, forward and back, whole and partial heads", T, float, double) {
  std::uint64_t h = 0;
  for (auto layout : {RopeLayout::half, RopeLayout::interleaved})
    for (std::int64_t dim : {2, 6, 16, 34, 64})
      for (std::int64_t rotary : {dim, dim / 2 / 2 * 2}) {
        const HeadStrides packed{3 * dim, dim};
        const RopeShape s{9, 3, dim, rotary / 2, layout, false, packed, packed};
        const std::vector<std::int64_t> at{0, 1, 2, 3, 4, 0, 1, 2, 700};
        const RopeAngles<T> table(701, rope_frequencies(rotary, 1e4));
        const auto x = numbers<T>(9 * 3 * dim, 1);
        std::vector<T> y(x.size());
        turn(s, table, at, x, y);
        // Two products of a table entry rounded to half an ulp.
        CHECK(distance(y, turned(s, rotary, 1e4, at, in_double(x))) <= 3 * std::numeric_limits<T>::epsilon());

        auto in_place = x;
        turn(s, table, at, in_place, in_place);
        CHECK(same_bits(in_place, y));
        RopeShape back = s;
        back.inverse = true;
        turn(back, table, at, in_place, in_place);
        CHECK(distance(in_place, x) <= 6 * std::numeric_limits<T>::epsilon());
        if constexpr (std::same_as<T, float>) h = hash_of(y, h);

        // Heads first, tokens inside; and each head's row padded by 5.
        const HeadStrides heads_first{dim, 9 * dim}, padded{3 * (dim + 5), dim + 5};
        std::vector<T> other(x.size()), wide(std::size_t(9 * 3 * (dim + 5)), T(7));
        for (std::int64_t t = 0; t < 9; ++t)
          for (std::int64_t k = 0; k < 3; ++k)
            for (std::int64_t d = 0; d < dim; ++d)
              other[std::size_t(t * dim + k * 9 * dim + d)] = x[std::size_t((t * 3 + k) * dim + d)];
        RopeShape moved = s;
        moved.from = heads_first;
        moved.to = padded;
        turn(moved, table, at, other, wide);
        std::int64_t wrong = 0;
        for (std::int64_t r = 0; r < 27; ++r)
          for (std::int64_t d = 0; d < dim + 5; ++d)
            wrong += wide[std::size_t(r * (dim + 5) + d)] != (d < dim ? y[std::size_t(r * dim + d)] : T(7));
        CHECK(wrong == 0);
      }
  if constexpr (std::same_as<T, float>) CHECK(h == 4344399927612316884u);
}

TEST_CASE("cpu rope: the inverse is the gradient") {
  const RopeShape s{2, 1, 6, 2, RopeLayout::half, false, {6, 6}, {6, 6}};
  const std::vector<std::int64_t> at{3, 5};
  const RopeAngles<double> table(6, rope_frequencies(4, 100));
  const auto x = numbers<double>(12, 1), g = numbers<double>(12, 2);
  auto gx = g;
  RopeShape back = s;
  back.inverse = true;
  turn(back, table, at, g, gx);
  CHECK(distance(gx, difference_quotients([&](const auto& t) { return dot(turned(s, 4, 100, at, t), g); }, x)) < 1e-9);
}
