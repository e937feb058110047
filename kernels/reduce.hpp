// Reductions over the threads of a warp and of a block, in a fixed order.
//
// Every thread calls them, and every thread gets the same result to the last bit. What is reduced is a number, or a
// struct of numbers without constructors whose `each(f)` is the struct of f of its members.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "device.hpp"
#include "tenzo/core/math.hpp"

namespace tenzo::cuda::detail {

/// Blocks of 256 threads that fit on a multiprocessor at once: half of the threads that it can hold, and of doubles,
/// which take two registers each, three eighths.
template <class T>
inline constexpr int blocks_at_once = sizeof(T) == 8 ? 3 : 4;

/// v of the lane whose number differs in the bit `by`.
template <class V>
TENZO_DEVICE V lane_xor(const V& v, int by) {
  if constexpr (std::is_arithmetic_v<V>) return __shfl_xor_sync(all_lanes, v, by);
  else return v.each([by](auto member) { return lane_xor(member, by); });
}

struct Add {
  template <class T>
  TENZO_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
/// The larger one; a NaN is passed over.
struct Larger {
  template <class T>
  TENZO_DEVICE T operator()(T a, T b) const {
    return std::fmax(a, b);
  }
};
struct Join {
  template <class V>
  TENZO_DEVICE V operator()(const V& a, const V& b) const {
    return a.join(b);
  }
};

/// v of `lanes` neighbours combined by op, lower lanes on the left; `lanes` is a power of two up to 32, the same for
/// the whole warp. No shared memory.
template <class V, class Op>
TENZO_DEVICE V warp_reduce(V v, Op op, int lane, int lanes = 32) {
  for (int by = 1; by < lanes; by *= 2) {
    const V other = lane_xor(v, by);
    v = lane & by ? op(other, v) : op(v, other);
  }
  return v;
}

/// v of the whole block combined by op, lower threads on the left; a block of 2ᵏ >= 32 threads.
///   Shared memory  32 V, free again on return: it ends with a barrier.
template <class V, class Op>
TENZO_DEVICE V block_reduce(V v, Op op, int thread, int threads) {
  TENZO_SHARED(V, scratch, [32]);
  const int lane = thread % 32, warps = threads / 32;
  v = warp_reduce(v, op, lane);
  if (lane == 0) scratch[thread / 32] = v;
  __syncthreads();
  v = warp_reduce(V(scratch[lane & (warps - 1)]), op, lane, warps);
  __syncthreads();
  return v;
}

template <class T>
TENZO_DEVICE T warp_sum(T v, int lane) {
  return warp_reduce(v, Add{}, lane);
}
template <class T>
TENZO_DEVICE T warp_max(T v, int lane) {
  return warp_reduce(v, Larger{}, lane);
}
template <class T>
TENZO_DEVICE T block_sum(T v, int thread, int threads) {
  return block_reduce(v, Add{}, thread, threads);
}
template <class T>
TENZO_DEVICE T block_max(T v, int thread, int threads) {
  return block_reduce(v, Larger{}, thread, threads);
}

/// Two sums at once.
template <class T>
struct TwoSums {
  T a, b;

  TENZO_DEVICE static TwoSums none() { return {T(0), T(0)}; }
  TENZO_DEVICE TwoSums join(const TwoSums& o) const { return {a + o.a, b + o.b}; }
  template <class F>
  TENZO_DEVICE TwoSums each(F f) const {
    return {f(a), f(b)};
  }
};

/// Σ eˣ of some numbers as sum · e^max, in one pass over them: log Σ eˣ = anchor(max) + log sum.
///   NaNs are passed over by the maximum and make the sum one.
template <class T>
struct MaxAndSum {
  T max, sum;

  TENZO_DEVICE static MaxAndSum none() { return {-std::numeric_limits<T>::infinity(), T(0)}; }

  /// What is subtracted before the exponential: the maximum, or 0 where that is infinite.
  TENZO_DEVICE static T anchor(T max) { return std::abs(max) < std::numeric_limits<T>::infinity() ? max : T(0); }

  /// With `count` more numbers: an exponential each and one for what is there, so the more at a time the better.
  template <int count>
  TENZO_DEVICE void add(const T (&x)[count]) {
    T m = max, s = T(0);
    TENZO_UNROLL
    for (int i = 0; i < count; ++i) m = std::fmax(m, x[i]);
    const T a = anchor(m);
    TENZO_UNROLL
    for (int i = 0; i < count; ++i) s += math::exp(x[i] - a);
    sum = sum * math::exp(max - a) + s;
    max = m;
  }
  TENZO_DEVICE MaxAndSum join(const MaxAndSum& o) const {
    const T m = std::fmax(max, o.max), a = anchor(m);
    return {m, sum * math::exp(max - a) + o.sum * math::exp(o.max - a)};
  }
  template <class F>
  TENZO_DEVICE MaxAndSum each(F f) const {
    return {f(max), f(sum)};
  }
};

/// Count, mean and Σ (x − mean)² of some numbers, in one pass over them. The mean is kept with twice the digits, as
/// mean + low, so that its rounding costs the squares nothing: as right as two passes, however large the mean is.
///   Source  Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", equation 2.1.
template <class T>
struct Moments {
  T count, mean, low, squares;

  TENZO_DEVICE static Moments none() { return {T(0), T(0), T(0), T(0)}; }

  /// With the first `valid` numbers of x, at least one; the others must be zero.
  template <int size>
  TENZO_DEVICE void add(const T (&x)[size], int valid) {
    T sum = T(0), rest = T(0), s = T(0);
    TENZO_UNROLL
    for (int i = 0; i < size; ++i) sum += x[i];
    const T m = sum / T(valid);
    TENZO_UNROLL
    for (int i = 0; i < size; ++i) {
      const T d = i < valid ? x[i] - m : T(0);
      rest += d, s += d * d;
    }
    const T more = rest / T(valid), q = s - rest * more;
    *this = join({T(valid), m, more, q < T(0) ? T(0) : q});
  }
  TENZO_DEVICE Moments join(const Moments& o) const {
    if (count == T(0)) return o;
    if (o.count == T(0)) return *this;
    const T n = count + o.count, share = o.count / n, d = (o.mean - mean) + (o.low - low);
    const T step = low + d * share, m = mean + step;
    return {n, m, step - (m - mean), squares + o.squares + d * (d * (count * share))};
  }
  template <class F>
  TENZO_DEVICE Moments each(F f) const {
    return {f(count), f(mean), f(low), f(squares)};
  }
};

}  // namespace tenzo::cuda::detail
