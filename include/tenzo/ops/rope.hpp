// Rotary position embedding of packed tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/ops/cpu/rope.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/linear_map.hpp"
#include "tenzo/ops/shapes/rope.hpp"

namespace tenzo {

/// The positions of a batch's tokens, with the cosines and sines of all positions up to the last; made once a batch.
class RopeTable {
 public:
  RopeTable() = default;
  TENZO_COMPILED RopeTable(std::vector<std::int64_t> positions, std::int64_t head_dim, double theta,
                           RopeLayout layout = RopeLayout::half);

  std::int64_t tokens() const { return positions_.size(); }
  std::int64_t head_dim() const { return head_dim_; }
  RopeLayout layout() const { return layout_; }
  const Indices& positions() const { return positions_; }

  template <Real T>
  const RopeAngles<T>& angles() const {
    if constexpr (std::is_same_v<T, float>) return floats_;
    else return doubles_;
  }

 private:
  Indices positions_;
  RopeAngles<float> floats_;
  RopeAngles<double> doubles_;
  std::int64_t head_dim_ = 0;
  RopeLayout layout_ = RopeLayout::half;
};

#if TENZO_DEFINES(ops)
TENZO_COMPILED RopeTable::RopeTable(std::vector<std::int64_t> positions, std::int64_t head_dim, double theta,
                                    RopeLayout layout)
    : positions_(Indices::from(Shape{std::int64_t(positions.size())}, positions)),
      head_dim_(head_dim),
      layout_(layout) {
  require(head_dim > 0 && head_dim % 2 == 0, "rope: a head of ", head_dim, " features; want an even number");
  std::int64_t count = 0;
  for (const std::int64_t p : positions) {
    require(p >= 0, "rope: a position of ", p, "; want at least 0");
    count = std::max(count, p + 1);
  }
  const auto frequencies = rope_frequencies(head_dim, theta);
  floats_ = RopeAngles<float>(count, frequencies);
  doubles_ = RopeAngles<double>(count, frequencies);
}
#endif

/// Turns each pair of features of each head by its token's angle. A rotation: the adjoint turns back.
struct Rope {
  static constexpr std::string_view name = "rope";
  Shape in, out;
  RopeTable table;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    turn(device, x, y, false);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    turn(device, gy, gx, true);
  }

 private:
  template <class D, class T>
  void turn(D device, const T* x, T* y, bool back) const {
    const std::int64_t d = table.head_dim(), width = in[1];
    const HeadStrides packed{width, d};
    const RopeAngles<T>& angles = table.angles<T>();
    rope(device, RopeShape{in[0], width / d, d, d / 2, table.layout(), back, packed, packed},
         angles.cos.template on<D>().data(), angles.sin.template on<D>().data(),
         table.positions().template on<D>().data(), x, y);
  }
};

/// x (tokens, heads · head_dim) → the same, each head turned by the position of its token.
///   Source  Su et al. 2021 (RoFormer), equation 34.
template <Value V>
V rope(const V& x, const RopeTable& table) {
  const Shape& s = x.shape();
  expect(s.rank() == 2 && s[0] == table.tokens() && s[1] % table.head_dim() == 0, "rope: x is ", s, "; want (",
         table.tokens(), ", heads · ", table.head_dim(), ")");
  return apply_linear(Rope{s, s, table}, x);
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
