// CUDA's functions of the device that need no other thread: atomics, fences, bits, rounding.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "access.hpp"

namespace tenzo::emulation {

// ── atomics: they give the value before, and order nothing, as CUDA's ────────────────────────────────────────────────

template <class T, class... Ts>
concept OneOf = (std::same_as<T, Ts> || ...);
template <class T>
concept AtomicInteger = OneOf<T, int, unsigned, unsigned long long>;
template <class T>
concept AtomicNumber = AtomicInteger<T> || OneOf<T, float, double>;

template <class T, class F>
T atomic_update(T* p, F&& f, Site where) {
  note_atomic(p, sizeof(T), where);
  const std::atomic_ref<T> a(*p);
  T old = a.load(std::memory_order_relaxed);
  while (!a.compare_exchange_weak(old, f(old), std::memory_order_relaxed)) {}
  return old;
}

template <AtomicNumber T>
T atomicAdd(T* p, std::type_identity_t<T> v, Site where = Site::current()) {
  note_atomic(p, sizeof(T), where);
  return std::atomic_ref<T>(*p).fetch_add(v, std::memory_order_relaxed);  // integers wrap
}
template <AtomicInteger T>
T atomicMax(T* p, std::type_identity_t<T> v, Site where = Site::current()) {
  return atomic_update(
      p, [v](T old) { return std::max(old, v); }, where);
}
template <AtomicInteger T>
T atomicMin(T* p, std::type_identity_t<T> v, Site where = Site::current()) {
  return atomic_update(
      p, [v](T old) { return std::min(old, v); }, where);
}
template <AtomicInteger T>
T atomicAnd(T* p, std::type_identity_t<T> v, Site where = Site::current()) {
  return atomic_update(
      p, [v](T old) { return old & v; }, where);
}
template <AtomicInteger T>
T atomicOr(T* p, std::type_identity_t<T> v, Site where = Site::current()) {
  return atomic_update(
      p, [v](T old) { return old | v; }, where);
}
template <AtomicInteger T>
T atomicXor(T* p, std::type_identity_t<T> v, Site where = Site::current()) {
  return atomic_update(
      p, [v](T old) { return old ^ v; }, where);
}
template <class T>
requires AtomicInteger<T> || std::same_as<T, float> T atomicExch(T* p, std::type_identity_t<T> v,
                                                                 Site where = Site::current()) {
  return atomic_update(
      p, [v](T) { return v; }, where);
}
template <AtomicInteger T>
T atomicCAS(T* p, std::type_identity_t<T> compare, std::type_identity_t<T> v, Site where = Site::current()) {
  return atomic_update(
      p, [=](T old) { return old == compare ? v : old; }, where);
}

/// What a thread did before a fence happens before what any does after a later one of the launch: stronger than CUDA,
/// which wants an atomic or volatile access between the two.
inline void __threadfence() {
  release(Block::instance().fence());
  acquire(Block::instance().fence());
}
inline void __threadfence_block() { __threadfence(); }

template <class T>
T __ldg(const T* p, Site where = Site::current()) {
  note_load(p, sizeof(T), alignof(T), where);
  return *p;
}

// ── bits ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(std::uint64_t(a) * b >> 32); }
inline int __mulhi(int a, int b) { return int(std::int64_t(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(unsigned(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(unsigned(x)) + 1; }
inline int __ffsll(long long x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1; }
inline unsigned __brev(unsigned x) {
  unsigned r = 0;
  for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i);
  return r;
}

// ── rounding: to nearest, and never contracted ───────────────────────────────────────────────────────────────────────

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }

}  // namespace tenzo::emulation

using tenzo::emulation::__brev;
using tenzo::emulation::__clz;
using tenzo::emulation::__clzll;
using tenzo::emulation::__double_as_longlong;
using tenzo::emulation::__fadd_rn;
using tenzo::emulation::__fdiv_rn;
using tenzo::emulation::__ffs;
using tenzo::emulation::__ffsll;
using tenzo::emulation::__float_as_int;
using tenzo::emulation::__float_as_uint;
using tenzo::emulation::__fma_rn;
using tenzo::emulation::__fmaf_rn;
using tenzo::emulation::__fmul_rn;
using tenzo::emulation::__fsqrt_rn;
using tenzo::emulation::__fsub_rn;
using tenzo::emulation::__int_as_float;
using tenzo::emulation::__ldg;
using tenzo::emulation::__longlong_as_double;
using tenzo::emulation::__mulhi;
using tenzo::emulation::__popc;
using tenzo::emulation::__popcll;
using tenzo::emulation::__threadfence;
using tenzo::emulation::__threadfence_block;
using tenzo::emulation::__uint_as_float;
using tenzo::emulation::__umul64hi;
using tenzo::emulation::__umulhi;
using tenzo::emulation::atomicAdd;
using tenzo::emulation::atomicAnd;
using tenzo::emulation::atomicCAS;
using tenzo::emulation::atomicExch;
using tenzo::emulation::atomicMax;
using tenzo::emulation::atomicMin;
using tenzo::emulation::atomicOr;
using tenzo::emulation::atomicXor;
using tenzo::emulation::rsqrt;
using tenzo::emulation::rsqrtf;
