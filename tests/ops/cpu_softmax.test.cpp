#include "tenzo/ops/cpu/softmax.hpp"

#include "cpu_support.hpp"
#include "tenzo/ops/cpu/cross_entropy.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

struct Axes {
  std::int64_t outer, n, inner;
  std::int64_t size() const { return outer * n * inner; }
  std::int64_t lines() const { return outer * inner; }
};

const Axes shapes[] = {{1, 1, 1},  {3, 1, 1},   {5, 7, 1},    {2, 15, 1},   {2, 16, 1},
                       {2, 17, 1}, {3, 131, 1}, {2, 2048, 1}, {2, 5003, 1}, {2, 3, 4},
                       {1, 9, 16}, {2, 65, 17}, {3, 4, 33},   {2, 130, 5},  {0, 4, 1}};

// The definition, in double.
struct Reference {
  std::vector<double> softmax, log_softmax, lse;

  Reference(const Axes& a, const std::vector<double>& x)
      : softmax(x.size()), log_softmax(x.size()), lse(std::size_t(a.lines())) {
    for (std::int64_t o = 0; o < a.outer; ++o)
      for (std::int64_t i = 0; i < a.inner; ++i) {
        const auto at = [&](std::int64_t j) { return std::size_t((o * a.n + j) * a.inner + i); };
        double m = -INFINITY, s = 0;
        for (std::int64_t j = 0; j < a.n; ++j) m = std::max(m, x[at(j)]);
        for (std::int64_t j = 0; j < a.n; ++j) s += std::exp(x[at(j)] - m);
        lse[std::size_t(o * a.inner + i)] = m + std::log(s);
        for (std::int64_t j = 0; j < a.n; ++j) {
          log_softmax[at(j)] = x[at(j)] - m - std::log(s);
          softmax[at(j)] = std::exp(x[at(j)] - m) / s;
        }
      }
  }
};

template <class T>
struct Results {
  std::vector<T> softmax, log_softmax, lse, g_softmax, g_log_softmax, g_lse;

  Results(const Axes& a, const std::vector<T>& x, const std::vector<T>& g)
      : softmax(x.size()),
        log_softmax(x.size()),
        lse(std::size_t(a.lines())),
        g_softmax(x.size()),
        g_log_softmax(x.size()),
        g_lse(x.size()) {
    cpu::softmax(Cpu{}, a.outer, a.n, a.inner, x.data(), softmax.data());
    cpu::log_softmax(Cpu{}, a.outer, a.n, a.inner, x.data(), log_softmax.data());
    cpu::logsumexp(Cpu{}, a.outer, a.n, a.inner, x.data(), lse.data());
    cpu::softmax_backward(Cpu{}, a.outer, a.n, a.inner, softmax.data(), g.data(), g_softmax.data());
    cpu::log_softmax_backward(Cpu{}, a.outer, a.n, a.inner, log_softmax.data(), g.data(), g_log_softmax.data());
    cpu::logsumexp_backward(Cpu{}, a.outer, a.n, a.inner, x.data(), lse.data(), g.data(), g_lse.data());
  }
  bool operator==(const Results& o) const {
    return same_bits(softmax, o.softmax) && same_bits(log_softmax, o.log_softmax) && same_bits(lse, o.lse) &&
           same_bits(g_softmax, o.g_softmax) && same_bits(g_log_softmax, o.g_log_softmax) && same_bits(g_lse, o.g_lse);
  }
};

// x − max and its exponential round by half an ulp each, |x| <= 20; the sum adds a few ulp.
template <class T>
constexpr double eps = std::numeric_limits<T>::epsilon();

}  // namespace

TEST_CASE_TEMPLATE("cpu softmax: values at awkward sizes", T, float, double) {
  for (const Axes& a : shapes) {
    CAPTURE(a.outer);
    CAPTURE(a.n);
    CAPTURE(a.inner);
    const auto x = numbers<T>(a.size(), 1, 10);
    const Results<T> y(a, x, x);
    const Reference want(a, in_double(x));
    CHECK(distance(y.softmax, want.softmax) <= 24 * eps<T>);
    CHECK(distance(y.log_softmax, want.log_softmax) <= 40 * eps<T>);
    CHECK(distance(y.lse, want.lse) <= 20 * eps<T>);
  }
}

