// Objectives of smoothed training: their definitions summed by hand, and what they leave out.
#include "tenzo/smoothing/losses.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

const D scores = random_normal<double>({3, 4, 5}, initial_key(2, 0), 1.5);
const D clean = random_normal<double>({4, 5}, initial_key(2, 1), 1.5);
const Indices labels = Indices::from({4}, {0, 4, 2, 2});

std::vector<double> softmax_of(const double* s, double beta = 1) {
  std::vector<double> p;
  double sum = 0;
  for (int c = 0; c < 5; ++c) p.push_back(std::exp(beta * s[c])), sum += p.back();
  for (double& v : p) v /= sum;
  return p;
}
std::vector<double> mean_of_copies(std::int64_t i, double beta = 1) {
  std::vector<double> mean(5);
  for (std::int64_t m = 0; m < 3; ++m) {
    const auto p = softmax_of(scores.data() + (m * 4 + i) * 5, beta);
    for (std::size_t c = 0; c < 5; ++c) mean[c] += p[c] / 3;
  }
  return mean;
}
double cross(const std::vector<double>& p, const std::vector<double>& q) {
  double h = 0;
  for (std::size_t c = 0; c < p.size(); ++c) h -= p[c] * std::log(q[c]);
  return h;
}
double entropy_of_copies() {
  double ce = 0;
  for (std::int64_t m = 0; m < 3; ++m)
    for (std::int64_t i = 0; i < 4; ++i)
      ce -= std::log(softmax_of(scores.data() + (m * 4 + i) * 5)[std::size_t(labels(i))]) / 12;
  return ce;
}

}  // namespace

TEST_CASE("losses: cross entropy of copies, and −log of the mean probability") {
  CHECK(copies_loss(scores, labels).item() == doctest::Approx(entropy_of_copies()).epsilon(1e-12));
  const D l = smoothed_losses(scores, labels);
  for (std::int64_t i = 0; i < 4; ++i)
    CHECK(l(i) == doctest::Approx(-std::log(mean_of_copies(i)[std::size_t(labels(i))])).epsilon(1e-12));
  // stable where every probability underflows
  const D far = D::from({1, 1, 2}, {0, 2000});
  CHECK(smoothed_losses(far, Indices::from({1}, {0}))(0) == doctest::Approx(2000));
  CHECK_THROWS_AS(copies_loss(clean, labels), ShapeError);
}

TEST_CASE("losses: stability") {
  double want = 0;
  for (std::int64_t i = 0; i < 4; ++i) {
    const auto p = softmax_of(clean.data() + i * 5);
    want -= std::log(p[std::size_t(labels(i))]) / 4;
    for (std::int64_t m = 0; m < 3; ++m) want += 2 * cross(p, softmax_of(scores.data() + (m * 4 + i) * 5)) / 12;
  }
  CHECK(stability_loss(clean, scores, labels, 2).item() == doctest::Approx(want).epsilon(1e-12));
  CHECK_THROWS_AS(stability_loss(scores, scores, labels), ShapeError);
}

TEST_CASE("losses: consistency, of equal copies their entropy alone") {
  double kl = 0, entropy = 0;
  for (std::int64_t i = 0; i < 4; ++i) {
    const auto mean = mean_of_copies(i);
    entropy += cross(mean, mean) / 4;
    for (std::int64_t m = 0; m < 3; ++m)
      kl += (cross(mean, softmax_of(scores.data() + (m * 4 + i) * 5)) - cross(mean, mean)) / 12;
  }
  CHECK(consistency_loss(scores, labels, 10, 0.5).item() ==
        doctest::Approx(entropy_of_copies() + 10 * kl + 0.5 * entropy).epsilon(1e-12));
  D equal(scores.shape());
  for (std::int64_t m = 0; m < 3; ++m) std::copy_n(scores.data(), 20, equal.data() + m * 20);
  CHECK(consistency_loss(equal, labels, 10, 0).item() ==
        doctest::Approx(copies_loss(equal, labels).item()).epsilon(1e-12));
}

TEST_CASE("losses: MACER, and which samples have no radius") {
  // Sample 1 is made wrong, sample 2 so sure that its ξ is beyond γ.
  D s = scores.clone();
  for (std::int64_t m = 0; m < 3; ++m) {
    s((m * 4 + 0) * 5 + 0) = 2.5;
    s((m * 4 + 1) * 5 + 0) = 9;
    s((m * 4 + 2) * 5 + 2) = 40;
    s((m * 4 + 3) * 5 + 2) = 3;
  }
  const MacerOptions o{.sigma = 0.5, .lambda = 12, .gamma = 8, .beta = 2};
  double want = 0;
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < 4; ++i) {
    std::vector<double> z(5), soft(5);
    for (std::int64_t m = 0; m < 3; ++m) {
      const auto p = softmax_of(s.data() + (m * 4 + i) * 5), q = softmax_of(s.data() + (m * 4 + i) * 5, 2);
      for (std::size_t c = 0; c < 5; ++c) z[c] += p[c] / 3, soft[c] += q[c] / 3;
    }
    const auto y = std::size_t(labels(i));
    want -= std::log(z[y] + 1e-10) / 4;
    double other = 0;
    for (std::size_t c = 0; c < 5; ++c)
      if (c != y) other = std::max(other, soft[c]);
    if (soft[y] <= other) continue;
    const double xi = normal_quantile(soft[y]) - normal_quantile(other);
    if (!(xi <= 8)) continue;
    ++kept;
    want += 12 * 0.5 / 2 * (8 - xi) / 4;
  }
  CHECK(kept == 2);
  CHECK(macer_loss(s, labels, o).item() == doctest::Approx(want).epsilon(1e-12));
  MacerOptions none = o;
  none.lambda = 0;
  CHECK(macer_loss(s, labels, none).item() < want);
  CHECK_THROWS_AS(macer_loss(D::zeros({2, 1, 1}), Indices::from({1}, {0})), ShapeError);
}
