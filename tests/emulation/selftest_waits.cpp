// Faults that the emulation finds itself, in any build: waiting, and what a launch may have.

#include <cmath>

#include "faults/accesses.cuh"
#include "faults/reductions.cuh"
#include "faults/waits.cuh"
#include "selftest.hpp"

using namespace tenzo;
using namespace tenzo::selftest;
using faults::Wait;

namespace {

/// The thread sanitizer has room for some thousand threads, and those of a launch that failed are lost.
void some_schedules(const std::function<void()>& f) {
  if (thread_sanitizer) return f();
  for_all_schedules([&](const Schedule& s) {
    CAPTURE(s);
    f();
  });
}

template <Wait W>
void expect_wait_fault(Fault kind, const char* mark, int threads = 64) {
  INFO(mark);
  some_schedules([&] {
    const DeviceArray<int> y(256);
    expect_fault(
        kind, [&] { launch(faults::WaitWrong<W>{y.data()}, 2, threads); }, "waits.cuh", mark);
  });
  CHECK_NOTHROW(emulation::expect_clean());
}

}  // namespace

TEST_CASE("waits: barriers that not all threads reach") {
  expect_wait_fault<Wait::divergent_barriers>(Fault::divergent_barrier, "divergent_barriers");
  CHECK(last_report().text.find("8 threads wait in __syncthreads at waits.cuh:") != std::string::npos);
  CHECK(last_report().text.find("56 threads wait in __syncthreads at waits.cuh:") != std::string::npos);
  CHECK(last_report().text.find("WaitWrong") != std::string::npos);
  expect_wait_fault<Wait::divergent_on_a_line>(Fault::divergent_barrier, "divergent_on_a_line");
  expect_wait_fault<Wait::different_counts>(Fault::divergent_barrier, "different_counts");
  expect_wait_fault<Wait::mixed_kinds>(Fault::divergent_barrier, "mixed_kinds");
  expect_wait_fault<Wait::early_exit>(Fault::early_exit, "early_exit");
  CHECK(last_report().text.find("1 thread has left the kernel") != std::string::npos);
}

TEST_CASE("waits: threads with nothing to do leave before the barrier of a sum") {
  some_schedules([] {
    const DeviceArray<float> x(100), y(1);
    set_bytes(x.data(), 0, 400);
    expect_fault(Fault::early_exit, [&] {
      launch(faults::BlockSums<faults::Seed::early_exit>{x.data(), y.data(), 96}, 1, 128);
    });
    CHECK(last_report().text.find("32 threads have left the kernel") != std::string::npos);
  });
}

TEST_CASE("waits: lanes that do not meet") {
  expect_wait_fault<Wait::deadlock>(Fault::deadlock, "deadlock");
  expect_wait_fault<Wait::not_in_mask>(Fault::warp, "not_in_mask");
  expect_wait_fault<Wait::exited_lane>(Fault::warp, "exited_lane");
  CHECK(last_report().text.find("has left the kernel") != std::string::npos);
  expect_wait_fault<Wait::beyond_the_block>(Fault::warp, "beyond_the_block", 40);
  expect_wait_fault<Wait::outside_the_mask>(Fault::warp, "outside_the_mask");
  expect_wait_fault<Wait::two_places>(Fault::warp, "two_places");
  expect_wait_fault<Wait::two_masks>(Fault::warp, "two_masks");
  expect_wait_fault<Wait::bad_width>(Fault::warp, "bad_width");
}

TEST_CASE("waits: after a fault the next launch is sound") {
  const DeviceArray<int> y(64);
  expect_fault(Fault::early_exit, [&] { launch(faults::WaitWrong<Wait::early_exit>{y.data()}, 2, 64); });
  launch(faults::WarpExchange<true>{y.data()}, 1, 64);
  CHECK(y.to_host()[5] == 4);
}

TEST_CASE("values: scratch that is used again without a barrier shows when a warp runs ahead") {
  const auto standardise = [](auto kernel, Schedule s) {
    const Under under(s);
    const DeviceArray<float> x(ramp(256)), y(256);
    kernel.x = x.data(), kernel.y = y.data(), kernel.n = 256;
    launch(kernel, 1, 128);
    return y.to_host();
  };
  if (thread_sanitizer) return;  // it would tell (selftest_sanitizers.cpp)
  const auto want = standardise(faults::StandardiseRows<>{}, {Order::ascending});
  using Unsound = faults::StandardiseRows<faults::Seed::scratch_reuse>;
  CHECK(standardise(Unsound{}, {Order::ascending}) == want);  // as on most devices, on most days
  CHECK(standardise(Unsound{}, {Order::warp_greedy}) != want);
  CHECK(standardise(faults::StandardiseRows<>{}, {Order::warp_greedy}) == want);
}

