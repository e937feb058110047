// Environments against transitions that were recorded from gymnasium and minatar (scripts/environment_goldens.py), and
// what they promise of chance.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/environments/acrobot.hpp"
#include "tenzo/rl/environments/breakout.hpp"
#include "tenzo/rl/environments/cart_pole.hpp"
#include "tenzo/rl/environments/cliff.hpp"
#include "tenzo/rl/environments/deep_sea.hpp"
#include "tenzo/rl/environments/mountain_car.hpp"

using namespace tenzo;
using namespace tenzo::rl;

namespace {

static_assert(Dynamics<CartPole<float>> && Dynamics<CartPole<double>> && Dynamics<MountainCar<float>> &&
              Dynamics<Acrobot<float>> && Dynamics<Cliff> && Dynamics<DeepSea> && Dynamics<Breakout>);
static_assert(Environment<Batched<CartPole<float>>> && Environment<Batched<Breakout>>);

struct Recorded {
  std::vector<double> state, next, observation;
  std::int32_t action = 0;
  double reward = 0;
  bool terminated = false, truncated = false;
  std::int32_t step = 0;  // of the episode, where it is truncated
};

std::vector<double> numbers(const std::string& text) {
  std::istringstream in(text);
  std::vector<double> out;
  for (double x; in >> x;) out.push_back(x);
  return out;
}

/// Bricks as a word, in place of 30 digits; the action before, which minatar's environment does not have, as 0.
std::vector<double> breakout_state(const std::string& text) {
  std::istringstream in(text);
  std::vector<double> out(7);
  for (double& x : out) in >> x;
  std::string digits;
  in >> digits;
  std::int32_t word = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) word |= (digits[i] == '1') << i;
  out.push_back(word);
  out.push_back(0);
  return out;
}

std::vector<Recorded> recorded(const std::string& environment) {
  std::ifstream in(TENZO_SOURCE_DIR "/tests/rl/golden/transitions.txt");
  std::vector<Recorded> out;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> part;
    std::istringstream parts(line);
    for (std::string each; std::getline(parts, each, '|');) part.push_back(each);
    if (line.starts_with("#") || part[0] != environment + " ") continue;
    Recorded r;
    const bool breakout = environment == "breakout";
    r.state = breakout ? breakout_state(part[1]) : numbers(part[1]);
    r.next = breakout ? breakout_state(part[3]) : numbers(part[3]);
    r.action = std::int32_t(numbers(part[2]).at(0));
    const auto end = numbers(part[4]);
    r.reward = end.at(0), r.terminated = end.at(1) != 0, r.truncated = end.at(2) != 0;
    if (breakout) {
      for (const char c : part[5])
        if (c != ' ') r.observation.push_back(c - '0');
    } else {
      r.observation = numbers(part[5]);
    }
    if (part.size() > 6) r.step = std::int32_t(std::stoi(part[6].substr(std::string(" step ").size())));
    out.push_back(std::move(r));
  }
  return out;
}

template <class D>
typename D::State state_of(const std::vector<double>& numbers) {
  typename D::State s{};
  for (std::size_t i = 0; i < s.size(); ++i) s[i] = typename D::State::value_type(numbers.at(i));
  return s;
}

/// The largest errors of single steps and of steps one after another, of states and of observations.
struct Errors {
  double step = 0, course = 0, observation = 0;
  int ends = 0, count = 0;
};

template <class D>
Errors compare(const std::string& name, const D& dynamics) {
  Errors e;
  typename D::State course{};
  std::vector<double> at;
  for (const Recorded& r : recorded(name)) {
    auto s = state_of<D>(r.state);
    if (at != r.state) course = s;  // a new episode
    const Moved m = dynamics.step(s, r.action, {}), n = dynamics.step(course, r.action, {});
    CHECK(double(m.reward) == r.reward);
    CHECK(m.terminated == r.terminated);
    CHECK(n.terminated == r.terminated);
    CHECK(r.truncated == (r.step > 0));
    CHECK(dynamics.valid(state_of<D>(r.state)));
    if (!r.terminated) CHECK(dynamics.valid(state_of<D>(r.next)));
    const std::size_t ignored = name == "breakout" ? 1 : 0;  // the last action
    for (std::size_t i = 0; i + ignored < s.size(); ++i) {
      e.step = std::max(e.step, std::abs(double(s[i]) - r.next[i]));
      e.course = std::max(e.course, std::abs(double(course[i]) - r.next[i]));
    }
    std::vector<float> seen(std::size_t(dynamics.observation_size()), -1.f);
    dynamics.observe(s, seen.data());
    if (name == "cliff") {
      CHECK(seen.at(std::size_t(r.observation.at(0))) == 1.f);
    } else if (!r.observation.empty()) {
      REQUIRE(seen.size() == r.observation.size());
      for (std::size_t i = 0; i < seen.size(); ++i)
        e.observation = std::max(e.observation, std::abs(double(seen[i]) - r.observation[i]));
    }
    e.ends += r.terminated;
    at = r.next;
    ++e.count;
  }
  return e;
}

