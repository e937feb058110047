// What the GPU's kernels move and compute, one formula a launcher. The roofline is made of these; a test compares their
// bytes with the loads and stores that the emulation counts (tests/emulation/roofline.test.cpp).
//
// Formulas are for float and for operands whose rows are whole, aligned vectors: what models have. Instructions of
// products, of noise, of updates and of rows through noise were counted in what nvcc 13.0 makes for sm_80 (nvdisasm),
// along the path that is taken; others, of kernels that bytes bound, are estimates.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "tenzo/ops/shapes/attention.hpp"
#include "tenzo/ops/shapes/rope.hpp"

namespace tenzo::roofline {

/// The work of a launch.
struct Cost {
  // Bytes that its threads load and store. All of these cross the second cache's port.
  double loaded = 0, stored = 0;
  // Of these, each array once: weights, which come from memory, and the rest, which does where the cache is too small.
  double weights = 0, activations = 0;
  // Instructions of threads: all of them, those for the float units, and products of 32 by 32 bits.
  double instructions = 0, float_operations = 0, wide_products = 0;
  // Of shared memory: accesses of a warp to 128 bytes, and reads of 16 bytes by each lane, many of them the same.
  double wavefronts = 0, shared_vectors = 0;
  double tensor_fmas = 0;
  std::int64_t blocks = 0;  // 0: a library's, which is taken to spread its work evenly

  double bytes() const { return loaded + stored; }

