#include "operators.hpp"

#include <algorithm>
#include <cmath>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/cg_solver.hpp"
#include "tenzo/mri/coil_maps.hpp"
#include "tenzo/mri/losses.hpp"
#include "tenzo/mri/masks.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/nn/init.hpp"

namespace smug {

using namespace tenzo;

namespace {

constexpr std::int64_t coils = 4, height = 20, width = 24;

template <class T>
Tensor<T> drawn(const Shape& shape, std::string_view name) {
  return random_normal<T>(shape, initial_key(1, name));
}

template <class T>
mri::Encoding<Tensor<T>> some_encoding() {
  return mri::encoding(mri::simulated_maps<T>(coils, height, width),
                       mri::line_mask<T>(width, {.acceleration = 3, .seed = 1}));
}

template <class T>
double adjoint_error() {
  const auto e = some_encoding<T>();
  const auto x = drawn<T>(e.image_shape(2), "x"), y = drawn<T>({2, coils, height, width, 2}, "y");
  const auto ax = e.forward(x);
  return std::abs(inner(ax, y) - inner(x, e.adjoint(y))) / (norm(ax) * norm(y));
}

/// The vector-Jacobian product of f at x along a direction, beside its central difference.
template <class F, class X>
double derivative_error(F&& f, const X& x, double h) {
  const auto y = f(x);
  const auto c = drawn<double>(y.shape(), "cotangent");
  const X u = map_tree<Tensor<double>>(
      x, [](const Path& at, const Tensor<double>& v) { return drawn<double>(v.shape(), at.str() + "direction"); });
  const auto at = [&](double t) {
    X moved = clone(x);
    axpy_(t, u, moved);
    return inner(f(moved), c);
  };
  const double difference = (at(h) - at(-h)) / (2 * h), product = inner(vjp(f, x, c).grad, u);
  return std::abs(product - difference) / std::max(std::abs(product), std::abs(difference));
}

}  // namespace

OperatorErrors operator_errors() {
  using D = Tensor<double>;
  OperatorErrors out{.adjoint = adjoint_error<double>(), .adjoint_float = adjoint_error<float>()};
  const auto e = some_encoding<double>();
  const mri::RowSolver<D> rows(e);
  const mri::CgSolver<D> cg(e, {.iterations = 50});
  const D b = drawn<double>(e.image_shape(2), "b"), one = D::scalar(1);
  const D exact = rows.solve(b, one);
  out.solvers = norm(sub(cg.solve(b, one), exact)) / norm(exact);

  const D y = drawn<double>({1, coils, height, width, 2}, "k");
  auto net = mri::unrolled(initialised<double>(residual_cnn_spec({.width = 4, .depth = 3}), 1),
                           {.steps = 2,
                            .smoothing = mri::Smoothing::denoiser,
                            .sigma = 0.05,
                            .samples = 2,
                            .clamp = false,
                            .recompute = false});
  const D z = e.adjoint(y);
  for (const double error : {derivative_error([&](const auto& x) { return e.forward(x); }, b, 1e-4),
                             derivative_error([&](const auto& k) { return e.adjoint(k); }, y, 1e-4),
                             derivative_error([&](const auto& x) { return rows.solve(x, one); }, b, 1e-4),
                             derivative_error([&](const auto& l) { return rows.solve(b, l); }, one, 1e-4),
                             derivative_error([&](const auto& k) { return net(rows, e.adjoint(k)); }, y, 1e-7),
                             derivative_error([&](const auto& n) { return n(rows, z); }, net, 1e-7)})
    out.derivatives = std::max(out.derivatives, error);
  return out;
}

}  // namespace smug
