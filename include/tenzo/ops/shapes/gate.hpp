// Where the two operands of a gated unit lie.
#pragma once

#include <cstdint>

namespace tenzo {

/// Where gate and up lie: rows of `columns` numbers, `gate` and `up` numbers apart (the two halves of one product's
/// rows, or two arrays). Their gradients lie alike; y and its gradient are (rows, columns).
struct GateShape {
  std::int64_t rows, columns, gate, up;

  static GateShape two_arrays(std::int64_t rows, std::int64_t columns) { return {rows, columns, columns, columns}; }
};

}  // namespace tenzo
