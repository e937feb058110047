// The rule by which worst_case_forget gives methods their step sizes.
#include "../../examples/worst_case_forget/step_sizes.hpp"

#include <cmath>

#include <doctest/doctest.h>

using worst_case::least_gap, worst_case::Tried;

namespace {

const tenzo::unlearn::Evaluation exact{.ua = 4, .ra = 100, .ta = 96, .mia = 10, .attacks = {}};

}  // namespace

TEST_CASE("the step of least gap within the limits") {
  const std::map<double, Tried> tried = {{0.001, {.gap = 2, .ua = 0.1, .ra = 100}},
                                         {0.01, {.gap = 3, .ua = 4, .ra = 99.5}},
                                         {0.1, {.gap = 5, .ua = 9, .ra = 99.4}}};
  const auto relabelling = least_gap(tried, exact, true), other = least_gap(tried, exact, false);
  REQUIRE(relabelling);
  CHECK(relabelling->lr == 0.01);  // UA is that of the retrained model, just
  CHECK(relabelling->within_limits);
  REQUIRE(other);
  CHECK(other->lr == 0.001);
  // of two within them the nearer one, wherever it stands
  std::map<double, Tried> nearer = tried;
  nearer[0.1].gap = 1;
  CHECK(least_gap(nearer, exact, true)->lr == 0.1);
  CHECK(least_gap(nearer, exact, false)->lr == 0.001);  // RA is 0.6 lower
}

TEST_CASE("without a step within the limits, the least gap of all, and it is said") {
  const std::map<double, Tried> tried = {{0.001, {.gap = 2, .ua = 0.1, .ra = 99}},
                                         {0.01, {.gap = 1, .ua = 3.9, .ra = 98}}};
  for (const bool relabels : {true, false}) {
    const auto step = least_gap(tried, exact, relabels);
    REQUIRE(step);
    CHECK(step->lr == 0.01);
    CHECK_FALSE(step->within_limits);
  }
}

TEST_CASE("steps that diverged are none") {
  const std::map<double, Tried> tried = {{0.001, {.gap = 2, .ua = 5, .ra = 100}},
                                         {0.1, {.gap = NAN, .ua = NAN, .ra = NAN}}};
  CHECK(least_gap(tried, exact, true)->lr == 0.001);
  CHECK_FALSE(least_gap({{0.1, {.gap = NAN, .ua = NAN, .ra = NAN}}}, exact, true));
  CHECK_FALSE(least_gap({}, exact, false));
}
