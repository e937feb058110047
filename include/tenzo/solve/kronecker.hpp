// Kronecker-factored curvature of a linear layer, y = W a + b: A ⊗ S with A = E a aᵀ of its inputs and S of its
// outputs.
#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tenzo/nn/init.hpp"
#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/concat.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/solve/linear.hpp"

namespace tenzo {

/// The curvature A ⊗ S of one weight, with S = E s sᵀ of the cotangents of its outputs:
/// (S + √δ/π I)⁻¹ V (A + π √δ I)⁻¹ for V (out, in), π² = (tr A / in) / (tr S / out).
///   Source  Martens, Grosse 2015.
struct KroneckerFactors {
  Eigen::MatrixXd a;  // (in, in)
  Eigen::MatrixXd s;  // (out, out)
  double damping = 1e-3;

  /// From inputs (n, in) and cotangents of the outputs of the summed loss (n, out).
  template <Real T>
  static KroneckerFactors of(const Tensor<T>& inputs, const Tensor<T>& cotangents, double damping) {
    const Eigen::MatrixXd x = inputs.matrix().template cast<double>(), g = cotangents.matrix().template cast<double>();
    require(x.rows() == g.rows() && x.rows() > 0, "Kronecker factors: ", x.rows(), " inputs and ", g.rows(),
            " outputs");
    return {x.transpose() * x / double(x.rows()), g.transpose() * g / double(g.rows()), damping};
  }
  /// π.
  double balance() const {
    const double of_a = a.trace() / double(a.rows()), of_s = s.trace() / double(s.rows());
    return of_a > 0 && of_s > 0 ? std::sqrt(of_a / of_s) : 1;
  }
  /// The damped inverse times v (out, in).   Throws  ShapeError; ValueError where nothing is damped.
  template <Real T>
  Tensor<T> inverse(const Tensor<T>& v) const {
    require(damping > 0, "Kronecker factors: the damping is ", damping, "; want more than 0");
    expect(v.rank() == 2 && v.shape()[0] == s.rows() && v.shape()[1] == a.rows(), "Kronecker factors: of a layer ",
           a.rows(), " to ", s.rows(), "; the weight is ", v.shape());
    const double pi = balance(), root = std::sqrt(damping);
    const Eigen::MatrixXd in = a + pi * root * Eigen::MatrixXd::Identity(a.rows(), a.rows());
    const Eigen::MatrixXd out = s + root / pi * Eigen::MatrixXd::Identity(s.rows(), s.rows());
    const Eigen::MatrixXd left = out.ldlt().solve(Eigen::MatrixXd(v.matrix().template cast<double>()));
    const Eigen::MatrixXd x = in.ldlt().solve(left.transpose()).transpose();
    Tensor<T> y(v.shape());
    for (std::int64_t i = 0; i < y.shape()[0]; ++i)
      for (std::int64_t j = 0; j < y.shape()[1]; ++j) y(i, j) = T(x(i, j));
    return y;
  }
};

/// The mean over samples of w (diag(p) − p pᵀ): the Hessian of a weighted cross entropy by its scores.
///   probabilities (n, classes), weights (n) or undefined for ones → (classes, classes)
template <Real T>
Eigen::MatrixXd softmax_curvature(const Tensor<T>& probabilities, const Tensor<T>& weights = {}) {
  const Eigen::MatrixXd p = probabilities.matrix().template cast<double>();
  Eigen::VectorXd w = Eigen::VectorXd::Ones(p.rows());
  if (weights.defined()) w = weights.vector().template cast<double>();
  expect(w.size() == p.rows(), "softmax curvature: ", p.rows(), " samples and ", w.size(), " weights");
  const Eigen::MatrixXd weighted = w.asDiagonal() * p;
  Eigen::MatrixXd s = -p.transpose() * weighted;
  s.diagonal() += weighted.colwise().sum();
  return s / double(std::max<Eigen::Index>(1, p.rows()));
}

/// A preconditioner for H ≈ A ⊗ S + δ I of a linear layer: the inverse of (U Λ Uᵀ + t (I − U Uᵀ)) ⊗ S + δ I, with U Λ
/// Uᵀ Nyström's approximation of A from random directions and t the mean of the eigenvalues that it leaves. It is exact
/// where no more than `rank` eigenvalues of A differ from zero.
///   Cost    of making it: two products of the inputs with a matrix of `rank` columns, for which some hundred samples
///   do
///           as well as all; of applying it: two products of the weight and U.
///   Memory  U.
///   Source  Martens, Grosse 2015 (the factors); Frangella, Tropp, Udell 2021 (the approximation).
template <Real T>
class KroneckerPreconditioner {
 public:
  struct Options {
    std::int64_t rank = 96;
    bool bias = true;  // the layer has one: its inputs are continued by a one
    std::uint64_t seed = 1;
  };

  /// inputs (n, in); s (out, out) symmetric positive semi-definite; damping δ > 0.
  KroneckerPreconditioner(const Tensor<T>& inputs, const Eigen::MatrixXd& s, double damping, Options o = {})
      : bias_(o.bias) {
    require(inputs.rank() == 2 && inputs.size() > 0, "Kronecker preconditioner: the inputs are ", inputs.shape());
    require(damping > 0, "Kronecker preconditioner: the damping is ", damping, "; want more than 0");
    require(o.rank > 0, "Kronecker preconditioner: of rank ", o.rank, "; want at least 1");
    expect(s.rows() == s.cols(), "Kronecker preconditioner: S is (", s.rows(), ", ", s.cols(), ")");
    const Approximation a = approximate(inputs, o);

    const Eigen::SelfAdjointEigenSolver<Matrix> of_s(s);
    const Matrix& v = of_s.eigenvectors();
    const Eigen::VectorXd sizes = of_s.eigenvalues().cwiseMax(0);
    const Eigen::VectorXd beside = (sizes.array() * a.rest + damping).inverse();
    Matrix gains = ((sizes * a.eigenvalues.transpose()).array() + damping).inverse();
    gains.colwise() -= beside;
    base_ = tensor(v * beside.asDiagonal() * v.transpose());
    rotation_ = tensor(v);
    gains_ = tensor(gains);
  }