TEST_CASE("values: what was not written is NaN") {
  if (thread_sanitizer) return;
  const DeviceArray<float> y(32), x(1);
  launch(faults::ReadUnwritten{y.data()}, 1, 32);
  const auto shared = y.to_host();
  for (int i = 0; i < 32; ++i) CHECK((std::isnan(shared[std::size_t(i)])) == (i == 3));
  launch(faults::CopyOne{x.data(), y.data(), 0, 0, true}, 1, 1);
  CHECK(std::isnan(y.to_host()[0]));
  CHECK(std::isnan(PinnedArray<float>(1).values()[0]));
  launch(faults::BlockSums<faults::Seed::missing_barrier>{x.data(), y.data(), 0}, 1, 64);
  CHECK(std::isnan(y.to_host()[0]));
}

TEST_CASE("accesses: load and store know where they may") {
  const DeviceArray<float> x(ramp(10)), y(10);
  const auto copy_one = [&](const float* from, std::int64_t i, float* to, std::int64_t j) {
    return [=] { launch(faults::CopyOne{from, to, i, j, true}, 1, 1); };
  };
  expect_fault(Fault::illegal_address, copy_one(x.data(), 10, y.data(), 0), "accesses.cuh", "checked load");
  expect_fault(Fault::illegal_address, copy_one(x.data(), -1, y.data(), 0), "accesses.cuh", "checked load");
  expect_fault(Fault::illegal_address, copy_one(x.data(), 0, y.data(), 10), "accesses.cuh", "checked store");
  CHECK(last_report().text.find("store of 4 bytes at 0x") != std::string::npos);
  CHECK(last_report().text.find("byte 40 of 40") != std::string::npos);
  CHECK(last_report().code == cudaErrorIllegalAddress);
  float host = 1;
  expect_fault(Fault::illegal_address, copy_one(&host, 0, y.data(), 0), "accesses.cuh", "checked load");
  CHECK(last_report().text.find("not memory of the device") != std::string::npos);
  const PinnedArray<float> pinned(1);
  expect_fault(Fault::illegal_address, copy_one(x.data(), 0, pinned.data(), 0), "accesses.cuh", "checked store");
  const float* freed = DeviceArray<float>(10).data();
  synchronize();
  expect_fault(Fault::illegal_address, copy_one(freed, 0, y.data(), 0), "accesses.cuh", "checked load");
  copy_one(x.data(), 9, y.data(), 0)();
  CHECK(y.to_host()[0] == x.to_host()[9]);
}

TEST_CASE("accesses: packs are aligned") {
  const DeviceArray<float> x(ramp(12)), y(4);
  expect_fault(
      Fault::misaligned,
      [&] {
        launch(faults::CopyFour{x.data(), y.data(), 2, true}, 1, 1);
      },
      "accesses.cuh", "checked pack");
  CHECK(last_report().code == cudaErrorMisalignedAddress);
  expect_fault(
      Fault::illegal_address,
      [&] {
        launch(faults::CopyFour{x.data(), y.data(), 12, true}, 1, 1);
      },
      "accesses.cuh", "checked pack");
  launch(faults::CopyFour{x.data(), y.data(), 4, true}, 1, 1);
  CHECK(y.to_host() == std::vector<float>{1, 2, 3, 4});
}

TEST_CASE("accesses: what was moved is counted") {
  const DeviceArray<float> x(ramp(1000)), y(4);
  const auto four = emulation::traffic_of([&] {
    for (int i = 0; i < 3; ++i) launch(faults::CopyFour{x.data(), y.data(), 8, true}, 1, 1);
  });
  CHECK(four.loads == std::array<std::uint64_t, 5>{0, 0, 0, 0, 3});
  CHECK(four.bytes_stored() == 48);
  const auto sums = emulation::traffic_of([&] { launch(faults::BlockSums<>{x.data(), y.data(), 1000}, 4, 64); });
  CHECK(sums.loads == std::array<std::uint64_t, 5>{0, 0, 1000, 0, 0});
  CHECK(sums.bytes_stored() == 16);
  CHECK(sums.atomics == 0);
}