/// The step that gymnasium's limit of time has cut off is cut off here, too, and one step before is not.
template <class D>
void check_limit(const std::string& name, const D& dynamics) {
  int cut = 0;
  for (const Recorded& r : recorded(name)) {
    if (!r.truncated) continue;
    ++cut;
    CHECK(dynamics.limit() == r.step);
    for (const std::int32_t age : {r.step - 1, r.step - 2}) {
      Batched<D> e(1, dynamics);
      auto snapshot = e.snapshot();
      snapshot.age = {age};
      for (std::size_t i = 0; i < r.state.size(); ++i) snapshot.state[i] = typename D::State::value_type(r.state[i]);
      e.restore(snapshot);
      const Transitions now = e.step(std::vector<std::int32_t>{r.action});
      CHECK(bool(now.truncated[0]) == (age == r.step - 1));
      CHECK_FALSE(now.terminated[0]);
      CHECK(double(now.reward[0]) == r.reward);
      for (std::size_t i = 0; i < r.observation.size(); ++i)
        CHECK(double(now.next[i]) == doctest::Approx(r.observation[i]).epsilon(1e-5));
    }
  }
  CHECK(cut == 1);
}

/// First states are uniform between these ends: all within, and some near both of them.
template <class D>
void check_resets(const D& dynamics, const std::vector<std::pair<double, double>>& ends) {
  constexpr std::int64_t n = 4000;
  Batched<D> e(n, dynamics, 3);
  for (std::size_t i = 0; i < ends.size(); ++i) {
    CAPTURE(i);
    const auto [from, to] = ends[i];
    double low = INFINITY, high = -INFINITY, total = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      const double x = double(e.state(k)[i]);
      low = std::min(low, x), high = std::max(high, x), total += x / n;
    }
    const double near = 0.006 * (to - from), deviation = (to - from) / std::sqrt(12. * n);
    CHECK(low >= from);
    CHECK(high <= to);
    CHECK(low <= from + near);  // with a chance of (1 - 0.006)^4000 = 4e-11 not
    CHECK(high >= to - near);
    CHECK(std::abs(total - (from + to) / 2) <= 6.2 * deviation);
  }
}

}  // namespace

// Double against double: sine and cosine and their few products differ in the last bits only; errors of a course grow.
TEST_CASE("cartpole: gymnasium's transitions") {
  const Errors d = compare("cartpole", CartPole<double>{}), f = compare("cartpole", CartPole<float>{});
  CHECK(d.count >= 100);
  CHECK(d.ends >= 2);
  CHECK(d.step < 1e-14);
  CHECK(d.course < 1e-10);
  CHECK(d.observation == 0);
  CHECK(f.step < 1e-6);
  CHECK(f.course < 1e-3);
  check_limit("cartpole", CartPole<double>{});
  check_resets(CartPole<double>{}, {4, {-0.05, 0.05}});
}

TEST_CASE("mountaincar: gymnasium's transitions") {
  const Errors d = compare("mountaincar", MountainCar<double>{}), f = compare("mountaincar", MountainCar<float>{});
  CHECK(d.count >= 100);
  CHECK(d.ends >= 1);
  CHECK(d.step < 1e-15);
  CHECK(d.course < 1e-12);
  CHECK(f.step < 3e-7);
  check_limit("mountaincar", MountainCar<double>{});
  check_resets(MountainCar<double>{}, {{-0.6, -0.4}, {0, 0}});
}

TEST_CASE("acrobot: gymnasium's transitions") {
  const Errors d = compare("acrobot", Acrobot<double>{}), f = compare("acrobot", Acrobot<float>{});
  CHECK(d.count >= 100);
  CHECK(d.ends >= 1);
  CHECK(d.step < 1e-13);
  CHECK(d.course < 1e-9);
  CHECK(d.observation < 1e-6);
  CHECK(f.step < 1e-4);
  check_limit("acrobot", Acrobot<double>{});
  check_resets(Acrobot<double>{}, {4, {-0.1, 0.1}});
}

