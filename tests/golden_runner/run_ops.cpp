// Every case in value, vjp and jvp, in double and float, and nested.
#include <cmath>
#include <iostream>
#include <limits>
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
  explicit Complaints(const Case& c) : largest_number_(largest(c.cotangent)) {
    for (const Double& x : c.inputs) largest_number_ = std::max(largest_number_, largest(x));
  }

  /// |got − want| <= tolerance · scale for all elements; the scale is the largest |want|, but at least `floor`, and the
  /// case's largest number where nothing but zeros is wanted.
  template <class T>
  void compare(const std::string& what, const OnDevice<T>& computed, const Double& want, double tolerance,
               double floor = 0) {
    const tenzo::Tensor<T> got = computed.template to<tenzo::Cpu>();
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
    const double wanted = std::max(largest(want), floor), scale = wanted > 0 ? wanted : largest_number_;
    if (!(worst <= tolerance * scale))
      text_ << "\n    " << what << ": error " << worst << " where the largest magnitude is " << scale;
  }
  template <class T>
  void compare(const std::string& what, const std::vector<OnDevice<T>>& got, const std::vector<Double>& want,
               double tolerance, double floor = 0) {
    for (std::size_t i = 0; i < want.size(); ++i)
      compare(what + " by input " + std::to_string(i), got[i], want[i], tolerance, floor);
  }
  std::string text() const { return text_.str(); }

 private:
  double largest_number_;
  std::ostringstream text_;
};

template <class T>
OnDevice<T> moved(const Double& x) {
  return x.cast<T>().template to<Device>();
}
template <class T>
std::vector<OnDevice<T>> moved(const std::vector<Double>& x) {
  std::vector<OnDevice<T>> y;
  for (const Double& v : x) y.push_back(moved<T>(v));
  return y;
}

const auto applied = [](const Case& c) { return [&c](const auto& x) { return run_op(c, x); }; };

template <class T>
void first_order(const Case& c, const std::string& type, double tolerance, Complaints& complaints) {
  const auto f = applied(c);
  const auto x = moved<T>(c.inputs), t = moved<T>(c.tangents);
  complaints.compare(type + " value", f(x), c.output, tolerance);
  const auto reverse = tenzo::vjp(f, x, moved<T>(c.cotangent));
  complaints.compare(type + " value of vjp", reverse.value, c.output, tolerance);
  complaints.compare(type + " vjp", reverse.grad, c.gradients, tolerance);
  const auto [y, dy] = tenzo::jvp(f, x, t);
  complaints.compare(type + " value of jvp", y, c.output, tolerance);
  // A single number Σ g t carries the rounding of its terms, which may cancel.
  double floor = 0;
  if (c.jvp.size() == 1) {
    for (std::size_t i = 0; i < t.size(); ++i)
      for (std::int64_t k = 0; k < c.tangents[i].size(); ++k) floor += std::abs(c.gradients[i](k) * c.tangents[i](k));
    floor *= 8 * double(std::numeric_limits<T>::epsilon()) / (tolerance * std::abs(c.cotangent.item()));
  }
  complaints.compare(type + " jvp", dy, c.jvp, tolerance, floor);
}

/// Derivative of the gradient along a direction, `gradient(s)` being the gradient at x + s · direction, by central
/// differences: of fourth order over 4e-4; of second order over 2e-7 where the two disagree, because a kink of the
/// operation lies within the longer one.
template <class F>
std::vector<Double> gradient_difference(const F& gradient, double size) {
  constexpr double wide = 1e-4, narrow = 1e-7;
  const auto central = [&](double h) {
    auto d = gradient(h);
    tenzo::axpy_(-1, gradient(-h), d);
    tenzo::scale_(d, 0.5 / h);
    return d;
  };
  auto d = central(wide);
  tenzo::scale_(d, 4.0 / 3);
  tenzo::axpy_(-1.0 / 3, central(2 * wide), d);
  const auto close_by = central(narrow);
  for (std::size_t i = 0; i < d.size(); ++i) {
    const double near = 1e-3 * std::max(largest(close_by[i]), size);
    for (std::int64_t k = 0; k < d[i].size(); ++k)
      if (std::abs(d[i](k) - close_by[i](k)) > near) d[i](k) = close_by[i](k);
  }
  return d;
}

/// Hessian products of the sum of y · cotangent along the tangents, against differences of the gradient, whose rounding
/// errors are in proportion to the gradient: that sets the floor.
template <class T>
void second_order(const Case& c, Complaints& complaints) {
  const auto f = applied(c);
  const auto inputs = moved<T>(c.inputs), tangents = moved<T>(c.tangents);
  const auto loss = [f, weight = moved<T>(c.cotangent)](const auto& x) { return tenzo::sum(tenzo::mul(f(x), weight)); };
  const auto gradient_at = [&](double s) {
    auto x = tenzo::clone(c.inputs);
    tenzo::axpy_(s, c.tangents, x);
    std::vector<Double> g;
    for (const auto& v : tenzo::grad(loss, moved<T>(x))) g.push_back(v.template to<tenzo::Cpu>());
    return g;
  };
  double size = 0;
  for (const Double& g : c.gradients) size = std::max(size, largest(g));
  const double floor = 1e-3 * size;
  const auto want = gradient_difference(gradient_at, size);

  complaints.compare("jvp of vjp", tenzo::hvp(loss, inputs, tangents), want, nested_tolerance, floor);
  const auto slope_of_gradient = [&](const auto& x) { return tenzo::dot(tenzo::grad(loss, x), tangents); };
  complaints.compare("vjp of vjp", tenzo::grad(slope_of_gradient, inputs), want, nested_tolerance, floor);
  const auto slope = [&](const auto& x) {
    using V = tenzo::leaf_t<std::remove_cvref_t<decltype(x)>>;
    std::vector<V> t;
    for (const auto& v : tangents) t.push_back(tenzo::lift<V>(v));
    return tenzo::jvp(loss, x, t).second;
  };
  complaints.compare("vjp of jvp", tenzo::grad(slope, inputs), want, nested_tolerance, floor);
}

/// All that a case says, in the runner's numbers.
template <class T>
void run_case(const Case& c, Complaints& complaints) {
  if constexpr (std::is_same_v<T, double>) {
    first_order<double>(c, "double", double_tolerance, complaints);
    second_order<double>(c, complaints);
  }
  first_order<float>(c, "float", float_tolerance, complaints);
}

}  // namespace

void run_ops(const std::string& folder, Tally& tally) {
  for (const Case& c : read_cases(folder)) {
    Complaints complaints(c);
    std::string thrown;
    try {
      run_case<Exact>(c, complaints);
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
