// The solution of (Aᴴ A + λ I) x = b as one primitive: its derivatives are solutions of the same equation.
#pragma once

#include <string_view>

#include "tenzo/mri/encoding.hpp"

namespace tenzo::mri {

/// x(b, λ) = B⁻¹ b, B = Aᴴ A + λ I, by a solver S of plain tensors: solver.solve_plain(b, λ), solver.encoding().
///   dx = B⁻¹ (db − x dλ); a cotangent g gives u = B⁻¹ g by b and −⟨u, x⟩ by λ, as B is Hermitian. The solver's own
///   iterations are never differentiated.
///   Source  the implicit function theorem; smoothed unrolling has it as the vector-Jacobian products of each step.
template <class S>
struct NormalSolve {
  static constexpr std::size_t inputs = 2, outputs = 1;  // b, λ
  static constexpr std::string_view name = "normal_solve";
  S solver;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    return {solver.solve_plain(x[0], double(x[1].item()))};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 2>& x, const Values<V, 2>& dx, const Values<V, 1>& y) const {
    const V right = plus(dx[0], dx[1].defined() ? neg(mul(y[0], dx[1])) : V{});
    return {right.defined() ? dispatch(*this, Values<V, 2>{right, x[1]})[0] : V{}};
  }
  template <class V>
  Values<V, 2> vjp(const Values<V, 2>& x, const Values<V, 1>& y, const Values<V, 1>& gy,
                   const Values<bool, 2>& need) const {
    const V u = dispatch(*this, Values<V, 2>{gy[0], x[1]})[0];
    return {u, need[1] ? neg(sum(mul(u, y[0]))) : V{}};
  }
};

template <class S, Value B, Value L>
auto normal_solve(const S& solver, const B& b, const L& lambda) {
  const auto& e = solver.encoding();
  expect(b.defined() && b.shape().rank() == 4 && b.shape().without(0) == e.image_shape(1).without(0) &&
             (e.maps.rank() == 4 || e.maps.dim(0) == b.shape()[0]),
         "data consistency: images are ", b.shape(), ", coil maps are ", e.maps.shape());
  expect(lambda.defined() && lambda.shape() == Shape{}, "data consistency: lambda is ", lambda.shape(),
         "; want a number");
  return dispatch_one(NormalSolve<S>{solver}, b, lambda);
}

/// Data consistency: argmin_x ‖A x − y‖² + λ ‖x − d‖² = (Aᴴ A + λ I)⁻¹ (Aᴴ y + λ d).
///   solver  a RowSolver, CgSolver or UnrolledCg
///   z       Aᴴ y, (n, H, W, 2);   d  the same shape;   λ > 0 of rank 0
///   Source  Aggarwal, Mani, Jacob 2019, MoDL, eq. 10.
template <class S, Value Z, Value D, Value L>
auto consistent(const S& solver, const Z& z, const D& d, const L& lambda) {
  return solver.solve(add(z, mul(d, lambda)), lambda);
}

}  // namespace tenzo::mri
