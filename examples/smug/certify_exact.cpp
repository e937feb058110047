#include <algorithm>
#include <cmath>

#include "certify_measure.hpp"
#include "tenzo/smoothing/classifier.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

// Reference values of 40 digits: exact binomial tails, bisection, and the inverse error function.
struct Bound {
  std::int64_t k, n;
  double level, p, z;  // z: radius / σ; −1: abstains
};
constexpr Bound bounds[] = {{100, 100, 1e-3, 0.933254300797, 1.500475024},
                            {99, 100, 1e-3, 0.911373111296, 1.349259039},
                            {95, 100, 1e-3, 0.844632694190, 1.013681799},
                            {75, 100, 1e-3, 0.597393155194, 0.2466053165},
                            {66, 100, 1e-3, 0.501649951337, 0.004135826463},
                            {65, 100, 1e-3, 0.491375611494, -1},
                            {1000, 1000, 1e-3, 0.993116048421, 2.463262615},
                            {990, 1000, 1e-3, 0.976036187155, 1.978009582},
                            {900, 1000, 1e-3, 0.867464018026, 1.114483162},
                            {750, 1000, 1e-3, 0.705584825925, 0.5405317834},
                            {550, 1000, 1e-3, 0.500675960093, 0.001694381491},
                            {549, 1000, 1e-3, 0.499673064142, -1},
                            {9, 10, 0.05, 0.605836697563, 0.2684842393},
                            {10, 10, 0.05, 0.741134449107, 0.646846797},
                            {1, 10, 0.05, 0.00511619689182, -1},
                            {10000, 10000, 1e-3, 0.999309463003, 3.198577515},
                            {9990, 10000, 1e-3, 0.997588308033, 2.8185983},
                            {9900, 10000, 1e-3, 0.986531159324, 2.212419665},
                            {9000, 10000, 1e-3, 0.890409733675, 1.228710061},
                            {7500, 10000, 1e-3, 0.736403566566, 0.6322969337},
                            {5156, 10000, 1e-3, 0.500099968227, 0.000250583186},
                            {5155, 10000, 1e-3, 0.499999939407, -1},
                            {100000, 100000, 1e-3, 0.999930924833, 3.811456563},
                            {99990, 100000, 1e-3, 0.999758677344, 3.49020768},
                            {99000, 100000, 1e-3, 0.988989340377, 2.289999955},
                            {90000, 100000, 1e-3, 0.897036496224, 1.26484469},
                            {75000, 100000, 1e-3, 0.745746842136, 0.6611652939},
                            {50490, 100000, 1e-3, 0.500008948774, 2.2431250945e-5},
                            {50489, 100000, 1e-3, 0.499998948489, -1},
                            {100000, 100000, 0.01, 0.999953949359, 3.91051043}};
struct Test {
  std::int64_t first, second;
  double p;
};
constexpr Test tests[] = {{60, 40, 0.05688793364},    {66, 34, 0.001789930391},    {67, 33, 0.0008737198369},
                          {552, 448, 0.001115049179}, {553, 447, 0.0008899859648}, {510, 490, 0.5479727459},
                          {11, 0, 0.0009765625},      {10, 0, 0.001953125},        {100, 0, 1.57772181e-30}};
struct Order {
  std::int64_t n;
  double shift, level;
  std::int64_t low, high;  // 0 and n + 1: none
};
constexpr Order orders[] = {{100, 0.4, 1e-3, 20, 81},       {1000, 0.4, 1e-3, 299, 702}, {2000, 0.4, 1e-3, 624, 1377},
                            {10000, 0.4, 1e-3, 3299, 6702}, {1000, 1, 1e-3, 124, 877},   {10000, 1, 1e-3, 1475, 8526},
                            {1000, 0, 1e-3, 451, 550},      {1000, 0.4, 1e-5, 281, 720}, {100, 2, 1e-3, 0, 101}};

/// A value as the table prints it: `digits` significant digits are owed, no more.
class Table {
 public:
  explicit Table(Exactness& e) : e_(e) {}

