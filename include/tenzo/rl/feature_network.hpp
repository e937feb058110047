// The network of the analysis: hidden layers of relu without biases, and the mean of the last.
#pragma once

#include <Eigen/Dense>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo::rl {

/// Q(x; W) = 1/K 1ᵀ relu(W_L … relu(W₁ x)) of features x of a state and an action.
///   Source  Zhang et al. 2023
template <class V>
struct FeatureNetwork {
  std::vector<V> weights;  // (K, d), then (K, K)

  static void visit(auto&& f, auto&... self) { f("weights", self.weights...); }

  template <Value X>
  auto operator()(const X& x) const {  // (n, d) -> (n)
    using Y = promote_t<X, V>;
    Y h = lift<Y>(x);
    for (const V& w : weights) h = relu(linear(h, w));
    return mean(h, 1);
  }
};

/// The same network in double with all weights as one vector, matrix by matrix, row by row, and with the derivatives of
/// each value by all weights: what least squares ask for. The derivative of relu is 0 at 0.
struct FeatureNetworkShape {
  std::int64_t features = 8, width = 5, layers = 1;

  std::int64_t parameters() const { return width * features + (layers - 1) * width * width; }

  /// Throws ValueError unless all sizes are positive.
  void check() const {
    require(features >= 1 && width >= 1 && layers >= 1, "feature network: ", features, " features, ", layers,
            " layers of ", width);
  }

  /// x (n, features) -> (n)
  Eigen::VectorXd values(const Eigen::VectorXd& w, const Eigen::MatrixXd& x) const {
    Eigen::MatrixXd h = x;
    for (std::int64_t l = 0; l < layers; ++l) h = (h * matrix(w, l).transpose()).cwiseMax(0);
    return h.rowwise().mean();
  }

  /// The derivatives of values(w, x), (n, parameters), into `to`; returns the values.
  Eigen::VectorXd differentiate(const Eigen::VectorXd& w, const Eigen::MatrixXd& x, Eigen::MatrixXd& to) const {
    std::vector<Eigen::MatrixXd> h{x};  // the inputs of all layers, and the last outputs
    for (std::int64_t l = 0; l < layers; ++l) h.push_back((h.back() * matrix(w, l).transpose()).cwiseMax(0));
    to.resize(x.rows(), parameters());
    Eigen::MatrixXd slope = Eigen::MatrixXd::Constant(x.rows(), width, 1.0 / double(width));  // by the layer's outputs
    for (std::int64_t l = layers; l-- > 0;) {
      const Eigen::MatrixXd &in = h[std::size_t(l)], &out = h[std::size_t(l) + 1];
      slope = slope.array() * (out.array() > 0).cast<double>();
      for (std::int64_t k = 0; k < width; ++k)
        for (std::int64_t j = 0; j < in.cols(); ++j)
          to.col(at(l) + k * in.cols() + j) = slope.col(k).cwiseProduct(in.col(j));
      if (l > 0) slope = slope * matrix(w, l);
    }
    return h.back().rowwise().mean();
  }

 private:
  using Matrix = Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

  std::int64_t at(std::int64_t layer) const { return layer == 0 ? 0 : width * features + (layer - 1) * width * width; }
  Matrix matrix(const Eigen::VectorXd& w, std::int64_t layer) const {
    expect(w.size() == parameters(), "feature network: ", w.size(), " weights; want ", parameters());
    return {w.data() + at(layer), width, layer == 0 ? features : width};
  }
};

}  // namespace tenzo::rl
