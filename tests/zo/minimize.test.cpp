// Minimising black boxes: it finds known minima, ends for the reason it says, stays in its box, and goes on bit for
// bit.
#include "tenzo/zo/minimize.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::zo;

namespace {

using Vector = Tensor<double>;

/// Σ i (xᵢ − i/4)², least at i/4.
double bowl(const Vector& x) {
  double s = 0;
  for (std::int64_t i = 0; i < x.size(); ++i)
    s += double(i + 1) * (x(i) - 0.25 * double(i)) * (x(i) - 0.25 * double(i));
  return s;
}

double rosenbrock(const Vector& x) {
  return 100 * (x(1) - x(0) * x(0)) * (x(1) - x(0) * x(0)) + (1 - x(0)) * (1 - x(0));
}

bool same(const Vector& a, const Vector& b) {
  return a.defined() == b.defined() && a.shape() == b.shape() &&
         std::equal(a.values().begin(), a.values().end(), b.values().begin());
}

bool same(const MinimizeState<Vector>& a, const MinimizeState<Vector>& b) {
  return same(a.x, b.x) && same(a.best, b.best) && same(a.first, b.first) && same(a.second, b.second) &&
         a.loss == b.loss && a.best_loss == b.best_loss && a.step == b.step && a.evaluations == b.evaluations &&
         a.updates == b.updates && a.best_step == b.best_step && a.skipped == b.skipped;
}

const Vector start = Vector::full({8}, 1);

}  // namespace

TEST_CASE("minimize: finds the minimum by every rule and law") {
  struct Setting {
    UpdateRule rule;
    double lr;
  };
  // Plain steps contract on average while lr < 2 / (L (d + 2)): the largest curvature is 16, with 8 unknowns.
  for (const Setting& s : {Setting{UpdateRule::sgd, 0.005},
                           {UpdateRule::momentum, 0.001},
                           {UpdateRule::adam, 0.02},
                           {UpdateRule::sign, 0.005}})
    for (const DirectionLaw law : {DirectionLaw::rademacher, DirectionLaw::gaussian, DirectionLaw::sphere}) {
      CAPTURE(int(s.rule));
      CAPTURE(int(law));
      const auto r = minimize(start, bowl, {.steps = 6000, .lr = s.lr, .law = law, .rule = s.rule});
      CHECK(r.stop == Stop::budget);
      CHECK(r.best_loss < 1e-3);
      CHECK(bowl(r.best) == r.best_loss);
      CHECK(r.step == 6000);
      CHECK(r.evaluations == 12001);
    }
  CHECK(start(0) == 1);
}

TEST_CASE("minimize: a bent valley, one-sided, in float, and a tree of tensors") {
  CHECK(minimize(Vector::from({2}, {-1.2, 1}), rosenbrock, {.steps = 8000, .lr = 0.02, .queries = 2}).best_loss < 1e-2);
  const auto one_sided = minimize(start, bowl, {.steps = 3000, .eps = 1e-5, .two_sided = false});
  CHECK(one_sided.best_loss < 1e-3);
  CHECK(one_sided.evaluations == 6001);
  using Pair = std::pair<Tensor<float>, std::vector<Tensor<float>>>;
  const Pair x{Tensor<float>::full({2, 2}, 1), {Tensor<float>::scalar(-2)}};
  const auto r = minimize(x,
                          [](const Pair& p) {
                            double s = (p.second[0].item() - 3.f) * (p.second[0].item() - 3.f);
                            for (const float v : p.first.values()) s += std::abs(double(v));
                            return s;
                          },
                          {.steps = 4000, .lr = 0.05});
  CHECK(r.best_loss < 0.05);
  CHECK(r.best.second[0].item() == doctest::Approx(3).epsilon(0.05));
}

