// From volumes to complex images: axial slices, augmentation, phases, splits.
#include "tenzo/mri/slices.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "../io/files.hpp"
#include "tenzo/core/hash.hpp"
#include "tenzo/mri/augment.hpp"
#include "tenzo/mri/split.hpp"

using namespace tenzo;
using namespace tenzo::mri;

namespace {

Volume of(const Shape& shape, std::array<double, 3> spacing = {1, 1, 1}) {
  Volume v;
  v.voxels = Tensor<float>(shape);
  for (std::int64_t i = 0; i < v.voxels.size(); ++i) v.voxels(i) = float((i * 7919 + 13) % 101);
  v.spacing = spacing;
  return v;
}
Tensor<float> squares(std::int64_t n, std::int64_t w) {
  Tensor<float> x(Shape{n, w, w});
  for (std::int64_t i = 0; i < x.size(); ++i) x(i) = float((i * 31 + 7) % 64) / 64;
  return x;
}
Rows upto(std::int64_t n) { return complement({}, n); }
bool same(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() && std::equal(a.values().begin(), a.values().end(), b.values().begin());
}
float largest(const Tensor<float>& x) {
  float m = 0;
  for (const float v : x.values()) m = std::max(m, std::abs(v));
  return m;
}

}  // namespace

TEST_CASE("axial_slices: average pooling, the front first, divided by the largest") {
  const Volume v = of({3, 6, 6});
  const Rows z = {2, 0};
  const auto s = axial_slices(v, z, 2);
  CHECK(s.shape() == Shape{2, 2, 2});
  for (std::size_t i = 0; i < 2; ++i) {
    double mean[4], most = 0;
    for (int r = 0; r < 2; ++r)
      for (int c = 0; c < 2; ++c) {
        double sum = 0;
        for (int y = 0; y < 3; ++y)
          for (int x = 0; x < 3; ++x) sum += double(v.voxels((z[i] * 6 + 3 * (1 - r) + y) * 6 + 3 * c + x));
        mean[2 * r + c] = sum / 9;
        most = std::max(most, sum / 9);
      }
    for (int k = 0; k < 4; ++k) CHECK(s(std::int64_t(4 * i) + k) == doctest::Approx(mean[k] / most).epsilon(1e-6));
  }
  CHECK(axial_slices(v, Rows{}, 4).shape() == Shape{0, 4, 4});
}

TEST_CASE("axial_slices: one pixel a voxel gives the voxels") {
  const Volume v = of({2, 5, 5});
  const auto s = axial_slices(v, upto(2), 5);
  for (std::int64_t z = 0; z < 2; ++z) {
    float most = 0;
    for (std::int64_t k = 0; k < 25; ++k) most = std::max(most, v.voxels(z * 25 + k));
    for (std::int64_t r = 0; r < 5; ++r)
      for (std::int64_t c = 0; c < 5; ++c)
        CHECK(s((z * 5 + r) * 5 + c) == doctest::Approx(v.voxels((z * 5 + 4 - r) * 5 + c) / most).epsilon(1e-6));
  }
}

TEST_CASE("axial_slices: a slice lies in the middle of a square, whatever its voxels' proportions") {
  Volume v = of({1, 4, 2});
  for (float& x : v.voxels.values()) x = 3;
  auto s = axial_slices(v, upto(1), 4);  // columns 1 and 2 of 4
  for (std::int64_t r = 0; r < 4; ++r)
    for (std::int64_t c = 0; c < 4; ++c) CHECK(s(r * 4 + c) == (c == 1 || c == 2 ? 1 : 0));
  v.spacing = {9, 1, 2};  // 4 x 4 mm: the whole square
  s = axial_slices(v, upto(1), 3);
  for (const float x : s.values()) CHECK(x == doctest::Approx(1).epsilon(1e-6));
  v.spacing = {1, 1, 1};
  s = axial_slices(v, upto(1), 4, 2);  // 2 x 2 mm around the centre
  for (const float x : s.values()) CHECK(x == 1);
  s = axial_slices(v, upto(1), 2, 16);  // pixels of 8 mm: 2 mm² of each 64
  for (const float x : s.values()) CHECK(x == 1);
}

