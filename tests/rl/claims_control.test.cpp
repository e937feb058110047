// How the program dqn judges agents, exploration and speed: each margin from both sides; and figures in its record.
#include "../../examples/dqn/claims_control.cpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <limits>

#include "../../examples/dqn/stage_json.hpp"
#include "dqn_results.hpp"

using namespace tenzo;
using dqn::Course, dqn::Results, dqn::SeaRun;
using test::good_results, test::judged;

namespace {

bool says(const Claim& c, const std::string& words) { return c.reason.find(words) != std::string::npos; }

/// A change of each of the published runs.
template <class F>
auto each_run(F&& f) {
  return [=](Results& r) {
    for (Course& c : r.published.runs) f(c);
  };
}

}  // namespace

TEST_CASE("claims of control: all hold on results that are made so, with their intervals and seeds") {
  for (const Claim& c : dqn::control_claims(good_results())) {
    CAPTURE(c.id);
    CAPTURE(c.reason);
    CHECK(c.holds);
    CHECK(c.ci95[0] <= c.value);
    CHECK(c.ci95[1] >= c.value);
    CHECK(c.seeds == (c.id == "C8" || c.id == "C9" ? 5 : 10));
  }
  CHECK(dqn::judge(good_results()).size() == 10);
}

TEST_CASE("C7: the mean, the overlap, and when half of the runs are there") {
  CHECK(says(judged("C7", [](Results&) {}), "10 seeds"));
  const auto around = [](double mean) {
    return each_run([=](Course& c) { c.last_hundred = mean + (c.seed % 2 == 0 ? 60 : -60); });
  };
  CHECK(judged("C7", around(460.1)).holds);
  CHECK_FALSE(judged("C7", around(459.9)).holds);
  CHECK_FALSE(judged("C7", each_run([](Course& c) { c.last_hundred = 465; })).holds);  // no interval at all
  CHECK(says(judged("C7", each_run([](Course& c) { c.last_hundred = 465; })), "do not overlap"));
  for (const auto& [step, holds] : {std::pair{179000., false}, {181000., true}, {349000., true}, {351000., false}})
    CHECK(judged("C7", each_run([step = step](Course& c) { c.solved = step; })).holds == holds);
  const auto never = [](std::uint64_t seeds) {
    return each_run([=](Course& c) { c.solved = c.seed <= seeds ? NAN : 200000; });
  };
  CHECK(judged("C7", never(4)).holds);
  const Claim half = judged("C7", never(6));
  CHECK_FALSE(half.holds);
  CHECK(says(half, "never reach 475"));
}

TEST_CASE("C8: the best constant ε above both ends, apart, and the schedule beside it") {
  const auto returns = [](const std::string& epsilon, double last, double spread = 0) {
    return [=](Results& r) {
      for (Course& c : r.sweep)
        if (c.epsilon == epsilon) c.last = last + spread * (double(c.seed) - 3);
    };
  };
  CHECK(judged("C8", returns("constant:1", 349)).holds);
  CHECK_FALSE(judged("C8", returns("constant:1", 351)).holds);
  CHECK_FALSE(judged("C8", returns("constant:0", 351)).holds);
  CHECK(judged("C8", returns("linear:1:0.05:30000", 376)).holds);
  CHECK_FALSE(judged("C8", returns("linear:1:0.05:30000", 374)).holds);
  CHECK(judged("C8", returns("constant:1", 200, 20)).holds);
  const Claim wide = judged("C8", returns("constant:1", 200, 150));  // its interval reaches above 400
  CHECK_FALSE(wide.holds);
  CHECK(says(wide, "not apart"));
  const Claim c = judged("C8", returns("constant:1", 300, 10));
  CHECK(c.value == doctest::Approx(100));
  CHECK(c.ci95[0] < 95);
  CHECK(c.ci95[1] > 105);
  CHECK(c.ci95[0] > 75);
}

