// Every case in value, vjp and jvp, in double and float, and nested.
#include <cmath>
#include <iostream>
#include <sstream>

#include "case.hpp"
#include "ops.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/tree/algebra.hpp"

namespace golden {

namespace {

constexpr double double_tolerance = 1e-9, float_tolerance = 1e-4, nested_tolerance = 1e-6;

template <class T>
double largest(const tenzo::Tensor<T>& t) {
  double m = 0;
  for (const T v : t.values()) m = std::max(m, std::abs(double(v)));
  return m;
}

/// Collects what is wrong with a case.
class Complaints {
 public:
  /// |got − want| <= tolerance · scale for all elements; the scale is the largest |want|, but at least `floor`.
  template <class T>
  void compare(const std::string& what, const tenzo::Tensor<T>& got, const Double& want, double tolerance,
               double floor = 0) {
    if (!(got.shape() == want.shape())) {
      text_ << "\n    " << what << ": shape " << got.shape() << ", want " << want.shape();
      return;
    }
    double worst = 0;
    for (std::int64_t i = 0; i < want.size(); ++i) {
      const double error = std::abs(double(got(i)) - want(i));
      if (!(error <= worst)) worst = error;
      if (std::isnan(error)) break;
    }
    const double scale = std::max(largest(want), floor);
    if (!(worst <= tolerance * scale))
      text_ << "\n    " << what << ": error " << worst << " where the largest magnitude is " << scale;
  }
  template <class T>
  void compare(const std::string& what, const std::vector<tenzo::Tensor<T>>& got, const std::vector<Double>& want,
               double tolerance, double floor = 0) {
    for (std::size_t i = 0; i < want.size(); ++i)
      compare(what + " by input " + std::to_string(i), got[i], want[i], tolerance, floor);
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

template <class T>
std::vector<tenzo::Tensor<T>> cast(const std::vector<Double>& x) {
  std::vector<tenzo::Tensor<T>> y;
  for (const Double& v : x) y.push_back(v.cast<T>());
  return y;
}

const auto applied = [](const Case& c) { return [&c](const auto& x) { return run_op(c, x); }; };

template <class T>
void first_order(const Case& c, const std::string& type, double tolerance, Complaints& complaints) {
  const auto f = applied(c);
  const auto x = cast<T>(c.inputs), t = cast<T>(c.tangents);
  complaints.compare(type + " value", f(x), c.output, tolerance);
  const auto reverse = tenzo::vjp(f, x, c.cotangent.cast<T>());
  complaints.compare(type + " value of vjp", reverse.value, c.output, tolerance);
  complaints.compare(type + " vjp", reverse.grad, c.gradients, tolerance);
  const auto [y, dy] = tenzo::jvp(f, x, t);
  complaints.compare(type + " value of jvp", y, c.output, tolerance);
  complaints.compare(type + " jvp", dy, c.jvp, tolerance);
}

/// Hessian products of the sum of y · cotangent along the tangents, against central differences of the gradient.
///   A difference of step h carries a rounding error of some eps / h of the gradient: that sets the floor.
void second_order(const Case& c, Complaints& complaints) {
  constexpr double h = 1e-6, floor_share = 1e-3;
  const auto f = applied(c);
  const auto loss = [&](const auto& x) { return tenzo::sum(tenzo::mul(f(x), c.cotangent)); };
  const auto gradient_at = [&](double s) {
    auto x = tenzo::clone(c.inputs);
    tenzo::axpy_(s, c.tangents, x);
    return tenzo::grad(loss, x);
  };
  auto want = gradient_at(h);
  tenzo::axpy_(-1, gradient_at(-h), want);
  tenzo::scale_(want, 0.5 / h);
  double floor = 0;
  for (const Double& g : c.gradients) floor = std::max(floor, floor_share * largest(g));

  complaints.compare("jvp of vjp", tenzo::hvp(loss, c.inputs, c.tangents), want, nested_tolerance, floor);
  const auto slope_of_gradient = [&](const auto& x) { return tenzo::dot(tenzo::grad(loss, x), c.tangents); };
  complaints.compare("vjp of vjp", tenzo::grad(slope_of_gradient, c.inputs), want, nested_tolerance, floor);
  const auto slope = [&](const auto& x) {
    using V = tenzo::leaf_t<std::remove_cvref_t<decltype(x)>>;
    std::vector<V> t;
    for (const Double& v : c.tangents) t.push_back(tenzo::lift<V>(v));
    return tenzo::jvp(loss, x, t).second;
  };
  complaints.compare("vjp of jvp", tenzo::grad(slope, c.inputs), want, nested_tolerance, floor);
}

}  // namespace

void run_ops(const std::string& folder, Tally& tally) {
  for (const Case& c : read_cases(folder)) {
    Complaints complaints;
    std::string thrown;
    try {
      first_order<double>(c, "double", double_tolerance, complaints);
      first_order<float>(c, "float", float_tolerance, complaints);
      second_order(c, complaints);
    } catch (const std::exception& e) {
      thrown = "\n    " + std::string(e.what());
    }
    const std::string text = complaints.text() + thrown;
    if (text.empty()) {
      ++tally.passed;
    } else {
      ++tally.failed;
      std::cout << folder << ": " << c.name << " failed" << text << '\n';
    }
  }
}

}  // namespace golden
