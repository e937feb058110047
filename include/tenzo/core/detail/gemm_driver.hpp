// How a product is cut into pieces, panels and tiles. The cut depends on the sizes only, never on the threads; and
// because an element is one chain in the order of k, no cut changes a bit of the result.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "tenzo/core/detail/gemm_kernel.hpp"
#include "tenzo/core/detail/gemm_pack.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/pool.hpp"

namespace tenzo::detail {

/// Memory of this thread for packed panels: at least n elements, aligned to 64 bytes, kept until the thread ends.
///   Whoever asks again takes it over.
template <Real T>
T* panel_memory(std::int64_t n) {
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  thread_local std::unique_ptr<T, Free> memory;
  thread_local std::int64_t size = 0;
  if (size < n) {
    size = 0;
    memory.reset(static_cast<T*>(::operator new(std::size_t(n) * sizeof(T), std::align_val_t(64))));
    size = n;
  }
  return memory.get();
}

/// n cut into the fewest parts of at most `most`, as even as can be: part i is [begin(i), begin(i + 1)).
struct EvenCut {
  std::int64_t n, parts;
  EvenCut(std::int64_t total, std::int64_t most) : n(total), parts((total + most - 1) / most) {}
  std::int64_t begin(std::int64_t i) const { return n / parts * i + std::min(i, n % parts); }
  std::int64_t size(std::int64_t i) const { return n / parts + (i < n % parts); }
  std::int64_t end(std::int64_t i) const { return begin(i) + size(i); }
};

/// The rows of A as products read them, in place or packed: strip s begins at data + s * strip (packed) or at its first
/// row (strip = 0); from there on, rows lie `row` apart and values of k `col` apart.
template <Real T>
struct RowStrips {
  const T* data;
  std::int64_t row, col, strip = 0;
};

/// Packs strips [first, last) of the rows of A, k in [begin, end), into to[s][p][r], p < k.
template <Real T>
void pack_strips(const EvenCut& strips, std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end,
                 std::int64_t k, const RowStrips<T>& a, T* to) {
  for (std::int64_t p = begin; p < end; ++p) {
    const T* from = a.data + strips.begin(first) * a.row + p * a.col;
    for (std::int64_t s = first; s < last; ++s) {
      const std::int64_t rows = strips.size(s);
      T* t = to + (s * k + p) * tile_rows;
      if (s % 2 == 0) prefetch(from, 8 * a.col);
      if (a.row == 1 && rows == tile_rows) std::memcpy(t, from, tile_rows * sizeof(T));
      else
        for (std::int64_t r = 0; r < rows; ++r) t[r] = from[r * a.row];
      from += rows * a.row;
    }
  }
}

/// One product of those that share a panel's visit.
template <Real T>
struct Operands {
  RowStrips<T> a;
  T* c;
  std::int64_t c_row;
  bool accumulate;
  const T* bias;
};

template <Real T>
using TileFunction = void (*)(std::int64_t, const T*, std::int64_t, std::int64_t, const T*, std::int64_t, T*,
                              std::int64_t, const TileTask<T>&);

/// tile_product for every height and width: [rows - 1][vectors - 1].
template <Real T>
inline constexpr auto tile_functions = []<int... i>(std::integer_sequence<int, i...>) {
  return std::array<TileFunction<T>, sizeof...(i)>{&tile_product<T, i / tile_vectors + 1, i % tile_vectors + 1>...};
}
(std::make_integer_sequence<int, tile_rows * tile_vectors>{});

/// The cut of an (m, k) x (k, n) product: strips of rows and panels of columns; blocks of strips and groups of panels,
/// which are the pieces; and the length of k that a panel holds, which leaves room in the second cache for what
/// streams by.
template <Real T>
struct Cut {
  EvenCut strips, panels;  // in rows, in vectors of columns
  EvenCut blocks;          // in strips
  std::int64_t group, k_block;

