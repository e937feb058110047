// Rotary position embedding of packed tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tenzo/ops/cpu/rope.hpp"
#include "tenzo/ops/linear_map.hpp"

namespace tenzo {

/// Which features of a head turn together: `half` pairs i with i + d/2 (transformers), `interleaved` 2i with 2i + 1
/// (llama.cpp's files of the LLaMA family, whose rows of W_q and W_k are permuted to match).
using cpu::RopeLayout;

/// The positions of a batch's tokens, with the cosines and sines of all positions up to the last; made once a batch.
class RopeTable {
 public:
  RopeTable() = default;
  RopeTable(std::vector<std::int64_t> positions, std::int64_t head_dim, double theta,
            RopeLayout layout = RopeLayout::half)
      : positions_(std::make_shared<const std::vector<std::int64_t>>(std::move(positions))),
        head_dim_(head_dim),
        layout_(layout) {
    require(head_dim > 0 && head_dim % 2 == 0, "rope: a head of ", head_dim, " features; want an even number");
    const std::int64_t count = positions_->empty() ? 0 : *std::max_element(positions_->begin(), positions_->end()) + 1;
    const auto frequencies = cpu::rope_frequencies(head_dim, theta);
    floats_ = std::make_shared<const cpu::RopeTable<float>>(count, frequencies);
    doubles_ = std::make_shared<const cpu::RopeTable<double>>(count, frequencies);
  }

  std::int64_t tokens() const { return positions_ ? std::int64_t(positions_->size()) : 0; }
  std::int64_t head_dim() const { return head_dim_; }
  RopeLayout layout() const { return layout_; }
  const std::int64_t* positions() const { return positions_->data(); }

  template <Real T>
  const cpu::RopeTable<T>& angles() const {
    if constexpr (std::is_same_v<T, float>) return *floats_;
    else return *doubles_;
  }

 private:
  std::shared_ptr<const std::vector<std::int64_t>> positions_;
  std::shared_ptr<const cpu::RopeTable<float>> floats_;
  std::shared_ptr<const cpu::RopeTable<double>> doubles_;
  std::int64_t head_dim_ = 0;
  RopeLayout layout_ = RopeLayout::half;
};

/// Turns each pair of features of each head by its token's angle. A rotation: the adjoint turns back.
struct Rope {
  static constexpr std::string_view name = "rope";
  Shape in, out;
  RopeTable table;

  template <class T>
  void apply(const T* x, T* y) const {
    turn(x, y, false);
  }
  template <class T>
  void adjoint(const T* gy, T* gx) const {
    turn(gy, gx, true);
  }

 private:
  template <class T>
  void turn(const T* x, T* y, bool back) const {
    const std::int64_t d = table.head_dim(), width = in[1];
    const cpu::HeadStrides packed{width, d};
    cpu::rope<T>({in[0], width / d, d, table.layout(), back}, table.angles<T>(), table.positions(), x, packed, y,
                 packed);
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
