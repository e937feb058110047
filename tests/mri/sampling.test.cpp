// Masks and coil maps: counts, seeds, and estimates against the truth.
#include <set>

#include "mri.hpp"
#include "tenzo/mri/espirit.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

std::int64_t count(const Doubles& mask) { return std::int64_t(sum(mask).item()); }

/// A smooth object in the middle of an image, (1, n, n, 2).
Doubles object(std::int64_t n) {
  return made({1, n, n, 2}, [&](const Index& i) {
    const double y = (double(i[1]) - double(n / 2)) / (0.4 * double(n));
    const double x = (double(i[2]) - double(n / 2)) / (0.4 * double(n)), r = x * x + y * y;
    return r >= 1 ? 0.0 : (1 - r) * (i[3] == 0 ? 1 + 0.3 * std::sin(5 * x) : 0.2 * std::cos(4 * y));
  });
}

/// How far two sets of maps are apart where the object is, up to one phase a pixel: 1 − |Σ_c a_c* b_c|, the largest.
double misalignment(const Doubles& a, const Doubles& b, const Doubles& image) {
  const Doubles overlap = complex_abs(sum(complex_conj_mul(a, b), 0)), size = complex_abs(image);
  double worst = 0;
  for (std::int64_t p = 0; p < size.size(); ++p)
    if (size(p) > 0.1) worst = std::max(worst, 1 - overlap(p));
  return worst;
}

}  // namespace

TEST_CASE("mri: masks have as many lines as asked for, the middle among them, and are functions of their seed") {
  for (const std::int64_t n : {64, 96, 97, 368})
    for (const double r : {1.0, 2.0, 3.0, 4.0, 8.0}) {
      const MaskOptions o{.acceleration = r};
      const Doubles m = line_mask<double>(n, o);
      CAPTURE(n);
      CAPTURE(r);
      CHECK(count(m) == std::lround(double(n) / r));
      const auto [begin, end] = calibration_lines(m);
      CHECK(end - begin >= std::lround(0.32 / r * double(n)));
      CHECK(same(line_mask<double>(n, o), m));
      if (r > 1) CHECK_FALSE(same(line_mask<double>(n, {.acceleration = r, .seed = 2}), m));
      const Doubles every = line_mask<double>(n, {.kind = MaskKind::uniform, .acceleration = r});
      for (std::int64_t i = 0; i < n; ++i) CHECK((every(i) == 1) == ((i - n / 2) % std::int64_t(r) == 0));
    }
}

TEST_CASE("mri: random and equispaced masks keep the rate of the evaluation that they come from") {
  double total = 0;
  std::set<std::vector<double>> offsets;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Doubles random = line_mask<double>(368, {.kind = MaskKind::random, .acceleration = 4, .seed = seed});
    const Doubles even = line_mask<double>(368, {.kind = MaskKind::equispaced, .acceleration = 4, .seed = seed});
    total += double(count(random));
    // 8 % of 368 are 29 lines, from (368 - 29 + 1) / 2 on
    for (std::int64_t i = 170; i < 199; ++i) CHECK((random(i) == 1 && even(i) == 1));
    // every (368 - 29) / (92 - 29) = 5.38 lines, of which those in the middle count twice
    CHECK(count(even) >= 29 + std::int64_t((368 - 29) / 5.39) - 1);
    CHECK(count(even) <= 29 + std::int64_t((368 - 29) / 5.37) + 2);
    offsets.insert({even.values().begin(), even.values().end()});
  }
  CHECK(offsets.size() == 5);
  // 29 + 339 draws of probability 63 / 339: deviation of the mean of 200 is .51
  CHECK(std::abs(total / 200 - 92) < 6 * 0.51);
}

TEST_CASE("mri: masks that can not be") {
  CHECK_THROWS_WITH_AS(line_mask<float>(0, {}), "mask: of 0 lines", ValueError);
  CHECK_THROWS_AS(line_mask<float>(64, {.acceleration = 0.5}), ValueError);
  CHECK_THROWS_AS(line_mask<float>(64, {.acceleration = 65}), ValueError);
  CHECK_THROWS_AS(line_mask<float>(64, {.acceleration = NAN}), ValueError);
  CHECK_THROWS_AS(line_mask<float>(64, {.centre = 1.5}), ValueError);
  // each of 8 lines with probability 1 / 8: a third of the masks would sample nothing
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    try {
      const Doubles m = line_mask<double>(8, {.kind = MaskKind::random, .acceleration = 8, .centre = 0, .seed = seed});
      CHECK(count(m) > 0);
    } catch (const ValueError& e) {
      CHECK(std::string(e.what()) == "mask: no line of 8 is sampled");
      ++refused;
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("mri: simulated coils see everything, together alike and each its own side") {
  const Doubles maps = simulated_maps<double>(6, 20, 24);
  const Doubles total = sum(square(maps), {0, 3});
  for (const double v : total.values()) CHECK(v == doctest::Approx(1).epsilon(1e-13));
  const Doubles size = complex_abs(maps);
  CHECK(at(size, {0, 10, 23}) > 2 * at(size, {0, 10, 0}));  // the first coil is on the right
  CHECK(at(size, {3, 10, 0}) > 2 * at(size, {3, 10, 23}));
  CHECK(same(simulated_maps<double>(6, 20, 24), maps));
  CHECK_FALSE(same(simulated_maps<double>(6, 20, 24, {.seed = 2}), maps));
  CHECK_THROWS_AS(simulated_maps<double>(0, 20, 24), ValueError);
}

TEST_CASE("mri: maps are found again from the middle of k-space") {
  const std::int64_t n = 32;
  const Doubles maps = simulated_maps<double>(4, n, n), x = object(n);
  const Doubles mask = line_mask<double>(n, {.acceleration = 2, .centre = 0.75});
  const auto e = encoding(maps, mask);
  const Doubles y = e.forward(x);
  const Doubles low = low_resolution_maps(y.reshaped(maps.shape()), mask);
  CHECK(misalignment(low, maps, x.reshaped({n, n, 2})) < 0.02);

  const Doubles full = encoding(maps, Doubles::ones({n})).forward(x).reshaped(maps.shape());
  const Doubles found = espirit_maps(full, {.calibration = 20, .kernel = 5});
  CHECK(misalignment(found, maps, x.reshaped({n, n, 2})) < 0.004);
  const Doubles total = sum(square(found), {0, 3});
  for (const double v : total.values()) CHECK((v == 0 || std::abs(v - 1) < 1e-12));
  for (std::int64_t p = 0; p < n * n; ++p) CHECK((found(2 * p) >= 0 && std::abs(found(2 * p + 1)) < 1e-12));
  // only the middle is read
  Doubles rest = full.clone();
  for (std::int64_t i = 0; i < 2 * n; ++i) rest(i) = 100;
  CHECK(same(espirit_maps(rest, {.calibration = 20, .kernel = 5}), found));
  CHECK_THROWS_AS(espirit_maps(full, {.calibration = 40}), ValueError);
  CHECK_THROWS_AS(low_resolution_maps(full, Doubles::zeros({n})), ValueError);
}