TEST_CASE("axial_slices: pixels that are no whole number of voxels are means by area") {
  const Volume v = of({1, 7, 5}, {1, 0.7, 1.3});
  const double side = 6.5;  // mm, of the columns
  const auto overlap = [](double a, double b, double c, double d) {
    return std::max(0., std::min(b, d) - std::max(a, c));
  };
  for (const std::int64_t width : {1, 2, 3, 7, 11, 64}) {
    const auto s = axial_slices(v, upto(1), width);
    const double pixel = side / double(width);
    std::vector<double> want;
    for (std::int64_t r = 0; r < width; ++r)
      for (std::int64_t c = 0; c < width; ++c) {
        double sum = 0;  // mm from the centre: y to the front, which is up, and x to the right
        for (std::int64_t y = 0; y < 7; ++y)
          for (std::int64_t x = 0; x < 5; ++x)
            sum += double(v.voxels(y * 5 + x)) *
                   overlap(side / 2 - double(r + 1) * pixel, side / 2 - double(r) * pixel, 0.7 * (double(y) - 3.5),
                           0.7 * (double(y) - 2.5)) *
                   overlap(double(c) * pixel - side / 2, double(c + 1) * pixel - side / 2, 1.3 * (double(x) - 2.5),
                           1.3 * (double(x) - 1.5));
        want.push_back(sum / (pixel * pixel));
      }
    const double most = *std::max_element(want.begin(), want.end());
    for (std::int64_t k = 0; k < width * width; ++k)
      CHECK(s(k) == doctest::Approx(want[std::size_t(k)] / most).epsilon(1e-5));
  }
}

TEST_CASE("axial_slices: what can not be") {
  Volume v = of({2, 3, 3});
  CHECK_THROWS_WITH_AS(axial_slices(v, Rows{2}, 3), "axial_slices: slice 2 of 2", ValueError);
  CHECK_THROWS_WITH_AS(axial_slices(v, Rows{-1}, 3), "axial_slices: slice -1 of 2", ValueError);
  CHECK_THROWS_AS(axial_slices(v, Rows{0}, 0), ValueError);
  CHECK_THROWS_AS(axial_slices(v, Rows{0}, 3, -1), ValueError);
  for (std::int64_t i = 9; i < 18; ++i) v.voxels(i) = 0;
  CHECK_THROWS_WITH_AS(axial_slices(v, upto(2), 3), "axial_slices: slice 1 is zero everywhere; choose slices of tissue",
                       ValueError);
  CHECK_THROWS_AS(axial_slices(of({2, 0, 3}), Rows{0}, 3), ValueError);
  v.spacing[1] = 0;
  CHECK_THROWS_AS(axial_slices(v, Rows{0}, 3), ValueError);
}

TEST_CASE("tissue_slices: more than a share of the voxels above a share of the largest") {
  Volume v;
  v.voxels = Tensor<float>::zeros({4, 2, 5});
  v.voxels(0) = 10;                                // slice 0: one of ten
  v.voxels(10) = v.voxels(11) = 2;                 // slice 1: two
  v.voxels(20) = v.voxels(21) = v.voxels(22) = 1;  // slice 2: three, not above a tenth
  CHECK(tissue_slices(v) == Rows{1});
  CHECK(tissue_slices(v, 0.05) == Rows{0, 1});
  CHECK(tissue_slices(v, 0.15, 0.05) == Rows{1, 2});
  CHECK(tissue_slices(v, -1) == Rows{0, 1, 2, 3});
}

