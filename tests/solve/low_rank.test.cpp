// Low-rank and Kronecker-factored inverses against the matrices that they stand for.
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

TEST_CASE("Kronecker factors: the inverse of the damped product") {
  const Vector inputs = noise({30, 4}, 0), outputs = noise({30, 3}, 1), v = noise({3, 4}, 2);
  const KroneckerFactors k = KroneckerFactors::of(inputs, outputs, 0.1);
  const Vector x = k.inverse(v);
  const double pi = k.balance(), root = std::sqrt(0.1);
  Eigen::MatrixXd m(3, 4);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) m(i, j) = x(i, j);
  const Eigen::MatrixXd back =
      (k.s + root / pi * Eigen::MatrixXd::Identity(3, 3)) * m * (k.a + pi * root * Eigen::MatrixXd::Identity(4, 4));
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) CHECK(back(i, j) == doctest::Approx(v(i, j)).epsilon(1e-10));
  CHECK(pi == doctest::Approx(std::sqrt((k.a.trace() / 4) / (k.s.trace() / 3))));
  CHECK_THROWS_AS(k.inverse(noise({4, 3}, 5)), ShapeError);
}
