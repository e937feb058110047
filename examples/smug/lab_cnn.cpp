#include "lab_of.hpp"
#include "tenzo/models/residual_cnn.hpp"

namespace smug {

namespace {

/// An upper bound of ‖conv‖₂: the sum over its taps of their matrices' norms, as a shift has norm one.
double norm_bound(const F& weight) {  // (out, in, h, w)
  const std::int64_t out = weight.dim(0), in = weight.dim(1), taps = weight.dim(2) * weight.dim(3);
  double total = 0;
  for (std::int64_t t = 0; t < taps; ++t) {
    Eigen::MatrixXd m(out, in);
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t i = 0; i < in; ++i) m(o, i) = double(weight((o * in + i) * taps + t));
    total += Eigen::JacobiSVD<Eigen::MatrixXd>(m).singularValues()(0);
  }
  return total;
}

}  // namespace

/// Layer by layer: a relu makes nothing larger, a bias b adds ‖b‖ times the root of the pixels.
template <>
std::pair<double, double> bounds_of(const tenzo::ResidualCnn<F>& d, std::int64_t width) {
  const double pixels = double(width * width), start = std::sqrt(2 * pixels);
  double size = start, steep = 1;
  for (const auto& layer : d.layers) {
    const double s = norm_bound(layer.weight);
    size = s * size + tenzo::norm(layer.bias) * std::sqrt(pixels);
    steep *= s;
  }
  return {start + size, 1 + steep};
}

std::unique_ptr<Lab> cnn_lab(const Sizes& s) {
  return std::make_unique<LabOf<tenzo::ResidualCnn>>(
      tenzo::residual_cnn_spec({.channels = 2, .width = s.channels, .depth = 5}), s, false);
}

}  // namespace smug