TEST_CASE("augmented: the eight ways to turn a square, and a contrast") {
  const std::int64_t w = 5, n = 400;
  Tensor<float> x(Shape{n, w, w});
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 0; k < w * w; ++k) x(i * w * w + k) = float(k) / 24;
  const auto y = augmented(x, upto(n), 7, 3);
  std::set<std::vector<int>> seen;
  double low = 9, high = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    // The only pixel of one stays one, and that of 0.5 says the contrast, wherever they went.
    std::vector<std::pair<float, int>> order;
    double half = 0;
    for (int k = 0; k < 25; ++k) order.push_back({y(i * 25 + k), k});
    std::sort(order.begin(), order.end());
    half = double(order[12].first);
    const double gamma = std::log(half) / std::log(0.5);
    low = std::min(low, gamma), high = std::max(high, gamma);
    for (int k = 0; k < 25; ++k)
      CHECK(order[std::size_t(k)].first == doctest::Approx(std::pow(k / 24., gamma)).epsilon(1e-5));
    seen.insert({order[0].second, order[1].second});  // where the corner and its neighbour are
  }
  CHECK(seen.size() == 8);  // of 8 equally likely ways one is missing with probability 8 (7/8)^400 < 1e-22
  CHECK(low >= std::exp(-0.3) - 1e-5);
  CHECK(high <= std::exp(0.3) + 1e-5);
  CHECK(low < 0.77);  // the lowest of 400 is above with probability (1 − 0.0645)^400 < 1e-11
  CHECK(high > 1.3);
}

TEST_CASE("augmented, with_phase: functions of seed, step and sample, not of the batch or the threads") {
  const Rows ids = {5, 0, 1000000007, 5};
  Tensor<float> x = squares(4, 6);
  std::copy_n(x.data(), 36, x.data() + 3 * 36);  // the same image twice
  const auto part = [&](const Tensor<float>& t, std::int64_t i) {
    const std::int64_t size = t.size() / t.dim(0);
    return Tensor<float>::from(t.shape().with(0, 1), t.values().subspan(std::size_t(i * size), std::size_t(size)));
  };
  const auto check = [&](auto&& f) {
    const auto all = f(x, ids, 1, 2);
    for (std::int64_t i = 0; i < 4; ++i) CHECK(same(part(all, i), f(part(x, i), Rows{ids[std::size_t(i)]}, 1, 2)));
    CHECK(same(part(all, 0), part(all, 3)));
    CHECK_FALSE(same(all, f(x, ids, 2, 2)));
    CHECK_FALSE(same(all, f(x, ids, 1, 3)));
    CHECK_FALSE(same(all, f(x, Rows{6, 1, 2, 6}, 1, 2)));
    CHECK(f(Tensor<float>(Shape{0, 6, 6}), Rows{}, 1, 2).size() == 0);
    CHECK_THROWS_AS(f(x, Rows{1}, 1, 2), ShapeError);
    CHECK_THROWS_AS(f(x, Rows{1, 2, 3, -1}, 1, 2), ValueError);
  };
  check([](const auto&... a) { return augmented(a...); });
  check([](const auto&... a) { return with_phase(a...); });
  CHECK_THROWS_AS(augmented(Tensor<float>(Shape{1, 2, 3}), Rows{0}, 1, 1), ShapeError);
  const auto negative = augmented(Tensor<float>::full({1, 1, 1}, -0.5f), Rows{0}, 1, 1);
  CHECK(negative(0) < 0);
  CHECK(augmented(Tensor<float>::zeros({1, 2, 2}), Rows{0}, 1, 1)(3) == 0);
}

TEST_CASE("slices, augmented, with_phase: the same bits on every machine and number of threads") {
  Hash64 hash;
  const auto s = axial_slices(of({3, 9, 7}, {1, 0.7, 1.3}), upto(3), 5);
  const auto x = with_phase(augmented(s, upto(3), 11, 2), upto(3), 11, 2);
  hash.update(std::as_bytes(s.values()));
  hash.update(std::as_bytes(x.values()));
  CHECK(hash.value() == 6945356684273600406u);
}

