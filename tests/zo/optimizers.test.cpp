// Zeroth-order updates: each rule by its formula, bfloat16 without bias, and runs that are the same bits however they
// are cut, replayed or spread over threads.
#include "tenzo/zo/optimizers.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "../io/files.hpp"
#include "small_model.hpp"
#include "tenzo/zo/log.hpp"

using namespace tenzo;
using namespace tenzo::test;
using zo::DirectionLaw;
using zo::Estimate;
using zo::RgeOptions;
using zo::UpdateOptions;
using zo::UpdateRule;
using zo::UpdateState;

namespace {

using Leaves = std::vector<StoredTensor>;

constexpr UpdateRule rules[] = {UpdateRule::sgd, UpdateRule::sign, UpdateRule::momentum, UpdateRule::adam};

Estimate estimate(std::uint32_t step, std::vector<double> slopes, const RgeOptions& o = {}) {
  Estimate g;
  g.weight = 1.0 / double(slopes.size());
  for (std::size_t q = 0; q < slopes.size(); ++q)
    g.slopes.push_back({o.direction(7, step, std::uint32_t(q)), slopes[q]});
  return g;
}

/// ĝ on one leaf, in double.
std::vector<double> gradient(const Estimate& g, std::uint32_t leaf, std::int64_t rows, std::int64_t cols) {
  std::vector<double> out(std::size_t(rows * cols), 0.0);
  std::vector<float> u(out.size());
  for (const zo::Slope& s : g.slopes) {
    zo::direction_tile(s.direction, leaf, rows, cols, 0, rows, 0, cols, u.data(), cols);
    for (std::size_t i = 0; i < u.size(); ++i) out[i] += g.weight * s.value * double(u[i]);
  }
  return out;
}

std::vector<float> values(const StoredTensor& w) {
  std::vector<float> out(std::size_t(w.size()));
  w.decode(out.data());
  return out;
}

/// A run on the small model: what it is at any step is the base, the settings and the slopes so far.
struct Run {
  SmallModel<StoredTensor> model;
  UpdateOptions update;
  RgeOptions probe;
  UpdateState state = {};

  zo::LogStep step() {
    const std::uint32_t n = state.step;
    const Estimate g = zo::rge(zo::ModelLoss(model, loss), 7, n, probe);
    zo::LogStep record{n, {}};
    for (const zo::Slope& s : g.slopes) record.slopes.push_back(s.value);
    apply(record);
    return record;
  }
  void apply(const zo::LogStep& record) {
    zo::apply_estimate_(model, {}, estimate(record.step, record.slopes, probe), update, state);
  }
};

Run new_run(UpdateRule rule, DType type) {
  return {small_model(type), {.rule = rule, .lr = 1e-2, .weight_decay = 0.01}, {.eps = 1e-2, .queries = 2}};
}

}  // namespace

TEST_CASE("update: each rule is its formula, step after step") {
  const std::int64_t rows = 3, cols = 5001;  // more than a run of 4096 in a row
  for (const UpdateRule rule : rules)
    for (const double decay : {0.0, 0.1}) {
      CAPTURE(int(rule));
      CAPTURE(decay);
      Leaves model{stored(noise({rows, cols}, 1, 1), DType::f32), stored(noise({7}, 2, 1), DType::f32)};
      const UpdateOptions o{
          .rule = rule, .lr = 0.02, .weight_decay = decay, .momentum = 0.8, .beta1 = 0.7, .beta2 = 0.95};
      UpdateState state;
      std::vector<double> w[2], m[2], v[2];
      for (std::size_t k = 0; k < 2; ++k) {
        for (const float x : values(model[k])) w[k].push_back(double(x));
        m[k].resize(w[k].size());
        v[k].resize(w[k].size());
      }
      for (std::uint32_t t = 0; t < 4; ++t) {
        const Estimate g = estimate(t, {0.7, -1.3});
        const double factor = t == 2 ? 0.5 : 1, rate = o.lr * factor;
        zo::apply_estimate_(model, {}, g, o, state, factor);
        CHECK(state.step == t + 1);
        for (std::size_t k = 0; k < 2; ++k) {
          const auto d = k == 0 ? gradient(g, 0, rows, cols) : gradient(g, 1, 1, 7);
          const auto got = values(model[k]);
          double worst = 0;
          for (std::size_t i = 0; i < d.size(); ++i) {
            double& x = w[k][i];
            if (k == 0) x -= rate * decay * x;  // vectors do not decay
            m[k][i] = rule == UpdateRule::adam ? 0.7 * m[k][i] + 0.3 * d[i] : 0.8 * m[k][i] + d[i];
            v[k][i] = 0.95 * v[k][i] + 0.05 * d[i] * d[i];
            const double mh = m[k][i] / (1 - std::pow(0.7, t + 1)), vh = v[k][i] / (1 - std::pow(0.95, t + 1));
            if (rule == UpdateRule::sgd) x -= rate * d[i];
            if (rule == UpdateRule::sign) x -= rate * double((d[i] > 0) - (d[i] < 0));
            if (rule == UpdateRule::momentum) x -= rate * m[k][i];
            if (rule == UpdateRule::adam) x -= rate * mh / (std::sqrt(vh) + 1e-8);
            worst = std::max(worst, std::abs(double(got[i]) - x));
          }
          // A few roundings of numbers below 8 a step; Adam's quotient may lose more where v is small against ĝ's
          // error.
          CHECK(worst < (rule == UpdateRule::adam ? 2e-5 : 4e-6));
        }
      }
    }
}