  std::int64_t pieces() const { return blocks.parts * ((panels.parts + group - 1) / group); }
};

/// The length of even blocks of k, at most `most`; a multiple of the width of tiles.
inline std::int64_t even_block(std::int64_t k, std::int64_t most) {
  const std::int64_t blocks = std::max<std::int64_t>(1, (k + most - 1) / most);
  return (std::max<std::int64_t>(1, k) + blocks * tile_columns - 1) / (blocks * tile_columns) * tile_columns;
}

/// Multiplications that are worth a piece of their own: some microseconds.
inline constexpr std::int64_t piece_work = 1 << 18;

/// A matrix of so many elements that it comes from beyond the caches each time.
inline bool beyond_caches(std::int64_t rows, std::int64_t cols) { return double(rows) * double(cols) > 1 << 20; }

/// How panels come about: copied from memory, read where they lie, or made at a price (then no two pieces make one).
enum class PanelKind { copied, in_place, made };

template <Real T>
Cut<T> cut_product(std::int64_t m, std::int64_t n, std::int64_t k, PanelKind kind) {
  constexpr std::int64_t size = Simd<T>::size;
  Cut<T> cut{.strips = EvenCut(m, tile_rows),
             .panels = EvenCut((n + size - 1) / size, tile_vectors),
             .blocks = EvenCut((m + tile_rows - 1) / tile_rows, m),
             .group = 1,
             .k_block = even_block(k, 8192 / std::int64_t(sizeof(T)))};
  if (cut.panels.parts % 2 == 1 && 1 < cut.panels.parts && cut.panels.parts < std::min<std::int64_t>(8, cut.panels.n))
    ++cut.panels.parts;                               // an odd few leave one of two threads waiting
  if (kind == PanelKind::in_place) cut.k_block = 32;  // so that a piece walks along rows of B, not down its columns
  else if (m <= 16 && !beyond_caches(n, k)) cut.k_block = even_block(k, 128);
  if (const std::int64_t blocks = std::min(m / 256, 8 / cut.panels.parts); kind == PanelKind::copied && blocks > 1)
    cut.blocks = EvenCut(cut.strips.parts, (cut.strips.parts + blocks - 1) / blocks);
  const double panel = double(m) * double(n) * double(k + 1) / double(cut.pieces());
  // where panels are read in place, some cache lines of each row together
  const std::int64_t together = kind == PanelKind::in_place ? 112 / panel_width<T> : 1;
  cut.group =
      std::min(cut.panels.parts, std::max(together, panel < piece_work ? std::int64_t(piece_work / panel) + 1 : 1));
  return cut;
}

/// One panel for each of Q products: row p of it is at data[q] + p * row.
template <Real T, std::size_t Q>
struct PanelSet {
  std::array<const T*, Q> data;
  std::int64_t row;
};

/// One piece of Q products that share the visits of `panels`.
///   panels(j, columns, vectors, p, k, {memory, …}) -> PanelSet   the columns from j on, k values from p on, for each
template <Real T, std::size_t Q, class Panels>
void product_piece(const Cut<T>& cut, std::int64_t n, std::int64_t k, const std::array<Operands<T>, Q>& all,
                   const Panels& panels, std::int64_t piece) {
  constexpr std::int64_t size = Simd<T>::size;
  const std::int64_t block = piece % cut.blocks.parts, first = piece / cut.blocks.parts * cut.group;
  const std::int64_t last = std::min(first + cut.group, cut.panels.parts);
  const std::int64_t panel = std::min(cut.k_block, (k + 3) / 4 * 4) * panel_width<T>;  // packing rounds k up to fours
  std::array<T*, Q> memory;
  memory[0] = panel_memory<T>(std::int64_t(Q) * panel);
  for (std::size_t q = 1; q < Q; ++q) memory[q] = memory[q - 1] + panel;

  for (std::int64_t p = 0; p == 0 || p < k; p += cut.k_block) {
    const std::int64_t some = std::min(cut.k_block, k - p);
    for (std::int64_t v = first; v < last; ++v) {
      const std::int64_t j = cut.panels.begin(v) * size, vectors = cut.panels.size(v);
      const std::int64_t columns = std::min(n - j, vectors * size);
      const PanelSet<T, Q> set = panels(j, columns, vectors, p, some, memory);
      for (std::size_t q = 0; q < Q; ++q) {
        const auto& [a, c, c_row, accumulate, bias] = all[q];
        TileTask<T> task{p > 0 || accumulate, p + some == k && bias ? bias + j : nullptr, columns, nullptr};
        for (std::int64_t s = cut.blocks.begin(block); s < cut.blocks.end(block); ++s) {
          const std::int64_t i = cut.strips.begin(s), rows = cut.strips.size(s);
          const T* from = a.data + (a.strip ? s * a.strip : i * a.row) + p * a.col;
          task.next = from + (a.strip ? a.strip : rows * a.row);
          tile_functions<T>[std::size_t((rows - 1) * tile_vectors + vectors - 1)](
              some, from, a.row, a.col, set.data[q], set.row, c + i * c_row + j, c_row, task);
        }
      }
    }
  }
}

}  // namespace tenzo::detail
