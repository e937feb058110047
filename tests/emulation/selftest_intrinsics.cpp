// What CUDA's functions give, beside what its programming guide says.

#include <bit>
#include <cmath>
#include <type_traits>

#include "selftest.hpp"

using namespace tenzo;
using namespace tenzo::selftest;

namespace {

/// y[i] = f(i), by one block.
template <class F>
struct Ask {
  using Value = std::invoke_result_t<F, int>;
  F f;
  Value* y;
  static constexpr int max_threads = 128;
  TENZO_DEVICE void operator()() const { store(y + threadIdx.x, f(int(threadIdx.x))); }
};
template <class F>
auto ask(int threads, F f) {
  const DeviceArray<typename Ask<F>::Value> y(threads);
  launch(Ask<F>{f, y.data()}, 1, threads);
  return y.to_host();
}

/// What each thread gets, under every schedule.
template <class F, class Want>
void expect(int threads, F f, Want want) {
  for_all_schedules([&](const Schedule& s) {
    CAPTURE(s);
    const auto y = ask(threads, f);
    for (int i = 0; i < threads; ++i) {
      CAPTURE(i);
      CHECK(y[std::size_t(i)] == want(i));
    }
  });
}

}  // namespace

TEST_CASE("intrinsics: shuffles in parts of a warp") {
  expect(
      64, [](int i) { return __shfl_sync(all_lanes, 3 * i, 5); }, [](int i) { return 3 * (i / 32 * 32 + 5); });
  expect(
      64, [](int i) { return __shfl_sync(all_lanes, i, i + 1, 8); }, [](int i) { return i / 8 * 8 + (i + 1) % 8; });
  expect(
      32, [](int i) { return __shfl_up_sync(all_lanes, double(i), 3, 16); },
      [](int i) { return double(i % 16 < 3 ? i : i - 3); });
  expect(
      32, [](int i) { return __shfl_down_sync(all_lanes, float(i), 3, 4); },
      [](int i) { return float(i % 4 + 3 > 3 ? i : i + 3); });
  expect(
      32, [](int i) { return __shfl_xor_sync(all_lanes, i, 5); }, [](int i) { return i ^ 5; });
  // A part reads from those before it, not from those behind it.
  expect(
      32, [](int i) { return __shfl_xor_sync(all_lanes, i, 4, 4); }, [](int i) { return (i & 4) ? i ^ 4 : i; });
  expect(
      32, [](int i) { return __shfl_sync(all_lanes, (1ull << 40) + unsigned(i), 0); }, [](int) { return 1ull << 40; });
  // Two halves of a warp, each for itself.
  expect(
      32, [](int i) { return i < 16 ? __shfl_xor_sync(0xffffu, i, 1) : __shfl_xor_sync(0xffff0000u, i, 2); },
      [](int i) { return i < 16 ? i ^ 1 : i ^ 2; });
  // A block that ends within a warp.
  expect(
      40, [](int i) { return __shfl_xor_sync(i < 32 ? all_lanes : 0xffu, i, 1); }, [](int i) { return i ^ 1; });
}

TEST_CASE("intrinsics: votes, matches and sums of a warp") {
  const auto third = [](int i) { return i % 3 == 0; };
  unsigned thirds[2] = {};
  for (int i = 0; i < 64; ++i) thirds[i / 32] |= unsigned(third(i)) << i % 32;
  expect(
      64, [=](int i) { return __ballot_sync(all_lanes, third(i)); }, [&](int i) { return thirds[i / 32]; });
  expect(
      64, [](int i) { return __any_sync(all_lanes, i == 40); }, [](int i) { return int(i >= 32); });
  expect(
      64, [](int i) { return __all_sync(all_lanes, i != 40); }, [](int i) { return int(i < 32); });
  expect(
      32, [](int i) { return __match_any_sync(all_lanes, i % 4); }, [](int i) { return 0x11111111u << i % 4; });
  expect(
      64, [](int i) { return __reduce_add_sync(all_lanes, unsigned(i)); },
      [](int i) { return i < 32 ? 496u : 496u + 1024u; });
  expect(
      32, [](int i) { return __reduce_min_sync(all_lanes, 5 - i); }, [](int) { return -26; });
  expect(
      32, [](int i) { return __reduce_max_sync(0xffffffffu, i * i % 31); }, [](int) { return 28; });
  expect(
      32, [](int i) { return __reduce_or_sync(all_lanes, 1u << i); }, [](int) { return ~0u; });
  expect(
      32, [](int i) { return __reduce_and_sync(all_lanes, ~(1u << i)); }, [](int) { return 0u; });
  expect(
      32, [](int i) { return __reduce_xor_sync(all_lanes, unsigned(i) + 1); }, [](int) { return 32u; });
  expect(
      40,
      [](int) {
        const unsigned here = __activemask();
        __syncthreads();  // before anybody leaves
        return here;
      },
      [](int i) { return i < 32 ? ~0u : 0xffu; });
}