  void operator()(double got, double want, int digits) {
    ++e_.values;
    // what the last printed digit leaves open is no error
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

/// Class 0 where w · x > 0 for w = (0.6, 0.8): (0.6 t, 0.8 t) is at distance t from class 1.
D half_space(const D& x) {
  D s = D::zeros({x.shape()[0], 2});
  for (std::int64_t i = 0; i < s.shape()[0]; ++i) s(i, 0) = 0.6 * x(i, 0) + 0.8 * x(i, 1);
  return s;
}
/// Class 0 where x > 0, of single numbers: at distance x in each norm.
D threshold(const D& x) {
  D s = D::zeros({x.shape()[0], 2});
  for (std::int64_t i = 0; i < s.shape()[0]; ++i) s(i, 0) = x(i, 0);
  return s;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + std::ptrdiff_t(v.size() / 2), v.end());
  return v[v.size() / 2];
}

}  // namespace

Exactness exactness(const Setup& setup, std::uint64_t seed, int seeds) {
  Exactness e;
  Table value(e);
  for (const Bound& b : bounds) {
    const double p = clopper_pearson_lower(b.k, b.n, b.level);
    value(p, b.p, 12);
    value.decides((p < 0.5) == (b.z < 0));
    if (b.z < 0) continue;
    if (b.k == 50490) e.near_tie = std::abs(gaussian_radius(1, p) - b.z);  // digits cancel: judged absolutely
    else
      value(gaussian_radius(1, p), b.z,
            b.z == 2.8185983 || b.z == 3.49020768 || b.z == 1.26484469 || b.z == 3.91051043 || b.z == 0.646846797 ||
                    b.z == 0.000250583186
                ? 8
                : 10);
  }
  for (const Test& t : tests) {
    const double p = binomial_test(t.first, t.first + t.second);
    value(p, t.p, t.first == 100 ? 9 : t.second == 0 ? 7 : 10);
    value.decides((p <= 1e-3) == (t.first == 67 || t.first == 553 || t.first == 11 || t.first == 100));
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
  for (const Order& o : orders) {
    value.decides(quantile_lower_index(o.n, normal_cdf(-o.shift), o.level) == o.low);
    value.decides(quantile_upper_index(o.n, normal_cdf(o.shift), o.level) == o.high);
  }

  const double sigma = 0.5;
  const SmoothedClassifier g(half_space, AdditiveNoise{Family::gaussian, sigma});
  for (const double distance : {1.0, 1.5, 2.0}) {
    Oracle o{.distance = distance, .runs = setup.sizes.oracles * seeds};
    const double t = distance * sigma;
    std::vector<double> ratio(static_cast<std::size_t>(o.runs));
    parallel_for(o.runs, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Certificate c = g.certify(D::from({2}, {0.6 * t, 0.8 * t}), i / seeds,
                                        {.selection = 20, .samples = 10000, .seed = seed + std::uint64_t(i % seeds)});
        ratio[std::size_t(i)] = c.label == 0 ? c.radius / t : 10;  // the wrong class is wrong at any radius
      }
    });
    for (const double r : ratio) o.wrong += r > 1;
    o.median = median(ratio);
    e.oracles.push_back(o);
  }
  return e;
}

std::vector<Calibration> calibration(const Setup& setup, std::uint64_t seed) {
  const double sigma = 0.5, distance = 0.3;
  const std::int64_t n = 200;
  std::vector<Calibration> out;
  for (const Family family : {Family::gaussian, Family::laplace, Family::uniform}) {
    Calibration c{.family = family == Family::gaussian  ? "Gaussian"
                            : family == Family::laplace ? "Laplace"
                                                        : "uniform",
                  .runs = setup.sizes.calibration};
    const AdditiveNoise noise{family, sigma};
    const SmoothedClassifier g(threshold, noise);
    std::vector<std::int64_t> hits(static_cast<std::size_t>(c.runs));  // of the right class
    parallel_for(c.runs, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        hits[std::size_t(i)] = g.votes(D::full({1}, distance), {seed, i, Phase::estimation}, n, n).of(0);
    });
    for (const double level : {0.001, 0.003, 0.01, 0.03, 0.1, 0.3}) {
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
