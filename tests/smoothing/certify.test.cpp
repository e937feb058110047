// Certified classifiers against exact oracles: half-spaces and thresholds, whose probabilities are known.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/smoothing/classifier.hpp"
#include "tenzo/smoothing/closed_forms.hpp"
#include "tenzo/stats/bootstrap.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

const HalfSpace half_space;
const Threshold threshold;
D at_distance(double t) { return HalfSpace::at_distance(t); }

double median(std::vector<double> v) {
  std::ranges::sort(v);
  return quantile_of_sorted(v, 0.5);
}

}  // namespace

TEST_CASE("R1: Gaussian certificates of a half-space are its distance, nearly, and too large in α of runs at most") {
  // Medians of R / distance at n = 10⁴: 0.9535, 0.9604, 0.9580 at σ, 1.5σ, 2σ. At α = 1e-3 three of 1,000 runs may be
  // wrong (more have probability 0.019; the seed is fixed).
  const SmoothedClassifier g(half_space, AdditiveNoise{Family::gaussian, 0.5});
  const struct {
    double distance, median;
    std::int64_t runs;
  } cases[] = {{0.5, 0.9535, 1000}, {0.75, 0.9604, 200}, {1.0, 0.9580, 200}};
  for (const auto& c : cases) {
    std::vector<double> ratio;
    std::int64_t wrong = 0;
    for (std::int64_t run = 0; run < c.runs; ++run) {
      const Certificate r = g.certify(at_distance(c.distance), run, {.selection = 20, .samples = 10000, .seed = 11});
      CHECK(r.label == 0);
      ratio.push_back(r.radius / c.distance);
      wrong += r.radius > c.distance;
    }
    CHECK(wrong <= 3);
    CHECK(median(ratio) == doctest::Approx(c.median).epsilon(0.003));
  }
}

TEST_CASE("coverage: over 10,000 runs of each family, too large in α of them at most") {
  // α + 3 √(α / 10⁴); the truth is the distance x of a threshold in one dimension.
  const double alpha = 0.02, x = 0.3;
  for (const Family f : {Family::gaussian, Family::laplace, Family::uniform}) {
    CAPTURE(int(f));
    const SmoothedClassifier g(threshold, AdditiveNoise{f, 0.5});
    std::int64_t wrong = 0;
    for (std::int64_t run = 0; run < 10000; ++run) {
      const Certificate c = g.certify(D::full({1}, x), run, {.selection = 10, .samples = 100, .alpha = alpha});
      wrong += c.label == 1 || c.radius > x;
    }
    CHECK(double(wrong) / 10000 <= alpha + 3 * std::sqrt(alpha / 10000));
    CHECK(wrong > 20);
  }
}

TEST_CASE("Laplace and uniform: radii of a threshold are its distance, within what 10⁴ samples leave") {
  for (const Family f : {Family::laplace, Family::uniform}) {
    const SmoothedClassifier g(threshold, AdditiveNoise{f, 0.5});
    std::vector<double> r;
    for (std::int64_t run = 0; run < 51; ++run)
      r.push_back(g.certify(D::full({1}, 0.4), run, {.samples = 10000, .seed = 3}).radius);
    CHECK(median(r) <= 0.4);
    CHECK(median(r) >= 0.37);
  }
}

TEST_CASE("certificates: no other for other batches and threads; audits; abstention near a tie") {
  const SmoothedClassifier g(half_space, AdditiveNoise{Family::gaussian, 0.5});
  const D x = at_distance(0.3);
  const CertifyOptions o{.samples = 1000, .seed = 5};
  const Certificate c = g.certify(x, 7, o);
  CHECK(c.draws == 1000);
  CHECK(c.lower == clopper_pearson_lower(c.hits, 1000, 1e-3));
  for (const std::int64_t batch : {1, 17, 1000, 5000}) {
    CertifyOptions other = o;
    other.batch = batch;
    const int before = threads();
    set_threads(batch % 2 == 1 ? 3 : 1);
    CHECK(g.certify(x, 7, other) == c);
    CHECK(g.audit(c, x, 7, other));
    CHECK(g.predict(x, 7, other) == 0);
    CHECK(g.certify_at_least(x, 7, 0.1, other) == g.certify_at_least(x, 7, 0.1, o));
    set_threads(before);
  }
  CHECK_FALSE(g.audit(c, x, 8, o));
  Certificate forged = c;
  forged.radius *= 1.01;
  CHECK_FALSE(g.audit(forged, x, 7, o));
  const Certificate tie = g.certify(at_distance(0), 1, o);
  CHECK(tie.label == abstain);
  CHECK(tie.radius == 0);
  CHECK(g.predict(at_distance(0), 1, o) == abstain);
  CHECK_THROWS_AS(g.certify(x, 0, {.samples = 0}), ValueError);
  CHECK_THROWS_AS(g.certify(x, 0, {.alpha = 0}), ValueError);
  CHECK_THROWS_AS(g.certify(x, -1, o), ValueError);
}

TEST_CASE("prediction: wrong in α of runs at most, where it may be wrong at all") {
  const SmoothedClassifier g(half_space, AdditiveNoise{Family::gaussian, 0.5});
  std::int64_t wrong = 0, silent = 0;
  for (std::int64_t run = 0; run < 3000; ++run) {
    const std::int64_t c = g.predict(at_distance(0.02), run, {.samples = 100, .alpha = 0.05});
    wrong += c == 1;
    silent += c == abstain;
  }
  CHECK(wrong <= 150);
  CHECK(silent > 2000);
}

