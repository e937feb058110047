// Zeroth-order gradient estimators over anything that returns losses at perturbed points.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tenzo/zo/estimate.hpp"
#include "tenzo/zo/probe.hpp"

namespace tenzo::zo {

/// Losses at the one or two points that a perturbation describes. All that a zeroth-order method needs of a model, a
/// simulator or an external program.
template <class E>
concept LossAt = requires(E evaluate, const Perturbation& p) {
  { evaluate(p) } -> std::convertible_to<std::array<double, 2>>;
};

/// A contiguous range [first, last) of leaves that is probed by itself.
struct LeafRange {
  std::uint32_t first = 0, last = 0xffffffffu;
};

struct RgeOptions {
  double eps = 1e-3;      // perturbation radius, ε (μ in some papers)
  int queries = 1;        // directions a step, q
  bool two_sided = true;  // [L(θ + εu) − L(θ − εu)] / 2ε, else [L(θ + εu) − L(θ)] / ε
  DirectionLaw law = DirectionLaw::gaussian;
  int rank = 0;  // above 0: low-rank directions on matrices
  std::shared_ptr<const Masks> masks = {};

  /// The direction of a query of a step.
  Direction direction(std::uint64_t seed, std::uint32_t step, std::uint32_t query, LeafRange range = {}) const {
    Direction d;
    d.law = law;
    d.seed = seed;
    d.step = step;
    d.query = query;
    d.first_leaf = range.first;
    d.last_leaf = range.last;
    d.rank = rank;
    d.masks = masks;
    return d;
  }
};

/// √d / |u| over the d elements that a direction of unit radius covers: the radius that puts it on the sphere of radius
/// √d.
///   Cost  the direction is drawn once.
template <Tree Model>
double sphere_radius(const Direction& d, const Model& model, std::span<const std::uint8_t> trained = {});

namespace detail {

/// Sets what a direction has to know of the model that it moves: its radius, on a sphere.
template <LossAt E>
void complete(const E& evaluate, Direction& d) {
  if (d.law != DirectionLaw::sphere) return;
  if constexpr (requires { evaluate.radius(d); }) d.radius = evaluate.radius(d);
  else require(false, "directions on a sphere want losses that know their model: a ModelLoss or a CallableLoss");
}

/// Slopes along given directions, added to an estimate.
template <LossAt E>
void probe_directions(E&& evaluate, std::span<const Direction> directions, const RgeOptions& o, Estimate& g) {
  double losses = 0, base = NAN;
  int seen = 0;
  for (Direction d : directions) {
    complete(evaluate, d);
    const bool needs_base = !o.two_sided && std::isnan(base);
    const bool pair = o.two_sided || needs_base;
    Perturbation p;
    p.sides = pair ? 2 : 1;
    p.terms = {{d, {o.eps, o.two_sided ? -o.eps : 0.0}}};
    const std::array<double, 2> l = evaluate(p);
    g.forwards += p.sides;
    if (o.two_sided) {
      g.slopes.push_back({d, (l[0] - l[1]) / (2 * o.eps)});
      losses += 0.5 * (l[0] + l[1]);
      ++seen;
    } else {
      if (needs_base) base = l[1];
      g.slopes.push_back({d, (l[0] - base) / o.eps});
    }
  }
  g.loss = o.two_sided ? losses / double(seen) : base;
}

}  // namespace detail

/// Randomised gradient estimate, ĝ = 1/q Σᵢ slopeᵢ uᵢ.
///   Forwards  2q two-sided, q + 1 one-sided.
///   Memory    a few bytes a query.
///   Bias      two-sided O(ε²), one-sided O(ε); for Gaussian u and quadratic losses the two-sided estimate is unbiased,
///   with
///             E‖ĝ − ∇L‖² = (d + 1)/q ‖∇L‖².
///   Source    Spall 1992 (SPSA); Nesterov, Spokoiny 2017.
template <LossAt E>
Estimate rge(E&& evaluate, std::uint64_t seed, std::uint32_t step, const RgeOptions& o = {}) {
  require(o.queries > 0, "rge: ", o.queries, " queries; want at least 1");
  require(o.eps > 0, "rge: the radius eps is ", o.eps, "; want a positive number");
  std::vector<Direction> directions;
  for (int q = 0; q < o.queries; ++q) directions.push_back(o.direction(seed, step, std::uint32_t(q)));
  Estimate g;
  g.weight = 1.0 / o.queries;
  detail::probe_directions(evaluate, directions, o, g);
  return g;
}

/// Block-wise estimate, all blocks at one point (Jacobi order): ĝ = Σ_b slope_b u_b, u_b independent and supported on
/// its block. Block b takes query number b, so no two blocks share noise.
///   Forwards  2K two-sided, K + 1 one-sided, for K blocks.
template <LossAt E>
Estimate block_rge(E&& evaluate, std::uint64_t seed, std::uint32_t step, std::span<const LeafRange> blocks,
                   const RgeOptions& o = {}) {
  std::vector<Direction> directions;
  for (std::size_t b = 0; b < blocks.size(); ++b)
    directions.push_back(o.direction(seed, step, std::uint32_t(b), blocks[b]));
  Estimate g;
  detail::probe_directions(evaluate, directions, o, g);
  return g;
}

/// An element of a leaf.
struct Coordinate {
  std::uint32_t leaf = 0;
  std::int64_t element = 0;
};

/// Coordinate-wise estimate: difference quotients along the unit vectors of the chosen coordinates.
///   Forwards  2 |S| two-sided, |S| + 1 one-sided.
///   Error     one-sided at most L μ / 2 a coordinate, for an L-smooth loss and radius μ.
///   Source    Chen et al. 2024 (DeepZero), equation 2.
template <LossAt E>
Estimate cge(E&& evaluate, std::span<const Coordinate> coordinates, double mu, bool two_sided = true) {
  RgeOptions o;
  o.eps = mu;
  o.two_sided = two_sided;
  std::vector<Direction> directions;
  for (const Coordinate& c : coordinates) {
    Direction d;
    d.law = DirectionLaw::coordinate;
    d.leaf = c.leaf;
    d.element = c.element;
    directions.push_back(d);
  }
  Estimate g;
  detail::probe_directions(evaluate, directions, o, g);
  return g;
}

/// Losses of a model of stored tensors, read through the perturbation: nothing is written.
///   `loss` takes the model over probes and returns a scalar probe.
template <template <class> class M, class Stored, class Loss>
class ModelLoss {
  using V = Probe<float, typename Stored::device>;