TEST_CASE("cliff: gymnasium's transitions") {
  const Errors e = compare("cliff", Cliff{});
  CHECK(e.count >= 50);
  CHECK(e.ends >= 1);
  CHECK(e.step == 0);
}

TEST_CASE("breakout: minatar's transitions") {
  const Errors e = compare("breakout", Breakout{.sticky = 0});
  CHECK(e.count >= 150);
  CHECK(e.ends >= 1);
  CHECK(e.step == 0);
  CHECK(e.observation == 0);
  int bricks = 0, refills = 0;
  for (const Recorded& r : recorded("breakout")) bricks += r.reward > 0, refills += r.next[7] > r.state[7];
  CHECK(bricks > 20);
  CHECK(refills >= 1);
  Batched<Breakout> fresh(4000, {}, 3);
  int right = 0;
  for (std::int64_t i = 0; i < fresh.size(); ++i) {
    const auto s = fresh.state(i);
    const bool side = s[Breakout::ball_x] == 9;
    right += side;
    CHECK(s == Breakout::State{side ? 9 : 0, 3, side ? 3 : 2, 4, 0, side ? 9 : 0, 3, Breakout::all_bricks, 0});
  }
  CHECK(std::abs(right - 2000) < 6.2 * std::sqrt(1000.));
}

TEST_CASE("deepsea: only N rights in a row find the treasure") {
  for (const std::int32_t n : {1, 2, 5, 8}) {
    CAPTURE(n);
    const DeepSea sea{.side = n, .map = 3};
    double best = -1;
    int treasures = 0;
    for (int path = 0; path < 1 << n; ++path) {  // bit k: goes right in row k
      DeepSea::State s{};
      sea.reset(s, {});
      double total = 0;
      for (std::int32_t row = 0; row < n; ++row) {
        const std::int32_t right = sea.right(s[0], s[1]);
        const Moved m = sea.step(s, path >> row & 1 ? right : 1 - right, {});
        total += double(m.reward);
        treasures += m.reward > 0.5f;
        CHECK(m.terminated == (row == n - 1));
      }
      best = std::max(best, total);
    }
    CHECK(treasures == 1);
    CHECK(best == doctest::Approx(1 - 0.01));
  }
}

TEST_CASE("batched: an environment's course depends on its number alone") {
  const auto course = [](std::int64_t n, int threads) {
    const int before = tenzo::threads();
    set_threads(threads);
    Batched<CartPole<float>> e(n, {}, 7);
    std::vector<float> seen;
    std::vector<std::int32_t> actions(std::size_t(n), 0);
    for (int t = 0; t < 300; ++t) {
      for (std::size_t i = 0; i < actions.size(); ++i)
        actions[i] = std::int32_t(Draw{9, std::uint32_t(i), std::uint32_t(t)}.block()[0] & 1);
      const Transitions now = e.step(actions);
      for (std::size_t k = 0; k < 8; ++k) seen.push_back(now.observation[k]);
    }
    set_threads(before);
    return seen;
  };
  const auto two = course(2, 1);
  CHECK(two == course(37, 1));
  CHECK(two == course(5000, 4));
}

TEST_CASE("batched: termination is no truncation, and the final observation is kept") {
  Batched<CartPole<double>> e(3, {.steps = 12}, 5);
  int terminated = 0, truncated = 0;
  std::vector<std::int64_t> length(3, 0);
  for (int t = 0; t < 200; ++t) {
    // The first is pushed to one side until it falls, the second holds on, the third by chance.
    const auto seen = e.observation();
    const float second = seen[4 + 2] + 0.3f * seen[4 + 3];
    const std::vector<std::int32_t> actions{1, second > 0 ? 1 : 0, t % 3 == 0 ? 1 : 0};
    const auto before = std::vector<double>{e.state(0)[0], e.state(1)[0], e.state(2)[0]};
    const auto speed = std::vector<double>{e.state(0)[1], e.state(1)[1], e.state(2)[1]};
    const Transitions now = e.step(actions);
    for (std::size_t i = 0; i < 3; ++i) {
      ++length[i];
      CHECK(now.reward[i] == 1.f);
      CHECK(double(now.next[4 * i]) == doctest::Approx(before[i] + 0.02 * speed[i]).epsilon(1e-6));
      CHECK_FALSE((now.terminated[i] && now.truncated[i]));
      if (now.terminated[i]) CHECK(std::abs(now.next[4 * i + 2]) > 0.2f);
      CHECK(now.truncated[i] == (length[i] == 12 && !now.terminated[i]));
      if (now.terminated[i] || now.truncated[i]) {
        for (std::size_t k = 0; k < 4; ++k) CHECK(std::abs(now.observation[4 * i + k]) <= 0.05f);
        length[i] = 0;
      } else {
        for (std::size_t k = 0; k < 4; ++k) CHECK(now.observation[4 * i + k] == now.next[4 * i + k]);
      }
      terminated += now.terminated[i], truncated += now.truncated[i];
    }
  }
  CHECK(terminated > 5);
  CHECK(truncated > 5);
}