TEST_CASE("with_phase: the magnitude stays, the phase is the polynomial") {
  const std::int64_t n = 50, h = 8, w = 6;
  Tensor<float> x(Shape{n, h, w});
  for (std::int64_t i = 0; i < x.size(); ++i) x(i) = 0.25f + float(i % 3) / 4;
  const auto z = with_phase(x, upto(n), 3, 0);
  CHECK(z.shape() == Shape{n, h, w, 2});
  double most = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto phase = [&](std::int64_t r, std::int64_t c) {
      const std::int64_t at = (i * h + r) * w + c;
      CHECK(std::hypot(double(z(2 * at)), double(z(2 * at + 1))) == doctest::Approx(x(at)).epsilon(1e-6));
      return std::atan2(double(z(2 * at + 1)), double(z(2 * at)));
    };
    // Mixed and second differences of a quadratic are the same everywhere; across and down they are opposite.
    const auto d2 = [&](std::int64_t r, std::int64_t c, std::int64_t dr, std::int64_t dc) {
      return phase(r + 2 * dr, c + 2 * dc) - 2 * phase(r + dr, c + dc) + phase(r, c);
    };
    const double xx = d2(0, 0, 0, 1) / (4. / double(w * w)), yy = d2(0, 0, 1, 0) / (4. / double(h * h));
    for (std::int64_t r = 0; r < h; ++r)
      CHECK(d2(r, 1, 0, 1) / (4. / double(w * w)) == doctest::Approx(xx).epsilon(1e-3).scale(0.1));
    CHECK(yy == doctest::Approx(-xx).epsilon(1e-3).scale(0.1));
    most = std::max(most, std::abs(xx) / 2);
    // The four corners' mean, pixels' centres at ±(1 − 1/w), ±(1 − 1/h), leaves constant and X² − Y².
    const double a = 1 - 1. / double(w), b = 1 - 1. / double(h);
    const double corners = (phase(0, 0) + phase(0, w - 1) + phase(h - 1, 0) + phase(h - 1, w - 1)) / 4;
    CHECK(std::abs(corners - xx / 2 * (a * a - b * b)) <= 0.3 + 1e-5);
    CHECK(std::abs(phase(0, w - 1) - phase(0, 0) + phase(h - 1, w - 1) - phase(h - 1, 0)) <= 4 * a * 0.5 + 1e-5);
  }
  CHECK(most <= 0.3 + 1e-3);
  CHECK(most > 0.15);  // all 50 below half of the limit: 2^−50
  const auto plain = with_phase(x, upto(n), 3, 0, {0, 0, 0});
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK((plain(2 * i) == x(i) && plain(2 * i + 1) == 0));
}

TEST_CASE("slab_split: eleven, a gap, one, a gap") {
  Rows z;
  for (std::int64_t i = 20; i < 60; ++i) z.push_back(i);
  const TrainTest s = slab_split(z);
  CHECK(s.test == Rows{33, 49});
  CHECK(s.train == Rows{20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 36, 37, 38, 39,
                        40, 41, 42, 43, 44, 45, 46, 52, 53, 54, 55, 56, 57, 58, 59});
  CHECK(slab_split(z, {.shift = 5}).test == Rows{28, 44});
  CHECK(slab_split(z, {.shift = 16}).train == s.train);
  for (const Slabs slabs : {Slabs{3, 1, 2}, Slabs{1, 0, 1}, Slabs{5, 4, 3}, Slabs{3, 1, 2, 4}, Slabs{5, 4, 3, 100}}) {
    Rows holes;
    for (const std::int64_t k : z)
      if (k % 7 != 3) holes.push_back(k);
    const TrainTest t = slab_split(holes, slabs);
    for (const std::int64_t a : t.train)
      for (const std::int64_t b : t.test) CHECK(std::abs(a - b) > slabs.gap);
    CHECK_FALSE(t.train.empty());
  }
  CHECK(slab_split({}).test.empty());
  CHECK_THROWS_WITH_AS(slab_split(Rows{1, 2, 3}), "slab_split: 3 slices are too few: none is left to judge by",
                       ValueError);
  CHECK_THROWS_AS(slab_split(Rows{2, 1}), ValueError);
  CHECK_THROWS_AS(slab_split(z, {0, 1, 1}), ValueError);
}

