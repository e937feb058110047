// The search for the forget set that is hardest to erase.
#include "tenzo/unlearn/worst_case.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "tenzo/models/mlp.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::unlearn;

namespace {

/// Two classes far apart, and 6 samples of the second class that lie between them, numbers 40 to 45.
Samples<float> clusters() {
  const std::int64_t n = 46;
  Samples<float> s{Tensor<float>(Shape{n, 2}), Tensor<std::int64_t>(Shape{n}), 2};
  const auto noise = random_normal<float>({n, 2}, initial_key(4, 0), 0.2);
  for (std::int64_t i = 0; i < n; ++i) {
    s.labels(i) = i >= 20;
    const float centre = i < 20 ? -2.f : i < 40 ? 2.f : 0.1f;
    s.x(i, 0) = centre + noise(i, 0), s.x(i, 1) = centre + noise(i, 1);
  }
  return s;
}

Mlp<Tensor<float>> trained(const Samples<float>& s) {
  auto m = initialised<float>(mlp_spec({.widths = {2, 16, 2}}), 3);
  train_(m, s, {.epochs = 60, .batch = 16, .sgd = {.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-3}});
  return m;
}

}  // namespace

TEST_CASE("the hard samples to forget are the sure ones, the easy ones those between the classes") {
  const auto s = clusters();
  const auto m = trained(s);
  const WorstCase o{.size = 6, .upper_steps = 8, .epochs = 2, .batch = 16, .lower_rate = 1e-3};
  const WorstCaseSet worst = worst_case_samples(m, s, o);
  CHECK(worst.groups.size() == 6);
  for (const auto i : worst.groups) CHECK(i < 40);
  WorstCase easy = o;
  easy.easiest = true;
  Rows found = worst_case_samples(m, s, easy).groups;
  std::sort(found.begin(), found.end());
  CHECK(found == Rows{40, 41, 42, 43, 44, 45});
  CHECK(sum(worst.weights).item() == doctest::Approx(6));
  CHECK(*std::max_element(worst.weights.values().begin(), worst.weights.values().end()) <= 1);
  CHECK(*std::min_element(worst.weights.values().begin(), worst.weights.values().end()) >= 0);
  CHECK(worst.history.size() == 8);
  for (const WorstCaseStep& step : worst.history)
    CHECK(std::accumulate(step.histogram.begin(), step.histogram.end(), std::int64_t(0)) == worst.weights.size());
  const auto ones =
      std::count_if(worst.weights.values().begin(), worst.weights.values().end(), [](double w) { return w >= 0.9; });
  CHECK(worst.history.back().histogram[9] == ones);
  CHECK(worst.history.back().objective < worst.history.front().objective);
  CHECK(worst_case_samples(m, s, o).groups == worst.groups);
}

TEST_CASE("a small step from a binary start moves nothing") {
  const auto s = clusters();
  const auto m = trained(s);
  WorstCase o{.size = 6, .upper_steps = 3, .epochs = 1, .batch = 16, .upper_rate = 1e-3, .binary_start = true};
  for (const WorstCaseStep& step : worst_case_samples(m, s, o).history) CHECK(step.changed == 0);
  o.upper_rate = 0;
  CHECK(worst_case_samples(m, s, o).history.front().changed > 0);
}

TEST_CASE("classes, and impossible sizes") {
  const auto s = clusters();
  const auto m = trained(s);
  WorstCase o{.size = 1, .upper_steps = 2, .epochs = 1, .batch = 16};
  CHECK(worst_case_classes(m, s, o).groups == Rows{0});  // the class without samples in between
  o.size = 2;
  CHECK_THROWS_AS(worst_case_classes(m, s, o), ValueError);
  o.size = 0;
  CHECK_THROWS_AS(worst_case_samples(m, s, o), ValueError);
  o.size = 46;
  CHECK_THROWS_AS(worst_case_samples(m, s, o), ValueError);
  o.size = 1;
  Samples<float> absent = s;
  absent.classes = 3;
  CHECK_THROWS_AS(worst_case_classes(m, absent, o), ValueError);
}