TEST_CASE("batched: goes on from a snapshot with the same bits") {
  Batched<Breakout> a(5, {}, 3), b(5);
  const auto play = [](Batched<Breakout>& e, int from, int to) {
    std::vector<float> seen;
    for (int t = from; t < to; ++t) {
      const std::vector<std::int32_t> actions{t % 6, t / 3 % 6, 1, 3, 5};
      const Transitions now = e.step(actions);
      seen.insert(seen.end(), now.observation.begin(), now.observation.end());
      seen.insert(seen.end(), now.reward.begin(), now.reward.end());
    }
    return seen;
  };
  play(a, 0, 40);
  b.restore(a.snapshot());
  CHECK(std::vector<float>(a.observation().begin(), a.observation().end()) ==
        std::vector<float>(b.observation().begin(), b.observation().end()));
  CHECK(play(a, 40, 100) == play(b, 40, 100));
  CHECK_THROWS_AS(b.restore(Batched<Breakout>(4).snapshot()), ValueError);
}

TEST_CASE("batched: a snapshot holds states in which an episode can be") {
  const auto refused = [](auto e, std::size_t at, double number) {
    auto s = e.snapshot();
    s.state[at] = typename decltype(s.state)::value_type(number);
    CHECK_THROWS_AS(e.restore(s), ValueError);
  };
  refused(Batched<CartPole<float>>(2), 1, NAN), refused(Batched<CartPole<float>>(2), 2, INFINITY);
  refused(Batched<CartPole<float>>(2), 0, 2.5), refused(Batched<CartPole<float>>(2), 5, -0.3);
  refused(Batched<MountainCar<float>>(1), 0, -1.3), refused(Batched<MountainCar<float>>(1), 1, 0.08);
  refused(Batched<MountainCar<float>>(1), 0, 0.55), refused(Batched<Acrobot<float>>(1), 0, 4);
  refused(Batched<Acrobot<float>>(1), 3, NAN);
  for (const double cell : {-1., 40., 47., 1e6}) refused(Batched<Cliff>(1), 0, cell);
  for (const std::size_t at : {0u, 1u}) refused(Batched<DeepSea>(1), at, 8), refused(Batched<DeepSea>(1), at, -1);
  for (std::size_t at = 0; at < Breakout::count; ++at) {
    refused(Batched<Breakout>(1), at, -1);
    refused(Batched<Breakout>(1), at, at == Breakout::bricks ? 1 << 30 : 10);
  }
  Batched<CartPole<float>> e(2);
  auto s = e.snapshot();
  s.age[1] = 500;
  CHECK_THROWS_WITH_AS(e.restore(s), "environments: number 1 of a snapshot is at step 500 of 500", ValueError);
  s.age[1] = -1;
  CHECK_THROWS_AS(e.restore(s), ValueError);
  s.age[1] = 499;
  CHECK_NOTHROW(e.restore(s));
}

TEST_CASE("breakout: actions stick with their probability") {
  const Breakout game;
  int stuck = 0;
  constexpr int n = 20000;
  for (std::uint32_t t = 0; t < n; ++t) {
    Breakout::State s{};
    game.reset(s, {});
    s[Breakout::last_action] = 3;
    game.step(s, 1, {1, 2, t});
    stuck += s[Breakout::paddle] == 5;
  }
  CHECK(std::abs(stuck / double(n) - 0.1) < 6.2 * std::sqrt(0.09 / n));  // beyond: 1e-9
}

TEST_CASE("environments: what is wrong is said") {
  CHECK_THROWS_WITH_AS(Batched<Cliff>(0), "environments: 0 of them; want 1 to 2^28 - 1", ValueError);
  Batched<Cliff> e(2);
  CHECK_THROWS_AS(e.step(std::vector<std::int32_t>{1}), ShapeError);
  CHECK_THROWS_WITH_AS(e.step(std::vector<std::int32_t>{1, 4}), "environments: action 4; there are 4", ValueError);
  CHECK_THROWS_AS(e.step(std::vector<std::int32_t>{-1, 0}), ValueError);
  CHECK_THROWS_AS(Batched<DeepSea>(1, DeepSea{.side = 0}), ValueError);
}
