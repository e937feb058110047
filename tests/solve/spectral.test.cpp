// Spectral radii and operator norms of matrices where they are known.
#include "tenzo/solve/spectral.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace tenzo;

namespace {

/// Of a matrix (2, 2), in closed form: with S the sum of squares and D the determinant, √((S + √(S² − 4 D²)) / 2).
double largest_singular(const Eigen::MatrixXd& a) {
  const double s = a.squaredNorm(), d = a(0, 0) * a(1, 1) - a(0, 1) * a(1, 0);
  return std::sqrt((s + std::sqrt(s * s - 4 * d * d)) / 2);
}

}  // namespace

TEST_CASE("spectral radius: real, complex, defective") {
  Eigen::MatrixXd a(2, 2);
  a << 0.5, 10, 0, -0.8;
  CHECK(spectral_radius(a) == doctest::Approx(0.8));
  a << 0, -2, 2, 0;  // a turn, twice as long
  CHECK(spectral_radius(a) == doctest::Approx(2));
  a << 0, 1, 0, 0;
  CHECK(spectral_radius(a) == doctest::Approx(0));
  CHECK(spectral_radius(Eigen::MatrixXd(0, 0)) == 0);
  CHECK_THROWS_AS(spectral_radius(Eigen::MatrixXd::Ones(2, 3)), ShapeError);
  a(0, 0) = NAN;
  CHECK_THROWS_AS(spectral_radius(a), ValueError);
}

TEST_CASE("operator norm: in the Euclidean norm, in a scaled one, and above the radius") {
  Eigen::MatrixXd a(2, 2);
  a << 0.5, 10, 0, -0.8;
  CHECK(operator_norm(a, Eigen::MatrixXd::Identity(2, 2)) == doctest::Approx(largest_singular(a)));
  const Eigen::MatrixXd h = Eigen::Vector2d(4, 9).asDiagonal();
  // |A v|²_H over |v|²_H with v = H^(-1/2) u: the singular value of H^(1/2) A H^(-1/2).
  Eigen::MatrixXd scaled(2, 2);
  scaled << 0.5, 10 * 2. / 3, 0, -0.8;
  CHECK(operator_norm(a, h) == doctest::Approx(largest_singular(scaled)));

  Eigen::MatrixXd b = Eigen::MatrixXd::Zero(4, 4), root(4, 4);
  for (int i = 0; i < 16; ++i)
    b(i / 4, i % 4) = std::sin(3 * i + 1), root(i / 4, i % 4) = std::cos(2 * i) + (i % 5 == 0) * 2;
  const Eigen::MatrixXd g = root * root.transpose();
  const double norm = operator_norm(b, g);
  CHECK(norm >= spectral_radius(b));
  double most = 0;  // no vector is stretched more; the one that power iterations of H⁻¹ Bᵀ H B find, as much
  Eigen::Vector4d v(1, 2, 3, 4);
  for (int k = 0; k < 300; ++k) {
    const Eigen::Vector4d image = b * v;
    const double stretch = std::sqrt(image.dot(g * image) / v.dot(g * v));
    CHECK(stretch <= norm * (1 + 1e-12));
    most = std::max(most, stretch);
    v = g.inverse() * (b.transpose() * (g * image));
    v.normalize();
  }
  CHECK(most == doctest::Approx(norm).epsilon(1e-9));
  CHECK_THROWS_AS(operator_norm(b, Eigen::MatrixXd::Zero(4, 4)), ValueError);
  CHECK_THROWS_AS(operator_norm(b, Eigen::MatrixXd::Identity(3, 3)), ShapeError);
}
