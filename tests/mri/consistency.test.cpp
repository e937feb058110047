// Data consistency: exact rows, conjugate gradients and unrolled ones agree, values and derivatives in every mode.
#include "mri.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/mri/cg_solver.hpp"
#include "tenzo/mri/row_solver.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

constexpr LinearOptions to_rounding{.iterations = 200, .rtol = 1e-14};

template <class A, class B>
double relative(const A& got, const B& want) {
  return norm(sub(got, want)) / norm(want);
}

Doubles number(double x) { return Doubles::scalar(x); }

}  // namespace

TEST_CASE("mri: exact rows solve the equation, for maps of all images and of each, and any lambda") {
  for (const std::int64_t own : {0, 2})
    for (const double lambda : {1e-3, 0.05, 1.0, 30.0}) {
      const auto e = some_encoding(3, 4, 7, own);
      const RowSolver rows(e);
      const auto b = arbitrary(e.image_shape(2), 3);
      const auto x = rows.solve(b, number(lambda));
      CHECK(relative(add(e.gram(x), scale(x, lambda)), b) < 1e-13);
      CHECK(relative(CgSolver(e, to_rounding).solve(b, number(lambda)), x) < 1e-11);
    }
  const auto e = some_encoding(2, 3, 4);
  CHECK(RowSolver(e).solve(Doubles(Shape{0, 3, 4, 2}), number(1)).shape() == Shape{0, 3, 4, 2});
  CHECK(CgSolver(e).solve(Doubles(Shape{0, 3, 4, 2}), number(1)).shape() == Shape{0, 3, 4, 2});
}

TEST_CASE("mri: float conjugate gradients agree with exact rows to 1e-5, each image at its own scale") {
  const auto e = some_encoding<float>(4, 24, 20);
  auto b = arbitrary<float>(e.image_shape(3), 5);
  for (std::int64_t i = 0; i < b.size() / 3; ++i) b(i) *= 1e-6f;
  const auto lambda = Tensor<float>::scalar(1);
  const auto exact = RowSolver(e).solve(b, lambda), iterated = CgSolver(e).solve(b, lambda);
  for (std::int64_t i = 0; i < 3; ++i) CHECK(relative(iterated.rows(i, i + 1), exact.rows(i, i + 1)) < 1e-5);
  CHECK(same(CgSolver(e).solve(b.rows(1, 2), lambda), iterated.rows(1, 2)));
  CHECK(same(RowSolver(e).solve(b.rows(1, 2), lambda), exact.rows(1, 2)));
  const int before = threads();
  set_threads(before == 1 ? 3 : 1);
  CHECK(same(RowSolver(e).solve(b, lambda), exact));
  CHECK(same(CgSolver(e).solve(b, lambda), iterated));
  set_threads(before);
}

TEST_CASE("mri: one coil has a closed form: every frequency by itself") {
  const auto e = encoding(single_coil<Doubles>(4, 6), some_lines(6));
  const auto b = arbitrary(e.image_shape(1), 6);
  const double lambda = 0.3;
  Doubles weight(Shape{6, 1});
  for (std::int64_t j = 0; j < 6; ++j) weight(j) = 1 / (e.mask(j) + lambda);
  const auto want = ifft2c(mul(fft2c(b), weight));
  CHECK(relative(RowSolver(e).solve(b, number(lambda)), want) < 1e-14);
  const auto [low, high] = RowSolver(e).spectrum();
  CHECK(low == doctest::Approx(0).epsilon(1e-13));
  CHECK(high == doctest::Approx(1).epsilon(1e-13));
}

TEST_CASE("mri: data consistency differentiates in every mode, by image, denoiser and lambda") {
  const auto e = some_encoding(2, 3, 5);
  const auto at = std::tuple{arbitrary(e.image_shape(2), 7), arbitrary(e.image_shape(2), 8), number(0.7)};
  const auto by = [](const auto& solver) {
    return [&](const auto& v) { return square(consistent(solver, std::get<0>(v), std::get<1>(v), std::get<2>(v))); };
  };
  check_modes(by(RowSolver(e)), at);
  check_modes(by(CgSolver(e, to_rounding)), at);
  // 15 unknowns a row and image, of which two images are one iteration each ahead of rounding
  check_modes(by(UnrolledCg(e, 12)), at);
}

TEST_CASE("mri: the gradients of exact, implicit and unrolled solutions agree") {
  const auto e = some_encoding(3, 6, 5);
  const auto z = arbitrary(e.image_shape(2), 9), c = arbitrary(e.image_shape(2), 10);
  const auto at = std::pair{arbitrary(e.image_shape(2), 11), number(0.5)};
  const auto gradient = [&](const auto& solver) {
    return vjp([&](const auto& v) { return consistent(solver, z, v.first, v.second); }, at, c).grad;
  };
  const auto exact = gradient(RowSolver(e)), implicit = gradient(CgSolver(e, to_rounding));
  const auto unrolled = gradient(UnrolledCg(e, 40));
  for (const auto& g : {implicit, unrolled}) {
    CHECK(relative(g.first, exact.first) < 1e-11);
    CHECK(g.second.item() == doctest::Approx(exact.second.item()).epsilon(1e-10));
  }
  // u = B⁻¹ c by hand: λ u by d, ⟨u, d − x⟩ by λ
  const auto u = RowSolver(e).solve(c, number(0.5));
  const auto x = consistent(RowSolver(e), z, at.first, at.second);
  CHECK(relative(exact.first, scale(u, 0.5)) < 1e-14);
  CHECK(exact.second.item() == doctest::Approx(inner(u, sub(at.first, x))).epsilon(1e-12));
}

TEST_CASE("mri: data consistency says what is wrong") {
  const auto e = some_encoding(2, 3, 4);
  const auto b = arbitrary(e.image_shape(1), 1);
  CHECK_THROWS_WITH_AS(RowSolver(e).solve(b, number(0)), "data consistency: lambda is 0; want more than 0", ValueError);
  CHECK_THROWS_AS(CgSolver(e).solve(b, number(-1)), ValueError);
  CHECK_THROWS_AS(RowSolver(e).solve(b, number(NAN)), ValueError);
  CHECK_THROWS_AS(RowSolver(e).solve(b, Doubles::ones({1})), ShapeError);
  CHECK_THROWS_AS(RowSolver(e).solve(arbitrary({1, 4, 4, 2}), number(1)), ShapeError);
}