TEST_CASE("update: leaves that are not trained, and those outside the direction's block, keep their bits") {
  for (const UpdateRule rule : rules) {
    SmallModel<StoredTensor> m = small_model();
    const SmallModel<StoredTensor> before = clone(m);
    UpdateState state;
    zo::apply_estimate_(m, {0, 1, 0, 1, 0, 0}, estimate(0, {1.0}), {.rule = rule, .lr = 0.1}, state);
    CHECK(bits_of(m.table) == bits_of(before.table));
    CHECK(bits_of(m.hidden.weight) != bits_of(before.hidden.weight));
    CHECK(bits_of(m.hidden.bias) == bits_of(before.hidden.bias));
    CHECK(bits_of(m.norm.weight) != bits_of(before.norm.weight));
    CHECK(bits_of(m.out) == bits_of(before.out));
    for (std::size_t i = 0; i < state.first.size(); ++i) CHECK((!state.first[i].defined() || i == 1 || i == 3));
  }
  SmallModel<StoredTensor> m = small_model(DType::bf16);
  const SmallModel<StoredTensor> before = clone(m);
  UpdateState state;
  Estimate g;
  g.slopes = {{RgeOptions().direction(7, 0, 0, {1, 2}), 1.0}};
  zo::apply_estimate_(m, {}, g, {.lr = 0.1}, state);
  CHECK(bits_of(m.table) == bits_of(before.table));
  CHECK(bits_of(m.hidden.weight) != bits_of(before.hidden.weight));
  CHECK(bits_of(m.norm) == bits_of(before.norm));
  CHECK(bits_of(m.out) == bits_of(before.out));
}

TEST_CASE("update: bfloat16 moves by the step on average, and stays where the step is zero") {
  // From 1 and −1 upwards in size the next number is 2^-7 away, downwards 2^-8. A step of 1/1000 would always be lost
  // by rounding to nearest. What is left after a step is a variable of mean 0 and a deviation below 2^-8.
  for (const UpdateRule rule : {UpdateRule::sgd, UpdateRule::momentum})
    for (const float at : {1.f, -1.f}) {
      CAPTURE(int(rule));
      CAPTURE(at);
      double left = 0, moved = 0;
      constexpr int steps = 30;
      constexpr std::int64_t rows = 60, cols = 201;
      for (std::uint32_t t = 0; t < steps; ++t) {
        Leaves model{StoredTensor::from(Tensor<bfloat16>::full(Shape{rows, cols}, bfloat16(at)))};
        UpdateState state;
        const Estimate g = estimate(t, {1.0}, {.law = DirectionLaw::rademacher});
        zo::apply_estimate_(model, {}, g, {.rule = rule, .lr = 1e-3}, state);
        const auto u = gradient(g, 0, rows, cols);
        const auto got = values(model[0]);
        for (std::size_t i = 0; i < u.size(); ++i) {
          left += double(got[i]) - double(at) + 1e-3 * u[i];
          moved += got[i] != at;
        }
      }
      constexpr double n = double(rows * cols * steps);
      CHECK(std::abs(left / n) < 6 * 0x1p-8 / std::sqrt(n));
      // Half of the steps go up (a chance of 0.001 · 128 each), half go down (0.001 · 256).
      const double p = 0.5 * (0.128 + 0.256);
      CHECK(std::abs(moved / n - p) < 6 * std::sqrt(p * (1 - p) / n));
    }
  Leaves model{stored(noise({40, 33}, 1, 1), DType::bf16)};
  const std::string before = bits_of(model);
  UpdateState state;
  zo::apply_estimate_(model, {}, estimate(0, {0.0, 0.0}), {.lr = 1e-3}, state);
  CHECK(bits_of(model) == before);
}

