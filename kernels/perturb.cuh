// Weights read through a perturbation: products at one or two points W + f₀ u, W + f₁ u, and rows of tables.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

#include "device.hpp"
#include "noise.cuh"
#include "quantized.cuh"
#include "tenzo/cuda/perturb.hpp"

namespace tenzo::cuda {

namespace detail {

// ── products ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The geometry of a product: a block makes `bm` x `bn` elements of y from `bk` columns at a time, a thread tm x tn.
///   `blocks`, for one side and for two, of a multiprocessor are to have room for their registers.
template <int bm_, int bn_, int bk_, int tm_, int tn_, int blocks_of_one, int blocks_of_two>
struct Tile {
  static constexpr int bm = bm_, bn = bn_, bk = bk_, tm = tm_, tn = tn_;
  static constexpr int threads_m = bm / tm, threads_n = bn / tn, threads = threads_m * threads_n;
  static constexpr int blocks[] = {blocks_of_one, blocks_of_two};
  static_assert(bm % 16 == 0 && bn % 16 == 0 && 128 % bk == 0);
  static_assert(threads_m % 4 == 0 && threads_n % 8 == 0);
};

/// For many rows of x: a number of noise serves 128 of them. 64 sums a thread: registers are what bounds the warps of a
/// multiprocessor to a quarter of what it may have, and the sums are independent, so few warps keep it busy.
using LargeTile = Tile<128, 64, 8, 8, 4, 2, 2>;
/// For fewer rows, or to make more blocks.
using MediumTile = Tile<64, 32, 8, 4, 4, 7, 5>;
/// For up to 16 rows: deep, so that much of W is under way.
using SmallTile = Tile<16, 32, 32, 2, 2, 8, 5>;

/// Which fours of neighbours a thread fetches of a part of a matrix, `rows` by bk: (row, col + i · step), i < count.
///   A warp takes sixteen rows by eight columns, sectors of 32 bytes; written to shared memory by columns, whose
///   lengths are 4 modulo 8, an element of each lane's falls into a bank of its own.
template <int rows, int bk, int threads>
struct Fours {
  static constexpr int groups = rows / 16, warps = threads / 32, step = 8 * warps / groups, count = bk / step;
  static_assert(warps % groups == 0 && bk % step == 0);
  int row, col;

  TENZO_HOST_DEVICE constexpr explicit Fours(int thread)
      : row(thread % 16 + thread / 32 % groups * 16), col((thread / 16 % 2 + thread / 32 / groups * 2) * 4) {}
};

/// y_s = x_s (W + factor_s u)ᵀ + bias_s.
///   Mapping  blocks along the rows of x first, so that those which read the same rows of W run together. All threads
///            multiply one part of x and W in shared memory while the next one is under way to their registers; then
///            they put that beside it, W's through the perturbation: a number of noise makes the weights of both sides.
///            Where W's part has fewer fours than there are threads, halves of the block take it by turns. Each sum is
///            one thread's, in the order of k: the bits do not depend on the tile. A Rademacher block, 128 columns of
///            a row, is drawn once.
///   Shared memory  twice (bm + bn + 8) bk floats a side, the table, and what is known of the term.
///   Bound by arithmetic: 2 bm fused multiply-adds a weight for two sides, and for its noise about 26 slots of the same
///   units, 8 reads of shared memory and 15 integer operations.
template <class Source, class Tile, int sides, bool noisy>
struct ProductKernel {
  static constexpr int max_threads = Tile::threads, min_blocks = Tile::blocks[sides - 1];
  static constexpr int bm = Tile::bm, bn = Tile::bn, bk = Tile::bk, tm = Tile::tm, tn = Tile::tn;
  static constexpr int turns = bn * bk / 4 < max_threads ? 2 : 1;  // in which halves of the block fetch W
  using XFours = Fours<bm, bk, max_threads>;
  using WFours = Fours<bn, bk, max_threads / turns>;

  /// Parts of x and W by columns, one to be read and one to be written.
  using XParts = float[2][sides][bk][bm + 4];
  using WParts = float[2][sides][bk][bn + 4];
  struct NoiseState {
    NormalTable table;
    StagedTerm<float> term;
    PhiloxBlock signs[2][bn];  // of the 128 columns that are read, and of the next ones
  };
  struct NoTerms {};
  using List = std::conditional_t<noisy, TermList<float, 1>, NoTerms>;

  Source w;
  std::int64_t m, n, blocks_m;
  int k;
  bool wide_x, wide_y;
  AffineSide side[sides];
  List terms;

