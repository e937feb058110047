// Directions: what is added to a model to probe it. A direction is a few numbers; its elements are regenerated wherever
// and whenever they are needed, and never stored.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo::zo {

/// The laws that directions follow; in each, E[u uᵀ] = I on what the direction covers.
///   gaussian    u ~ N(0, I)
///   rademacher  ±1, independently
///   sphere      uniform on the sphere of radius √d
///   coordinate  √d e_i would be that; here e_i itself, as coordinate-wise estimation (CGE) takes
enum class DirectionLaw { gaussian, rademacher, sphere, coordinate };

inline DirectionLaw direction_law(std::string_view name) {
  if (name == "gaussian") return DirectionLaw::gaussian;
  if (name == "rademacher") return DirectionLaw::rademacher;
  if (name == "sphere") return DirectionLaw::sphere;
  require(name == "coordinate", "directions: unknown law '", name,
          "'; want gaussian, rademacher, sphere or coordinate");
  return DirectionLaw::coordinate;
}

/// Which elements of a leaf a direction covers: one byte an element, row-major; an empty mask covers all.
using Masks = std::vector<Tensor<std::uint8_t>>;  // by leaf number

/// A direction over the leaves of a model, which are numbered in the order of the tree.
struct Direction {
  DirectionLaw law = DirectionLaw::gaussian;
  std::uint64_t seed = 0;
  std::uint32_t step = 0, query = 0;
  std::uint32_t first_leaf = 0, last_leaf = 0xffffffffu;  // covers leaves [first, last): a block of the model
  std::uint32_t leaf = 0;                                 // coordinate: which element of which leaf
  std::int64_t element = 0;
  double radius = 1;  // sphere: √d / |z| of the normal z behind it
  int rank = 0;       // above 0: u = A Bᵀ / √rank on matrices, A and B normal
  std::shared_ptr<const Masks> masks;

  bool covers(std::uint32_t n) const {
    if (law == DirectionLaw::coordinate) return n == leaf;
    return first_leaf <= n && n < last_leaf;
  }
};

namespace detail {

inline NoiseKey noise_key(const Direction& d, std::uint32_t leaf) {
  return {.seed = d.seed, .step = d.step, .query = d.query, .tensor = leaf};
}

inline Law noise_law(const Direction& d) { return d.law == DirectionLaw::rademacher ? Law::rademacher : Law::normal; }

/// Numbers of the two factors of a low-rank direction, behind the leaf's own.
inline constexpr std::uint32_t left_factor = 1u << 26, right_factor = 1u << 27;

/// Whether a leaf's elements are plain noise of one law: no mask, factor or structure.
inline bool is_plain(const Direction& d, std::uint32_t leaf, std::int64_t rows) {
  const bool masked = d.masks && leaf < d.masks->size() && (*d.masks)[leaf].defined();
  const bool low_rank = d.rank > 0 && rows > 1;
  return !masked && !low_rank && (d.law == DirectionLaw::gaussian || d.law == DirectionLaw::rademacher);
}

}  // namespace detail

/// Elements (row0 + i, col0 + j), i < nrows, j < ncols, of a direction on the leaf `leaf` of `rows` x `cols`, as a
/// matrix.
TENZO_COMPILED void direction_tile(const Direction& d, std::uint32_t leaf, std::int64_t rows, std::int64_t cols,
                                   std::int64_t row0, std::int64_t nrows, std::int64_t col0, std::int64_t ncols,
                                   float* to, std::int64_t ld);