  /// This and another launch as one.
  Cost& operator+=(const Cost& o) {
    loaded += o.loaded, stored += o.stored, weights += o.weights, activations += o.activations;
    instructions += o.instructions, float_operations += o.float_operations, wide_products += o.wide_products;
    wavefronts += o.wavefronts, shared_vectors += o.shared_vectors, tensor_fmas += o.tensor_fmas, blocks += o.blocks;
    return *this;
  }
};

inline std::int64_t parts_of(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

/// The noise of four neighbours, in instructions of a thread: a Philox block (18 wide products, as the first two rounds
/// are half done on the host), four polynomials of degree 6 whose coefficients lie in shared memory, and the radius.
struct NoiseOfFour {
  static constexpr double instructions = 169, float_operations = 32, wide_products = 18, shared_reads = 33;

  static void add_to(Cost& c, double fours) {
    c.instructions += instructions * fours;
    c.float_operations += float_operations * fours;
    c.wide_products += wide_products * fours;
    c.wavefronts += shared_reads * fours / 32;
  }
};

// ── products with weights: kernels/perturb.cuh ───────────────────────────────────────────────────────────────────────

/// detail::Tile: a block makes bm x bn results from bk columns at a time, a thread tm x tn.
struct ProductTile {
  int bm, bn, bk, tm, tn;
  bool operator==(const ProductTile&) const = default;

  std::int64_t blocks(std::int64_t m, std::int64_t n) const { return parts_of(m, bm) * parts_of(n, bn); }
};
inline constexpr ProductTile large_tile{128, 64, 8, 8, 4}, medium_tile{64, 32, 8, 4, 4}, small_tile{16, 32, 32, 2, 2};

/// The tile that detail::product takes.
inline ProductTile product_tile(std::int64_t m, std::int64_t n, bool noisy) {
  if (m <= small_tile.bm) return small_tile;
  return noisy && large_tile.blocks(m, n) >= 128 ? large_tile : medium_tile;
}

/// affine_stored and affine_perturbed: y (m, n) = x (m, k) Wᵀ on each side, W of numbers of `weight_bytes`.
inline Cost product(const ProductTile& t, int sides, bool noisy, std::int64_t m, std::int64_t n, std::int64_t k,
                    int weight_bytes) {
  const double M = double(m), N = double(n), K = double(k), W = weight_bytes;
  Cost c;
  c.blocks = t.blocks(m, n);
  c.loaded = sides * 4 * M * K * double(parts_of(n, t.bn)) + W * N * K * double(parts_of(m, t.bm));
  c.stored = sides * 4 * M * N;
  c.weights = W * N * K;
  c.activations = sides * 4 * M * (K + N);

  const double parts = double(c.blocks) * double(parts_of(k, t.bk)), columns = double(c.blocks) * K;
  const double threads = t.bm / t.tm * (t.bn / t.tn), fours_w = t.bn * t.bk / 4, fours_x = t.bm * t.bk / 4;
  const double fmas = columns * sides * t.bm * t.bn;
  const int vector_m = std::min(t.tm, 4);
  const double vectors = columns * threads * sides * (t.tm / vector_m + 1);  // read from shared memory
  const double written = parts * sides * 4 * (fours_x + fours_w);            // to shared memory, a number at a time
  const double counting = parts * threads * (44 + 25 * sides);               // addresses, bounds, fetching x
  c.instructions = fmas + vectors + written + counting + parts * fours_w * (weight_bytes == 4 ? 24 : 30);
  c.float_operations = fmas + 0.28 * counting;  // a good quarter of the counting is done by the multipliers
  (vector_m == 4 ? c.shared_vectors : c.wavefronts) = vectors / 32;
  c.wavefronts += written / 32;
  if (noisy) {
    NoiseOfFour::add_to(c, parts * fours_w);
    c.instructions += parts * fours_w * 4 * sides;  // w + factor z
    c.float_operations += parts * fours_w * 4 * sides;
  }
  return c;
}
inline Cost product(int sides, bool noisy, std::int64_t m, std::int64_t n, std::int64_t k, int weight_bytes) {
  return product(product_tile(m, n, noisy), sides, noisy, m, n, k, weight_bytes);
}

/// A product by a library on the float units, or on tensor cores: each operand once, no instruction but multiply-adds.
inline Cost library_product(std::int64_t m, std::int64_t n, std::int64_t k, int bytes = 4, bool tensor_cores = false) {
  const double fmas = double(m) * double(n) * double(k);
  Cost c;
  c.weights = bytes * double(n * k);
  c.activations = bytes * double(m * (k + n));
  c.loaded = bytes * double(n * k + m * k);
  c.stored = bytes * double(m * n);
  (tensor_cores ? c.tensor_fmas : c.float_operations) = fmas;
  if (!tensor_cores) c.instructions = fmas;
  return c;
}

/// perturbed and perturbed_rows: `rows` of a table, as they are or by an index, on each side; `terms` of noise.
inline Cost perturbed_rows(std::int64_t rows, std::int64_t cols, int sides, int terms, int weight_bytes,
                           bool by_index) {
  const double n = double(rows * cols), fours = n / 4;
  Cost c;
  c.blocks = parts_of(rows * cols, 1024);
  c.loaded = weight_bytes * n + (by_index ? 8 * fours : 0);
  c.stored = sides * 4 * n;
  c.weights = weight_bytes * n;
  c.activations = sides * 4 * n;
  c.instructions = fours * (130 + terms * (20 + 4 * sides));
  c.float_operations = fours * terms * 4 * sides;
  NoiseOfFour::add_to(c, fours * terms);
  return c;
}

/// descend_: a step on a leaf along `terms` of noise, with `moments` buffers beside it.
inline Cost descend(std::int64_t rows, std::int64_t cols, int terms, int weight_bytes, int moments = 0) {
  const double n = double(rows * cols), fours = n / 4;
  Cost c;
  c.blocks = parts_of(rows * parts_of(cols, 8), 256);
  c.loaded = c.stored = (weight_bytes + 4 * moments) * n;
  c.weights = c.bytes();
  c.instructions = fours * (60 + 24 * terms + (weight_bytes == 2 ? 50 : 0));  // bfloat16: a block of noise for eight
  c.float_operations = fours * 4 * (terms + 1);
  if (weight_bytes == 2) c.wide_products = fours / 2 * 18;
  NoiseOfFour::add_to(c, fours * terms);
  return c;
}

/// A leaf of a model as a matrix.
struct LeafSize {
  std::int64_t rows, cols;
};
/// descend_ for all leaves of a type: the blocks look for their leaf in a table, one thread of each.
inline Cost descend_all(const std::vector<LeafSize>& leaves, int terms, int weight_bytes) {
  constexpr double entry = 64;  // sizeof(detail::LeafToStep)
  Cost all;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    Cost one = descend(leaves[i].rows, leaves[i].cols, terms, weight_bytes);
    double steps = 0;
    for (std::size_t low = 0, high = leaves.size(); high - low > 1; ++steps) {
      const std::size_t middle = (low + high) / 2;
      (middle <= i ? low : high) = middle;
    }
    one.loaded += double(one.blocks) * (entry + 8 * steps);
    all += one;
  }
  return all;
}

// ── what models have beside their products ───────────────────────────────────────────────────────────────────────────

/// map: y = f(x₁, …) of n numbers, with some instructions a number.
inline Cost map(std::int64_t n, int operands, double instructions = 1, bool wide = true) {
  Cost c;
  c.blocks = parts_of(n, wide ? 1024 : 256);
  c.loaded = 4.0 * operands * double(n);
  c.stored = 4.0 * double(n);
  c.activations = c.bytes();
  c.instructions = double(n) * (instructions + (operands + 9) / (wide ? 4.0 : 1.0));
  c.float_operations = double(n) * instructions;
  return c;
}

/// gated: y = f(gate) up, f with an exponential of its own.
inline Cost gated(std::int64_t n) { return map(n, 2, 26); }

/// detail::with_row_team: the threads at a row of `vectors`, of which each has `batch` under way, and rows of a block.
struct RowTeam {
  std::int64_t threads, rows = 1;

