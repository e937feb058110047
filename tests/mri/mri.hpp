// What the tests of reconstruction share: an encoding of arbitrary maps, and images.
#pragma once

#include "../ops/values.hpp"
#include "tenzo/mri/coil_maps.hpp"
#include "tenzo/mri/encoding.hpp"
#include "tenzo/mri/masks.hpp"

namespace tenzo::test {

/// Maps of unit size from arbitrary numbers, for all images or, with n > 0, for each of them.
template <class T = double>
Tensor<T> arbitrary_maps(std::int64_t coils, std::int64_t h, std::int64_t w, std::int64_t n = 0) {
  const Shape all = n > 0 ? Shape{n, coils, h, w, 2} : Shape{coils, h, w, 2};
  return mri::normalised_maps(arbitrary<double>(all, 17)).template cast<T>();
}

/// Some two of three lines, the zero frequency among them.
template <class T = double>
Tensor<T> some_lines(std::int64_t w) {
  Tensor<T> m(Shape{w});
  for (std::int64_t i = 0; i < w; ++i) m(i) = i % 3 != 1 || i == w / 2;
  return m;
}

template <class T = double>
mri::Encoding<Tensor<T>> some_encoding(std::int64_t coils, std::int64_t h, std::int64_t w, std::int64_t n = 0) {
  return mri::encoding(arbitrary_maps<T>(coils, h, w, n), some_lines<T>(w));
}

/// Checks first derivatives alone, which compiles faster than all modes: reverse mode along a direction of all leaves,
/// and along each leaf of a single number, with central differences; forward mode with reverse mode. No kink of f may
/// lie within `h` of x.
template <class F, class X>
void check_first_order(F&& f, const X& x, double h = 1e-6) {
  const Doubles y = f(x), c = tenzo::detail::arbitrary_like(y, 1);
  const X u = tenzo::detail::arbitrary_like(x, 2);
  const X g = vjp(f, x, c).grad;
  const auto along = [&](const X& d) {
    return (inner(f(tenzo::detail::moved(x, d, h)), c) - inner(f(tenzo::detail::moved(x, d, -h)), c)) / (2 * h);
  };
  CHECK(inner(g, u) == doctest::Approx(along(u)).epsilon(1e-6));
  CHECK(inner(jvp(f, x, u).second, c) == doctest::Approx(inner(g, u)).epsilon(1e-11));
  X one = zeros_like(x);
  for_each_leaf(
      [&](const Path&, Doubles& v, const Doubles& gv) {
        if (v.size() != 1) return;
        v = Doubles::ones(v.shape());
        CHECK(gv.item() == doctest::Approx(along(one)).epsilon(1e-6));
        v = Doubles::zeros(v.shape());
      },
      one, g);
}

}  // namespace tenzo::test
