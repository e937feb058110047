// (Aᴴ A + λ I)⁻¹ of an encoding by conjugate gradients: implicitly differentiated, and unrolled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "tenzo/mri/normal_solve.hpp"
#include "tenzo/solve/cg.hpp"

namespace tenzo::mri {

/// By conjugate gradients, each image by itself until its own residual is below rtol ‖b‖ or the iterations are spent.
///   The condition number is at most (‖A‖² + λ) / λ: at λ = 1 eight iterations reach 1e-6.
template <Plain P>
class CgSolver {
 public:
  CgSolver() = default;
  explicit CgSolver(const Encoding<P>& e, const LinearOptions& o = {.iterations = 50})
      : encoding_(std::make_shared<const Encoding<P>>(e)), options_(o) {}

  const Encoding<P>& encoding() const { return *encoding_; }

  template <Value B, Value L>
  auto solve(const B& b, const L& lambda) const {  // (n, H, W, 2) -> the same
    return normal_solve(*this, b, lambda);
  }
  P solve_plain(const P& b, double lambda) const {
    require(lambda > 0, "data consistency: lambda is ", lambda, "; want more than 0");
    P x(b.shape());
    const std::int64_t size = b.size() / std::max<std::int64_t>(1, b.dim(0));
    LinearOptions o = options_;
    o.damping += lambda;
    for (std::int64_t i = 0; i < b.dim(0); ++i) {
      const Encoding<P> own = of_image(i);
      const P one = Cg{o}([&](const P& v) { return own.gram(v); }, b.rows(i, i + 1)).x;
      copy_elements(device_t<P>{}, size, std::as_const(one).data(), x.data() + i * size);
    }
    return x;
  }

 private:
  Encoding<P> of_image(std::int64_t i) const {
    return {encoding_->maps.rank() == 4 ? encoding_->maps : encoding_->maps.rows(i, i + 1), encoding_->mask};
  }

  std::shared_ptr<const Encoding<P>> encoding_;
  LinearOptions options_;
};
template <Plain P>
CgSolver(const Encoding<P>&) -> CgSolver<P>;
template <Plain P>
CgSolver(const Encoding<P>&, const LinearOptions&) -> CgSolver<P>;

/// By a number of iterations of conjugate gradients in operations on any values, which are differentiated one by one.
///   What networks without an implicit rule do. Memory grows with the iterations; the derivative is that of the
///   iterate.
template <Plain P>
class UnrolledCg {
 public:
  UnrolledCg() = default;
  UnrolledCg(const Encoding<P>& e, int iterations)
      : encoding_(std::make_shared<const Encoding<P>>(e)), iterations_(iterations) {
    require(iterations > 0, "unrolled CG: ", iterations, " iterations");
  }

  const Encoding<P>& encoding() const { return *encoding_; }

  template <Value B, Value L>
  auto solve(const B& b, const L& lambda) const {  // (n, H, W, 2) -> the same
    using V = promote_t<B, L>;
    const auto dot = [](const V& u, const V& v) { return sum(mul(u, v), {1, 2, 3}, true); };  // of each image
    tenzo::detail::CgRecurrence<ImageByImage, V, V> at{V{}, lift<V>(b)};
    for (int i = 0; i < iterations_; ++i) {
      at.turn(at.r, dot(at.r, at.r));
      const V bp = add(encoding_->gram(at.p), mul(at.p, lambda));
      at.advance(bp, dot(at.p, bp));
    }
    return at.x;
  }

 private:
  /// Images, and a number of each.
  struct ImageByImage {
    template <Value V>
    static V copied(const V& z) {
      return z;
    }
    template <Value V>
    static void add_(V& y, const V& a, const V& x) {
      y = plus(y, mul(a, x));
    }
    template <Value V>
    static void subtract_(V& y, const V& a, const V& x) {
      y = sub(y, mul(a, x));
    }
    template <Value V>
    static void turn_(V& p, const V& beta, const V& z) {
      p = add(z, mul(beta, p));
    }
    /// Zero where b is: an image whose residual has vanished stays as it is.
    template <Value V>
    static V quotient(const V& a, const V& b) {
      plain_t<V> vanished(b.shape());
      map(device_t<V>{}, vanished.size(), vanished.data(), fn::IsZero{}, plain(b).data());
      return div(a, add(b, vanished));
    }
  };

  std::shared_ptr<const Encoding<P>> encoding_;
  int iterations_ = 0;
};
template <Plain P>
UnrolledCg(const Encoding<P>&, int) -> UnrolledCg<P>;

}  // namespace tenzo::mri