  /// What a thread has under way.
  struct Fetched {
    Pack<float, 4> x[sides][XFours::count];
    typename Source::Fetched w[WFours::count];
  };
  /// Its part of the sums: rows in groups of `vm`, threads_m · vm apart.
  static constexpr int vm = tm < 4 ? tm : 4;
  using Sums = float[sides][tm][tn];

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(XParts, xs);
    TENZO_SHARED(WParts, ws);
    const int thread = thread_in_block();
    const std::int64_t m0 = blockIdx.x % blocks_m * bm, n0 = blockIdx.x / blocks_m * bn;
    Sums sum;
    TENZO_UNROLL
    for (int s = 0; s < sides; ++s) TENZO_UNROLL
    for (int i = 0; i < tm; ++i) TENZO_UNROLL
    for (int j = 0; j < tn; ++j) sum[s][i][j] = 0.f;
    if constexpr (noisy) {
      TENZO_SHARED(NoiseState, noise);
      load_normal_table(noise.table, thread, max_threads);
      if (thread == 0) noise.term = StagedTerm<float>(terms[0]);
      __syncthreads();
      draw_signs(noise, n0, 0, thread);
      __syncthreads();
      run(sum, m0, n0, thread, xs, ws, &noise);
    } else {
      run(sum, m0, n0, thread, xs, ws, static_cast<NoiseState*>(nullptr));
    }
    write(sum, m0, n0, thread);
  }

 private:
  TENZO_DEVICE void run(Sums& sum, std::int64_t m0, std::int64_t n0, int thread, XParts& xs, WParts& ws,
                        NoiseState* noise) const {
    Fetched next;
    const int parts = (k + bk - 1) / bk;
    if (parts > 0) {
      fetch(next, m0, n0, 0, thread);
      keep(next, n0, 0, thread, xs[0], ws[0], noise);
    }
    __syncthreads();
    for (int t = 0; t < parts; ++t) {
      const bool more = t + 1 < parts;
      if (more) fetch(next, m0, n0, t + 1, thread);
      multiply(sum, k - t * bk < bk ? k - t * bk : bk, thread, xs[t % 2], ws[t % 2]);
      if (more) {
        keep(next, n0, t + 1, thread, xs[(t + 1) % 2], ws[(t + 1) % 2], noise);
        if constexpr (noisy)
          if ((t + 2) * bk % 128 == 0) draw_signs(*noise, n0, (t + 2) * bk, thread);
      }
      __syncthreads();
    }
  }

  /// Whether the thread has a part in W's part t.
  TENZO_DEVICE static bool takes_w(int t, int thread) {
    return turns == 1 || thread / (max_threads / turns) == t % turns;
  }

  /// The signs of rows [n0, n0 + bn) in the 128 columns from k0 on, where the law is Rademacher's.
  TENZO_DEVICE void draw_signs(NoiseState& noise, std::int64_t n0, int k0, int thread) const {
    if (noise.term.term.kind != DrawKind::rademacher) return;
    const NoiseShape shape{n, k};
    for (int r = thread; r < bn; r += max_threads)
      noise.signs[k0 / 128 % 2][r] =
          noise.term.stream.block(std::uint32_t(n0 + r) * shape.blocks(128) + std::uint32_t(k0 / 128));
  }

  /// Asks for part t of x and W.
  TENZO_DEVICE void fetch(Fetched& f, std::int64_t m0, std::int64_t n0, int t, int thread) const {
    if (takes_w(t, thread)) {
      const WFours at(thread % (max_threads / turns));
      TENZO_UNROLL
      for (int i = 0; i < WFours::count; ++i) {
        f.w[i] = {};
        if (n0 + at.row < n) f.w[i] = w.from_row(n0).fetch(unsigned(at.row), unsigned(t * bk + at.col + i * at.step));
      }
    }
    const XFours at(thread);
    const int col = t * bk + at.col, left = m0 + at.row < m ? k - col : 0;
    TENZO_UNROLL
    for (int s = 0; s < sides; ++s) {
      const float* const p = side[s].x + m0 * k + (unsigned(at.row) * unsigned(k) + unsigned(col));
      TENZO_UNROLL
      for (int i = 0; i < XFours::count; ++i) {
        Pack<float, 4>& x = f.x[s][i];
        x = {};
        if (wide_x) {
          if (i * at.step < left) x = load<4>(p + i * at.step);
        } else {
          TENZO_UNROLL
          for (int j = 0; j < 4; ++j)
            if (i * at.step + j < left) x[j] = load(p + i * at.step + j);
        }
      }
    }
  }

