// Environments of a table of C functions, and networks in files.
#include "tenzo/rl/emulator.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../tree/same_bits.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/rl/dqn.hpp"
#include "tenzo/rl/evaluation.hpp"
#include "tenzo/rl/fixed_q.hpp"
#include "tenzo/rl/q_file.hpp"
#include "tenzo/tree/ravel.hpp"

using namespace tenzo;
using namespace tenzo::rl;

static_assert(Environment<Emulators>);

namespace {

/// Counts: action 1 adds one. Terminated at 3, truncated after 5 steps; begins at the seed's lowest bit.
struct Counter {
  int count = 0, steps = 0;
};
int alive = 0;

extern "C" {
static void* make() { return ++alive, new Counter; }
static void unmake(void* self) { --alive, delete static_cast<Counter*>(self); }
static void restart(void* self, std::uint64_t seed, float* seen) {
  auto& c = *static_cast<Counter*>(self);
  c = {int(seed & 1), 0};
  seen[0] = float(c.count), seen[1] = 0;
}
static std::int32_t move(void* self, std::int32_t action, float* seen, float* reward, std::int32_t* terminated,
                         std::int32_t* truncated) {
  auto& c = *static_cast<Counter*>(self);
  if (action == 2) return 7;
  c.count += action, ++c.steps;
  seen[0] = float(c.count), seen[1] = float(c.steps);
  *reward = float(action);
  *terminated = c.count == 3, *truncated = c.steps == 5;
  return 0;
}
static void* none() { return nullptr; }
}

const tenzo_emulator counter{1, 3, 2, "counter", make, unmake, restart, move};

}  // namespace

TEST_CASE("emulator: steps of C functions, with both ends of an episode") {
  {
    Emulators e({&counter}, 3, 11);
    CHECK(alive == 3);
    CHECK(e.actions() == 3);
    CHECK(e.observation_size() == 2);
    int terminated = 0, truncated = 0;
    for (int t = 0; t < 60; ++t) {
      const std::vector<float> before(e.observation().begin(), e.observation().end());
      const Transitions now = e.step(std::vector<std::int32_t>{1, 0, t % 2});
      for (std::size_t i = 0; i < 3; ++i) {
        const float action = i == 0 ? 1.f : i == 1 ? 0.f : float(t % 2);
        CHECK(now.next[2 * i] == before[2 * i] + action);
        CHECK(now.next[2 * i + 1] == before[2 * i + 1] + 1);
        CHECK(now.reward[i] == action);
        CHECK(bool(now.terminated[i]) == (now.next[2 * i] == 3));
        CHECK(bool(now.truncated[i]) == (now.next[2 * i] != 3 && now.next[2 * i + 1] == 5));
        if (now.terminated[i] | now.truncated[i]) CHECK(now.observation[2 * i + 1] == 0);
        else CHECK(now.observation[2 * i + 1] == now.next[2 * i + 1]);
        terminated += now.terminated[i], truncated += now.truncated[i];
      }
    }
    CHECK(terminated > 10);
    CHECK(truncated > 10);
    CHECK_THROWS_WITH_AS(e.step(std::vector<std::int32_t>{0, 2, 0}), "emulator: number 1 has failed with 7",
                         ValueError);
    CHECK_THROWS_AS(e.step(std::vector<std::int32_t>{0, 3, 0}), ValueError);
    CHECK_THROWS_AS(e.step(std::vector<std::int32_t>{0}), ShapeError);
  }
  CHECK(alive == 0);
}

TEST_CASE("emulator: an agent learns to count") {
  // Two actions: counting is rewarded. The observation is small; 16 hidden units are plenty.
  tenzo_emulator two = counter;
  two.actions = 2;
  using Net = FixedQNetwork<false, false, 2, 16, 2>;
  const auto start = ravel(initialised<float>(q_network_spec({.widths = {2, 16, 2}}), 1));
  DqnOptions o;
  o.exploration = parse_exploration("0.3");
  o.batch = 16, o.buffer = 500, o.learning_starts = 50, o.train_every = 1, o.target_every = 20, o.gamma = 0.5;
  Dqn<Emulators, FixedQ<Net, 16>> agent(Emulators({&two}, 2), FixedQ<Net, 16>(start, {.lr = 1e-2}), o);
  static_assert(!decltype(agent)::resumable);
  while (agent.steps() < 1500) agent.step([](const Episode&) {});
  Emulators apart({&two}, 8, 77);
  for (const double total : greedy_returns(apart, agent.q)) CHECK(total >= 2);  // from 0 or 1 to 3
}

TEST_CASE("emulator: what is none") {
  CHECK_THROWS_AS(Emulators(EmulatorLibrary{}, 1), ValueError);
  tenzo_emulator other = counter;
  other.version = 2;
  CHECK_THROWS_WITH_AS(Emulators({&other}, 1), "emulator: the library is of version 2; want 1", ValueError);
  other = counter, other.step = nullptr;
  CHECK_THROWS_AS(Emulators({&other}, 1), ValueError);
  other = counter, other.create = none;
  CHECK_THROWS_AS(Emulators({&other}, 1), ValueError);
  CHECK_THROWS_AS(EmulatorLibrary::open("no-such-library.so"), FileError);
}

TEST_CASE("q file: a network comes back, and damage is said") {
  const std::string path = (std::filesystem::temp_directory_path() / cat("tenzo_q_", ::getpid())).string();
  const auto q = initialised<float>(q_network_spec({.widths = {4, 9, 3}, .norm = true, .dueling = true}), 5);
  save_q(path, q, "here");
  const auto again = load_q(path, "here");
  CHECK(test::same_bits(q, again));
  CHECK(again.config == q.config);
  CHECK_THROWS_AS(load_q(path, "there"), FileError);
  std::ifstream in(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() - 8);
  CHECK_THROWS_AS(load_q(path, "here"), FileError);
  std::string changed = bytes;
  changed.replace(changed.find("4,9,3"), 5, "4,8,3");
  std::ofstream(path, std::ios::binary) << changed;
  CHECK_THROWS_AS(load_q(path, "here"), FileError);
  std::filesystem::remove(path);
}