TEST_CASE("update: bfloat16 has the same bits by the short way of one query and by the general one") {
  Leaves a{stored(noise({40, 133}, 1, 1), DType::bf16), stored(noise({9000}, 2, 1), DType::bf16)}, b = clone(a);
  UpdateState s, t;
  for (std::uint32_t step = 0; step < 3; ++step) {
    Estimate one = estimate(step, {0.7}), two = estimate(step, {0.7, 0.0});
    two.weight = one.weight;  // the second direction moves nothing
    zo::apply_estimate_(a, {}, one, {.lr = 1e-2}, s);
    zo::apply_estimate_(b, {}, two, {.lr = 1e-2}, t);
    CHECK(bits_of(a) == bits_of(b));
  }
}

TEST_CASE("update: frozen formats and read-only weights are refused") {
  UpdateState state;
  Leaves quantised{stored(noise({4, 32}, 1, 1), DType::q8_0)};
  CHECK_THROWS_WITH_AS(zo::apply_estimate_(quantised, {}, estimate(0, {1.0}), {}, state),
                       "zo: weights of type q8_0 are frozen; train f32, f16 or bf16", ValueError);
  const StoredTensor owner = stored(noise({4, 32}, 1, 1), DType::f32);
  Leaves view{StoredTensor::view(DType::f32, owner.shape(), owner.bytes(), {})};
  CHECK_THROWS_AS(zo::apply_estimate_(view, {}, estimate(0, {1.0}), {}, state), ValueError);
}

TEST_CASE("run: one thread, two threads, halted and gone on with, replayed from its log: the same bits") {
  const TestFolder folder;
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    for (const UpdateRule rule : rules) {
      CAPTURE(type);
      CAPTURE(int(rule));
      constexpr int steps = 6;
      const std::string path = folder / "run.zolog";
      Run one = new_run(rule, type);
      {
        const Threads set(1);
        zo::LogWriter log;
        log.create(path, {{"slopes", "2"}});
        for (int i = 0; i < steps; ++i) log.append(one.step());
        log.finish(steps);
      }
      const std::string want = bits_of(one.model);
      CHECK(want != bits_of(new_run(rule, type).model));

      Run two = new_run(rule, type);
      const Threads set(2);
      for (int i = 0; i < steps / 2; ++i) two.step();
      // All that a checkpoint holds: the weights and the optimizer's state.
      Run resumed{clone(two.model), two.update, two.probe, two.state};
      for (auto& b : resumed.state.first) b = b.clone();
      for (auto& b : resumed.state.second) b = b.clone();
      for (int i = steps / 2; i < steps; ++i) two.step();
      CHECK(bits_of(two.model) == want);
      while (resumed.state.step < steps) resumed.step();
      CHECK(bits_of(resumed.model) == want);

      Run replayed = new_run(rule, type);
      const zo::Log log = zo::Log::read(path);
      CHECK(log.chosen == steps);
      for (const zo::LogStep& s : log.steps) replayed.apply(s);
      CHECK(bits_of(replayed.model) == want);
    }
}

TEST_CASE("conservative: stays, goes or goes back, whichever has the least loss; three forwards") {
  const Tensor<double> x = Tensor<double>::from({2}, {1, -2});
  int calls = 0;
  zo::CallableLoss losses(x, [&](const Tensor<double>& p) {
    ++calls;
    return p(0) * p(0) + p(1) * p(1);
  });
  double found = 0;
  const Estimate g = zo::rge(losses, 1, 0, {.queries = 2});
  REQUIRE(std::abs(g.slopes[0].value) + std::abs(g.slopes[1].value) > 0.1);
  calls = 0;
  CHECK(zo::conservative_choice(losses, g, 1e-3, found) == 1);
  CHECK(calls == 3);
  CHECK(found == 5);
  CHECK(zo::conservative_choice(losses, g, -1e-3, found) == -1);
  CHECK(zo::conservative_choice(losses, g, 1e3, found) == 0);
  Estimate flat = g;
  for (zo::Slope& s : flat.slopes) s.value = 0;
  CHECK(zo::conservative_choice(losses, flat, 1e-3, found) == 0);
  const auto broken = [](const zo::Perturbation& p) { return std::array<double, 2>{p.sides == 1 ? 1.0 : NAN, NAN}; };
  CHECK(zo::conservative_choice(broken, g, 1e-3, found) == 0);
}
