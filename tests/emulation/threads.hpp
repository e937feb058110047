// CUDA's functions in which threads wait for each other: barriers of the block, operations of the warp.
//
// The place of the call is a default argument, so these are functions and not macros: a debugger steps into them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

#include "block.hpp"

namespace tenzo::emulation {

// ── the block ────────────────────────────────────────────────────────────────────────────────────────────────────────

inline void __syncthreads(Site where = Site::current()) { Block::instance().barrier("__syncthreads", false, where); }
inline int __syncthreads_count(int vote, Site where = Site::current()) {
  return Block::instance().barrier("__syncthreads_count", vote != 0, where);
}
inline int __syncthreads_or(int vote, Site where = Site::current()) {
  return Block::instance().barrier("__syncthreads_or", vote != 0, where) != 0;
}
inline int __syncthreads_and(int vote, Site where = Site::current()) {
  return Block::instance().barrier("__syncthreads_and", vote == 0, where) == 0;
}

// ── the warp ─────────────────────────────────────────────────────────────────────────────────────────────────────────

template <class T>
concept Exchangeable = std::is_arithmetic_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

template <Exchangeable T>
std::uint64_t to_bits(T v) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  return bits;
}
template <Exchangeable T>
T from_bits(std::uint64_t bits) {
  T v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

/// Calls f for each lane of the mask.
template <class F>
void for_each_lane(Thread* lanes, unsigned mask, F&& f) {
  for (; mask; mask &= mask - 1) f(lanes[std::countr_zero(mask)]);
}

inline void __syncwarp(unsigned mask = 0xffffffffu, Site where = Site::current()) {
  Block::instance().meet(
      "__syncwarp", mask, where, 0, 0, [](Thread*, unsigned) {}, true);
}

inline unsigned __activemask() { return Block::instance().lanes_left(); }

/// Each lane takes the value of the lane `source`.
std::uint64_t shuffle(const char* operation, unsigned mask, std::uint64_t v, int source, Site where);

/// The running lane, and the first and last of its part of `width` lanes.
struct Part {
  int lane, first, last;
  Part(const char* operation, int width, Site where);
};

template <Exchangeable T>
T __shfl_sync(unsigned mask, T v, int source, int width = 32, Site where = Site::current()) {
  const Part part("__shfl_sync", width, where);
  return from_bits<T>(shuffle("__shfl_sync", mask, to_bits(v), part.first + (source & (width - 1)), where));
}
template <Exchangeable T>
T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32, Site where = Site::current()) {
  const Part part("__shfl_up_sync", width, where);
  const int source = part.lane - int(by);
  return from_bits<T>(shuffle("__shfl_up_sync", mask, to_bits(v), source < part.first ? part.lane : source, where));
}
template <Exchangeable T>
T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32, Site where = Site::current()) {
  const Part part("__shfl_down_sync", width, where);
  const int source = part.lane + int(by);
  return from_bits<T>(shuffle("__shfl_down_sync", mask, to_bits(v), source > part.last ? part.lane : source, where));
}
template <Exchangeable T>
T __shfl_xor_sync(unsigned mask, T v, int by, int width = 32, Site where = Site::current()) {
  const Part part("__shfl_xor_sync", width, where);
  const int source = part.lane ^ by;
  return from_bits<T>(shuffle("__shfl_xor_sync", mask, to_bits(v), source > part.last ? part.lane : source, where));
}

/// The lanes of the mask that voted.
unsigned ballot(const char* operation, unsigned mask, int vote, Site where);
inline unsigned __ballot_sync(unsigned mask, int vote, Site where = Site::current()) {
  return ballot("__ballot_sync", mask, vote, where);
}
inline int __any_sync(unsigned mask, int vote, Site where = Site::current()) {
  return ballot("__any_sync", mask, vote, where) != 0;
}
inline int __all_sync(unsigned mask, int vote, Site where = Site::current()) {
  return ballot("__all_sync", mask, vote, where) == mask;
}