  RowTeam(std::int64_t vectors, std::int64_t batch) {
    const auto wanted = std::uint64_t(parts_of(vectors, batch));
    threads = std::int64_t(std::bit_ceil(std::clamp<std::uint64_t>(wanted, 1, wanted <= 64 ? 32 : 512)));
    if (wanted <= 64) rows = 256 / threads;
  }
};

/// rms_norm. Rows of up to 46 KiB are kept in shared memory, longer ones are read again.
inline Cost rms_norm(std::int64_t rows, std::int64_t n) {
  const double all = double(rows * n);
  Cost c;
  c.blocks = parts_of(rows, RowTeam(n / 4, 4).rows);
  c.loaded = (4 * n <= 46 << 10 ? 8 : 12) * all;  // with the weight for each row
  c.stored = 4 * all + 4 * double(rows);
  c.activations = 8 * all + 4 * double(n);
  c.instructions = 8 * all;
  c.float_operations = 4 * all;
  c.wavefronts = 2 * all / 32;
  return c;
}

/// rope of whole heads.
inline Cost rope(const RopeShape& s) {
  const double all = double(s.tokens * s.heads * s.dim), pairs = double(s.tokens * s.heads * s.pairs);
  const double threads = pairs / (s.layout == RopeLayout::half ? 4 : 2);
  Cost c;
  c.blocks = parts_of(std::int64_t(threads), 256);
  c.loaded = 4 * all + 8 * pairs + 8 * threads;  // with cosines, sines and the position
  c.stored = 4 * all;
  c.activations = 8 * all + 8 * double(s.tokens * s.pairs);
  c.instructions = 120 * threads + 6 * pairs;  // divisions in 64 bits
  c.float_operations = 6 * pairs;
  return c;
}

/// attention, forward, without a bias: heads of 32, 64, 128 or 256 numbers.
inline Cost attention(const AttentionProblem& p) {
  const std::int64_t rows_of_block = 64, keys_of_tile = p.head_dim > 128 ? 64 : 32;
  const double dim = double(p.head_dim);
  Cost c;
  for (const AttentionSpan& s : p.sequences) {
    const std::int64_t rows = s.q_length * p.group();
    for (std::int64_t first = 0; first < rows; first += rows_of_block) {
      const std::int64_t last = std::min(first + rows_of_block, rows) - 1, own = last - first + 1;
      const std::int64_t begin = p.first_key(s, first / p.group()) / keys_of_tile * keys_of_tile;
      const std::int64_t stop = p.end_key(s, last / p.group());
      const double tiles = double(parts_of(stop - begin, keys_of_tile)), keys = double(stop - begin);
      const double heads = double(p.kv_heads), scores = tiles * double(rows_of_block * keys_of_tile);
      c.blocks += p.kv_heads;
      c.loaded += heads * 4 * dim * (tiles * double(rows_of_block + keys_of_tile) + keys);  // q again for each tile
      c.stored += heads * 4 * double(own) * (dim + 1);
      const double fmas = heads * (scores * dim + keys * double(rows_of_block) * dim);
      c.float_operations += fmas + heads * 20 * scores;
      c.instructions += 1.3 * fmas + heads * 40 * scores;
      c.shared_vectors += fmas / 32 * 0.18;  // two for 8 multiply-adds of scores, two for 16 of sums
    }
    c.activations += 4 * dim * double(2 * s.q_length * p.heads + 2 * s.kv_length * p.kv_heads);
  }
  return c;
}

/// select_rows: `rows` of `cols` numbers by an index.
inline Cost select_rows(std::int64_t rows, std::int64_t cols) {
  Cost c = map(rows * cols, 1);
  c.loaded += 8 * double(rows * cols / 4);
  return c;
}

/// cross_entropy.
inline Cost cross_entropy(std::int64_t rows, std::int64_t classes) {
  const bool wide = classes % 4 == 0;
  const RowTeam team(wide ? classes / 4 : classes, wide ? 4 : 8);
  Cost c;
  c.blocks = parts_of(rows, team.rows);
  c.loaded = double(rows) * (4 * double(classes + 1) + 8 * double(team.threads));  // each thread reads the label
  c.stored = 8 * double(rows);
  c.activations = c.bytes();
  c.instructions = double(rows) * (300 * double(team.threads) + 30 * double(classes));
  return c;
}

/// sum_middle of rows that one block each adds up.
inline Cost sum_rows(std::int64_t rows, std::int64_t n) {
  Cost c;
  c.blocks = rows;
  c.loaded = 4 * double(rows * n);
  c.stored = 4 * double(rows);
  c.activations = c.bytes();
  c.instructions = double(rows) * (256 * 40 + double(n) * 3);
  return c;
}

}  // namespace tenzo::roofline
