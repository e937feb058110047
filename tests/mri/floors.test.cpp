// Reconstructions without learning: CG-SENSE and total variation by their optimality.
#include "mri.hpp"
#include "tenzo/mri/cg_sense.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/mri/total_variation.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

/// Steps of two values, (1, h, w, 2).
Doubles blocks(std::int64_t h, std::int64_t w) {
  return made({1, h, w, 2}, [&](const Index& i) {
    const bool inside = i[1] > h / 4 && i[1] < 3 * h / 4 && i[2] > w / 3;
    return (inside ? 0.9 : 0.2) * (i[3] == 0 ? 1 : -0.5);
  });
}

}  // namespace

TEST_CASE("mri: CG-SENSE is the regularised solution") {
  const auto e = some_encoding(3, 6, 7);
  const auto z = arbitrary(e.image_shape(2), 3);
  const auto x = cg_sense(e, z, 0.05, {.iterations = 200, .rtol = 1e-12});
  CHECK(norm(sub(x, RowSolver(e).solve(z, Doubles::scalar(0.05)))) < 1e-10 * norm(x));
}

TEST_CASE("mri: differences and their adjoint") {
  const auto x = arbitrary({2, 4, 5, 2}, 3);
  const auto d = forward_differences(x);
  CHECK(at(d, {1, 2, 3, 1, 0}) == at(x, {1, 3, 3, 1}) - at(x, {1, 2, 3, 1}));
  CHECK(at(d, {1, 2, 3, 1, 1}) == at(x, {1, 2, 4, 1}) - at(x, {1, 2, 3, 1}));
  CHECK(at(d, {0, 3, 1, 0, 0}) == 0);
  CHECK(at(d, {0, 1, 4, 0, 1}) == 0);
  check_modes([](const auto& v) { return square(forward_differences(v)); }, x);
}

TEST_CASE("mri: total variation reaches the least objective, and keeps steps that CG-SENSE blurs") {
  const auto e = encoding(simulated_maps<double>(3, 16, 18), line_mask<double>(18, {.acceleration = 2.5}));
  const auto t = blocks(16, 18), y = e.forward(t), z = e.adjoint(y);
  const double weight = 0.004;
  const auto x = total_variation(e, z, {.weight = weight, .iterations = 4000});
  const double least = total_variation_objective(e, y, x, weight);
  // convex: no direction goes down, by more than what is left after as many iterations
  for (std::uint64_t k = 0; k < 6; ++k) {
    const auto d = arbitrary(x.shape(), k + 10, 0.003);
    CHECK(total_variation_objective(e, y, add(x, d), weight) > least);
    CHECK(total_variation_objective(e, y, sub(x, d), weight) > least);
  }
  CHECK(total_variation_objective(e, y, t, weight) >= least);
  CHECK(total_variation_objective(e, y, total_variation(e, z, {.weight = weight, .iterations = 8000}), weight) ==
        doctest::Approx(least).epsilon(1e-6));
  const double zero_filled = norm(sub(z, t)), sense = norm(sub(cg_sense(e, z), t)), tv = norm(sub(x, t));
  CHECK(tv < 0.5 * sense);
  CHECK(sense < zero_filled);
  // without its weight it is least squares
  const auto free = total_variation(e, z, {.weight = 0, .iterations = 2000});
  CHECK(norm(sub(e.gram(free), z)) < 1e-3 * norm(z));
  CHECK_THROWS_AS(total_variation(e, z, {.weight = -1}), ValueError);
}
