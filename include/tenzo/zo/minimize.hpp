// Minimising anything that returns a number, by zeroth-order steps: a function, a simulator, an external program.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "tenzo/ops/elementwise.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/optim/schedule.hpp"
#include "tenzo/zo/dense.hpp"
#include "tenzo/zo/estimators.hpp"
#include "tenzo/zo/optimizers.hpp"

namespace tenzo::zo {

/// Why a run ended.
enum class Stop {
  target,      // best_loss <= options.target
  stalled,     // options.patience steps in a row found nothing better
  budget,      // options.steps were done
  observer,    // an observer said halt
  not_finite,  // options.bad_steps steps in a row had a loss that is not finite
};

/// What an observer answers.
enum class Next { go, halt };

/// A run's settings; the same ones must be given when it goes on.
struct MinimizeOptions {
  std::int64_t steps = 1000;
  double lr = 0.02;       // with adam and sign about the largest change of an element in a step
  double eps = 1e-3;      // how far a probe goes, in the units of x
  int queries = 1;        // directions a step
  bool two_sided = true;  // 2 losses a direction, else 1 and one more a step
  DirectionLaw law = DirectionLaw::rademacher;
  UpdateRule rule = UpdateRule::adam;                // does not care how the loss is scaled
  Schedule::Kind schedule = Schedule::Kind::cosine;  // of lr, to zero at the end of `steps`
  double momentum = 0.9, beta1 = 0.9, beta2 = 0.999, adam_eps = 1e-8;
  double lower = -INFINITY, upper = INFINITY;  // x and all points that the loss is asked at stay in this box
  double target = -INFINITY;
  std::int64_t patience = 0;  // 0: as long as there are steps
  std::int64_t bad_steps = 20;
  std::uint64_t seed = 1;
};

/// All that a run needs to go on. A tree of its tensors, so that it is saved as models are.
template <Tree T>
struct MinimizeState {
  T x;                          // where the run stands
  T best;                       // the point of the least loss that was seen
  T first, second;              // moments, where the rule has them
  double loss = NAN;            // of the last step: at x, or the mean of its probes
  double best_loss = INFINITY;  // at `best`
  std::int64_t step = 0, evaluations = 0;
  std::int64_t updates = 0;    // steps that moved x
  std::int64_t best_step = 0;  // when `best` was found
  std::int64_t skipped = 0;    // steps in a row without a finite loss

