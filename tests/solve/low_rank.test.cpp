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

TEST_CASE("streamed Fisher: after each gradient the inverse of what came, at the end that of all at once") {
  using Pair = std::vector<Vector>;
  const std::int64_t n = 7;  // more than the dimension of a leaf
  std::vector<Pair> gradients;
  for (std::uint32_t i = 0; i < n; ++i) gradients.push_back({noise({2, 3}, 2 * i), noise({1}, 2 * i + 1)});
  const Pair b{noise({2, 3}, 100), noise({1}, 101)};
  StreamedFisher<Pair> streamed(n, 0.05);
  for (std::int64_t k = 0; k <= n; ++k) {
    // F x = b with the gradients so far, of n
    const Pair x = streamed.inverse(b);
    Pair back = clone(x);
    scale_(back, 0.05);
    for (std::int64_t i = 0; i < k; ++i) {
      const Pair& g = gradients[std::size_t(i)];
      axpy_(inner(g, x) / double(n), g, back);
    }
    axpy_(-1, b, back);
    CAPTURE(k);
    CHECK(norm(back) < 1e-11 * norm(b));
    if (k < n) streamed.add(gradients[std::size_t(k)]);
  }
  CHECK(streamed.size() == n);
  Pair apart = streamed.inverse(b);
  axpy_(-1, EmpiricalFisher<Pair>{gradients, 0.05}.inverse(b), apart);
  CHECK(norm(apart) < 1e-11 * norm(b));
  CHECK_THROWS_AS(StreamedFisher<Pair>(0, 1), ValueError);
  CHECK_THROWS_AS(StreamedFisher<Pair>(1, 0), ValueError);
}
