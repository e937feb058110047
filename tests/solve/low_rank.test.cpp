// Low-rank inverses against the matrices that they stand for.
#include "tenzo/solve/low_rank.hpp"

#include <doctest/doctest.h>

#include "tenzo/nn/init.hpp"
#include "tenzo/solve/cg.hpp"

using namespace tenzo;

namespace {

using Vector = Tensor<double>;

Vector noise(const Shape& s, std::uint32_t number) { return random_normal<double>(s, initial_key(3, number)); }

double distance(const Vector& a, const Vector& b) { return norm(sub(a, b)) / norm(b); }

}  // namespace

TEST_CASE("Nystrom: exact for a matrix of its rank plus the damping") {
  const std::int64_t n = 12, rank = 4;
  const Vector root = noise({n, rank}, 0), b = noise({n}, 1);
  const auto low = [&](const Vector& v) {
    return reshape(matmul(root, matmul(transpose(root), reshape(v, Shape{n, 1}))), Shape{n});
  };
  const double damping = 0.3;
  const auto got = Nystrom{.rank = rank, .damping = damping}(low, b);
  CHECK(got.report.products == rank);
  const auto want = Cg{{.iterations = 100, .rtol = 1e-14, .damping = damping}}(low, b);
  CHECK(distance(got.x, want.x) < 1e-9);
  CHECK_THROWS_AS((Nystrom{.rank = 2, .damping = 0}(low, b)), ValueError);
}

TEST_CASE("empirical Fisher: the inverse of what its gradients make") {
  using Pair = std::vector<Vector>;
  std::vector<Pair> gradients;
  for (std::uint32_t i = 0; i < 5; ++i) gradients.push_back({noise({2, 3}, 2 * i), noise({4}, 2 * i + 1)});
  const EmpiricalFisher<Pair> fisher{gradients, 0.05};
  const Pair b{noise({2, 3}, 100), noise({4}, 101)};
  const Pair x = fisher.inverse(b);
  Pair back = clone(x);
  scale_(back, 0.05);
  for (const Pair& g : gradients) axpy_(inner(g, x) / 5, g, back);
  axpy_(-1, b, back);
  CHECK(norm(back) < 1e-12 * norm(b));
  // as a preconditioner of the same matrix: one iteration
  const auto product = [&](const Pair& v) {
    Pair y = clone(v);
    scale_(y, 0.05);
    for (const Pair& g : gradients) axpy_(inner(g, v) / 5, g, y);
    return y;
  };
  const auto s = Cg{{.iterations = 5, .rtol = 1e-10}}(product, b, {}, fisher);
  CHECK(s.report.converged);
  CHECK(s.report.products == 1);
}