  /// Puts part t into shared memory, columns side by side; W through its perturbation.
  TENZO_DEVICE void keep(const Fetched& f, std::int64_t n0, int t, int thread, float (&xs)[sides][bk][bm + 4],
                         float (&ws)[sides][bk][bn + 4], NoiseState* noise) const {
    const XFours x_at(thread);
    TENZO_UNROLL
    for (int s = 0; s < sides; ++s) TENZO_UNROLL
    for (int i = 0; i < XFours::count; ++i) TENZO_UNROLL
    for (int j = 0; j < 4; ++j) xs[s][x_at.col + i * x_at.step + j][x_at.row] = f.x[s][i][j];
    if (!takes_w(t, thread)) return;
    const WFours at(thread % (max_threads / turns));
    TENZO_UNROLL
    for (int i = 0; i < WFours::count; ++i) {
      const int col = at.col + i * at.step;
      float v[4], z[4];
      w.decode(f.w[i], t * bk + col, v);
      if constexpr (noisy) draw_four(*noise, unsigned(n0) + unsigned(at.row), at.row, t * bk + col, z);
      TENZO_UNROLL
      for (int s = 0; s < sides; ++s) TENZO_UNROLL
      for (int j = 0; j < 4; ++j) {
        if constexpr (noisy) ws[s][col + j][at.row] = std::fma(noise->term.term.factor[s], z[j], v[j]);
        else ws[s][col + j][at.row] = v[j];
      }
    }
  }

  /// The direction at (row, col …); `r` is the row among those of the block.
  TENZO_DEVICE void draw_four(const NoiseState& noise, std::int64_t row, int r, int col, float (&z)[4]) const {
    const NoiseShape shape{n, k};
    const DeviceTerm<float>& t = noise.term.term;
    if (t.kind == DrawKind::rademacher) {
      signs(sign_bits(noise.signs[col / 128 % 2][r], col), z);
    } else {
      const std::uint32_t number = std::uint32_t(row) * shape.blocks(4) + std::uint32_t(col / 4);
      numbers(DrawKind::normal, 0, noise.term.stream.block(number), noise.table, z);
    }
    if (row < n) shape_direction(t.radius, t.mask, shape, std::uint32_t(row), col, z);
  }

  /// The thread's place among the elements of a block: a warp is 4 rows of threads by 8.
  TENZO_DEVICE static int thread_m(int thread) { return thread % 32 / 8 + thread / 32 / (Tile::threads_n / 8) * 4; }
  TENZO_DEVICE static int thread_n(int thread) { return thread % 8 + thread / 32 % (Tile::threads_n / 8) * 8; }
  TENZO_DEVICE static int row_of(int thread, int i) {
    return i / vm * (Tile::threads_m * vm) + thread_m(thread) * vm + i % vm;
  }

  TENZO_DEVICE void multiply(Sums& sum, int depth, int thread, const float (&xs)[sides][bk][bm + 4],
                             const float (&ws)[sides][bk][bn + 4]) const {
    if (depth == bk) {
      TENZO_UNROLL
      for (int p = 0; p < bk; ++p) step(sum, p, thread, xs, ws);
    } else {
      for (int p = 0; p < depth; ++p) step(sum, p, thread, xs, ws);
    }
  }
  TENZO_DEVICE static void step(Sums& sum, int p, int thread, const float (&xs)[sides][bk][bm + 4],
                                const float (&ws)[sides][bk][bn + 4]) {
    TENZO_UNROLL
    for (int s = 0; s < sides; ++s) {
      const auto b = *reinterpret_cast<const Pack<float, tn>*>(&ws[s][p][thread_n(thread) * tn]);
      TENZO_UNROLL
      for (int g = 0; g < tm; g += vm) {
        const auto a = *reinterpret_cast<const Pack<float, vm>*>(&xs[s][p][row_of(thread, g)]);
        TENZO_UNROLL
        for (int i = 0; i < vm; ++i) TENZO_UNROLL
        for (int j = 0; j < tn; ++j) sum[s][g + i][j] = std::fma(a[i], b[j], sum[s][g + i][j]);
      }
    }
  }