/// The lanes of the mask with the same value, by bits.
unsigned match(unsigned mask, std::uint64_t v, Site where);
template <Exchangeable T>
unsigned __match_any_sync(unsigned mask, T v, Site where = Site::current()) {
  return match(mask, to_bits(v), where);
}

/// All lanes of the mask get the values combined by F.
template <class F, class T>
T reduce(const char* operation, unsigned mask, T v, Site where) {
  return from_bits<T>(Block::instance().meet(operation, mask, where, to_bits(v), 0, [](Thread* lanes, unsigned m) {
    T sum = from_bits<T>(lanes[std::countr_zero(m)].in);
    for_each_lane(lanes, m & (m - 1), [&](const Thread& t) { sum = F{}(sum, from_bits<T>(t.in)); });
    for_each_lane(lanes, m, [&](Thread& t) { t.out = to_bits(sum); });
  }));
}

template <class T>
concept Reducible = std::is_same_v<T, int> || std::is_same_v<T, unsigned>;

struct Wrapping {
  template <Reducible T>
  T operator()(T a, T b) const {
    return T(unsigned(a) + unsigned(b));
  }
};
struct Least {
  template <Reducible T>
  T operator()(T a, T b) const {
    return std::min(a, b);
  }
};
struct Greatest {
  template <Reducible T>
  T operator()(T a, T b) const {
    return std::max(a, b);
  }
};

template <Reducible T>
T __reduce_add_sync(unsigned mask, T v, Site where = Site::current()) {
  return reduce<Wrapping>("__reduce_add_sync", mask, v, where);
}
template <Reducible T>
T __reduce_min_sync(unsigned mask, T v, Site where = Site::current()) {
  return reduce<Least>("__reduce_min_sync", mask, v, where);
}
template <Reducible T>
T __reduce_max_sync(unsigned mask, T v, Site where = Site::current()) {
  return reduce<Greatest>("__reduce_max_sync", mask, v, where);
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned v, Site where = Site::current()) {
  return reduce<std::bit_and<>>("__reduce_and_sync", mask, v, where);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned v, Site where = Site::current()) {
  return reduce<std::bit_or<>>("__reduce_or_sync", mask, v, where);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned v, Site where = Site::current()) {
  return reduce<std::bit_xor<>>("__reduce_xor_sync", mask, v, where);
}

// ── shared memory ────────────────────────────────────────────────────────────────────────────────────────────────────

/// The array of a TENZO_SHARED: the one of the running block and of this declaration, which each closure type stands
/// for: another declaration, or instantiation of the template around it, has another.
template <class Array, class Declaration>
Array& shared_array(Declaration, Site where = Site::current()) {
  static SharedMemory::Slot slot;
  Block& block = Block::instance();
  if (!block.shared().has(slot)) {
    const Hidden hidden;
    block.shared().make(slot, sizeof(Array));
    block.check_shared(where);
  }
  return *static_cast<Array*>(slot.data);
}

/// The dynamic shared memory of the running block, of exactly the bytes of its launch.
template <class T>
T* dynamic_shared() {
  return static_cast<T*>(Block::instance().shared().dynamic());
}

}  // namespace tenzo::emulation

using tenzo::emulation::__activemask;
using tenzo::emulation::__all_sync;
using tenzo::emulation::__any_sync;
using tenzo::emulation::__ballot_sync;
using tenzo::emulation::__match_any_sync;
using tenzo::emulation::__reduce_add_sync;
using tenzo::emulation::__reduce_and_sync;
using tenzo::emulation::__reduce_max_sync;
using tenzo::emulation::__reduce_min_sync;
using tenzo::emulation::__reduce_or_sync;
using tenzo::emulation::__reduce_xor_sync;
using tenzo::emulation::__shfl_down_sync;
using tenzo::emulation::__shfl_sync;
using tenzo::emulation::__shfl_up_sync;
using tenzo::emulation::__shfl_xor_sync;
using tenzo::emulation::__syncthreads;
using tenzo::emulation::__syncthreads_and;
using tenzo::emulation::__syncthreads_count;
using tenzo::emulation::__syncthreads_or;
using tenzo::emulation::__syncwarp;
