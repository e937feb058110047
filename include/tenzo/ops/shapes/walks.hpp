// Walks through memory: the steps that an index set takes along each axis.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "tenzo/core/shape.hpp"

namespace tenzo {

/// Steps in elements along each axis; negative ones walk backwards.
using Strides = std::array<std::int64_t, Shape::max_rank>;

/// Two walks over the same index set, with axes of one element left out and adjacent axes merged where both walks
/// allow.
struct PairOfWalks {
  int rank = 0;
  Strides extent{}, x{}, y{};

  PairOfWalks(const Shape& shape, const Strides& xs, const Strides& ys) {
    for (int i = 0; i < shape.rank(); ++i) {
      const std::int64_t n = shape[i];
      if (n == 1) continue;
      if (rank && x[rank - 1] == xs[i] * n && y[rank - 1] == ys[i] * n) {
        extent[rank - 1] *= n;
        x[rank - 1] = xs[i];
        y[rank - 1] = ys[i];
      } else {
        extent[rank] = n;
        x[rank] = xs[i];
        y[rank++] = ys[i];
      }
    }
    while (rank < 2) push_front();
  }

  /// Makes `axis` the last but one.
  void bring_beside_last(int axis) {
    for (Strides* s : {&extent, &x, &y}) std::rotate(s->begin() + axis, s->begin() + axis + 1, s->begin() + rank - 1);
  }

 private:
  void push_front() {
    for (Strides* s : {&extent, &x, &y}) std::rotate(s->begin(), s->begin() + rank, s->begin() + rank + 1);
    extent[0] = 1;
    x[0] = y[0] = 0;
    ++rank;
  }
};

/// One operand's steps along the axes of a broadcast result, adjacent axes merged where that is the same walk.
struct BroadcastWalk {
  int rank = 0;
  std::array<std::int64_t, Shape::max_rank> extent{}, step_a{}, step_b{};

  BroadcastWalk(const Shape& out, const Shape& a, const Shape& b) {
    std::array<std::int64_t, Shape::max_rank> sa{}, sb{};
    steps(out, a, sa);
    steps(out, b, sb);
    for (int i = 0; i < out.rank(); ++i) {
      if (out[i] == 1) continue;
      if (rank && step_a[rank - 1] == sa[i] * out[i] && step_b[rank - 1] == sb[i] * out[i]) {
        extent[rank - 1] *= out[i];
        step_a[rank - 1] = sa[i];
        step_b[rank - 1] = sb[i];
      } else {
        extent[rank] = out[i];
        step_a[rank] = sa[i];
        step_b[rank++] = sb[i];
      }
    }
    if (!rank) extent[rank++] = 1;
  }

 private:
  static void steps(const Shape& out, const Shape& in, std::array<std::int64_t, Shape::max_rank>& step) {
    const auto strides = strides_of(in);
    for (int i = 0; i < out.rank(); ++i) {
      const int k = i - (out.rank() - in.rank());
      step[i] = k < 0 || in[k] == 1 ? 0 : strides[k];
    }
  }
};

}  // namespace tenzo