 public:
  ModelLoss(const M<Stored>& model, Loss loss, std::vector<std::uint8_t> trained = {})
      : model_(model), loss_(std::move(loss)), trained_(std::move(trained)) {}

  std::array<double, 2> operator()(const Perturbation& p) const {
    Perturbation here = p;
    here.trained = trained_;
    std::uint32_t leaf = 0;
    const auto probes = map_tree<V>(model_, [&](const Path&, const Stored& w) { return V::weight(w, leaf++, &here); });
    const V y = loss_(probes);
    return {double(y.read(0).item()), double(y.read(p.sides - 1).item())};
  }
  double radius(const Direction& d) const { return sphere_radius(d, model_, trained_); }

 private:
  const M<Stored>& model_;
  Loss loss_;
  std::vector<std::uint8_t> trained_;
};

/// Losses of any callable over a tree of tensors (a vector, say). Each point is made in a second copy of the tree; the
/// original is not touched, so nothing drifts.
template <Tree T, class Loss>
class CallableLoss {
 public:
  CallableLoss(const T& x, Loss loss) : x_(x), loss_(std::move(loss)) {}

  std::array<double, 2> operator()(const Perturbation& p) {
    std::array<double, 2> l{};
    for (int s = 0; s < p.sides; ++s) l[std::size_t(s)] = double(loss_(at(p, s)));
    if (p.sides == 1) l[1] = l[0];
    return l;
  }
  double radius(const Direction& d) const { return sphere_radius(d, x_); }

 private:
  const T& at(const Perturbation& p, int side) {
    using V = leaf_t<T>;
    if (!point_) point_ = std::make_unique<T>(map_tree<V>(x_, [](const V& v) { return V(v.shape()); }));
    std::uint32_t leaf = 0;
    for_each_leaf(
        [&](const Path&, const V& from, V& to) {
          std::vector<Step> steps;
          for (const ProbeTerm& t : p.terms)
            if (t.direction.covers(leaf)) steps.push_back({t.direction, t.factor[std::size_t(side)]});
          add_steps_(device_t<V>{}, to.data(), from.matrix_rows(), from.matrix_cols(), leaf++, steps, from.data());
        },
        x_, *point_);
    return *point_;
  }

  const T& x_;
  Loss loss_;
  std::unique_ptr<T> point_;
};
template <class T, class Loss>
CallableLoss(const T&, Loss) -> CallableLoss<T, Loss>;

template <Tree Model>
double sphere_radius(const Direction& direction, const Model& model, std::span<const std::uint8_t> trained) {
  Direction d = direction;
  d.radius = 1;
  double squares = 0, count = 0;
  std::uint32_t n = 0;
  for_each_leaf(
      [&](const Path&, const auto& w) {
        using D = typename std::remove_cvref_t<decltype(w)>::device;
        const std::uint32_t leaf = n++;
        if (!d.covers(leaf) || (!trained.empty() && !trained[leaf])) return;
        const Shape& shape = w.shape();
        const std::int64_t cols = shape.rank() == 0 ? 1 : shape.dim(-1), rows = cols == 0 ? 0 : shape.numel() / cols;
        const bool masked = d.masks && leaf < d.masks->size() && (*d.masks)[leaf].defined();
        if (!masked && (d.rank == 0 || rows <= 1)) {
          squares += squared_norm(D{}, Law::normal, detail::noise_key(d, leaf), rows, cols);
          count += double(rows * cols);
          return;
        }
        std::vector<float> u(static_cast<std::size_t>(cols));
        for (std::int64_t r = 0; r < rows; ++r) {
          direction_tile(d, leaf, rows, cols, r, 1, 0, cols, u.data(), cols);
          for (std::int64_t c = 0; c < cols; ++c) {
            squares += double(u[std::size_t(c)]) * double(u[std::size_t(c)]);
            count += masked ? double(std::as_const((*d.masks)[leaf])(r * cols + c) != 0) : 1.0;
          }
        }
      },
      model);
  return squares > 0 ? std::sqrt(count / squares) : 1;
}

}  // namespace tenzo::zo
