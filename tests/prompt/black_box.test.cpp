// Prompts trained by losses alone: coordinates, agreement with back-propagation, how many losses were asked for.
#include "tenzo/prompt/black_box.hpp"

#include <doctest/doctest.h>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/ops/reduce.hpp"

using namespace tenzo;
using namespace tenzo::prompt;

namespace {
using F = Tensor<float>;
constexpr PromptConfig config{.form = Form::pad, .size = 1, .channels = 1, .image = 4, .input = 4, .clip = false};
const F x = F::full({2, 1, 4, 4}, 0.5f);
/// The distance of the prompted images to white.
const auto loss = [](const auto& p) { return mean(square(1.0 - p(x))); };
const auto asked = [](const auto& p, std::int64_t) { return loss(p).item(); };
}  // namespace

TEST_CASE("black box: coordinates are those of the region, in both leaves of a prompt of low rank") {
  CHECK(prompt_coordinates(begin_prompt<float>(config)).size() == 12);
  const auto low = prompt_coordinates(
      begin_prompt<float>({.form = Form::lowrank, .size = 2, .channels = 1, .image = 4, .input = 4}));
  CHECK(low.size() == 16);
  CHECK(low.front().leaf == 0);
  CHECK(low.back().leaf == 1);
  CHECK(low.back().element == 7);
}

TEST_CASE(
    "black box: differences along all coordinates are the gradient, so Adam takes the steps of back-propagation") {
  auto p = begin_prompt<float>(config), q = clone(p);
  // The loss is quadratic: central differences are exact up to rounding, 1e-7 / mu.
  const BlackBoxOptions o{.estimator = Estimator::coordinate, .queries = 12, .mu = 0.1, .updates = 10};
  CHECK(train_by_queries_(p, asked, o) == 10 * 24);
  Adam::State<VisualPrompt<F>> state;
  for (std::int64_t t = 0; t < 10; ++t) o.adam.step(state, q, grad(loss, q), Schedule{o.schedule, 10}(t));
  for (std::int64_t i = 0; i < 16; ++i) CHECK(p.delta(i) == doctest::Approx(q.delta(i)).epsilon(1e-3).scale(1e-2));
}

TEST_CASE("black box: random directions and few coordinates lower the loss, and every coordinate has its turn") {
  for (const Estimator e : {Estimator::random, Estimator::coordinate}) {
    CAPTURE(int(e));
    auto p = begin_prompt<float>(config);
    const double before = loss(p).item();
    const BlackBoxOptions o{.estimator = e, .queries = 4, .adam = {.lr = 0.05}, .updates = 60, .seed = 2};
    CHECK(train_by_queries_(p, asked, o) == 60 * 8);
    CHECK(loss(p).item() < 0.5 * before);  // 4 of 16 pixels can not move: at best a quarter is left
    for (std::int64_t i = 0; i < 16; ++i)
      if (prompt_region(config)(i)) CHECK(p.delta(i) != 0);
    auto again = begin_prompt<float>(config);
    train_by_queries_(again, asked, o);
    CHECK(std::equal(p.delta.values().begin(), p.delta.values().end(), again.delta.values().begin()));
  }
  auto p = begin_prompt<float>(config);
  CHECK_THROWS_AS(train_by_queries_(p, asked, {.queries = 0}), ValueError);
}