TEST_CASE("minimize: the loss is never asked outside the box, and the result lies in it") {
  bool outside = false;
  const auto watched = [&](const Vector& x) {
    for (const double v : x.values()) outside = outside || v < 0.3 || v > 0.9;
    return bowl(x);
  };
  const auto r = minimize(Vector::full({8}, 5), watched, {.steps = 3000, .eps = 0.1, .lower = 0.3, .upper = 0.9});
  CHECK_FALSE(outside);
  CHECK(r.best(0) == doctest::Approx(0.3).epsilon(0.02));
  CHECK(r.best(7) == doctest::Approx(0.9).epsilon(0.02));
  CHECK(r.best(2) == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("minimize: every way to end") {
  const auto target = minimize(start, bowl, {.steps = 6000, .target = 0.5});
  CHECK(target.stop == Stop::target);
  CHECK(target.best_loss <= 0.5);
  CHECK(target.step < 6000);

  const auto flat = minimize(start, [](const Vector&) { return 1.0; }, {.steps = 100, .patience = 7});
  CHECK(flat.stop == Stop::stalled);
  CHECK(flat.step == 8);  // the first found something better than nothing

  int told = 0;
  const auto halted = minimize(
      start, bowl, {.steps = 100}, [&](const MinimizeState<Vector>& s) { return s.step == 5 ? Next::halt : Next::go; },
      [&](const auto&) { ++told; });
  CHECK(halted.stop == Stop::observer);
  CHECK(halted.step == 5);
  CHECK(told == 4);

  const auto broken = minimize(start, [](const Vector&) { return NAN; }, {.steps = 100, .bad_steps = 6});
  CHECK(broken.stop == Stop::not_finite);
  CHECK(broken.step == 6);
  CHECK(broken.updates == 0);
  CHECK(same(broken.x, start));
  CHECK(same(broken.best, start));

  const auto none = minimize(start, bowl, {.steps = 0});
  CHECK(none.stop == Stop::budget);
  CHECK(none.best_loss == bowl(start));
}

TEST_CASE("minimize: points without a value are stepped over") {
  int calls = 0;
  const auto sometimes = [&](const Vector& x) { return ++calls % 5 == 0 ? INFINITY : bowl(x); };
  const auto r = minimize(start, sometimes, {.steps = 6000});
  CHECK(r.stop == Stop::budget);
  CHECK(r.updates < 6000);
  CHECK(r.updates > 3000);
  CHECK(r.best_loss < 1e-2);
}

TEST_CASE("minimize: halted and gone on with, and on other numbers of threads, the same bits") {
  const int before = threads();
  for (const UpdateRule rule : {UpdateRule::sgd, UpdateRule::sign, UpdateRule::momentum, UpdateRule::adam}) {
    const MinimizeOptions o{.steps = 60, .lr = 1e-3, .queries = 2, .rule = rule};
    set_threads(1);
    MinimizeState<Vector> whole = minimize_init(start, o);
    CHECK(minimize_run(whole, bowl, o) == Stop::budget);
    set_threads(2);
    const auto halt = [](const auto& s) { return s.step == 23 ? Next::halt : Next::go; };
    MinimizeState<Vector> part = minimize_init(start, o);
    CHECK(minimize_run(part, bowl, o, halt) == Stop::observer);
    CHECK(part.step == 23);
    MinimizeState<Vector> saved = clone(part);  // as a file would keep it
    CHECK(same(saved, part));
    CHECK(minimize_run(saved, bowl, o) == Stop::budget);
    CHECK(same(saved, whole));
  }
  set_threads(before);
}

TEST_CASE("minimize: a result goes on as a state, with more steps") {
  MinimizeOptions o{.steps = 500, .schedule = Schedule::Kind::constant};
  auto r = minimize(start, bowl, o);
  const double first = r.best_loss;
  o.steps = 3000;
  CHECK(minimize_run(r, bowl, o) == Stop::budget);
  CHECK(r.step == 3000);
  CHECK(r.best_loss < first);
}

TEST_CASE("minimize: options that can not be") {
  CHECK_THROWS_WITH_AS(minimize(start, bowl, {.lr = 0}), "minimize: lr is 0; want a positive number", ValueError);
  CHECK_THROWS_WITH_AS(minimize(start, bowl, {.lower = 1, .upper = 0}), "minimize: a box from 1 to 0", ValueError);
  CHECK_THROWS_AS(minimize(start, bowl, {.steps = -1}), ValueError);
  CHECK_THROWS_AS(minimize(start, bowl, {.queries = 0}), ValueError);
  CHECK_THROWS_AS(minimize(start, bowl, {.law = DirectionLaw::coordinate}), ValueError);
}