  TENZO_DEVICE void write(const Sums& sum, std::int64_t m0, std::int64_t n0, int thread) const {
    const std::int64_t col = n0 + thread_n(thread) * tn;
    TENZO_UNROLL
    for (int s = 0; s < sides; ++s) {
      float bias[tn];
      TENZO_UNROLL
      for (int j = 0; j < tn; ++j) bias[j] = side[s].bias && col + j < n ? load(side[s].bias + col + j) : 0.f;
      TENZO_UNROLL
      for (int i = 0; i < tm; ++i) {
        const std::int64_t row = m0 + row_of(thread, i);
        float* const to = side[s].y + row * n + col;
        Pack<float, tn> v;
        TENZO_UNROLL
        for (int j = 0; j < tn; ++j) v[j] = side[s].bias ? sum[s][i][j] + bias[j] : sum[s][i][j];
        if (row >= m) continue;
        if (wide_y) {
          if (col < n) store_at_once<tn>(to, v);
        } else {
          TENZO_UNROLL
          for (int j = 0; j < tn; ++j)
            if (col + j < n) store(to + j, v[j]);
        }
      }
    }
  }
};

// ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// y_s[i] = row index[i] of W + Σ factor_s u; without an index row i.
///   Mapping  a thread four neighbours of a row of y, for all sides; a block 256 of these, which share the keys of 16
///            terms at a time. Shared memory: those, and the table.
///   Bound by memory.
template <class Source, int sides>
struct PerturbedRowsKernel {
  static constexpr int max_threads = 256, min_blocks = 4;
  Source w;
  NoiseShape shape;   // of W
  NoiseShape result;  // of y
  const std::int64_t* index;
  bool wide;
  int first_side;
  float* y[sides];
  TermList<float> terms;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(NormalTable, table);
    TENZO_SHARED(StagedTerm<float>, staged, [staged_terms]);
    load_normal_table(table, thread_in_block(), max_threads);
    const Quad at(thread_in_grid(), result);
    const std::uint32_t row = index && at.count > 0 ? std::uint32_t(load(index + at.row)) : at.row;
    float v[sides][4] = {};
    if (at.count > 0) {
      w.decode(w.fetch(std::int64_t(row), at.col), at.col, v[0]);
      TENZO_UNROLL
      for (int s = 1; s < sides; ++s) TENZO_UNROLL
      for (int j = 0; j < 4; ++j) v[s][j] = v[0][j];
    }
    for_terms(terms, staged, thread_in_block(), [&](const StagedTerm<float>& t, int) {
      if (at.count == 0) return;
      float z[4];
      draw(t, shape, row, at.col, table, z);
      TENZO_UNROLL
      for (int s = 0; s < sides; ++s) TENZO_UNROLL
      for (int j = 0; j < 4; ++j) v[s][j] = std::fma(t.term.factor[first_side + s], z[j], v[s][j]);
    });
    TENZO_UNROLL
    for (int s = 0; s < sides; ++s)
      store_run(y[s] + at.offset(result), wide, at.count, v[s], [](float x, int) { return x; });
  }
};

// ── launchers ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Rows of W, by `index` or, where it is null, all `count` of them; sides from `first` on.
template <class D>
void rows_at(D device, const StoredMatrix& w, std::int64_t count, const std::int64_t* index, const Terms& terms,
             int first, std::span<float* const> y) {
  require(y.size() == 1 || y.size() == 2, "perturbed rows: ", y.size(), " sides; want 1 or 2");
  const NoiseShape shape{w.rows, w.cols}, result{count, w.cols};
  require_noise(Law::normal, count, w.cols);  // so that all positions have numbers below 2^32
  const LaunchTerms<float> held(device, terms, shape);
  const std::int64_t quads = Quad::runs(result);
  if (quads == 0) return;
  with_source(w, [&](const auto& source) {
    const auto run = [&]<int sides>(std::integral_constant<int, sides>) {
      PerturbedRowsKernel<std::remove_cvref_t<decltype(source)>, sides> kernel{source, shape, result, index,
                                                                               true,   first, {},     held.list()};
      for (int s = 0; s < sides; ++s) {
        kernel.y[s] = y[std::size_t(s)];
        kernel.wide = kernel.wide && whole_runs<4, float>(w.cols, static_cast<const float*>(kernel.y[s]));
      }
      launch(kernel, blocks_for(quads, kernel.max_threads), kernel.max_threads);
    };
    if (y.size() == 1) run(std::integral_constant<int, 1>());
    else run(std::integral_constant<int, 2>());
  });
}

