// Kronecker-factored curvature against the matrices that it stands for.
#include "tenzo/solve/kronecker.hpp"

#include <doctest/doctest.h>

#include "tenzo/autodiff/hessian.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/softmax.hpp"
#include "tenzo/solve/cg.hpp"

using namespace tenzo;

namespace {

using Vector = Tensor<double>;
using Layer = Linear<Vector>;

Vector noise(const Shape& s, std::uint32_t number) { return random_normal<double>(s, initial_key(3, number)); }

Layer layer(std::int64_t in, std::int64_t out, std::uint32_t number) {
  Layer y;
  y.weight = noise({out, in}, number);
  y.bias = noise({out}, number + 1);
  return y;
}

/// (A ⊗ S + δ I) v, A of the inputs continued by a one.
Layer curvature(const Vector& inputs, const Eigen::MatrixXd& s, double damping, const Layer& v) {
  Eigen::MatrixXd x(inputs.dim(0), inputs.dim(1) + 1), m(v.weight.dim(0), inputs.dim(1) + 1);
  x << inputs.matrix(), Eigen::VectorXd::Ones(inputs.dim(0));
  m << v.weight.matrix(), v.bias.vector();
  const Eigen::MatrixXd p = s * m * (x.transpose() * x) / double(x.rows()) + damping * m;
  Layer out = clone(v);
  out.weight.matrix() = p.leftCols(inputs.dim(1));
  out.bias.vector() = p.rightCols(1);
  return out;
}

double distance(const Layer& a, const Layer& b) {
  Layer d = clone(a);
  axpy_(-1, b, d);
  return norm(d) / norm(b);
}

}  // namespace

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

TEST_CASE("Kronecker preconditioner: exact where the inputs have its rank") {
  const std::int64_t in = 9, out = 3, n = 40;
  const Vector inputs = matmul(noise({n, 4}, 0), noise({4, in}, 1));  // and the one: rank 5
  const Vector root = noise({out, out}, 2);
  const Eigen::MatrixXd s = root.matrix() * root.matrix().transpose();
  const Layer v = layer(in, out, 3);
  const double damping = 0.05;
  const auto undone = [&](const KroneckerPreconditioner<double>& m) {
    return distance(curvature(inputs, s, damping, m(v)), v);
  };
  CHECK(undone({inputs, s, damping, {.rank = 5}}) < 1e-10);
  CHECK(undone({inputs, s, damping, {.rank = 64}}) < 1e-10);  // of more than all
  CHECK(undone({inputs, s, damping, {.rank = 2}}) > 1e-3);

  // a layer without a bias
  const KroneckerPreconditioner<double> bare(inputs, s, damping, {.rank = 4, .bias = false});
  const Vector w = noise({out, in}, 7);
  const Eigen::MatrixXd x = bare(w).matrix();
  const Eigen::MatrixXd back =
      s * x * (inputs.matrix().transpose() * inputs.matrix()) / double(n) + damping * x - w.matrix();
  CHECK(back.norm() < 1e-10 * norm(w));

  CHECK_THROWS_AS(bare(noise({in, out}, 8)), ShapeError);
  CHECK_THROWS_AS(bare(v), ShapeError);
  CHECK_THROWS_AS((KroneckerPreconditioner<double>(inputs, s, 0)), ValueError);
}

TEST_CASE("Kronecker preconditioner: symmetric, and it spares a softmax regression most products") {
  const std::int64_t in = 30, out = 4, n = 200;
  Vector inputs = noise({n, in}, 0);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < in; ++j) inputs(i, j) *= 3 / double(1 + j);  // a spectrum that falls
  Indices labels(Shape{n});
  for (std::int64_t i = 0; i < n; ++i) labels(i) = i % out;
  const Layer b = layer(in, out, 3), c = layer(in, out, 5);
  Layer y = layer(in, out, 1);
  scale_(y, 0.1);
  const auto loss = [&](const auto& m) { return add(cross_entropy(m(inputs), labels), scale(dot(m, m), 1e-3)); };
  const Hessian<Layer> hessian(loss, y);
  const auto s = softmax_curvature(softmax(y(inputs), -1));
  const KroneckerPreconditioner<double> m(inputs, s, 2e-3, {.rank = 12});
  CHECK(inner(m(b), c) == doctest::Approx(inner(b, m(c))).epsilon(1e-10));
  CHECK(inner(m(b), b) > 0);

  const LinearOptions o{.iterations = 500, .rtol = 1e-8};
  const auto plain = Cg{o}(hessian, b);
  const auto fast = PreconditionedCg{m, o}(hessian, b);
  CHECK(fast.report.converged);
  CHECK(std::isnan(fast.report.smallest_ritz));  // it would be that of the preconditioned matrix
  const auto damped = Cg{{.iterations = 500, .rtol = 1e-8, .damping = 0.5}}(hessian, b);
  CHECK(damped.report.smallest_ritz == doctest::Approx(plain.report.smallest_ritz).epsilon(0.05));
  CHECK(distance(fast.x, plain.x) < 1e-5);
  CHECK(5 * fast.report.products < 2 * plain.report.products);
}

TEST_CASE("softmax curvature: the mean Hessian of the weighted loss by the scores") {
  const Vector z = noise({6, 3}, 0), w = abs(noise({6}, 1));
  Indices labels(Shape{6});
  for (std::int64_t i = 0; i < 6; ++i) labels(i) = i % 3;
  Eigen::MatrixXd want = Eigen::MatrixXd::Zero(3, 3);
  const Hessian<Vector> hessian(
      [&](const auto& q) { return mean(mul(w, cross_entropy(q, labels, {.reduction = Reduction::none}))); }, z);
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t k = 0; k < 3; ++k) {
      Vector u = Vector::zeros({6, 3});
      u(i, k) = 1;
      for (std::int64_t j = 0; j < 3; ++j) want(j, k) += hessian(u)(i, j);
    }
  CHECK((softmax_curvature(softmax(z, -1), w) - want).norm() < 1e-12);
}