TEST_CASE("cpu softmax: gradients against difference quotients") {
  for (const Axes& a : {Axes{2, 9, 1}, Axes{1, 33, 1}, Axes{2, 5, 3}, Axes{1, 3, 18}}) {
    const auto x = numbers<double>(a.size(), 2), c = numbers<double>(a.size(), 3);
    const Results<double> y(a, x, c);
    const auto numeric = [&](auto pick) {
      return difference_quotients([&](const std::vector<double>& t) { return dot(pick(Reference(a, t)), c); }, x);
    };
    CHECK(distance(y.g_softmax, numeric([](const Reference& r) { return r.softmax; })) < 1e-9);
    CHECK(distance(y.g_log_softmax, numeric([](const Reference& r) { return r.log_softmax; })) < 1e-8);
    std::vector<double> first(c.begin(), c.begin() + a.lines());
    CHECK(distance(y.g_lse, difference_quotients([&](const auto& t) { return dot(Reference(a, t).lse, first); }, x)) <
          1e-9);
  }
}

TEST_CASE("cpu softmax: the same bits in place, on any number of threads, on any machine") {
  std::uint64_t h = 0;
  for (const Axes& a : shapes) {
    const auto x = numbers<float>(a.size(), 4, 30), g = numbers<float>(a.size(), 5);
    const auto one = on(1, [&] { return Results<float>(a, x, g); });
    CHECK(one == on(2, [&] { return Results<float>(a, x, g); }));
    CHECK(one == on(5, [&] { return Results<float>(a, x, g); }));
    auto in_place = x;
    cpu::softmax(Cpu{}, a.outer, a.n, a.inner, in_place.data(), in_place.data());
    CHECK(same_bits(in_place, one.softmax));
    in_place = g;
    cpu::softmax_backward(Cpu{}, a.outer, a.n, a.inner, one.softmax.data(), in_place.data(), in_place.data());
    CHECK(same_bits(in_place, one.g_softmax));
    for (const auto* v : {&one.softmax, &one.log_softmax, &one.lse, &one.g_softmax, &one.g_log_softmax, &one.g_lse})
      h = hash_of(*v, h);
  }
  CHECK(h == 11421603763430308599u);
}

TEST_CASE_TEMPLATE("cpu softmax: infinite, masked and huge rows", T, float, double) {
  constexpr T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  std::vector<T> x{-inf, 1, -inf, -inf, -inf, -inf, T(1e30), T(1e30), -T(1e30), 0, nan, 0, -1000, -1000, -1000}, y(15),
      l(5);
  cpu::softmax<T>(Cpu{}, 5, 3, 1, x.data(), y.data());
  cpu::logsumexp<T>(Cpu{}, 5, 3, 1, x.data(), l.data());
  CHECK(y[0] == 0);
  CHECK(y[1] == 1);
  CHECK(l[0] == 1);
  CHECK(std::isnan(y[3]));
  CHECK(l[1] == -inf);
  CHECK(y[6] == T(0.5));
  CHECK(y[8] == 0);
  CHECK(std::isnan(y[9]));
  CHECK(std::isnan(l[3]));
  CHECK(y[12] == doctest::Approx(1. / 3));
  CHECK(l[4] == doctest::Approx(-1000 + std::log(3.)));
  // A run of −∞ alone inside a long row is as if it were not there.
  std::vector<T> row(6000, -inf);
  row[5000] = 2;
  row[10] = 2;
  cpu::logsumexp<T>(Cpu{}, 1, 6000, 1, row.data(), l.data());
  CHECK(l[0] == doctest::Approx(2 + std::log(2.)));
  // Columns treat the same numbers alike.
  std::vector<T> columns(15), t(15);
  for (int r = 0; r < 5; ++r)
    for (int j = 0; j < 3; ++j) columns[std::size_t(j * 5 + r)] = x[std::size_t(r * 3 + j)];
  cpu::softmax<T>(Cpu{}, 1, 3, 5, columns.data(), t.data());
  for (int r = 0; r < 5; ++r)
    for (int j = 0; j < 3; ++j) {
      const T a = t[std::size_t(j * 5 + r)], b = y[std::size_t(r * 3 + j)];
      CHECK((std::isnan(a) ? std::isnan(b) : a == doctest::Approx(b)));
    }
}

