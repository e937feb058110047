// Launches that CUDA refuses.

#include "faults/accesses.cuh"
#include "faults/reductions.cuh"
#include "selftest.hpp"

using namespace tenzo;
using namespace tenzo::selftest;

namespace {

struct Nothing {
  static constexpr int max_threads = 128;
  TENZO_DEVICE void operator()() const {}
};
template <int bytes>
struct Arguments : Nothing {
  char values[bytes];
};
struct NotBytes : Nothing {
  std::vector<int> values;
};
struct NoBound {
  TENZO_DEVICE void operator()() const {}
};

struct Throws : Nothing {
  TENZO_DEVICE void operator()() const { throw Error("inside"); }
};

static_assert(Kernel<Nothing>);
static_assert(Kernel<Arguments<4096>> && !Kernel<Arguments<4097>>);
static_assert(!Kernel<NotBytes>);
static_assert(!Kernel<NoBound>);

static_assert(blocks_for(0, 256) == 0 && blocks_for(1, 256) == 1 && blocks_for(256, 256) == 1);
static_assert(blocks_for(257, 256) == 2 && blocks_for(std::int64_t(1) << 40, 256) == 0x7fffffff);
static_assert(blocks_for(100000, 256, 8) == 8);

void expect_refused(Extents blocks, Extents threads, std::int64_t shared = 0) {
  CHECK_THROWS_AS(launch(Nothing{}, blocks, threads, shared), LaunchError);
  // The runtime itself refuses the same.
  Nothing k;
  void* arguments[] = {&k};
  if (blocks.x < 1ll << 32)
    CHECK(cudaLaunchKernel(&cuda::detail::kernel_entry<Nothing>, blocks, threads, arguments, std::size_t(shared),
                           nullptr) != cudaSuccess);
  cudaGetLastError();
}

}  // namespace

TEST_CASE("launches: geometry") {
  CHECK_NOTHROW(launch(Nothing{}, 1, 128));
  CHECK_NOTHROW(launch(Nothing{}, {2, 3, 4}, {4, 2, 16}));
  expect_refused(1, 129);
  expect_refused(1, {64, 4});
  expect_refused(1, {1, 1, 65});
  expect_refused(1, 0);
  expect_refused(0, 1);
  expect_refused({1, 0}, 1);
  expect_refused({1, 65536}, 1);
  expect_refused({1, 1, 65536}, 1);
  expect_refused(std::int64_t(1) << 31, 1);
  expect_refused((std::int64_t(1) << 32) + 1, 1);  // one block, where 64 bits are cut to 32
  expect_refused(-1, 1);
  expect_refused(1, 1, (48 << 10) + 1);
  expect_refused(1, 1, -4);
  synchronize();
  CHECK_THROWS_WITH_AS(launch(Nothing{}, {1, 65536}, 32),
                       doctest::Contains("::Nothing <<<(1, 65536, 1), (32, 1, 1), 0>>>: an empty or too large grid"),
                       LaunchError);
}

TEST_CASE("launches: shared memory") {
  const DeviceArray<float> x(ramp(1024)), y(1024);
  const auto reverse = [&](std::int64_t bytes) { launch(faults::Reverse{x.data(), y.data()}, 1, 1024, bytes); };
  CHECK_NOTHROW(reverse(4096));
  CHECK(y.to_host()[0] == x.to_host()[1023]);
  CHECK_NOTHROW(reverse(64 << 10));  // the kernel allows it
  CHECK_THROWS_AS(reverse((64 << 10) + 4), LaunchError);
  synchronize();

  cudaDeviceProp& device = emulation::device_properties();
  const std::size_t has = std::exchange(device.sharedMemPerBlockOptin, 60 << 10);
  CHECK_THROWS_AS(reverse(64 << 10), LaunchError);  // the device does not
  device.sharedMemPerBlockOptin = has;

  launch(faults::TooMuchShared{y.data()}, 1, 1, 16 << 10);
  CHECK_NOTHROW(synchronize());
  expect_fault(
      Fault::shared_memory, [&] { launch(faults::TooMuchShared{y.data()}, 1, 1, (16 << 10) + 4); }, "accesses.cuh",
      "too much shared");
}

TEST_CASE("launches: an error that nobody asks for is told by the next synchronisation, and at the end") {
  Nothing k;
  void* arguments[] = {&k};
  const auto careless = [&] {
    cudaLaunchKernel(&cuda::detail::kernel_entry<Nothing>, dim3(1), dim3(2048), arguments, 0, nullptr);
  };
  careless();
  CHECK_THROWS_AS(synchronize(), DeviceError);
  CHECK(last_report().text.find("(2048, 1, 1)") != std::string::npos);
  CHECK_NOTHROW(synchronize());  // told once
  careless();
  CHECK_THROWS_WITH_AS(emulation::expect_clean(), doctest::Contains("nobody asked for"), Error);
  CHECK_NOTHROW(emulation::expect_clean());
  careless();
  CHECK_THROWS_AS(launch(Nothing{}, 1, 1), LaunchError);  // the next launch asks, and finds it
  CHECK_NOTHROW(emulation::expect_clean());
}

TEST_CASE("launches: an exception out of a kernel") {
  expect_fault(Fault::exception, [] { launch(Throws{}, 1, 1); });
  CHECK(last_report().text.ends_with("inside"));
}
