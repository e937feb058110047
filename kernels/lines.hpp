// Lines of numbers, each worked on by a team of threads: rows of neighbours, or columns through (outer, n, inner).
//
// A kernel is written once for all teams. Its thread finds its place, visits the vectors that are its own in batches
// (loads first, so that many are under way at once), reduces over its team, and visits the same vectors again. Since
// nobody else touches them, results may overwrite what was read, and what is kept needs no barrier.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "reduce.hpp"

namespace tenzo::cuda::detail {

/// Numbers in the widest access.
template <class T>
inline constexpr int wide = int(16 / sizeof(T));
/// Vectors of `width` numbers that a thread has under way at once, of each of `arrays` lines: as many as registers
/// allow with half of the threads that a multiprocessor can hold.
template <class T, int width, int arrays = 1>
constexpr int batch_size() {
  if (sizeof(T) == 8) return width > 1 ? 2 : 4;
  if (width > 1) return arrays > 1 ? 2 : 4;
  return arrays > 1 ? 4 : 8;
}
template <class T, int width, int arrays = 1>
inline constexpr int batch_of = batch_size<T, width, arrays>();

/// A thread's place: the vectors first, first + stride, … (n of them, none where there is no line for it), of which
/// `rank`, rank + size, … are its own.
struct RowPlace {
  static constexpr std::int64_t stride = 1;
  std::int64_t line, first, n;
  int rank, size;
  bool inside;
};
struct ColumnPlace {
  std::int64_t line, first, n, stride;
  int rank, size;
  bool inside;
};

// ── teams ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// 2^log2 neighbours of a warp at each row: no shared memory, no barrier.
struct LaneTeam {
  static constexpr int max_threads = 256;
  int log2;

  TENZO_HOST_DEVICE int lanes() const { return 1 << log2; }
  TENZO_HOST_DEVICE int threads() const { return max_threads; }
  std::int64_t blocks(std::int64_t lines) const { return ceil_div(lines, max_threads >> log2); }

  TENZO_DEVICE RowPlace place(std::int64_t block, int thread, std::int64_t lines, std::int64_t n) const {
    const std::int64_t line = block * (max_threads >> log2) + (thread >> log2);
    const bool inside = line < lines;
    return {line, line * n, inside ? n : 0, thread & (lanes() - 1), lanes(), inside};
  }
  template <class V, class Op>
  TENZO_DEVICE V reduce(const V& v, Op op, int thread) const {
    return warp_reduce(v, op, thread % 32, lanes());
  }
};

/// A block of `size` threads at each row, a power of two of at least 32.
struct BlockTeam {
  static constexpr int max_threads = 512;
  int size;

  std::int64_t blocks(std::int64_t lines) const { return lines; }
  TENZO_HOST_DEVICE int threads() const { return size; }

  TENZO_DEVICE RowPlace place(std::int64_t block, int thread, std::int64_t, std::int64_t n) const {
    return {block, block * n, n, thread, size, true};
  }
  template <class V, class Op>
  TENZO_DEVICE V reduce(const V& v, Op op, int thread) const {
    return block_reduce(v, op, thread, size);
  }
};

/// A thread at each column of (outer, n, inner), or 2^log2 of them where columns are long; neighbours in neighbouring
/// columns, so that a warp reads along `inner`.
struct ColumnTeam {
  static constexpr int max_threads = 256;
  std::int64_t inner;
  int log2;

  ColumnTeam(std::int64_t n, std::int64_t inner_) : inner(inner_), log2(n < 32 ? 0 : 3) {}

  TENZO_HOST_DEVICE int height() const { return 1 << log2; }
  TENZO_HOST_DEVICE int width() const { return max_threads >> log2; }
  TENZO_HOST_DEVICE int threads() const { return max_threads; }
  std::int64_t blocks(std::int64_t lines) const { return ceil_div(lines, width()); }

  TENZO_DEVICE ColumnPlace place(std::int64_t block, int thread, std::int64_t lines, std::int64_t n) const {
    const std::int64_t line = block * width() + (thread & (width() - 1)), o = line / inner;
    const bool inside = line < lines;
    return {line, o * n * inner + (line - o * inner), inside ? n : 0, inner, thread >> (8 - log2), height(), inside};
  }
  template <class V, class Op>
  TENZO_DEVICE V reduce(const V& v, Op op, int thread) const {
    TENZO_SHARED(V, scratch, [max_threads]);
    if (log2 == 0) return v;
    const int column = thread & (width() - 1);
    scratch[thread] = v;
    __syncthreads();
    V all = scratch[column];
    for (int row = 1; row < height(); ++row) all = op(all, V(scratch[row * width() + column]));
    __syncthreads();
    return all;
  }
};

/// Threads of a block for elements of T, and such blocks that fit on a multiprocessor at once.
template <class T, class Team>
inline constexpr int team_threads = sizeof(T) == 8 ? 256 : Team::max_threads;
template <class T, class Team>
inline constexpr int team_blocks = blocks_at_once<T> * 256 / team_threads<T, Team>;

// ── visits ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Calls f(i, k) for batches of a thread's vectors: vector i of the line, the k-th of the thread's own, is the first.
template <int batch, class Place, class F>
TENZO_DEVICE void for_batches(const Place& at, F f) {
  int k = 0;
  for (std::int64_t i = at.rank; i < at.n; i += batch * at.size, k += batch) f(i, k);
}

/// Vectors of the batch from i on that are inside.
template <int batch, class Place>
TENZO_DEVICE int vectors_inside(const Place& at, std::int64_t i) {
  const std::int64_t left = at.n - i;
  return left > std::int64_t(batch - 1) * at.size ? batch : int(left + at.size - 1) / at.size;
}

/// v = the batch from vector i on; `fill` where it goes beyond the line.
template <int width, class T, int count, class Place>
TENZO_DEVICE void fetch(const Place& at, const T* line, std::int64_t i, T fill, T (&v)[count]) {
  constexpr int batch = count / width;
  const bool whole = i + std::int64_t(batch - 1) * at.size < at.n;
  TENZO_UNROLL
  for (int b = 0; b < batch; ++b) {
    const std::int64_t vector = i + std::int64_t(b) * at.size;
    Pack<T, width> p;
    if (whole || vector < at.n) {
      p = load<width>(line + vector * at.stride * width);
    } else {
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) p[j] = fill;
    }
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) v[b * width + j] = p[j];
  }
}