namespace {

double reference_loss(const std::vector<double>& x, std::int64_t classes, std::int64_t r, std::int64_t label,
                      double s) {
  const double* row = &x[std::size_t(r * classes)];
  double m = -INFINITY, sum = 0, mean = 0;
  for (std::int64_t j = 0; j < classes; ++j) m = std::max(m, row[j]);
  for (std::int64_t j = 0; j < classes; ++j) sum += std::exp(row[j] - m), mean += row[j] / double(classes);
  return m + std::log(sum) - (1 - s) * row[label] - s * mean;
}

}  // namespace

TEST_CASE_TEMPLATE("cpu cross entropy: loss and gradient", T, float, double) {
  for (double smoothing : {0., 0.1})
    for (std::int64_t classes : {1, 2, 10, 16, 50, 4999}) {
      const std::int64_t rows = 5;
      std::vector<std::int32_t> labels{0, std::int32_t(classes - 1), -100, std::int32_t(classes / 2), 0};
      const auto x = numbers<T>(rows * classes, 7, 10);
      std::vector<T> loss(5), lse(5), g(5, T(0.25)), gx(x.size());
      const CrossEntropyTarget options{.smoothing = smoothing};
      cpu::cross_entropy(Cpu{}, rows, classes, x.data(), labels.data(), options, loss.data(), lse.data());
      cpu::cross_entropy_backward(Cpu{}, rows, classes, x.data(), labels.data(), options, lse.data(), g.data(), 1,
                                  gx.data());
      const auto xd = in_double(x);
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto i = std::size_t(r);
        const double want = labels[i] < 0 ? 0 : reference_loss(xd, classes, r, labels[i], smoothing);
        CHECK(std::abs(double(loss[i]) - want) <= 60 * eps<T>);
        const Reference p({1, classes, 1}, {xd.begin() + r * classes, xd.begin() + (r + 1) * classes});
        double worst = 0;
        for (std::int64_t j = 0; j < classes && labels[i] >= 0; ++j) {
          const double slope =
              p.softmax[std::size_t(j)] - (1 - smoothing) * (j == labels[i]) - smoothing / double(classes);
          worst = std::max(worst, std::abs(double(gx[std::size_t(r * classes + j)]) - 0.25 * slope));
        }
        CHECK(worst <= 12 * eps<T>);
        if (labels[i] < 0) CHECK(gx[i * std::size_t(classes)] == 0);
      }
      auto in_place = x;
      cpu::cross_entropy_backward(Cpu{}, rows, classes, in_place.data(), labels.data(), options, lse.data(), g.data(),
                                  0, in_place.data());
      CHECK(same_bits(in_place, gx));
      CHECK(cpu::count_labels(rows, labels.data(), -100) == 4);
    }
}

TEST_CASE("cpu cross entropy: the same bits on any number of threads and any machine; a wrong label is a sentence") {
  const std::int64_t rows = 7, classes = 9001;
  const auto x = numbers<float>(rows * classes, 8, 20);
  std::vector<std::int64_t> labels{1, 2, 3, 4, 5, -7, 9000};
  const CrossEntropyTarget options{.ignore_index = -7, .smoothing = 0.05};
  const auto run = [&] {
    std::vector<float> loss(7), lse(7), gx(x.size()), g(1, 1.f / 6);
    cpu::cross_entropy(Cpu{}, rows, classes, x.data(), labels.data(), options, loss.data(), lse.data());
    cpu::cross_entropy_backward(Cpu{}, rows, classes, x.data(), labels.data(), options, lse.data(), g.data(), 0,
                                gx.data());
    loss.insert(loss.end(), lse.begin(), lse.end());
    loss.insert(loss.end(), gx.begin(), gx.end());
    return loss;
  };
  const auto y = on(1, run);
  CHECK(same_bits(y, on(2, run)));
  CHECK(hash_of(y) == 16178636030307194343u);
  labels[3] = 9001;
  CHECK_THROWS_WITH_AS(cpu::check_labels(rows, labels.data(), classes, options.ignore_index),
                       "cross_entropy: label 9001 of row 3 is not in [0, 9001)", ValueError);
}