TEST_CASE("C9: the slope of medians and the ratio at N 8, censored or not") {
  const auto slope = [](double a) {
    return [=](Results& r) {
      for (SeaRun& s : r.sea)
        for (double& x : s.uniform) x *= std::exp2((a - 1) * (s.side - 8));
    };
  };
  for (const auto& [a, holds] : {std::pair{0.84, false}, {0.86, true}, {1.14, true}, {1.16, false}}) {
    const Claim c = judged("C9", slope(a));
    CHECK(c.value == doctest::Approx(a));
    CHECK(c.holds == holds);
    CHECK(c.ci95[0] < a);
    CHECK(c.ci95[1] > a);
  }
  const auto ratio = [](double times) {
    return [=](Results& r) {
      SeaRun& s = r.sea[3];
      s.learning = {times * 0.7 * 256, times * 0.7 * 256, 5000}, s.censored = 0;
    };
  };
  CHECK(judged("C9", ratio(4.01)).holds);
  CHECK_FALSE(judged("C9", ratio(3.99)).holds);
  CHECK(says(judged("C9", ratio(4.01)), "none was given up"));
  CHECK(says(judged("C9", [](Results&) {}), "at least: 2 of 3 runs were given up after 5000 episodes"));
}

TEST_CASE("C10: speed in all of its parts") {
  const auto fails = [](auto&& change, const std::string& part) {
    const Claim c = judged("C10", change);
    return !c.holds && says(c, "Missed: " + part);
  };
  CHECK(judged("C10", [](Results& r) { r.published.seconds = 5e6 / 17001; }).holds);
  CHECK(fails([](Results& r) { r.published.seconds = 5e6 / 16999; }, "end to end"));
  CHECK(judged("C10", [](Results& r) { r.published.runs[4].seconds = 28.9; }).holds);
  CHECK(fails([](Results& r) { r.published.runs[4].seconds = 29.1; }, "a run's time"));
  CHECK(fails([](Results& r) { r.speed.many = 4.9e6; }, "environments"));
  CHECK(judged("C10", [](Results& r) { r.speed.scaling = 0.81; }).holds);
  CHECK(fails([](Results& r) { r.speed.scaling = 0.79; }, "scaling"));
  CHECK(judged("C10", [](Results& r) { r.speed.update = 55e-6; }).holds);
  CHECK(fails([](Results& r) { r.speed.update = 57e-6; }, "an update's time"));
  // A run that went on from a checkpoint counts the steps that it made itself.
  const Claim half =
      judged("C10", [](Results& r) { r.published.runs[0].made = 250000, r.published.runs[0].seconds = 7; });
  CHECK(half.value == doctest::Approx((9 * 500000 + 250000) / 70.));
  CHECK(says(half, "the longest 14.0 s"));
}

TEST_CASE("stages: numbers that JSON does not have come back from a record") {
  dqn::Rate rate;  // all NaN
  rate.errors = {1, INFINITY, -INFINITY, NAN, std::numeric_limits<double>::max()};
  const std::string path =
      (std::filesystem::temp_directory_path() / cat("tenzo_stages_", ::getpid(), ".json")).string();
  const auto run = [&](bool resume, auto&& make) {
    Stages stages(path, {{"seed", 1}}, resume);
    return dqn::result_of(stages, "rates", make);
  };
  const auto check = [](const std::vector<dqn::Rate>& got) {
    REQUIRE(got.size() == 1);
    CHECK(std::isnan(got[0].rho));
    REQUIRE(got[0].errors.size() == 5);
    CHECK(got[0].errors[0] == 1);
    CHECK(got[0].errors[1] == INFINITY);
    CHECK(got[0].errors[2] == -INFINITY);
    CHECK(std::isnan(got[0].errors[3]));
    CHECK(got[0].errors[4] == std::numeric_limits<double>::max());
  };
  check(run(false, [&] { return std::vector<dqn::Rate>{rate}; }));
  check(run(true, [&]() -> std::vector<dqn::Rate> { throw ValueError("made twice"); }));
  std::filesystem::remove(path);
}
