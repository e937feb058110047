// How a product is cut into pieces, panels and tiles. The cut depends on the sizes only, never on the threads; and
// because an element is one chain in the order of k, no cut changes a bit of the result.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "tenzo/core/detail/gemm_kernel.hpp"
#include "tenzo/core/detail/gemm_pack.hpp"
#include "tenzo/core/parallel.hpp"

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
};

/// One product of those that share a panel's visit: c[i, j] (+)= sum over p of a[i, p] b[p, j].
template <Real T>
struct Operands {
  const T* a;
  std::int64_t a_row, a_col;
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

/// Rows [0, m) of one product with a packed panel.
template <Real T>
void panel_product(std::int64_t m, std::int64_t k, const T* a, std::int64_t a_row, std::int64_t a_col, const T* panel,
                   std::int64_t panel_row, std::int64_t vectors, T* c, std::int64_t c_row, const TileTask<T>& task) {
  const EvenCut strips(m, tile_rows);
  for (std::int64_t s = 0, i = 0; s < strips.parts; ++s) {
    const std::int64_t rows = strips.size(s);
    tile_functions<T>[std::size_t((rows - 1) * tile_vectors + vectors - 1)](k, a + i * a_row, a_row, a_col, panel,
                                                                            panel_row, c + i * c_row, c_row, task);
    i += rows;
  }
}

/// The cut of an (m, k) x (k, n) product.
template <Real T>
struct Cut {
  EvenCut vectors;              // panels, in vectors of columns
  EvenCut rows;                 // blocks of rows
  std::int64_t k_block, group;  // values of k and number of panels that a piece holds at once

  std::int64_t pieces() const { return rows.parts * ((vectors.parts + group - 1) / group); }
};

template <Real T>
Cut<T> cut_product(std::int64_t m, std::int64_t n, std::int64_t k, bool whole_rows) {
  constexpr std::int64_t size = Simd<T>::size;
  const double work = double(m) * double(n) * double(std::max<std::int64_t>(k, 1));
  Cut<T> cut{EvenCut((n + size - 1) / size, tile_vectors), EvenCut(m, whole_rows ? m : 512), 512, 1};
  if (m <= 16) cut.k_block = 128;
  const double piece = work / double(cut.pieces()), least = 1 << 18;
  if (piece < least) cut.group = std::min<std::int64_t>(cut.vectors.parts, std::int64_t(least / piece) + 1);
  if (!whole_rows && m > 64 && cut.pieces() < 8 && work > 8 * least)
    cut.rows = EvenCut(m, std::max<std::int64_t>(64, m / 8));
  return cut;
}

/// Q products that share the visits of `panels`; panels.pack(j, columns, vectors, p, k, {to, …}) packs one panel for
/// each.
template <Real T, std::size_t Q, class Panels>
void product_piece(const Cut<T>& cut, std::int64_t n, std::int64_t k, const std::array<Operands<T>, Q>& all,
                   const Panels& panels, std::int64_t piece) {
  constexpr std::int64_t size = Simd<T>::size;
  const std::int64_t block = piece % cut.rows.parts, first = piece / cut.rows.parts * cut.group;
  const std::int64_t last = std::min(first + cut.group, cut.vectors.parts);
  const std::int64_t i = cut.rows.begin(block), m = cut.rows.size(block);
  const std::int64_t panel_size = (std::min(k, cut.k_block) + 3) / 4 * 4 * panel_width<T>;
  std::array<T*, Q> packed;
  packed[0] = panel_memory<T>(panel_size * std::int64_t(Q));
  for (std::size_t q = 1; q < Q; ++q) packed[q] = packed[q - 1] + panel_size;

  for (std::int64_t p = 0; p == 0 || p < k; p += cut.k_block) {
    const std::int64_t some = std::min(cut.k_block, k - p);
    for (std::int64_t v = first; v < last; ++v) {
      const std::int64_t j = cut.vectors.begin(v) * size, vectors = cut.vectors.size(v);
      const std::int64_t columns = std::min(n - j, vectors * size);
      panels.pack(j, columns, vectors, p, some, packed);
      for (std::size_t q = 0; q < Q; ++q) {
        const Operands<T>& o = all[q];
        const TileTask<T> task{p > 0 || o.accumulate, p + some == k && o.bias ? o.bias + j : nullptr, columns};
        panel_product<T>(m, some, o.a + i * o.a_row + p * o.a_col, o.a_row, o.a_col, packed[q], vectors * size, vectors,
                         o.c + i * o.c_row + j, o.c_row, task);
      }
    }
  }
}

}  // namespace tenzo::detail