  static void visit(auto&& f, auto&... self) {
    f("x", self.x...);
    f("best", self.best...);
    f("first", self.first...);
    f("second", self.second...);
    f("loss", self.loss...);
    f("best_loss", self.best_loss...);
    f("step", self.step...);
    f("evaluations", self.evaluations...);
    f("updates", self.updates...);
    f("best_step", self.best_step...);
    f("skipped", self.skipped...);
  }
};

/// How a run ended, and where.
template <Tree T>
struct MinimizeResult : MinimizeState<T> {
  Stop stop = Stop::budget;
};

/// Something that is told of every step, and may end the run.
template <class O, class State>
concept Observer = std::invocable<O&, const State&> &&(std::is_void_v<std::invoke_result_t<O&, const State&>> ||
                                                       std::same_as<std::invoke_result_t<O&, const State&>, Next>);

namespace detail {

/// Puts every element into [lower, upper].
template <Tree T>
void clamp_(T& x, double lower, double upper) {
  if (!(lower > -INFINITY || upper < INFINITY)) return;
  for_each_leaf(
      [&](const Path&, auto& v) {
        using V = std::remove_reference_t<decltype(v)>;
        map(device_t<V>{}, v.size(), v.data(), fn::Clamp{lower, upper}, std::as_const(v).data());
      },
      x);
}

template <Tree T>
void update_(const MinimizeOptions& o, MinimizeState<T>& s, const Estimate& g, double factor) {
  if (o.rule == UpdateRule::sgd) return descend_(s.x, g, o.lr * factor);
  const T gradient = dense_gradient(g, s.x);
  if (o.rule == UpdateRule::sign) {
    SignSgd::State<T> state;
    SignSgd{.lr = o.lr}.step(state, s.x, gradient, factor);
  } else if (o.rule == UpdateRule::momentum) {
    Sgd::State<T> state{s.updates, std::move(s.first)};
    Sgd{.lr = o.lr, .momentum = o.momentum}.step(state, s.x, gradient, factor);
    s.first = std::move(state.momentum);
  } else {
    Adam::State<T> state{s.updates, std::move(s.first), std::move(s.second), {}};
    Adam{.lr = o.lr, .beta1 = o.beta1, .beta2 = o.beta2, .eps = o.adam_eps}.step(state, s.x, gradient, factor);
    s.first = std::move(state.first);
    s.second = std::move(state.second);
  }
}

/// Tells an observer; whether the run goes on.
template <class O, class State>
bool goes_on(O& watch, const State& s) {
  if constexpr (std::is_void_v<std::invoke_result_t<O&, const State&>>) return watch(s), true;
  else return watch(s) == Next::go;
}

/// The loss at a point that is put into the box; counted, and remembered where it is the best so far.
template <Tree T, class Loss>
double evaluate(MinimizeState<T>& s, Loss&& loss, const MinimizeOptions& o, const T& point) {
  static_assert(std::is_constructible_v<double, std::invoke_result_t<Loss&, const T&>>,
                "minimize: the loss is a number; of a tensor with one element take .item()");
  T inside = point;
  if (o.lower > -INFINITY || o.upper < INFINITY) {
    inside = clone(point);
    clamp_(inside, o.lower, o.upper);
  }
  const double value = double(loss(std::as_const(inside)));
  ++s.evaluations;
  if (value < s.best_loss) {
    s.best_loss = value;
    s.best = clone(inside);
    s.best_step = s.step;
  }
  return value;
}

}  // namespace detail

/// The beginning of a run.  Throws ValueError for options that can not be.
template <Tree T>
MinimizeState<T> minimize_init(const T& x, const MinimizeOptions& o = {}) {
  require(o.steps >= 0 && o.steps < (std::int64_t(1) << 32), "minimize: ", o.steps, " steps");
  require(o.lr > 0, "minimize: lr is ", o.lr, "; want a positive number");
  require(o.lower < o.upper, "minimize: a box from ", o.lower, " to ", o.upper);
  require(o.law != DirectionLaw::coordinate, "minimize: want directions of the law gaussian, rademacher or sphere");
  MinimizeState<T> s;
  s.x = clone(x);
  detail::clamp_(s.x, o.lower, o.upper);
  s.best = clone(s.x);
  return s;
}

/// One step: probes around x, and an update of x along their slopes. A step whose losses are not all finite moves
/// nothing.
///   Losses   2 q two-sided, q + 1 one-sided, for q queries.
///   Memory   x four times; six times where the rule has two moments.
template <Tree T, class Loss>
requires std::invocable<Loss&, const T&>
void minimize_step(MinimizeState<T>& s, Loss&& loss, const MinimizeOptions& o) {
  const auto asked = [&](const T& point) { return detail::evaluate(s, loss, o, point); };
  const RgeOptions probe{.eps = o.eps, .queries = o.queries, .two_sided = o.two_sided, .law = o.law};
  const Estimate g = rge(CallableLoss(std::as_const(s.x), asked), o.seed, std::uint32_t(s.step), probe);
  s.loss = g.loss;
  if (g.finite()) {
    detail::update_(o, s, g, Schedule{o.schedule, o.steps}(s.step));
    detail::clamp_(s.x, o.lower, o.upper);
    ++s.updates;
    s.skipped = 0;
  } else {
    ++s.skipped;
  }
  ++s.step;
}

/// Goes on with a run to its end, or until one of the observers halts it; they are called after every step.
///   A run that was halted and goes on ends with the bits of one that was not, for the same options.
template <Tree T, class Loss, Observer<MinimizeState<T>>... Watch>
requires std::invocable<Loss&, const T&> Stop minimize_run(MinimizeState<T>& s, Loss&& loss, const MinimizeOptions& o,
                                                           Watch&&... watch) {
  while (s.step < o.steps) {
    minimize_step(s, loss, o);
    if (!(detail::goes_on(watch, std::as_const(s)) && ...)) return Stop::observer;
    if (s.best_loss <= o.target) return Stop::target;
    if (s.skipped >= o.bad_steps) return Stop::not_finite;
    if (o.patience > 0 && s.step - 1 - s.best_step >= o.patience) return Stop::stalled;
  }
  detail::evaluate(s, loss, o, s.x);  // probes see the points around x only
  return Stop::budget;
}

/// Minimises loss(x) from the point x on; x is a vector, or any tree of tensors of float or double.
///   The result's `best` is the point of the least loss that was seen, `best_loss` that loss, `stop` why it ended.
///   Losses that are not finite are skipped: a point without a value costs a step, not the run. Throws ValueError for
///   options that can not be.
template <Tree T, class Loss, Observer<MinimizeState<T>>... Watch>
requires std::invocable<Loss&, const T&> MinimizeResult<T> minimize(const T& x, Loss&& loss,
                                                                    const MinimizeOptions& o = {}, Watch&&... watch) {
  MinimizeResult<T> r{minimize_init(x, o)};
  r.stop = minimize_run(r, loss, o, watch...);
  return r;
}

}  // namespace tenzo::zo
