// Polyhedra {A y ≤ b} as feasible sets.
#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "tenzo/bilevel/sets.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/ops/shape_ops.hpp"
#include "tenzo/solve/dense.hpp"

namespace tenzo::bilevel {

/// The directions that active rows of A leave free, as an orthonormal basis of the span that they forbid.
template <Tree V>
struct PolyhedralFace {
  Tensor<scalar_t<leaf_t<V>>> forbidden;  // (active rows, n), orthonormal; undefined: none
  double margin = std::numeric_limits<double>::infinity();

  bool at_kink(double tolerance = 1e-12) const { return margin <= tolerance; }

  template <Tree U>
  U along(const U& u) const {
    using W = leaf_t<U>;
    if (!forbidden.defined()) return u;
    // the coefficients of u in the forbidden directions, leaf by leaf
    W coefficients;
    std::int64_t begin = 0;
    const std::int64_t rows = forbidden.shape()[0];
    const auto columns = [&](const W& leaf) {
      const auto part = slice(forbidden, 1, begin, begin + leaf.shape().numel());
      begin += leaf.shape().numel();
      return part;
    };
    for_each_leaf(
        [&](const Path&, const W& leaf) {
          const auto q = columns(leaf);
          coefficients = plus(coefficients, W(matmul(q, reshape(leaf, Shape{leaf.shape().numel(), 1}))));
        },
        u);
    begin = 0;
    return map_tree<W>(u, [&](const W& leaf) {
      const auto q = columns(leaf);
      return W(sub(leaf, reshape(matmul(reshape(coefficients, Shape{1, rows}), q), leaf.shape())));
    });
  }
};

/// {A y ≤ b}, y as one vector of its leaves' elements.
///   The projection is the quadratic programme's dual, max over λ ≥ 0 by coordinate ascent, and then the equations of
///   the active rows: for some tens of constraints. Throws  ValueError where the set is empty, or the ascent does not
///   end.
struct HalfSpaces {
  Eigen::MatrixXd a;  // (constraints, n)
  Eigen::VectorXd b;
  std::int64_t sweeps = 100000;

  template <Tree V>
  struct Landed {
    V point;
    PolyhedralFace<V> face;
  };

  template <Tree V>
  Landed<V> project(const V& x) const {
    using L = leaf_t<V>;
    using T = scalar_t<L>;
    const Eigen::VectorXd at = tenzo::detail::eigen_vector(x);
    require(a.cols() == at.size() && b.size() == a.rows(), "half-spaces: A is ", a.rows(), " x ", a.cols(), ", b has ",
            b.size(), ", y has ", at.size(), " elements");
    const auto [point, multipliers] = nearest(at);
    Landed<V> out;
    std::vector<Eigen::Index> active;
    for (Eigen::Index i = 0; i < a.rows(); ++i) {
      const double slack = b[i] - a.row(i).dot(point), size = std::max(a.row(i).norm(), 1e-300);
      const bool holds = multipliers[i] > 0;
      if (holds) active.push_back(i);
      out.face.margin = std::min(out.face.margin, holds ? multipliers[i] * size : slack / size);
    }
    out.point = tenzo::detail::tree_of(point, x);
    if (!active.empty()) {
      Eigen::MatrixXd rows(a.cols(), Eigen::Index(active.size()));
      for (std::size_t i = 0; i < active.size(); ++i) rows.col(Eigen::Index(i)) = a.row(active[i]).transpose();
      const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(rows);
      const Eigen::MatrixXd basis = qr.householderQ() * Eigen::MatrixXd::Identity(a.cols(), qr.rank());
      out.face.forbidden = Tensor<T>(Shape{std::int64_t(basis.cols()), std::int64_t(basis.rows())});
      for (Eigen::Index i = 0; i < basis.cols(); ++i)
        for (Eigen::Index j = 0; j < basis.rows(); ++j) out.face.forbidden(i, j) = T(basis(j, i));
    }
    return out;
  }

 private:
  std::pair<Eigen::VectorXd, Eigen::VectorXd> nearest(const Eigen::VectorXd& at) const {
    const Eigen::MatrixXd gram = a * a.transpose();
    const Eigen::VectorXd over = a * at - b;  // how far each constraint is broken
    Eigen::VectorXd multipliers = Eigen::VectorXd::Zero(a.rows());
    const double scale = std::max(1.0, over.cwiseAbs().maxCoeff());
    for (std::int64_t sweep = 0; sweep < sweeps; ++sweep) {
      double change = 0;
      for (Eigen::Index i = 0; i < a.rows(); ++i) {
        if (gram(i, i) == 0) {
          require(b[i] >= 0, "half-spaces: constraint ", i, " says 0 ≤ ", b[i]);
          continue;
        }
        const double now = std::max(0.0, multipliers[i] + (over[i] - gram.row(i).dot(multipliers)) / gram(i, i));
        change = std::max(change, std::abs(now - multipliers[i]) * gram(i, i));
        multipliers[i] = now;
      }
      if (change <= 1e-15 * scale) return {at - a.transpose() * multipliers, multipliers};
      require(std::isfinite(change) && multipliers.maxCoeff() < 1e12 * scale,
              "half-spaces: no point is in all of them");
    }
    throw ValueError("half-spaces: the projection did not converge; are constraints nearly parallel?");
  }
};

}  // namespace tenzo::bilevel