TEST_CASE("subject_split: all of a subject on one side, whatever the order of its samples") {
  const std::vector<std::string> subjects = {"c", "a", "b", "a", "d", "c", "e", "a"};
  std::set<std::set<std::string>> chosen;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const TrainTest s = subject_split(subjects, 2, seed);
    std::set<std::string> train, test;
    for (const std::int64_t i : s.train) train.insert(subjects[std::size_t(i)]);
    for (const std::int64_t i : s.test) test.insert(subjects[std::size_t(i)]);
    CHECK(s.train.size() + s.test.size() == subjects.size());
    CHECK(test.size() == 2);
    CHECK(train.size() == 3);
    for (const std::string& name : test) CHECK(train.count(name) == 0);
    chosen.insert(test);
    std::vector<std::string> other(subjects.rbegin(), subjects.rend());
    other.push_back("e");
    std::set<std::string> again;
    for (const std::int64_t i : subject_split(other, 2, seed).test) again.insert(other[std::size_t(i)]);
    CHECK(again == test);
  }
  CHECK(chosen.size() > 5);  // of ten pairs
  CHECK_THROWS_AS(subject_split(subjects, 5, 0), ValueError);
  CHECK_THROWS_AS(subject_split(subjects, 0, 0), ValueError);
}

TEST_CASE("subject_of, scan_files: whose volumes there are") {
  CHECK(subject_of("data/sub-01/anat/sub-01_T1w.nii.gz") == "sub-01");
  CHECK(subject_of("sub-02_ses-1_T1w.nii") == "sub-02");
  CHECK(subject_of("sub-03/anat/t1.nii") == "sub-03");
  CHECK(subject_of("x/ch2.nii.gz") == "ch2");
  CHECK(subject_of("x/inia19-t1-brain.nii.gz") == "inia19-t1-brain");
  TestFolder folder;
  const std::string root = folder / "set";
  std::filesystem::create_directories(root + "/b");
  CHECK(refusal([&] { scan_files(root); }).find("holds no scans") != std::string::npos);
  for (const char* name : {"/c.nii", "/b/x.nii.gz", "/a.hdr", "/a.img", "/b/k.h5", "/s.npz", "/readme.txt"})
    put_file(root + name, "");
  const ScanFiles files = scan_files(root);
  CHECK(files.fastmri == std::vector<std::string>{root + "/b/k.h5"});
  CHECK(files.cached_slices == std::vector<std::string>{root + "/s.npz"});
  CHECK(files.volumes == std::vector<std::string>{root + "/a.hdr", root + "/b/x.nii.gz", root + "/c.nii"});
  CHECK(refusal([&] { scan_files(root + "/missing"); }).find("can not be read as a folder") != std::string::npos);
}

TEST_CASE("the fetched head: slices of tissue, split, as complex images") {
  const char* data = std::getenv("TENZO_DATA");
  const std::string path = std::string(data ? data : TENZO_SOURCE_DIR "/data") + "/mri/ch2.nii.gz";
  if (!std::filesystem::exists(path)) {
    MESSAGE("skipped: ", path, " is not there (scripts/fetch brings it)");
    return;
  }
  const Volume v = to_ras(read_nifti(path));
  const Rows z = tissue_slices(v);
  CHECK(z.front() == 0);
  CHECK(z.back() == 163);
  const TrainTest split = slab_split(z);
  CHECK(split.test.size() == 10);
  const auto m = axial_slices(v, split.test, 64);
  CHECK(largest(m) == 1);
  const auto x = with_phase(m, split.test, 1, 0);
  CHECK(x.shape() == Shape{10, 64, 64, 2});
  CHECK(largest(x) <= 1);
}