  /// The inverse times r: a tree of a weight (out, in) and, where there is one, its bias (out).
  template <Tree V>
  V operator()(const V& r) const {
    std::vector<Tensor<T>> leaves;
    for_each_leaf([&](const Path&, const Tensor<T>& v) { leaves.push_back(v); }, r);
    const std::int64_t out = base_.dim(0), in = u_.dim(0);
    expect(leaves.size() == 1 + std::size_t(bias_) && leaves[0].shape() == Shape{out, in} &&
               (!bias_ || leaves[1].shape() == Shape{out}),
           "Kronecker preconditioner: want a weight ", Shape{out, in}, bias_ ? " and its bias" : " alone");
    const Tensor<T>& w = leaves[0];
    Tensor<T> b, c = matmul(w, u_);  // c: coordinates in U, (out, rank)
    if (bias_) {
      b = reshape(leaves[1], Shape{out, 1});
      c = add(c, matmul(b, last_));
    }
    c = matmul(rotation_, mul(matmul(rotation_, c, true), gains_));
    std::vector<Tensor<T>> result{add(matmul(base_, w), matmul(c, u_, false, true))};
    if (bias_) result.push_back(reshape(add(matmul(base_, b), matmul(c, last_, false, true)), Shape{out}));
    std::size_t i = 0;
    return map_tree<Tensor<T>>(r, [&](const Tensor<T>&) { return result[i++]; });
  }

 private:
  using Matrix = Eigen::MatrixXd;

  struct Approximation {
    Eigen::VectorXd eigenvalues;
    double rest;  // the mean of the others
  };

  /// U and Λ, in double precision: U has to be orthonormal for the inverse to be positive.
  Approximation approximate(const Tensor<T>& inputs, const Options& o) {
    const std::int64_t n = inputs.dim(0), in = inputs.dim(1), all = in + o.bias, rank = std::min({o.rank, n, all});
    const Tensor<T> start = random_normal<T>(Shape{in, rank}, {.seed = o.seed, .tensor = 0});
    Tensor<T> last;
    if (o.bias) last = random_normal<T>(Shape{1, rank}, {.seed = o.seed, .tensor = 1});
    const Tensor<T> times = linear(inputs, start, o.bias ? reshape(last, Shape{rank}) : last, true);
    Tensor<double> omega = rows_of(start, last);
    Tensor<double> y = rows_of(matmul(inputs, times, true), o.bias ? sum(times, 0, true) : Tensor<T>());
    scale_(y, 1 / double(n));

    // Y (Ωᵀ Y)⁻¹ Yᵀ = B Bᵀ; the shift holds what rounding does to Ωᵀ Y
    const double shift = 4 * double(std::numeric_limits<T>::epsilon()) * norm(y);
    axpy_(shift, omega, y);
    Matrix core = matmul(omega, y, true).matrix();
    core = (core + core.transpose()).eval() / 2;
    const Eigen::LLT<Matrix> root(core);
    require(root.info() == Eigen::Success, "Kronecker preconditioner: the inputs are zero or not finite");
    const Matrix gram = matmul(y, y, true).matrix();
    const Matrix half = root.matrixL().solve(gram);
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(root.matrixL().solve(half.transpose()));
    const Eigen::VectorXd& found = solver.eigenvalues();  // ascending
    const double largest = found.size() ? found[found.size() - 1] : 0;
    const auto kept = (found.array() > std::max(1e-9 * largest, 2 * shift)).count();
    const Eigen::VectorXd values = found.tail(kept);
    const Matrix to_u =
        root.matrixU().solve(solver.eigenvectors().rightCols(kept)) * values.cwiseSqrt().cwiseInverse().asDiagonal();
    Tensor<double> columns(Shape{rank, std::int64_t(kept)});
    columns.matrix() = to_u;
    const Tensor<T> u = matmul(y, columns).template cast<T>();
    u_ = u.rows(0, in);
    if (o.bias) last_ = u.rows(in, in + 1);

    Approximation a{(values.array() - shift).matrix(), 0};
    const double trace = inner(inputs, inputs) / double(n) + o.bias;
    if (all > kept) a.rest = std::max(0.0, trace - a.eigenvalues.sum()) / double(all - kept);
    return a;
  }

  static Tensor<double> rows_of(const Tensor<T>& rows, const Tensor<T>& last) {
    return (last.defined() ? concat(rows, last, 0) : rows).template cast<double>();
  }
  static Tensor<T> tensor(const Matrix& m) {
    Tensor<T> t(Shape{m.rows(), m.cols()});
    t.matrix() = m.template cast<T>();
    return t;
  }

  bool bias_;
  Tensor<T> u_, last_;                 // U: its rows for the inputs (in, rank), and for the one that continues them
  Tensor<T> base_, rotation_, gains_;  // (t S + δ)⁻¹; eigenvectors of S; what is more along U, (out, rank)
};

}  // namespace tenzo
