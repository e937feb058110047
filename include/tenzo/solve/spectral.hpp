// What a matrix does to vectors in the long run, and at worst in one step.
#pragma once

#include <Eigen/Dense>

#include <cmath>

#include "tenzo/core/error.hpp"

namespace tenzo {

/// The largest absolute value of an eigenvalue of a square matrix: the rate at which its powers grow or shrink.
///   Throws ShapeError where it is not square, ValueError where it is not finite.
inline double spectral_radius(const Eigen::MatrixXd& a) {
  expect(a.rows() == a.cols(), "spectral radius: a matrix (", a.rows(), ", ", a.cols(), ')');
  require(a.allFinite(), "spectral radius: a matrix with numbers that are not finite");
  if (a.rows() == 0) return 0;
  return Eigen::EigenSolver<Eigen::MatrixXd>(a, false).eigenvalues().cwiseAbs().maxCoeff();
}

/// sup |A v|_H / |v|_H with |v|²_H = vᵀ H v, for symmetric positive H: at least the spectral radius.
///   Method  with H = L Lᵀ, the largest singular value of Lᵀ A L⁻ᵀ.
///   Throws  ShapeError where the shapes differ, ValueError where H is not positive.
inline double operator_norm(const Eigen::MatrixXd& a, const Eigen::MatrixXd& h) {
  expect(a.rows() == a.cols() && h.rows() == a.rows() && h.cols() == a.rows(), "operator norm: A (", a.rows(), ", ",
         a.cols(), "), H (", h.rows(), ", ", h.cols(), ')');
  const Eigen::LLT<Eigen::MatrixXd> cholesky(h);
  require(cholesky.info() == Eigen::Success, "operator norm: H is not positive");
  const Eigen::MatrixXd upper = cholesky.matrixU();                                                // Lᵀ
  const Eigen::MatrixXd right = upper.triangularView<Eigen::Upper>().solve<Eigen::OnTheRight>(a);  // A L⁻ᵀ
  const Eigen::MatrixXd m = upper * right, gram = m.transpose() * m;
  return std::sqrt(
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(gram, Eigen::EigenvaluesOnly).eigenvalues().maxCoeff());
}

}  // namespace tenzo
