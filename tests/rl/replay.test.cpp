// Schedules of exploration, the sum tree, replay, and transitions of several steps.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <vector>

#include "tenzo/rl/exploration.hpp"
#include "tenzo/rl/n_step.hpp"
#include "tenzo/rl/replay.hpp"

using namespace tenzo;
using namespace tenzo::rl;

TEST_CASE("exploration: schedules and their texts") {
  const Exploration c = parse_exploration("0.25"), l = parse_exploration("linear:1:0.05:1000"),
                    g = parse_exploration("geometric:1:0.02:0.9");
  CHECK(c(0) == 0.25);
  CHECK(c(1e9) == 0.25);
  CHECK(l(0) == 1);
  CHECK(l(500) == doctest::Approx(0.525));
  CHECK(l(1000) == doctest::Approx(0.05));
  CHECK(l(5000) == doctest::Approx(0.05));
  CHECK(g(0) == 1);
  CHECK(g(2) == doctest::Approx(0.81));
  CHECK(g(200) == 0.02);
  CHECK(l.text() == "linear:1:0.05:1000");
  for (const Exploration& e : {c, l, g, parse_exploration("linear:1:0.05:123456789"), parse_exploration("0.123456789")})
    CHECK(parse_exploration(e.text()) == e);
  for (const char* wrong : {"", "x", "constant", "constant:2", "-0.1", "nan", "linear:1:0.05", "linear:1:0.05:0",
                            "linear:1:0.05:-3", "linear:1:2:10", "geometric:1:0:0", "geometric:1:0:1.5",
                            "geometric:0.1:0.5:0.9", "cosine:1:0:3", "linear:1:0.05:10:3", "0.1 "}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(parse_exploration(wrong), ValueError);
  }
}

TEST_CASE("sum tree: finds by cumulated weight") {
  for (const std::int64_t n : {1, 2, 3, 7, 8, 100}) {
    SumTree t(n);
    std::vector<double> w;
    for (std::int64_t i = 0; i < n; ++i) w.push_back(i % 3 == 1 ? 0. : double(1 + i % 5));
    for (std::int64_t round = 0; round < 2; ++round)  // written over with the same
      for (std::int64_t i = 0; i < n; ++i) t.set(i, w[std::size_t(i)]);
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      CHECK(t[i] == w[std::size_t(i)]);
      if (w[std::size_t(i)] > 0) {
        CHECK(t.find(sum) == i);
        CHECK(t.find(sum + 0.99 * w[std::size_t(i)]) == i);
      }
      sum += w[std::size_t(i)];
    }
    CHECK(t.total() == sum);
    CHECK(w[std::size_t(t.find(sum * (1 + 1e-15)))] > 0);  // rounding beyond the end
  }
  SumTree t(4);
  CHECK_THROWS_AS(t.find(0), ValueError);
  CHECK_THROWS_AS(t.set(4, 1), ValueError);
  CHECK_THROWS_AS(t.set(0, -1), ValueError);
  CHECK_THROWS_AS(t.set(0, NAN), ValueError);
  CHECK_THROWS_AS(SumTree(0), ValueError);
}

namespace {

/// A transition that can be told by its number.
template <class R>
void add(R& r, int number) {
  const float x[2] = {float(number % 256), 1.f}, y[2] = {float((number + 1) % 256), 2.f};
  r.add(x, number % 3, float(number), 0.5f, y);
}

}  // namespace

TEST_CASE("replay: a ring that keeps the last ones") {
  Replay<> r(5, 2);
  Replay<std::uint8_t> bytes(5, 2);
  Sampled s, t;
  CHECK_THROWS_AS(r.sample(1, {}, s), ValueError);
  for (int i = 0; i < 12; ++i) add(r, i), add(bytes, i);
  CHECK(r.size() == 5);
  std::map<float, int> seen;
  for (std::uint32_t k = 0; k < 200; ++k) {
    r.sample(7, {3, 0, k, Use::replay}, s);
    bytes.sample(7, {3, 0, k, Use::replay}, t);
    CHECK(s.observation == t.observation);
    CHECK(s.batch().weight.empty());
    for (std::size_t i = 0; i < 7; ++i) {
      ++seen[s.reward[i]];
      CHECK(s.observation[2 * i] == s.reward[i]);
      CHECK(s.next[2 * i] == s.reward[i] + 1);
      CHECK(s.action[i] == int(s.reward[i]) % 3);
      CHECK(s.discount[i] == 0.5f);
    }
  }
  CHECK(seen.size() == 5);
  CHECK(seen.begin()->first == 7);
  for (const auto& [number, count] : seen)  // 1400 draws of chance 1/5: six deviations
    CHECK(std::abs(count - 280) < 6.2 * std::sqrt(1400 * 0.16));

  Replay<> again(5, 2);
  again.restore(r.contents());
  add(r, 50), add(again, 50);
  r.sample(9, {1, 0, 0}, s), again.sample(9, {1, 0, 0}, t);
  CHECK(s.row == t.row);
  CHECK(s.reward == t.reward);
  CHECK_THROWS_AS(Replay<>(6, 2).restore(r.contents()), ValueError);
  CHECK_THROWS_AS(Replay<>(0, 2), ValueError);
  CHECK_THROWS_AS(Replay<>(5, 0), ValueError);
}