template <class Tile, int sides, bool noisy, class Source, class List>
void launch_product(const Source& source, std::int64_t m, const StoredMatrix& w, std::span<const AffineSide> all,
                    const List& terms) {
  using K = ProductKernel<Source, Tile, sides, noisy>;
  expect(w.cols < 1 << 24, "affine: ", w.cols, " columns; the GPU multiplies fewer than 2^24");  // 32 bits in a block
  K kernel{};
  kernel.w = source;
  kernel.m = m, kernel.n = w.rows, kernel.k = int(w.cols), kernel.blocks_m = ceil_div(m, Tile::bm);
  kernel.wide_x = w.cols % 4 == 0, kernel.wide_y = w.rows % 4 == 0;
  for (int s = 0; s < sides; ++s) {
    kernel.side[s] = all[std::size_t(s)];
    kernel.wide_x = kernel.wide_x && is_aligned<4>(kernel.side[s].x);
    kernel.wide_y = kernel.wide_y && is_aligned<4>(kernel.side[s].y);
  }
  if constexpr (noisy) kernel.terms = terms;
  launch(kernel, kernel.blocks_m * ceil_div(w.rows, Tile::bn), K::max_threads);
}

/// With the tile that suits the sizes: the largest of which there are enough.
template <int sides, bool noisy, class Source, class List>
void product(const Source& source, std::int64_t m, const StoredMatrix& w, std::span<const AffineSide> all,
             const List& terms) {
  constexpr std::int64_t enough = 128;  // blocks: about the multiprocessors of a large GPU
  if (m <= SmallTile::bm) return launch_product<SmallTile, sides, noisy>(source, m, w, all, terms);
  if constexpr (noisy)
    if (ceil_div(m, LargeTile::bm) * ceil_div(w.rows, LargeTile::bn) >= enough)
      return launch_product<LargeTile, sides, noisy>(source, m, w, all, terms);
  launch_product<MediumTile, sides, noisy>(source, m, w, all, terms);
}

/// Whether a product draws the terms itself.
inline bool drawn_in_products(const Terms& terms) {
  return std::all_of(terms.values.begin(), terms.values.end(), [](const DirectionTerm& t) {
    return t.is_plain() && (t.law.kind == Law::normal || t.law.kind == Law::rademacher);
  });
}

template <class Source>
inline constexpr bool is_plain_source = false;
template <class T>
inline constexpr bool is_plain_source<PlainSource<T>> = true;

}  // namespace detail

template <std::same_as<Device> D>
void affine_stored(D, std::int64_t m, const StoredMatrix& w, const AffineSide& side) {
  if (m == 0 || w.rows == 0) return;
  detail::with_source(w, [&](const auto& source) { detail::product<1, false>(source, m, w, std::span(&side, 1), 0); });
}

template <std::same_as<Device> D>
void affine_perturbed(D device, std::int64_t m, const StoredMatrix& w, const Terms& terms,
                      std::span<const AffineSide> sides) {
  require(sides.size() == 1 || sides.size() == 2, "affine: ", sides.size(), " sides; want 1 or 2");
  if (m == 0 || w.rows == 0) return;
  if (terms.size() == 0) {
    for (const AffineSide& s : sides) affine_stored(device, m, w, s);
    return;
  }
  if (terms.size() == 1 && detail::drawn_in_products(terms) && !is_quantized(w.dtype)) {
    const detail::LaunchTerms<float, 1> held(device, terms, {w.rows, w.cols});
    detail::with_source(w, [&](const auto& source) {
      if constexpr (detail::is_plain_source<std::remove_cvref_t<decltype(source)>>) {
        if (sides.size() == 1) detail::product<1, true>(source, m, w, sides, held.list());
        else detail::product<2, true>(source, m, w, sides, held.list());
      }
    });
    return;
  }
  const DeviceArray<float> made(w.rows * w.cols);
  for (std::size_t s = 0; s < sides.size(); ++s) {
    perturbed(device, w, terms, int(s), made.data());
    affine_stored(device, m, {DType::f32, made.data(), w.rows, w.cols}, sides[s]);
  }
}

template <std::same_as<Device> D>
void perturbed_rows(D device, const StoredMatrix& w, std::int64_t count, const std::int64_t* index, const Terms& terms,
                    std::span<float* const> y) {
  detail::rows_at(device, w, count, index, terms, 0, y);
}

template <std::same_as<Device> D>
void perturbed(D device, const StoredMatrix& w, const Terms& terms, int side, float* y) {
  detail::rows_at(device, w, w.rows, nullptr, terms, side, std::span(&y, 1));
}

template <std::same_as<Device> D>
void perturbed_sides(D device, const StoredMatrix& w, const Terms& terms, std::span<float* const> y) {
  detail::rows_at(device, w, w.rows, nullptr, terms, 0, y);
}

}  // namespace tenzo::cuda
