// Schedules at their corners.
#include "tenzo/optim/schedule.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace tenzo;
using Kind = Schedule::Kind;

TEST_CASE("schedule: all kinds rise linearly in the warm-up") {
  for (const Kind kind : {Kind::constant, Kind::linear, Kind::cosine, Kind::inverse_sqrt}) {
    const Schedule s{kind, 100, 4, 0.1};
    CHECK(s(0) == 0.25);
    CHECK(s(1) == 0.5);
    CHECK(s(3) == 1);
  }
}

TEST_CASE("schedule: from one to the last factor, and no further") {
  const Schedule linear{Kind::linear, 104, 4, 0.2}, cosine{Kind::cosine, 104, 4, 0.2},
      constant{Kind::constant, 104, 4, 0.2};
  for (const Schedule& s : {linear, cosine}) {
    CHECK(s(4) == 1);
    CHECK(s(54) == doctest::Approx(0.6).epsilon(1e-15));
    CHECK(s(104) == doctest::Approx(0.2).epsilon(1e-15));
    CHECK(s(1000) == doctest::Approx(0.2).epsilon(1e-15));
  }
  CHECK(linear(29) == doctest::Approx(0.8).epsilon(1e-15));
  CHECK(cosine(29) == doctest::Approx(0.2 + 0.8 * 0.5 * (1 + std::sqrt(0.5))).epsilon(1e-15));
  CHECK(constant(1000) == 1);
}

TEST_CASE("schedule: the inverse square root is one at the end of the warm-up and halves at four times it") {
  const Schedule s{Kind::inverse_sqrt, 100, 8};
  CHECK(s(7) == 1);
  CHECK(s(8) == doctest::Approx(std::sqrt(8.0 / 9)).epsilon(1e-15));
  CHECK(s(31) == 0.5);
  CHECK(Schedule{Kind::inverse_sqrt, 100}(3) == 0.5);
}

TEST_CASE("schedule: a run of no steps, and names") {
  CHECK(Schedule{Kind::cosine, 0}(0) == 1);
  CHECK(Schedule{Kind::linear, 5, 5}(4) == 1);
  CHECK(Schedule::kind_of("constant") == Kind::constant);
  CHECK(Schedule::kind_of("linear") == Kind::linear);
  CHECK(Schedule::kind_of("cosine") == Kind::cosine);
  CHECK(Schedule::kind_of("inverse-sqrt") == Kind::inverse_sqrt);
  CHECK_THROWS_WITH_AS(Schedule::kind_of("step"),
                       "schedule: unknown name 'step'; want constant, linear, cosine or inverse-sqrt", ValueError);
}