/// The batch from vector i on = v, as far as it is inside.
template <int width, class T, int count, class Place>
TENZO_DEVICE void put(const Place& at, T* line, std::int64_t i, const T (&v)[count]) {
  TENZO_UNROLL
  for (int b = 0; b < count / width; ++b) {
    const std::int64_t vector = i + std::int64_t(b) * at.size;
    Pack<T, width> p;
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) p[j] = v[b * width + j];
    if (vector < at.n) store<width>(line + vector * at.stride * width, p);
  }
}

/// Shared memory where a thread keeps the vectors of a line from its first visit to its second; `on` where there is
/// enough. Vector k of a thread lies beside vector k of its neighbour: no bank is asked for twice.
template <class T, int width>
struct Shelf {
  Pack<T, width>* own;
  int threads;
  bool on;

  /// fetch, and keep.
  template <int count, class Place>
  TENZO_DEVICE void fetch_first(const Place& at, const T* line, std::int64_t i, int k, T fill, T (&v)[count]) const {
    fetch<width>(at, line, i, fill, v);
    if (!on) return;
    TENZO_UNROLL
    for (int b = 0; b < count / width; ++b) {
      if (i + std::int64_t(b) * at.size >= at.n) continue;
      Pack<T, width>& p = own[(k + b) * threads];
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) p[j] = v[b * width + j];
    }
  }
  /// What was kept, or fetched again; of no meaning beyond the line.
  template <int count, class Place>
  TENZO_DEVICE void fetch_again(const Place& at, const T* line, std::int64_t i, int k, T (&v)[count]) const {
    if (!on) return fetch<width>(at, line, i, T(0), v);
    TENZO_UNROLL
    for (int b = 0; b < count / width; ++b) {
      const bool inside = i + std::int64_t(b) * at.size < at.n;
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) v[b * width + j] = inside ? own[(k + b) * threads][j] : T(0);
    }
  }
};

/// The thread's shelf for an array, of `slots` vectors for the block; none where that is 0.
template <class T, int width>
TENZO_DEVICE Shelf<T, width> shelf(Pack<T, width>* shared, int array, int slots, int thread, int threads) {
  return {shared + array * slots + thread, threads, slots > 0};
}

// ── launches ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Calls run(width) with `wide<T>` as a constant where lines of n numbers of all the arrays lie at multiples of 16
/// bytes, else with 1.
template <class T, class F, class... P>
void with_width(std::int64_t n, F&& run, const P*... arrays) {
  if (n % wide<T> == 0 && (is_aligned<wide<T>>(arrays) && ...)) run(std::integral_constant<int, wide<T>>{});
  else run(std::integral_constant<int, 1>{});
}

/// Calls run(team, slots) for rows of n vectors, of which `arrays` are read twice: a power of two of threads at a row,
/// so that each has a batch of it, up to a block; and the vectors of each array that a block keeps, 0 where that is too
/// much memory.
template <class T, int width, class F>
void with_row_team(std::int64_t n, int arrays, F&& run) {
  constexpr std::int64_t most = (46 << 10) / sizeof(Pack<T, width>);  // leaves what reductions take of 48 KiB
  const auto slots = [&](std::int64_t of_block) { return of_block * arrays <= most ? int(of_block) : 0; };
  const std::int64_t wanted = ceil_div(n * std::max(arrays, 1), batch_of<T, width>);
  if (wanted <= 64) {
    const LaneTeam team{int(std::bit_width(std::uint64_t(std::clamp<std::int64_t>(wanted, 1, 32) - 1)))};
    run(team, slots(ceil_div(n, team.lanes()) * team.threads()));
  } else {
    run(BlockTeam{int(std::bit_ceil(std::uint64_t(std::min<std::int64_t>(wanted, team_threads<T, BlockTeam>))))},
        slots(n));
  }
}

/// Launches a kernel of lines whose blocks keep `slots` vectors of each of `arrays` arrays.
template <class T, int width, class K>
void launch_lines(const K& k, std::int64_t lines, int arrays, int slots) {
  launch(k, k.team.blocks(lines), k.team.threads(),
         std::int64_t(arrays) * slots * std::int64_t(sizeof(Pack<T, width>)));
}

}  // namespace tenzo::cuda::detail