TEST_CASE("two bounds: larger than one where the rest is spread, and sound") {
  // Class 0 beyond a line; behind it classes 1 … 8 by the angle of a second pair of coordinates: 0.6 against 8 × 0.05.
  const auto spread = [](const D& x) {
    D s = D::zeros({x.shape()[0], 9});
    for (std::int64_t i = 0; i < s.shape()[0]; ++i) {
      if (x(i, 0) > 0) {
        s(i, 0) = 1;
      } else {
        const double turn = std::atan2(x(i, 1), x(i, 2)) / (2 * 3.14159265358979323846) + 0.5;
        s(i, 1 + std::min<std::int64_t>(7, std::int64_t(8 * turn))) = 1;
      }
    }
    return s;
  };
  const SmoothedClassifier g(spread, AdditiveNoise{Family::gaussian, 1});
  const D x = D::from({3}, {normal_quantile(0.6), 0, 0});
  const CertifyOptions o{.samples = 4000};
  const Certificate one = g.certify(x, 0, o), two = g.certify_two_bounds(x, 0, o);
  CHECK(two.label == 0);
  CHECK(two.radius > 2.5 * one.radius);
  CHECK(two.radius <= gaussian_radius(1, 0.6, 0.05));
  CHECK(two.radius >= 0.8 * gaussian_radius(1, 0.6, 0.05));
  // where there are two classes it costs the level alone
  const SmoothedClassifier h(half_space, AdditiveNoise{Family::gaussian, 0.5});
  const Certificate a = h.certify(at_distance(0.5), 3, o), b = h.certify_two_bounds(at_distance(0.5), 3, o);
  CHECK(b.radius < a.radius);
  CHECK(b.radius > 0.98 * a.radius);
}

TEST_CASE("early stopping: keeps its level, saves samples, says nothing where it can not") {
  const SmoothedClassifier g(half_space, AdditiveNoise{Family::gaussian, 0.5});
  std::int64_t drawn = 0, certified = 0, wrong = 0;
  for (std::int64_t run = 0; run < 300; ++run) {
    const Certificate c = g.certify_at_least(at_distance(0.7), run, 0.4, {.selection = 20, .samples = 10000});
    drawn += c.draws;
    certified += c.label == 0;
    if (c.label == 0) {
      CHECK(c.radius >= 0.4);
      CHECK(c.radius <= 0.7);
    }
  }
  CHECK(certified == 300);
  CHECK(drawn < 300 * 1000);
  // just too far: R ≥ 0.5 of a point at 0.499 is certified in α of runs at most
  for (std::int64_t run = 0; run < 2000; ++run)
    wrong +=
        g.certify_at_least(at_distance(0.499), run, 0.5, {.selection = 5, .samples = 300, .alpha = 0.05}).label == 0;
  CHECK(wrong <= 140);  // 100 expected at most, four standard deviations
  // hopeless ones stop early, too
  const Certificate far = g.certify_at_least(at_distance(0.1), 0, 0.6, {.samples = 10000});
  CHECK(far.label == abstain);
  CHECK(far.draws < 300);
  const SmoothedClassifier u(threshold, AdditiveNoise{Family::uniform, 0.5});
  CHECK(u.certify_at_least(D::full({1}, 0.8), 0, 5, {.samples = 1000}).draws == 0);  // beyond what the noise can
  CHECK(u.certify_at_least(D::full({1}, 0.8), 0, 0.5, {.samples = 1000}).label == 0);
}

TEST_CASE("soft scores: the bound holds for the mean probability, which is known") {
  // softmax of (large t, 0) is the indicator nearly: the mean is Φ(distance / σ)
  const auto sharp = [](const D& x) {
    D s = half_space(x);
    for (double& v : s.values()) v *= 1000;
    return s;
  };
  const SmoothedClassifier g(sharp, AdditiveNoise{Family::gaussian, 0.5});
  const Certificate c = g.certify_soft(at_distance(0.5), 2, {.samples = 4000});
  CHECK(c.label == 0);
  CHECK(c.radius < 0.5);
  CHECK(c.radius > 0.4);
  CHECK(g.certify_soft(at_distance(0.0), 2, {.samples = 1000}).label == abstain);
  // Bernstein's price where the variance is nothing
  const auto constant = [](const D& x) { return D::full({x.shape()[0], 1}, 3); };
  const SmoothedClassifier one(constant, AdditiveNoise{Family::gaussian, 0.5});
  CHECK(one.certify_soft(at_distance(1), 0, {.samples = 1000}).lower ==
        doctest::Approx(1 - 7 * std::log(2000) / (3 * 999.)).epsilon(1e-12));
}

TEST_CASE("NaN scores are votes for nobody; wrong shapes are sentences") {
  std::int64_t row = 0;
  const auto sick = [&](const D& x) {
    D s = half_space(x);
    for (std::int64_t i = 0; i < s.shape()[0]; ++i)
      if (row++ % 2) s(i, 0) = NAN;
    return s;
  };
  const SmoothedClassifier g(sick, AdditiveNoise{Family::gaussian, 0.1});
  const Certificate c = g.certify(at_distance(5), 0, {.samples = 1000});
  CHECK(c.hits == 500);
  CHECK(c.label == abstain);
  const auto dead = [](const D& x) { return D::full({x.shape()[0], 2}, NAN); };
  CHECK(SmoothedClassifier(dead, AdditiveNoise{}).certify(at_distance(1), 0, {}).label == abstain);
  CHECK(SmoothedClassifier(dead, AdditiveNoise{}).predict(at_distance(1), 0, {}) == abstain);
  const auto short_of_rows = [](const D&) { return D::zeros({1, 2}); };
  CHECK_THROWS_AS(SmoothedClassifier(short_of_rows, AdditiveNoise{}).certify(at_distance(1), 0, {}), ShapeError);
}
