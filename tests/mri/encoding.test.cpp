// Encodings: adjoint, definition, the Gram operator by rows, and what bad input says.
#include "tenzo/mri/encoding.hpp"

#include <numbers>

#include "mri.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

/// |⟨A x, y⟩ − ⟨x, Aᴴ y⟩| / (‖A x‖ ‖y‖).
template <class T>
double adjoint_error(const Encoding<Tensor<T>>& e, std::int64_t n) {
  const auto x = arbitrary<T>(e.image_shape(n), 3);
  const auto y = arbitrary<T>({n, e.coils(), e.maps.dim(-3), e.maps.dim(-2), 2}, 4);
  const auto ax = e.forward(x), ay = e.adjoint(y);
  return std::abs(inner(ax, y) - inner(x, ay)) / (norm(ax) * norm(y));
}

}  // namespace

TEST_CASE("mri: the adjoint is the adjoint, one coil and many, odd sizes, maps of each image, no image") {
  for (const auto& [c, h, w] : {std::tuple{1, 1, 1}, {1, 5, 6}, {3, 4, 7}, {4, 9, 8}, {2, 1, 13}}) {
    CAPTURE(c);
    CAPTURE(h);
    CAPTURE(w);
    // float: an inner product of a few hundred terms, of numbers that a transform has touched
    CHECK(adjoint_error(some_encoding(c, h, w), 2) < 1e-14);
    CHECK(adjoint_error(some_encoding<float>(c, h, w), 2) < 1e-6);
    CHECK(adjoint_error(some_encoding(c, h, w, 3), 3) < 1e-14);
  }
  const auto single = encoding(single_coil<Doubles>(6, 5), some_lines(5));
  CHECK(adjoint_error(single, 2) < 1e-14);
  const auto e = some_encoding(2, 4, 5);
  CHECK(e.forward(Doubles(Shape{0, 4, 5, 2})).shape() == Shape{0, 2, 4, 5, 2});
  CHECK(e.adjoint(Doubles(Shape{0, 2, 4, 5, 2})).shape() == Shape{0, 4, 5, 2});
}

TEST_CASE("mri: k-space by definition, the zero frequency and the image's centre in the middle") {
  const std::int64_t h = 5, w = 6;
  const auto x = arbitrary({1, h, w, 2}, 5);
  const auto y = fft2c(x);
  const auto zx = as_complex(x), zy = as_complex(y);
  for (std::int64_t k = 0; k < h; ++k)
    for (std::int64_t l = 0; l < w; ++l) {
      std::complex<double> s = 0;
      for (std::int64_t i = 0; i < h; ++i)
        for (std::int64_t j = 0; j < w; ++j)
          s += zx(i * w + j) *
               std::polar(1 / std::sqrt(double(h * w)), -2 * std::numbers::pi *
                                                            (double((k - h / 2) * (i - h / 2)) / double(h) +
                                                             double((l - w / 2) * (j - w / 2)) / double(w)));
      CHECK(std::abs(zy(k * w + l) - s) < 1e-14);
    }
  CHECK(distance(ifft2c(y), x) < 1e-14);
  CHECK(norm(y) == doctest::Approx(norm(x)).epsilon(1e-14));
}

TEST_CASE("mri: the Gram operator is A and its adjoint, and no longer than one") {
  for (const std::int64_t w : {6, 7}) {
    const auto e = some_encoding(3, 4, w);
    const auto x = arbitrary(e.image_shape(2), 6);
    const auto g = e.gram(x);
    CHECK(distance(g, e.adjoint(e.forward(x))) < 1e-14);
    CHECK(inner(x, g) <= inner(x, x));
    CHECK(inner(x, g) == doctest::Approx(norm(e.forward(x)) * norm(e.forward(x))).epsilon(1e-13));
    for (std::int64_t i = 0; i < e.forward(x).size(); ++i)
      if (e.mask(i / 2 % w) == 0) CHECK(e.forward(x)(i) == 0);
  }
  CHECK(some_encoding(3, 4, 9).rate() == doctest::Approx(7.0 / 9));
}

TEST_CASE("mri: encodings differentiate in every mode") {
  const auto e = some_encoding(2, 3, 4);
  check_modes([&](const auto& x) { return square(e.forward(x)); }, arbitrary(e.image_shape(2), 7));
  check_modes([&](const auto& x) { return square(e.gram(x)); }, arbitrary(e.image_shape(1), 8));
  check_modes([&](const auto& y) { return square(e.adjoint(y)); }, arbitrary({2, 2, 3, 4, 2}, 9));
}

TEST_CASE("mri: rolls go around, and are undone by their adjoint") {
  const auto x = arbitrary({2, 5, 3}, 10);
  const auto y = roll(x, 1, 2);
  for (std::int64_t o = 0; o < 2; ++o)
    for (std::int64_t j = 0; j < 5; ++j)
      for (std::int64_t i = 0; i < 3; ++i) CHECK(at(y, {o, (j + 2) % 5, i}) == at(x, {o, j, i}));
  CHECK(same(roll(y, 1, -2), x));
  CHECK(same(roll(x, -1, 7), roll(x, 2, 1)));
  CHECK(roll(Doubles(Shape{2, 0}), 1, 3).shape() == Shape{2, 0});
  check_modes([](const auto& v) { return square(roll(v, 0, 1)); }, x);
}

TEST_CASE("mri: the same bits on any number of threads") {
  const auto e = some_encoding<float>(4, 24, 20);
  const auto x = arbitrary<float>(e.image_shape(3), 11);
  const int before = threads();
  set_threads(1);
  const auto one = e.adjoint(e.forward(x)), gram = e.gram(x);
  set_threads(3);
  CHECK(same(e.adjoint(e.forward(x)), one));
  CHECK(same(e.gram(x), gram));
  set_threads(before);
}

TEST_CASE("mri: a wrong encoding is a sentence") {
  const auto maps = arbitrary_maps(2, 3, 4);
  CHECK_THROWS_WITH_AS(encoding(maps, Doubles::zeros({4})), "encoding: the mask samples none of 4 lines", ValueError);
  CHECK_THROWS_WITH_AS(encoding(maps, Doubles::full({4}, 0.5)),
                       "encoding: the mask has a number 0.5; want zeros and ones", ValueError);
  CHECK_THROWS_AS(encoding(maps, Doubles::full({4}, NAN)), ValueError);
  CHECK_THROWS_WITH_AS(encoding(maps, Doubles::ones({5})),
                       "encoding: the mask is (5), coil maps are (2, 3, 4, 2); want one number a line, (4)",
                       ValueError);
  CHECK_THROWS_AS(encoding(arbitrary({3, 4, 2}), Doubles::ones({4})), ValueError);
  const auto e = encoding(maps, Doubles::ones({4}));
  CHECK_THROWS_WITH_AS(e.forward(arbitrary({1, 4, 4, 2})),
                       "encoding: images are (1, 4, 4, 2), coil maps are (2, 3, 4, 2); want (n, 3, 4, 2)", ShapeError);
  CHECK_THROWS_AS(e.adjoint(arbitrary({1, 3, 3, 4, 2})), ShapeError);
  CHECK_THROWS_AS(some_encoding(2, 3, 4, 2).forward(arbitrary({3, 3, 4, 2})), ShapeError);
}
