#include <algorithm>
#include <cmath>

#include "certify_measure.hpp"
#include "certify_reference.hpp"
#include "tenzo/smoothing/classifier.hpp"
#include "tenzo/smoothing/closed_forms.hpp"
#include "tenzo/stats/bootstrap.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

/// Compares values with others that are known to `digits` significant digits: no more are owed.
class Table {
 public:
  explicit Table(Exactness& e) : e_(e) {}

  void operator()(double got, double want, int digits) {
    ++e_.values;
    // what the last known digit leaves open is no error
    const double open = 0.5 * std::pow(10.0, std::floor(std::log10(std::abs(want))) + 1 - digits);
    e_.worst = std::max(e_.worst, std::max(0.0, std::abs(got - want) - open) / std::abs(want));
  }
  void decides(bool as_wanted) {
    ++e_.values;
    e_.other += !as_wanted;
  }

 private:
  Exactness& e_;
};

}  // namespace

Exactness exactness(const Setup& setup, std::uint64_t seed, int seeds) {
  Exactness e;
  Table value(e);
  for (const KnownBound& b : known_bounds) {
    const double p = clopper_pearson_lower(b.k, b.n, b.level);
    value(p, b.p, 12);
    value.decides((p < 0.5) == (b.z < 0));
    if (b.z < 0) continue;
    if (b.k == near_tie) e.near_tie = std::abs(gaussian_radius(1, p) - b.z);
    else value(gaussian_radius(1, p), b.z, b.digits);
  }
  for (const KnownTest& t : known_tests) {
    const double p = binomial_test(t.first, t.first + t.second);
    value(p, t.p, t.digits);
    value.decides((p <= alpha) == t.decides);
  }
  value(gaussian_radius(1, 0.8, 0.1), 1.0615864, 8), value(gaussian_radius(1, 0.8), 0.8416212336, 10);
  value(gaussian_radius(1, 0.6, 0.3), 0.3888738079, 10), value(gaussian_radius(1, 0.6), 0.2533471031, 10);
  value(gaussian_radius(1, 0.999, 0.0005), 3.190379519, 10), value(gaussian_radius(1, 0.999), 3.090232306, 10);
  value(empirical_bernstein_lower(0.95, 0.01, 1000, 1e-3), 0.9199172478, 10);
  value(empirical_bernstein_lower(0.95, 0.01, 100000, 1e-3), 0.9485896878, 10);
  value(empirical_bernstein_lower(0.8, 0.05, 10000, 1e-3), 0.7895079633, 10);
  value(hoeffding_lower(0.95, 1000, 1e-3), 0.8912303, 7), value(hoeffding_lower(0.95, 100000, 1e-3), 0.94412303, 8);
  value(laplace_l1_radius(0.5, 0.6), 0.1115717757, 10), value(laplace_l1_radius(0.5, 0.9), 0.8047189562, 10);
  value(laplace_l1_radius(0.5, 0.99), 1.956011503, 10);
  value(uniform_l1_radius(0.5, 0.6), 0.1, 12), value(uniform_l1_radius(0.5, 0.9), 0.4, 12);
  value(uniform_l1_radius(0.5, 0.99), 0.49, 12);
  value(normal_quantile(0.6), 0.253347103136, 12), value(normal_quantile(0.9), 1.28155156554, 12);
  value(normal_quantile(0.99), 2.32634787404, 12), value(normal_quantile(0.999), 3.09023230617, 12);
  value(normal_quantile(0.9999), 3.71901648546, 12);
  for (const KnownOrder& o : known_orders) {
    value.decides(quantile_lower_index(o.n, normal_cdf(-o.shift), o.level) == o.low);
    value.decides(quantile_upper_index(o.n, normal_cdf(o.shift), o.level) == o.high);
  }

  const double sigma = base_sigma;
  const SmoothedClassifier g(HalfSpace{}, AdditiveNoise{Family::gaussian, sigma});
  for (const double distance : {1.0, 1.5, 2.0}) {
    Oracle o{.distance = distance, .runs = setup.sizes.oracles * seeds};
    const double t = distance * sigma;
    std::vector<double> ratio(static_cast<std::size_t>(o.runs));
    parallel_for(o.runs, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Certificate c = g.certify(HalfSpace::at_distance(t), i / seeds,
                                        {.selection = 20, .samples = 10000, .seed = seed + std::uint64_t(i % seeds)});
        ratio[std::size_t(i)] = c.label == 0 ? c.radius / t : 10;  // the wrong class is wrong at any radius
      }
    });
    for (const double r : ratio) o.wrong += r > 1;
    std::ranges::sort(ratio);
    o.median = quantile_of_sorted(ratio, 0.5);
    e.oracles.push_back(o);
  }
  return e;
}

std::vector<Calibration> calibration(const Setup& setup, std::uint64_t seed) {
  const double sigma = base_sigma, distance = 0.3;
  constexpr std::int64_t n = calibration_copies;
  std::vector<Calibration> out;
  for (const Family family : {Family::gaussian, Family::laplace, Family::uniform}) {
    Calibration c{.family = family == Family::gaussian  ? "Gaussian"
                            : family == Family::laplace ? "Laplace"
                                                        : "uniform",
                  .runs = setup.sizes.calibration};
    const AdditiveNoise noise{family, sigma};
    const SmoothedClassifier g(Threshold{}, noise);
    std::vector<std::int64_t> hits(static_cast<std::size_t>(c.runs));  // of the right class
    parallel_for(c.runs, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        hits[std::size_t(i)] = g.votes(D::full({1}, distance), {seed, i, Phase::estimation}, n, n).of(0);
    });
    for (const double level : calibration_alphas) {
      std::int64_t wrong = 0;
      for (const std::int64_t k : hits) {
        const double p = clopper_pearson_lower(k, n, level);
        wrong += p >= 0.5 && certified_radius(noise, p) > distance;
      }
      c.alphas.push_back(level), c.rates.push_back(double(wrong) / double(c.runs));
    }
    out.push_back(c);
  }
  return out;
}

}  // namespace smug::certify