TEST_CASE("intrinsics: barriers that count") {
  expect(
      96, [](int i) { return __syncthreads_count(i % 3 == 0) + 1000 * __syncthreads_count(i); },
      [](int) { return 32 + 95000; });
  expect(
      96, [](int i) { return __syncthreads_or(i == 95) + 2 * __syncthreads_or(0); }, [](int) { return 1; });
  expect(
      96, [](int i) { return __syncthreads_and(i != 95) + 2 * __syncthreads_and(7); }, [](int) { return 2; });
}

TEST_CASE("intrinsics: atomics give the value before") {
  struct Case {
    int (*f)(int* p, int i);
    int end;
  };
  const Case cases[] = {
      {[](int* p, int) { return atomicAdd(p, 1); }, 64},
      {[](int* p, int i) { return atomicMax(p, i); }, 63},
      {[](int* p, int i) { return atomicMin(p, i - 7); }, -7},
      {[](int* p, int i) { return atomicOr(p, 1 << i % 8); }, 255},
      {[](int* p, int i) { return atomicXor(p, i); }, 0},
      {[](int* p, int i) { return atomicAnd(p, i); }, 0},
      {[](int* p, int) { return atomicCAS(p, 0, 5); }, 5},
      {[](int* p, int) { return atomicExch(p, 9); }, 9},
  };
  for (const Case& c : cases) {
    const DeviceArray<int> p(1);
    set_bytes(p.data(), 0, sizeof(int));
    const auto before = ask(64, [f = c.f, at = p.data()](int i) { return f(at, i); });
    CHECK(before[0] == 0);  // ascending: thread 0 is first
    CHECK(p.to_host()[0] == c.end);
  }
  const DeviceArray<double> sum(1);
  set_bytes(sum.data(), 0, sizeof(double));
  ask(64, [at = sum.data()](int i) { return atomicAdd(at, i + 0.5); });
  CHECK(sum.to_host()[0] == 63 * 32 + 32);
}

TEST_CASE("intrinsics: bits and rounding") {
  CHECK(__float_as_uint(1.0f) == 0x3f800000u);
  CHECK(__uint_as_float(0x40000000u) == 2.0f);
  CHECK(__umulhi(0x80000000u, 6u) == 3u);
  CHECK(__mulhi(-0x40000000, 8) == -2);
  CHECK(__umul64hi(1ull << 63, 10) == 5);
  CHECK(__popc(0xf0f0u) == 8);
  CHECK(__clz(1) == 31);
  CHECK(__clz(0) == 32);
  CHECK(__ffs(0) == 0);
  CHECK(__ffs(8) == 4);
  CHECK(__brev(1u) == 0x80000000u);
  CHECK(__fmaf_rn(1 + 0x1p-12f, 1 + 0x1p-12f, -1) == 0x1p-11f + 0x1p-24f);
  CHECK(rsqrtf(4.0f) == 0.5f);
  static_assert(sizeof(float4) == 16 && alignof(float4) == 16 && alignof(float2) == 8 && alignof(float3) == 4);
  static_assert(alignof(uchar4) == 4 && alignof(ushort4) == 8 && alignof(double2) == 16 && sizeof(int3) == 12);
  static_assert(alignof(Pack<float, 4>) == 16 && alignof(Pack<double, 4>) == 16 && sizeof(Pack<double, 4>) == 32);
}