#if TENZO_DEFINES(zo)
TENZO_COMPILED void direction_tile(const Direction& d, std::uint32_t leaf, std::int64_t rows, std::int64_t cols,
                                   std::int64_t row0, std::int64_t nrows, std::int64_t col0, std::int64_t ncols,
                                   float* to, std::int64_t ld) {
  if (!d.covers(leaf) || d.law == DirectionLaw::coordinate) {
    for (std::int64_t i = 0; i < nrows; ++i) std::fill_n(to + i * ld, ncols, 0.f);
    const std::int64_t r = d.element / cols - row0, c = d.element % cols - col0;
    if (d.covers(leaf) && 0 <= r && r < nrows && 0 <= c && c < ncols) to[r * ld + c] = 1.f;
    return;
  }
  if (d.rank > 0 && rows > 1) {
    // A is (rows, rank), B (cols, rank).
    const float unit = 1.f / std::sqrt(float(d.rank));
    std::vector<float> a(std::size_t(d.rank)), b(std::size_t(d.rank) * std::size_t(ncols));
    fill_rows(detail::noise_law(d), detail::noise_key(d, leaf | detail::right_factor), d.rank, col0, ncols, 0, d.rank,
              b.data(), d.rank);
    for (std::int64_t i = 0; i < nrows; ++i) {
      fill(detail::noise_law(d), detail::noise_key(d, leaf | detail::left_factor), d.rank, row0 + i, 0, d.rank,
           a.data());
      for (std::int64_t j = 0; j < ncols; ++j) {
        float s = 0;
        for (int k = 0; k < d.rank; ++k) s = std::fma(a[std::size_t(k)], b[std::size_t(j * d.rank + k)], s);
        to[i * ld + j] = unit * s;
      }
    }
  } else {
    fill_rows(detail::noise_law(d), detail::noise_key(d, leaf), cols, row0, nrows, col0, ncols, to, ld);
  }
  if (d.law == DirectionLaw::sphere) {
    const float r = float(d.radius);
    for (std::int64_t i = 0; i < nrows; ++i)
      for (std::int64_t j = 0; j < ncols; ++j) to[i * ld + j] *= r;
  }
  if (d.masks && leaf < d.masks->size() && (*d.masks)[leaf].defined()) {
    const std::uint8_t* m = std::as_const((*d.masks)[leaf]).data();
    for (std::int64_t i = 0; i < nrows; ++i)
      for (std::int64_t j = 0; j < ncols; ++j) to[i * ld + j] *= float(m[(row0 + i) * cols + col0 + j] != 0);
  }
}
#endif

/// A direction with the factor that it is added with.
struct Step {
  Direction direction;
  double factor = 0;
};

namespace detail {

/// The steps that reach a leaf, as terms of plain noise; empty where one of them has a structure of its own.
inline std::vector<NoiseTerm> noise_terms(const std::vector<Step>& steps, std::uint32_t leaf, std::int64_t rows) {
  std::vector<NoiseTerm> terms;
  for (const Step& s : steps) {
    if (!s.direction.covers(leaf)) continue;
    if (!is_plain(s.direction, leaf, rows)) return {};
    terms.push_back({noise_key(s.direction, leaf), s.factor, noise_law(s.direction)});
  }
  return terms;
}

inline constexpr std::int64_t strip = 1024;  // elements whose noise is drawn at a time

/// w ← w + Σ factor u on columns [col, col + n) of a row, one fused multiply-add a step, in their order.
template <class T>
void add_steps_to_row_(T* w, const std::vector<Step>& steps, std::uint32_t leaf, std::int64_t rows, std::int64_t cols,
                       std::int64_t row, std::int64_t col, std::int64_t n) {
  float z[strip];
  for (const Step& s : steps) {
    if (!s.direction.covers(leaf)) continue;
    const T c = T(s.factor);
    for (std::int64_t j = 0; j < n; j += strip) {
      const std::int64_t some = std::min(strip, n - j);
      direction_tile(s.direction, leaf, rows, cols, row, 1, col + j, some, z, strip);
#pragma omp simd
      for (std::int64_t i = 0; i < some; ++i) w[j + i] = std::fma(c, T(z[i]), w[j + i]);
    }
  }
}

/// Calls f(row, col, n) in parallel for runs of about 4096 elements of a matrix.
template <class F>
void for_row_runs(std::int64_t rows, std::int64_t cols, F&& f) {
  constexpr std::int64_t run = 4096;
  const std::int64_t across = std::max<std::int64_t>(1, (cols + run - 1) / run);
  parallel_for(rows * across, std::max<std::int64_t>(1, run / std::max<std::int64_t>(1, cols)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const std::int64_t col = i % across * run;
                   f(i / across, col, std::min(run, cols - col));
                 }
               });
}

}  // namespace detail

/// w ← w + Σ factor u in place: one pass over memory, one fused multiply-add an element and step, in the order of the
/// steps. With `from`, a matrix apart from w, w becomes from + Σ factor u.
template <Real T>
void add_steps_(T* w, std::int64_t rows, std::int64_t cols, std::uint32_t leaf, const std::vector<Step>& steps,
                const T* from = nullptr) {
  if (const auto terms = detail::noise_terms(steps, leaf, rows); !terms.empty())
    return add_scaled_(w, rows, cols, std::span<const NoiseTerm>(terms), from);
  if (from) std::copy_n(from, rows * cols, w);
  if (std::none_of(steps.begin(), steps.end(), [&](const Step& s) { return s.direction.covers(leaf); })) return;
  detail::for_row_runs(rows, cols, [&](std::int64_t row, std::int64_t col, std::int64_t n) {
    detail::add_steps_to_row_(w + row * cols + col, steps, leaf, rows, cols, row, col, n);
  });
}

}  // namespace tenzo::zo
