// Influence unlearning: exact where the loss is quadratic, second order where it is convex; sums against whole sets.
#include "tenzo/unlearn/influence.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>

#include "clusters.hpp"
#include "tenzo/ops/loss.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

using Vector = Tensor<double>;

/// Overlapping clusters: nothing is fitted exactly.
const std::vector<Centre> two{{0, 0, 0}, {1, 0.5, 1}};

constexpr double l2 = 0.05;

/// argmin of mean CE + l2/2 ‖θ‖² of a linear model, by Newton's method.
Linear<Vector> logistic(const Samples<double>& s) {
  auto m = zeros<double>(2, 2);
  const double n = double(s.size());
  for (int i = 0; i < 30; ++i) {
    auto g = sum_gradient(m, s);
    scale_(g, 1 / n);
    axpy_(l2, m, g);
    const auto product = [&](const Linear<Vector>& v) {
      auto h = sum_curvature_product(Curvature::hessian, m, s, v);
      scale_(h, 1 / n);
      axpy_(l2, v, h);
      return h;
    };
    axpy_(-1, Cg{{.iterations = 100, .rtol = 1e-13}}(product, g).x, m);
  }
  return m;
}

}  // namespace

TEST_CASE("influence: on ridge regression it is retraining") {
  // ½ ‖X w − y‖² + λ/2 ‖w‖² over all 30 samples, of which the first five go; the penalty stays.
  const Vector x = random_normal<double>({30, 4}, initial_key(2, 0)),
               y = random_normal<double>({30, 1}, initial_key(2, 1));
  const double lambda = 0.3;
  const auto minimum = [&](std::int64_t begin) {
    const Eigen::MatrixXd a = x.rows(begin, 30).matrix();
    const Eigen::VectorXd b = y.rows(begin, 30).vector();
    const Eigen::MatrixXd h = a.transpose() * a + lambda * Eigen::MatrixXd::Identity(4, 4);
    const Eigen::VectorXd w = h.ldlt().solve(a.transpose() * b);
    Vector out(Shape{1, 4});
    for (std::int64_t i = 0; i < 4; ++i) out(i) = w[i];
    return out;
  };
  const auto loss = [&](std::int64_t begin, std::int64_t end) {
    return [&, begin, end](const auto& w) {
      return scale(mse_loss(matmul(x.rows(begin, end), transpose(w)), y.rows(begin, end), Reduction::sum), 0.5);
    };
  };
  const Vector all = minimum(0);
  const auto product = [&](const Vector& v) {
    Vector h = hvp(loss(5, 30), all, v);
    axpy_(lambda, v, h);
    return h;
  };
  const auto s = take_out(all, grad(loss(0, 5), all), product, {.iterations = 20, .rtol = 1e-14});
  CHECK(s.report.converged);
  CHECK(distance(s.x, minimum(5)) < 1e-10);
  CHECK(distance(all, minimum(5)) > 1e-2);
}

TEST_CASE("influence: on logistic regression the error is of second order in what is taken out") {
  const auto samples = clusters<double>(two, 100, 0.8);
  const auto model = logistic(samples);
  const Influence exact{.l2 = l2, .curvature = Curvature::hessian, .solver = {.iterations = 100, .rtol = 1e-12}};
  double error[2];
  for (const int half : {0, 1}) {
    const std::int64_t m = half ? 8 : 16;  // of one class: a change that shows
    const Request r{model, samples, range(0, m), range(m, 200)};
    const auto s = exact.solve(r);
    CHECK(s.report.converged);
    const auto retrained = logistic(r.retain_samples());
    error[half] = distance(s.x, retrained);
    CHECK(error[half] < 0.2 * distance(model, retrained));
    // For a linear model Gauss-Newton's matrix is the Hessian.
    Influence gauss_newton = exact;
    gauss_newton.curvature = Curvature::gauss_newton;
    CHECK(distance(gauss_newton(r), s.x) < 1e-9);
  }
  CHECK(error[0] / error[1] > 2.5);  // four, and terms of third order
  CHECK(error[0] / error[1] < 6);
}

TEST_CASE("influence: damping shortens the step, a scale stretches it, a network with norms is taken as deployed") {
  const auto samples = clusters<double>(two, 20, 0.8);
  auto m = normed_mlp<double>(2, 4, 2);
  train_(m, samples, {.epochs = 5});
  const Request r{m, samples, range(0, 4), range(4, 40)};
  const auto step = [&](double damping, double scale) {
    return distance(Influence{.scale = scale, .solver = {.iterations = 200, .rtol = 1e-10, .damping = damping}}(r), m);
  };
  CHECK(step(1, 1) < step(0.1, 1));
  CHECK(step(1, 2) == doctest::Approx(2 * step(1, 1)).epsilon(1e-6));
  const auto got = Influence{}(r);
  CHECK(bits(got.norm.running_mean) == bits(m.norm.running_mean));
  CHECK(bits(got.norm.running_var) == bits(m.norm.running_var));
  CHECK(bits(got.norm.weight) != bits(m.norm.weight));
}

TEST_CASE("sums: gradients and curvature of a set, in batches and against finite differences") {
  const auto samples = clusters<double>(two, 13, 0.8);
  const auto m = normed_mlp<double>(2, 3, 2);
  const auto g = sum_gradient(m, samples, 256);
  CHECK(distance(sum_gradient(m, samples, 7), g) < 1e-12);
  auto d = initialised<double>(m, 42);
  d.norm.running_mean = Vector::zeros({3}), d.norm.running_var = Vector::zeros({3});
  const double h = 1e-5;
  const auto at = [&](double t) {
    auto moved = clone(m);
    axpy_(t, d, moved);
    return moved;
  };
  const auto loss = [&](double t) {
    return cross_entropy(scores(at(t), samples.x), samples.labels, {.reduction = Reduction::sum}).item();
  };
  CHECK(inner(g, d) == doctest::Approx((loss(h) - loss(-h)) / (2 * h)).epsilon(1e-7));
  auto change = sum_gradient(at(h), samples);
  axpy_(-1, sum_gradient(at(-h), samples), change);
  scale_(change, 1 / (2 * h));
  const auto hd = sum_curvature_product(Curvature::hessian, m, samples, d, 10);
  CHECK(distance(hd, change) < 1e-6 * norm(hd));
  const auto gn = sum_curvature_product(Curvature::gauss_newton, m, samples, d, 10);
  CHECK(inner(gn, d) > 0);
  CHECK(distance(gn, hd) > 1e-3);  // the network bends
  CHECK(norm(sum_gradient(m, clusters<double>(two, 0, 1))) == 0);
}
