// (Aᴴ A + λ I)⁻¹ of an encoding, exactly: row by row, as the sampled lines lie along one axis.
#pragma once

#include <Eigen/Dense>

#include <cmath>
#include <complex>
#include <cstdint>
#include <memory>
#include <mutex>
#include <numbers>
#include <utility>
#include <vector>

#include "tenzo/core/parallel.hpp"
#include "tenzo/mri/normal_solve.hpp"

namespace tenzo::mri {

/// Aᴴ A couples the pixels of a row along the phase encoding and no others (the readout's transform cancels), so it is
/// one Hermitian W x W matrix a row:
///   G(w, w') = k(w − w') Σ_c S_c*(w) S_c(w'),   k the inverse transform of the mask.
///   Factors by Cholesky are made for the first λ and again where another is asked for.
///   Cost    H C W² + H W³ / 3 once a λ, H W² a solution.   Memory   H W² complex numbers, times n for maps of n
///   images.
template <Plain P>
class RowSolver {
 public:
  using T = scalar_t<P>;
  using Complex = std::complex<T>;
  using Block = Eigen::Matrix<Complex, Eigen::Dynamic, Eigen::Dynamic>;

  RowSolver() = default;
  explicit RowSolver(const Encoding<P>& e) : state_(std::make_shared<State>(e)) {}

  const Encoding<P>& encoding() const { return state_->encoding; }

  /// x with (Aᴴ A + λ I) x = b, for any values b and λ of rank 0.
  template <Value B, Value L>
  auto solve(const B& b, const L& lambda) const {  // (n, H, W, 2) -> the same
    return normal_solve(*this, b, lambda);
  }
  /// The same for tensors.
  P solve_plain(const P& b, double lambda) const {
    const auto inverses = inverses_of(lambda);
    const std::int64_t n = b.dim(0), h = b.dim(1), w = b.dim(2);
    P x(b.shape());
    using Line = Eigen::Matrix<Complex, Eigen::Dynamic, 1>;
    parallel_for(n * h, std::max<std::int64_t>(1, 65536 / (w * w)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const Block& inverse = (*inverses)[std::size_t(state_->encoding.maps.rank() == 4 ? r % h : r)];
        const Eigen::Map<const Line> from(reinterpret_cast<const Complex*>(b.data()) + r * w, w);
        Eigen::Map<Line> to(reinterpret_cast<Complex*>(x.data()) + r * w, w);
        to.noalias() = inverse * from;
      }
    });
    return x;
  }

  /// The smallest and the largest eigenvalue of Aᴴ A: squares of A's extreme singular values.
  std::pair<double, double> spectrum() const {
    const std::int64_t rows = state_->rows();
    std::vector<std::pair<double, double>> of_row(static_cast<std::size_t>(rows));
    parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> eigen(state_->gram(r), Eigen::EigenvaluesOnly);
        of_row[std::size_t(r)] = {std::max(0.0, eigen.eigenvalues().minCoeff()), eigen.eigenvalues().maxCoeff()};
      }
    });
    std::pair<double, double> all = of_row.front();
    for (const auto& [low, high] : of_row) all = {std::min(all.first, low), std::max(all.second, high)};
    return all;
  }

 private:
  using Inverses = std::vector<Block>;

  struct State {
    Encoding<P> encoding;
    std::vector<std::complex<double>> kernel;  // k(d), d in [0, W); k(−d) is its conjugate
    mutable std::mutex one_at_a_time;
    mutable double lambda = NAN;
    mutable std::shared_ptr<const Inverses> inverses;

    explicit State(const Encoding<P>& e) : encoding(e) {
      const P mask = e.uncentred_lines();
      const std::int64_t w = mask.size();
      for (std::int64_t d = 0; d < w; ++d) {
        std::complex<double> k = 0;
        for (std::int64_t f = 0; f < w; ++f)
          k += double(mask(f)) * std::polar(1.0, 2 * std::numbers::pi * double(d * f % w) / double(w));
        kernel.push_back(k / double(w));
      }
    }
    std::int64_t rows() const { return encoding.maps.dim(-3) * (encoding.maps.rank() == 5 ? encoding.maps.dim(0) : 1); }

    /// G of a row.
    Eigen::MatrixXcd gram(std::int64_t row) const {
      const P& maps = encoding.maps;
      const std::int64_t coils = encoding.coils(), h = maps.dim(-3), w = maps.dim(-2);
      const auto* s = reinterpret_cast<const Complex*>(maps.data()) + (row / h * coils * h + row % h) * w;
      Eigen::MatrixXcd m(coils, w);
      for (std::int64_t c = 0; c < coils; ++c)
        for (std::int64_t j = 0; j < w; ++j) m(c, j) = std::complex<double>(s[c * h * w + j]);
      Eigen::MatrixXcd g = m.adjoint() * m;
      for (std::int64_t j = 0; j < w; ++j)
        for (std::int64_t i = 0; i < w; ++i)
          g(i, j) *= i >= j ? kernel[std::size_t(i - j)] : std::conj(kernel[std::size_t(j - i)]);
      return g;
    }
  };

  std::shared_ptr<const Inverses> inverses_of(double lambda) const {
    require(lambda > 0, "data consistency: lambda is ", lambda, "; want more than 0");
    const std::lock_guard lock(state_->one_at_a_time);
    if (state_->inverses && state_->lambda == lambda) return state_->inverses;
    auto made = std::make_shared<Inverses>(static_cast<std::size_t>(state_->rows()));
    parallel_for(state_->rows(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        Eigen::MatrixXcd g = state_->gram(r);
        g.diagonal().array() += lambda;
        const Eigen::LLT<Eigen::MatrixXcd> llt(g);
        (*made)[std::size_t(r)] = llt.solve(Eigen::MatrixXcd::Identity(g.rows(), g.cols())).cast<Complex>();
      }
    });
    state_->lambda = lambda;
    state_->inverses = std::move(made);
    return state_->inverses;
  }

  std::shared_ptr<const State> state_;
};
template <Plain P>
RowSolver(const Encoding<P>&) -> RowSolver<P>;

}  // namespace tenzo::mri
