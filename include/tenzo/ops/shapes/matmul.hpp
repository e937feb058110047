// The sizes of a batch of matrix products.
#pragma once

#include <cstdint>

#include "tenzo/core/error.hpp"
#include "tenzo/core/shape.hpp"

namespace tenzo {

/// C = op(A) op(B) over batches: (..., m, k) · (..., k, n) → (..., m, n); op transposes the last two axes where asked,
/// and the batch axes broadcast.
struct MatMulShape {
  std::int64_t m = 0, k = 0, n = 0;
  bool ta = false, tb = false;
  Shape batch_a, batch_b, batch;

  MatMulShape(const Shape& a, const Shape& b, bool transpose_a, bool transpose_b)
      : m(a.dim(transpose_a ? -1 : -2)),
        k(a.dim(transpose_a ? -2 : -1)),
        n(b.dim(transpose_b ? -2 : -1)),
        ta(transpose_a),
        tb(transpose_b),
        batch_a(leading(a)),
        batch_b(leading(b)),
        batch(broadcast_shapes(batch_a, batch_b)) {
    expect(b.dim(tb ? -1 : -2) == k, "matmul: ", a, ta ? "ᵀ" : "", " · ", b, tb ? "ᵀ" : "",
           " do not agree in the axis of ", k);
  }

  Shape out() const {
    Shape s = batch;
    s.push_back(m);
    s.push_back(n);
    return s;
  }
  /// Whether the rows of all entries meet one B: a single product.
  bool shares_b() const { return !ta && batch_b.numel() == 1 && batch_a.numel() == batch.numel(); }
  /// Offsets in elements of the operands of a batch entry.
  std::int64_t offset_a(std::int64_t entry) const { return offset(entry, batch_a, m * k); }
  std::int64_t offset_b(std::int64_t entry) const { return offset(entry, batch_b, k * n); }

 private:
  static Shape leading(const Shape& s) { return Shape(s.dims().first(std::size_t(s.rank() - 2))); }

  std::int64_t offset(std::int64_t entry, const Shape& in, std::int64_t matrix) const {
    std::int64_t at = 0, step = matrix;
    for (int i = batch.rank() - 1, j = in.rank() - 1; i >= 0; --i, --j) {
      const std::int64_t index = entry % batch[i];
      entry /= batch[i];
      if (j < 0) continue;
      if (in[j] != 1) at += index * step;
      step *= in[j];
    }
    return at;
  }
};

}  // namespace tenzo
