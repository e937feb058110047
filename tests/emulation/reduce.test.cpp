#include "reduce.hpp"

#include "both.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// x ↦ a x + b in integers that wrap. Composition does not commute, so a result tells the order.
struct Affine {
  unsigned a, b;

  TENZO_DEVICE Affine join(const Affine& o) const { return {a * o.a, a * o.b + b}; }
  template <class F>
  TENZO_DEVICE Affine each(F f) const {
    return {f(a), f(b)};
  }
};
TENZO_HOST_DEVICE Affine affine(unsigned i) { return {2 * i + 3, i * i + 1}; }

/// What a thread gets of its lanes and of its block, twice, and of the block's numbers backwards.
struct ReduceKernel {
  static constexpr int max_threads = 1024;
  int lanes;
  unsigned *of_lanes, *of_block, *of_numbers;

  TENZO_DEVICE void operator()() const {
    using namespace cuda::detail;
    const int thread = int(threadIdx.x), threads = int(blockDim.x);
    const auto mine = affine(threadIdx.x);
    const Affine l = warp_reduce(mine, Join{}, thread % 32, lanes);
    const Affine first = block_reduce(mine, Join{}, thread, threads);
    const Affine second = block_reduce(first.join(mine), Join{}, thread, threads);
    cuda::store(of_lanes + thread, l.b);
    cuda::store(of_block + thread, second.b);
    const int number = threads - thread;
    const int sum = block_sum(number, thread, threads);
    const float top = block_max(float(number), thread, threads);
    const int part = warp_sum(number, thread % 32);
    const float largest = warp_max(float(number), thread % 32);
    cuda::store(of_numbers + thread, unsigned(sum + int(top) + part + int(largest)));
  }
};

Affine joined(unsigned first, unsigned count) {
  Affine all = affine(first);
  for (unsigned i = 1; i < count; ++i) all = all.join(affine(first + i));
  return all;
}

/// The moments of numbers that are joined one after another, and batch by batch.
template <class T>
struct MomentsOf {
  cuda::detail::Moments<T> one_by_one = cuda::detail::Moments<T>::none(), batches = one_by_one;

  explicit MomentsOf(const std::vector<T>& x) {
    for (const T v : x) one_by_one = one_by_one.join({T(1), v, T(0), T(0)});
    for (std::size_t i = 0; i < x.size(); i += 8) {
      T batch[8] = {};
      const std::size_t n = std::min<std::size_t>(8, x.size() - i);
      std::copy_n(x.begin() + std::ptrdiff_t(i), n, batch);
      batches.add(batch, int(n));
    }
  }
};

}  // namespace

TEST_CASE("reductions give all threads the same, lower threads on the left, and can follow each other") {
  for (const std::int64_t threads : sizes({32, 64, 128, 256, 512, 1024}, {32, 128}))
    for (const int lanes : {1, 2, 8, 32}) {
      CAPTURE(threads);
      CAPTURE(lanes);
      emulation::for_all_schedules([&](const auto& schedule) {
        CAPTURE(schedule);
        const cuda::DeviceArray<unsigned> l(threads), b(threads), s(threads);
        cuda::launch(ReduceKernel{lanes, l.data(), b.data(), s.data()}, 1, threads);
        const auto of_lanes = l.to_host(), of_block = b.to_host(), of_numbers = s.to_host();
        const auto first = joined(0, unsigned(threads));
        Affine second = first.join(affine(0));
        for (unsigned i = 1; i < unsigned(threads); ++i) second = second.join(first.join(affine(i)));
        for (unsigned i = 0; i < unsigned(threads); ++i) {
          CHECK(of_lanes[i] == joined(i / unsigned(lanes) * unsigned(lanes), unsigned(lanes)).b);
          CHECK(of_block[i] == second.b);
          const int top = int(threads) - int(i / 32 * 32), part = 32 * top - 31 * 32 / 2;
          CHECK(of_numbers[i] == unsigned(threads * (threads + 1) / 2 + threads + part + top));
        }
      });
    }
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("moments lose no digits, however large the mean and whatever comes first", T, float, double) {
  for (const double mean : {0., 1., 1e4, -1e6})
    for (const std::int64_t n : {1, 2, 7, 8, 9, 1000}) {
      CAPTURE(mean);
      CAPTURE(n);
      auto x = normals<T>(n, 1);
      for (T& v : x) v += T(mean);
      if (n > 2) x[0] = 0;
      double sum = 0, squares = 0;
      for (const T v : x) sum += double(v);
      for (const T v : x) squares += (double(v) - sum / double(n)) * (double(v) - sum / double(n));
      const MomentsOf<T> got(x);
      for (const auto& m : {got.one_by_one, got.batches}) {
        CHECK(m.count == T(n));
        CHECK(double(m.mean) == doctest::Approx(sum / double(n)).epsilon(double(std::numeric_limits<T>::epsilon())));
        CHECK(double(m.squares) == doctest::Approx(squares).epsilon(50 * double(std::numeric_limits<T>::epsilon())));
      }
    }
}

TEST_CASE_TEMPLATE("a running maximum and sum of exponentials", T, float, double) {
  using M = cuda::detail::MaxAndSum<T>;
  const auto x = normals<T>(1000, 1);
  auto all = M::none();
  double want = 0;
  for (std::size_t i = 0; i < x.size(); i += 4) {
    const T batch[] = {x[i] * 20, x[i + 1] * 20, x[i + 2] * 20, x[i + 3] * 20};
    all.add(batch);
    for (const T v : batch) want += std::exp(double(v));
  }
  CHECK(double(M::anchor(all.max)) + std::log(double(all.sum)) == doctest::Approx(std::log(want)).epsilon(1e-6));
  const auto nothing = M::none().join(M::none());
  CHECK(nothing.sum == 0);
  CHECK(nothing.max == -std::numeric_limits<T>::infinity());
  CHECK(M::anchor(nothing.max) == 0);
}
