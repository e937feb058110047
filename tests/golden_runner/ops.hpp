// The families of operations, each a function over any value type in a file of its own.
#pragma once

#include <optional>

#include "case.hpp"
#include "tenzo/autodiff/dual.hpp"
#include "tenzo/autodiff/var.hpp"
#include "tenzo/core/axes.hpp"
#include "tenzo/ops/reduce.hpp"

namespace golden {

/// Nothing where the operation belongs to another family.
template <class V>
std::optional<V> arithmetic(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> elementwise(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> shapes(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> reductions(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> losses(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> norms(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> products(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> complex_ops(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> images(const Case& c, const std::vector<V>& x);
template <class V>
std::optional<V> attentions(const Case& c, const std::vector<V>& x);

/// Values that the runner differentiates with: first order in both types, nested in double.
#define GOLDEN_FOR_EACH_FLOAT(M)  \
  M(OnDevice<float>)              \
  M(tenzo::Dual<OnDevice<float>>) \
  M(tenzo::Var<OnDevice<float>>)
#ifdef TENZO_TEST_FLOAT
#define GOLDEN_FOR_EACH_VALUE(M) GOLDEN_FOR_EACH_FLOAT(M)
#else
#define GOLDEN_FOR_EACH_VALUE(M)               \
  M(OnDevice<double>)                          \
  M(tenzo::Dual<OnDevice<double>>)             \
  M(tenzo::Var<OnDevice<double>>)              \
  M(tenzo::Var<tenzo::Dual<OnDevice<double>>>) \
  M(tenzo::Var<tenzo::Var<OnDevice<double>>>)  \
  M(tenzo::Dual<tenzo::Var<OnDevice<double>>>) \
  GOLDEN_FOR_EACH_FLOAT(M)
#endif

template <class V>
tenzo::plain_t<V> number_tensor(const Integers& t) {
  return t.cast<tenzo::scalar_t<V>>().template to<Device>();
}

inline tenzo::Shape shape_of(const Json& list) {
  tenzo::Shape s;
  for (const auto& n : list) s.push_back(n.get<std::int64_t>());
  return s;
}
/// Axes; of a complex tensor they count before its last axis of two.
inline tenzo::Axes axes_of(const Case& c, const Json& list, int rank) {
  tenzo::Axes axes;
  for (const auto& a : list) {
    const int axis = a.get<int>();
    axes.push_back(axis < 0 && c.complex ? axis + rank - 1 : axis);
  }
  return axes;
}
inline tenzo::Reduction reduction_of(const Case& c) {
  const std::string r = c.attrs.value("reduction", "mean");
  if (r == "mean") return tenzo::Reduction::mean;
  if (r == "sum") return tenzo::Reduction::sum;
  if (r == "none") return tenzo::Reduction::none;
  throw Unknown("reduction " + r);
}

}  // namespace golden
