// Masks: exact counts, the weights that the rule says, the same bits again, and directions that keep to them.
#include "tenzo/zo/masks.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "small_model.hpp"

using namespace tenzo;
using namespace tenzo::test;
using zo::MaskRule;

namespace {

std::int64_t kept(const Tensor<std::uint8_t>& mask) {
  return std::accumulate(mask.values().begin(), mask.values().end(), std::int64_t(0));
}

std::string bits(const zo::Masks& masks) {
  std::string all;
  for (const auto& m : masks) all.append(m.values().begin(), m.values().end());
  return all;
}

}  // namespace

TEST_CASE("masks: a rule is read, written, and refused in one line") {
  const MaskRule r = MaskRule::parse("magnitude:0.75");
  CHECK(r.kind == MaskRule::Kind::magnitude);
  CHECK(r.share == 0.75);
  for (const char* text : {"-", "random:0.1", "random:0", "magnitude:0.75"})
    CHECK(MaskRule::parse(text).text() == text);
  CHECK_THROWS_WITH_AS(MaskRule::parse("wanda:0.5"),
                       "masks: unknown kind 'wanda' in 'wanda:0.5'; want random:SHARE or magnitude:SHARE", ValueError);
  for (const char* text : {"random:1", "random:-0.1", "random:", "random", "random:0.5x", "random:nan"})
    CHECK_THROWS_AS(MaskRule::parse(text), ValueError);
}

TEST_CASE("masks: counts are exact in every leaf, for both kinds and any number of threads") {
  const auto m = small_model(DType::q4_0);
  for (const auto kind : {MaskRule::Kind::random, MaskRule::Kind::magnitude})
    for (const double share : {0.1, 0.5, 0.9}) {
      CAPTURE(share);
      const MaskRule rule{kind, share};
      const zo::Masks masks = zo::make_masks(rule, m, 7);
      std::size_t leaf = 0;
      for_each_leaf(
          [&](const Path& at, const StoredTensor& w) {
            CAPTURE(at.str());
            CHECK(masks[leaf].size() == w.size());
            CHECK(kept(masks[leaf++]) == w.size() - std::llround(share * double(w.size())));
          },
          m);
      const Threads one(1);
      CHECK(bits(zo::make_masks(rule, m, 7)) == bits(masks));
    }
}

TEST_CASE("masks: by magnitude the small weights stay, of equal ones the first") {
  using Vector = Tensor<double>;
  const Vector w = Vector::from({2, 4}, {-0.1, 3, 0.2, -2, 0.2, 0, 0.2, 5});
  const zo::Masks half = zo::make_masks({MaskRule::Kind::magnitude, 0.5}, w, 1);
  const std::vector<std::uint8_t> want{1, 0, 1, 0, 1, 1, 0, 0};
  CHECK(std::equal(want.begin(), want.end(), half[0].values().begin()));
  CHECK_FALSE(zo::make_masks({MaskRule::Kind::magnitude, 0}, w, 1)[0].defined());
  CHECK_FALSE(zo::make_masks({}, w, 1)[0].defined());
  const std::vector<std::uint8_t> frozen{0};
  CHECK_FALSE(zo::make_masks({MaskRule::Kind::magnitude, 0.5}, w, 1, frozen)[0].defined());
}

TEST_CASE("masks: random ones differ between seeds and leaves, and overlap as independent draws do") {
  const std::vector<Tensor<float>> two{Tensor<float>::zeros({100, 100}), Tensor<float>::zeros({100, 100})};
  const MaskRule rule{MaskRule::Kind::random, 0.7};
  const zo::Masks a = zo::make_masks(rule, two, 1), b = zo::make_masks(rule, two, 2);
  const auto shared = [](const Tensor<std::uint8_t>& x, const Tensor<std::uint8_t>& y) {
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < x.size(); ++i) n += x(i) && y(i);
    return double(n);
  };
  // Hypergeometric: of 10,000, 3,000 marked, 3,000 drawn: mean 900, deviation 21. Six deviations.
  for (const double n : {shared(a[0], a[1]), shared(a[0], b[0]), shared(a[1], b[1])}) CHECK(std::abs(n - 900) < 126);
}

TEST_CASE("masks: a direction is zero where its mask is, and the slope is along what is left") {
  const auto x = std::vector<Tensor<double>>{Tensor<double>::zeros({3, 50})};
  const Tensor<double> g = Tensor<double>::full({3, 50}, 1);
  zo::RgeOptions o;
  o.masks = std::make_shared<zo::Masks>(zo::make_masks({MaskRule::Kind::random, 0.8}, x, 3));
  zo::CallableLoss losses(x, [&](const auto& p) { return dot(p[0], g).item(); });
  for (const auto law : {zo::DirectionLaw::gaussian, zo::DirectionLaw::rademacher, zo::DirectionLaw::sphere}) {
    o.law = law;
    const zo::Estimate e = zo::rge(losses, 1, 0, o);
    std::vector<float> u(150);
    zo::direction_tile(e.slopes[0].direction, 0, 3, 50, 0, 3, 0, 50, u.data(), 50);
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < 150; ++i) {
      CHECK((u[std::size_t(i)] != 0) == ((*o.masks)[0](i) != 0));
      sum += double(u[std::size_t(i)]);
      squares += double(u[std::size_t(i)]) * double(u[std::size_t(i)]);
    }
    CHECK(e.slopes[0].value == doctest::Approx(sum).epsilon(1e-6));
    if (law == zo::DirectionLaw::sphere) CHECK(squares == doctest::Approx(30).epsilon(1e-5));  // √d of d = 150 − 120
  }
}
