#include "cross_entropy.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/cross_entropy.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// Every class in turn, every seventh row ignored.
std::vector<std::int64_t> labels_of(std::int64_t rows, std::int64_t classes, std::int64_t ignored) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(rows));
  for (std::size_t r = 0; r < labels.size(); ++r)
    labels[r] = r % 7 == 3 ? ignored : std::int64_t(r * 2654435761u % std::uint64_t(classes));
  return labels;
}

}  // namespace

TEST_CASE_TEMPLATE("cross_entropy: any number of classes, with and without smoothing", T, float, double) {
  for (const std::int64_t classes : sizes({1,   2,   3,   4,   5,    10,   31,   32,   33,   64,    127,  128,
                                           129, 511, 512, 513, 1023, 1024, 1025, 1028, 2049, 49152, 50257},
                                          {1, 10, 33, 128, 2049, 4100}))
    for (const int shift : {0, 1}) {
      if (shift && (classes % 4 || classes > 600)) continue;
      const std::int64_t rows = classes > 2000 ? 2 : classes == 10 ? 300 : 5;
      CAPTURE(classes);
      CAPTURE(shift);
      for (const CrossEntropyTarget& target : {CrossEntropyTarget{}, CrossEntropyTarget{-1, 0.1}}) {
        CAPTURE(target.smoothing);
        under_schedules(
            [&] {
              Both<T> x(normals<T>(rows * classes, 1), shift), loss(rows), lse(rows), g(normals<T>(rows, 2));
              Both<T> gx(rows * classes, shift);
              Both<std::int64_t> labels(labels_of(rows, classes, target.ignore_index));
              on_both([&](auto d) {
                cross_entropy(d, rows, classes, x.at(d), labels.at(d), target, loss.at(d), lse.at(d));
              });
              // Sums of exponentials have a relative error, which is absolute in their logarithm; a mean of numbers of
              // both signs has one beside the mean of their magnitudes.
              CHECK(loss.error() <= 20);
              CHECK(lse.error() <= 20);
              on_both([&](auto d) {
                cross_entropy_backward(d, rows, classes, x.at(d), labels.at(d), target, lse.at(d), g.at(d), 1,
                                       gx.at(d));
              });
              CHECK(gx.error() <= 40);
              on_both([&](auto d) {
                cross_entropy_backward(d, rows, classes, x.at(d), labels.at(d), target, lse.at(d), g.at(d), 0, x.at(d));
              });
              CHECK(x.error() <= 40);
            },
            rows * classes > 1000);
      }
    }
  Both<T> none(std::int64_t(0));
  Both<std::int64_t> labels(std::int64_t(0));
  cross_entropy(Cuda{}, 0, 7, none.at(Cuda{}), labels.at(Cuda{}), CrossEntropyTarget{}, none.at(Cuda{}),
                none.at(Cuda{}));
  cross_entropy_backward(Cuda{}, 0, 7, none.at(Cuda{}), labels.at(Cuda{}), CrossEntropyTarget{}, none.at(Cuda{}),
                         none.at(Cuda{}), 1, none.at(Cuda{}));
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("the gradient of cross entropy has the CPU's bits where log Σ eˣ has", T, float, double) {
  for (const std::int64_t classes : {1, 3, 4, 257, 1024}) {
    CAPTURE(classes);
    const std::int64_t rows = 9;
    for (const double smoothing : {0., 0.1}) {
      Both<T> x(normals<T>(rows * classes, 1)), lse(normals<T>(rows, 2)), g(normals<T>(rows, 3)), gx(rows * classes);
      Both<std::int64_t> labels(labels_of(rows, classes, -100));
      on_both([&](auto d) {
        cross_entropy_backward(d, rows, classes, x.at(d), labels.at(d), {-100, smoothing}, lse.at(d), g.at(d), 1,
                               gx.at(d));
      });
      CHECK(gx.same());
    }
  }
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("cross_entropy of infinities and NaN", T, float, double) {
  constexpr T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const std::int64_t rows = 6, classes = 300;
  std::vector<T> logits(static_cast<std::size_t>(rows * classes), T(-1));
  const T special[] = {inf, -inf, nan, T(1e4), T(-1e4), T(88)};
  for (std::size_t r = 0; r < 6; ++r) logits[r * 300 + 7 * r] = special[r];
  std::fill_n(logits.begin() + 300, 300, -inf);
  for (const std::int64_t label : {0, 7, 14, 21, 299}) {
    CAPTURE(label);
    Both<T> x(logits), loss(rows), lse(rows);
    Both<std::int64_t> labels(std::vector<std::int64_t>(6, label));
    on_both([&](auto d) { cross_entropy(d, rows, classes, x.at(d), labels.at(d), {}, loss.at(d), lse.at(d)); });
    CHECK(loss.error() <= 40);
    CHECK(lse.error() <= 40);
  }
  emulation::expect_clean();
}

TEST_CASE("cross_entropy reads each logit once, and none of ignored rows") {
  for (const std::int64_t classes : {1024, 49152}) {
    const std::int64_t rows = 4, bytes = classes * 4;
    Both<float> x(normals<float>(rows * classes, 1)), loss(rows), lse(rows);
    Both<std::int64_t> labels(std::vector<std::int64_t>{1, -100, 2, 3});
    const auto t = emulation::traffic_of([&] {
      cross_entropy(Cuda{}, rows, classes, x.at(Cuda{}), labels.at(Cuda{}), {}, loss.at(Cuda{}), lse.at(Cuda{}));
    });
    CHECK(t.loads[4] * 16 == std::uint64_t(3 * bytes));
    CHECK(t.bytes_stored() == rows * 2 * 4);
  }
  emulation::expect_clean();
}