TEST_CASE("replay: by priority, with weights that take the bias out") {
  Replay<> r(4, 2, Priorities{.alpha = 0.5, .floor = 1e-9});
  for (int i = 0; i < 4; ++i) add(r, i);
  const std::vector<std::int64_t> rows{0, 1, 2, 3};
  r.prioritize(rows, std::vector<float>{1, -4, 9, 0});  // P = (1, 2, 3, ~0) / 6
  std::map<std::int64_t, int> seen;
  Sampled s;
  double first = 0;  // Σ of weights on the first transition relative to its share
  for (std::uint32_t k = 0; k < 400; ++k) {
    r.sample(6, {3, 0, k, Use::replay}, s, 1);
    for (std::size_t i = 0; i < 6; ++i) {
      ++seen[s.row[i]];
      const double share[] = {1. / 6, 1. / 3, 1. / 2};
      REQUIRE(s.row[i] < 3);
      CHECK(double(s.weight[i]) == doctest::Approx(share[0] / share[s.row[i]]).epsilon(1e-6));
      first += double(s.weight[i]);
    }
  }
  // A stratum is a sixth of the mass: the counts are what they must be.
  CHECK(seen[0] == 400);
  CHECK(seen[1] == 800);
  CHECK(seen[2] == 1200);
  CHECK(first == doctest::Approx(3 * 400));  // each of the three weighs the same in all
  add(r, 4);                                 // a new one has the largest priority that there was: 3 beside 2, 3 and ~0
  seen.clear();
  for (std::uint32_t k = 0; k < 100; ++k) {
    r.sample(8, {4, 0, k, Use::replay}, s, 0);
    for (std::size_t i = 0; i < 8; ++i) {
      ++seen[s.row[i]];
      CHECK(s.weight[i] == 1.f);
    }
  }
  CHECK(seen[0] == 300);
  const auto c = r.contents();
  Replay<> again(4, 2, Priorities{.alpha = 0.5, .floor = 1e-9});
  again.restore(c);
  Sampled t;
  r.sample(16, {5, 0, 1}, s), again.sample(16, {5, 0, 1}, t);
  CHECK(s.row == t.row);
  CHECK(s.weight == t.weight);
}

TEST_CASE("n-step: sums to the horizon, to the end, and to the limit of time") {
  struct Made {
    float at, reward, discount, next;
    std::int32_t action;
    bool operator==(const Made&) const = default;
  };
  const auto run = [](std::int64_t n, bool terminated) {
    NStep steps(n, 0.5, 1);
    std::vector<Made> made;
    for (int t = 0; t < 4; ++t) {  // rewards 1, 2, 4, 8; the fourth step is the last
      const float x = float(t), y = float(t + 1);
      steps.add(&x, t, float(1 << t), t == 3 && terminated, t == 3 && !terminated, &y,
                [&](const float* at, std::int32_t a, float r, float d, const float* next) {
                  made.push_back({*at, r, d, *next, a});
                });
    }
    CHECK(steps.waiting().reward.empty());
    return made;
  };
  CHECK(run(1, true) == std::vector<Made>{{0, 1, 0.5f, 1, 0}, {1, 2, 0.5f, 2, 1}, {2, 4, 0.5f, 3, 2}, {3, 8, 0, 4, 3}});
  CHECK(run(3, true) == std::vector<Made>{{0, 3, 0.125f, 3, 0}, {1, 6, 0, 4, 1}, {2, 8, 0, 4, 2}, {3, 8, 0, 4, 3}});
  CHECK(run(3, false) ==
        std::vector<Made>{{0, 3, 0.125f, 3, 0}, {1, 6, 0.125f, 4, 1}, {2, 8, 0.25f, 4, 2}, {3, 8, 0.5f, 4, 3}});
  CHECK(run(9, false).size() == 4);
  CHECK_THROWS_AS(NStep(0, 0.5, 1), ValueError);
  CHECK_THROWS_AS(NStep(1, 1.5, 1), ValueError);
}
