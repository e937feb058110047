// Random crops: what they keep, where they are, mirrors, bits.
#include "tenzo/data/augment.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "tenzo/core/parallel.hpp"

using namespace tenzo;

namespace {

using F = Tensor<float>;

/// A picture whose pixels all differ, n times.
F ramp(std::int64_t n, std::int64_t size) {
  F x(Shape{n, 1, size, size});
  for (std::int64_t i = 0; i < x.size(); ++i) x(i) = float(i % (size * size)) / float(size * size);
  return x;
}
std::vector<float> image(const F& x, std::int64_t i) {
  const auto v = x.values().subspan(std::size_t(i * x.shape().inner(0)), std::size_t(x.shape().inner(0)));
  return {v.begin(), v.end()};
}

}  // namespace

TEST_CASE(
    "augment: every crop is a part of the image at 9/8 of its size, all of them come, mirrored ones where asked") {
  const std::int64_t n = 400, size = 16;
  const F x = ramp(n, size), wide = resized(x.rows(0, 1), 18, 18);
  std::set<std::vector<float>> straight, mirrored;
  for (std::int64_t top = 0; top <= 2; ++top)
    for (std::int64_t left = 0; left <= 2; ++left) {
      std::vector<float> part, turned;
      for (std::int64_t y = 0; y < size; ++y) {
        const float* row = wide.data() + (top + y) * 18 + left;
        part.insert(part.end(), row, row + size);
        turned.insert(turned.end(), std::reverse_iterator(row + size), std::reverse_iterator(row));
      }
      straight.insert(part), mirrored.insert(turned);
    }
  for (const bool flip : {false, true}) {
    const F y = random_crops(x, flip, 1, 5);
    CHECK(y.shape() == x.shape());
    std::set<std::vector<float>> seen;
    std::int64_t turned = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto one = image(y, i);
      REQUIRE((straight.count(one) || mirrored.count(one)));
      turned += mirrored.count(one) > 0;
      seen.insert(one);
    }
    CHECK(seen.size() == (flip ? 18 : 9));  // one is missed with probability 18 (17/18)^400 < 1e-8
    if (!flip) CHECK(turned == 0);
    // Binomial, n = 400: 80 is 8 standard deviations.
    if (flip) CHECK(std::abs(double(turned) - 200) < 80);
  }
}

TEST_CASE("augment: a function of seed and step, the same on one thread; small images stay as they are") {
  const F x = ramp(8, 16), y = random_crops(x, true, 1, 2);
  const auto same = [&](const F& z) { return std::equal(y.values().begin(), y.values().end(), z.values().begin()); };
  const int before = threads();
  set_threads(1);
  CHECK(same(random_crops(x, true, 1, 2)));
  set_threads(before);
  CHECK_FALSE(same(random_crops(x, true, 2, 2)));
  CHECK_FALSE(same(random_crops(x, true, 1, 3)));
  const F small = ramp(2, 7), z = random_crops(small, false, 1, 1);  // no pixel more
  CHECK(std::equal(small.values().begin(), small.values().end(), z.values().begin()));
  CHECK_THROWS_AS(random_crops(F::ones({2, 3}), false, 1, 1), ShapeError);
}
