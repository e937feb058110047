// Small classifiers and sets of clusters in which the answer is known.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/unlearn/request.hpp"

namespace tenzo::test {

/// Two linear layers.
template <class V>
struct Mlp {
  Linear<V> first, last;

  static void visit(auto&& f, auto&... self) {
    f("first", self.first...);
    f("last", self.last...);
  }
  template <Value X>
  auto operator()(const X& x) const {
    return last(relu(first(x)));
  }
};

/// The same with a batch norm between.
template <class V>
struct NormedMlp {
  Linear<V> first;
  BatchNorm<V> norm;
  Linear<V> last;

  static void visit(auto&& f, auto&... self) {
    f("first", self.first...);
    f("norm", self.norm...);
    f("last", self.last...);
  }
  template <Value X>
  auto operator()(const X& x, BatchStatistics<plain_t<X>>* training = nullptr) const {
    return last(relu(norm(first(x), training)));
  }
  template <Plain P>
  void update_running_(const BatchStatistics<P>& s) {
    norm.update_running_(s.at(0));
  }
};

template <Real T>
Linear<Tensor<T>> zeros(std::int64_t in, std::int64_t out) {
  Linear<Tensor<T>> l;
  l.weight = Tensor<T>::zeros({out, in});
  l.bias = Tensor<T>::zeros({out});
  return l;
}
template <Real T>
Mlp<Tensor<T>> mlp(std::int64_t in, std::int64_t hidden, std::int64_t classes, std::uint64_t seed = 1) {
  return initialised<T>(Mlp<Tensor<T>>{zeros<T>(in, hidden), zeros<T>(hidden, classes)}, seed);
}
template <Real T>
NormedMlp<Tensor<T>> normed_mlp(std::int64_t in, std::int64_t hidden, std::int64_t classes, std::uint64_t seed = 1) {
  const auto some = Tensor<T>::zeros({hidden});
  return initialised<T>(NormedMlp<Tensor<T>>{zeros<T>(in, hidden), {some, some, some, some}, zeros<T>(hidden, classes)},
                        seed);
}

/// `each` samples around each of these centres in the plane, one behind the other, with this deviation.
struct Centre {
  double x, y;
  std::int64_t label;
};
template <Real T>
Samples<T> clusters(const std::vector<Centre>& centres, std::int64_t each, double deviation, std::uint32_t number = 0) {
  const std::int64_t n = each * std::int64_t(centres.size());
  Samples<T> s{random_normal<T>(Shape{n, 2}, initial_key(17, number), deviation), Tensor<std::int64_t>(Shape{n}), 0};
  for (std::int64_t i = 0; i < n; ++i) {
    const Centre& c = centres[std::size_t(i / each)];
    s.x(i, 0) += T(c.x);
    s.x(i, 1) += T(c.y);
    s.labels(i) = c.label;
    s.classes = std::max(s.classes, c.label + 1);
  }
  return s;
}

inline Rows range(std::int64_t begin, std::int64_t end) {
  Rows r;
  for (std::int64_t i = begin; i < end; ++i) r.push_back(i);
  return r;
}

/// All elements, as bytes.
template <Tree M>
std::string bits(const M& m) {
  std::string all;
  for_each_leaf(
      [&](const Path&, const auto& v) {
        all.append(reinterpret_cast<const char*>(v.data()), std::size_t(v.size()) * sizeof(*v.data()));
      },
      m);
  return all;
}

/// ‖a − b‖.
template <Tree M>
double distance(const M& a, const M& b) {
  M d = clone(a);
  axpy_(-1, b, d);
  return norm(d);
}

}  // namespace tenzo::test
