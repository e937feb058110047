// Faults that a sanitizer finds, and tells by ending the process or with a report: each runs in a process of its own.

#include <cmath>

#include "faults/accesses.cuh"
#include "faults/reductions.cuh"
#include "faults/tiles.cuh"
#include "faults/waits.cuh"
#include "selftest.hpp"

using namespace tenzo;
using namespace tenzo::selftest;

namespace {

void copy_one(std::int64_t from, std::int64_t to) {
  const DeviceArray<float> x(ramp(10)), y(10);
  launch(faults::CopyOne{x.data(), y.data(), from, to, false}, 1, 1);
  synchronize();
}
template <class K>
void transpose(K k) {
  const DeviceArray<float> x(ramp(64)), y(64);
  k.x = x.data(), k.y = y.data(), k.m = k.n = 8;
  launch(k, 1, {32, 8});
  synchronize();
}
void add_all(std::int64_t blocks, std::int64_t threads, unsigned every) {
  const DeviceArray<int> x(std::vector<int>(256, 1)), y(1);
  set_bytes(y.data(), 0, sizeof(int));
  launch(faults::AddAll<faults::Seed::no_atomic>{x.data(), y.data(), 256, every}, blocks, threads);
  synchronize();
}

/// Its scratch has room for 8 warps.
struct WideBlocks : faults::BlockSums<> {
  static constexpr int max_threads = 512;
};

}  // namespace

// ── addresses, alignment ─────────────────────────────────────────────────────────────────────────────────────────────

TENZO_CHILD("plain load past the end") { copy_one(10, 0); }
TENZO_CHILD("plain load before the start") { copy_one(-1, 0); }
TENZO_CHILD("plain store past the end") { copy_one(0, 10); }
TENZO_CHILD("bound of a sum") {
  const DeviceArray<float> x(ramp(1000)), y(4);
  launch(faults::BlockSums<faults::Seed::bound>{x.data(), y.data(), 1000}, 4, 64);
  synchronize();
}
TENZO_CHILD("tile without a guard") {
  const DeviceArray<float> a(ramp(17 * 17)), c(17 * 17);
  launch(faults::TiledMatmul<float, faults::TileSeed::no_guard>{a.data(), a.data(), c.data(), 17, 17, 17}, {2, 2},
         {16, 16});
  synchronize();
}
TENZO_CHILD("shared past the end") { transpose(faults::Transpose<float, faults::TileSeed::past_the_end>{}); }
TENZO_CHILD("shared before the start") { transpose(faults::Transpose<float, faults::TileSeed::before_the_start>{}); }
TENZO_CHILD("dynamic shared past the end") {
  const DeviceArray<float> x(ramp(64)), y(64);
  launch(faults::Reverse{x.data(), y.data()}, 1, 64, 63 * sizeof(float));
  synchronize();
}
TENZO_CHILD("block too large for its scratch") {
  const DeviceArray<float> x(ramp(64)), y(64);
  launch(WideBlocks{{x.data(), y.data(), 64}}, 1, 512);
  synchronize();
}
TENZO_CHILD("use after free") {
  float* const x = static_cast<float*>(allocate(40));
  const DeviceArray<float> y(10);
  const Stream s;
  release(x, s);
  synchronize(s);
  launch(faults::CopyOne{x, y.data(), 0, 0, false}, 1, 1);
  synchronize();
}
TENZO_CHILD("misaligned pack") {
  const DeviceArray<float> x(ramp(12)), y(4);
  launch(faults::CopyFour{x.data(), y.data(), 1, false}, 1, 1);
  synchronize();
}
TENZO_CHILD("copy past the end of a host array") {
  const DeviceArray<float> x(ramp(8));
  std::vector<float> host(7);
  copy(host.data(), x.data(), 32, Direction::to_host);
}

TEST_CASE("address sanitizer: accesses outside") {
  if (!address_sanitizer) return;
  const std::string overflow = "heap-buffer-overflow";
  expect_child_fault("plain load past the end", overflow, "accesses.cuh", "plain load");
  expect_child_fault("plain load before the start", overflow, "accesses.cuh", "plain load");
  expect_child_fault("plain store past the end", overflow, "accesses.cuh", "plain store");
  expect_child_fault("bound of a sum", overflow, "reductions.cuh", "bound");
  expect_child_fault("tile without a guard", overflow, "tiles.cuh", "no guard");
  expect_child_fault("shared past the end", overflow, "tiles.cuh", "past the end");
  expect_child_fault("shared before the start", overflow, "tiles.cuh", "before the start");
  expect_child_fault("dynamic shared past the end", overflow, "accesses.cuh", "dynamic overrun");
  expect_child_fault("block too large for its scratch", "reductions.cuh", "reductions.cuh", "scratch write");
  expect_child_fault("use after free", "heap-use-after-free", "accesses.cuh", "plain load");
  expect_child_fault("copy past the end of a host array", overflow);
  expect_child_fault("misaligned pack", "misaligned address", "accesses.cuh", "plain pack");
}

// ── races ────────────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_CHILD("race: missing barrier in a sum") {
  const DeviceArray<float> x(ramp(64)), y(1);
  launch(faults::BlockSums<faults::Seed::missing_barrier>{x.data(), y.data(), 64}, 1, 64);
  synchronize();
}
TENZO_CHILD("race: missing barrier in a product") {
  const DeviceArray<float> a(ramp(32 * 32)), c(32 * 32);
  launch(faults::TiledMatmul<float, faults::TileSeed::missing_barrier, 8>{a.data(), a.data(), c.data(), 32, 32, 32},
         {4, 4}, {8, 8});
  synchronize();
}
TENZO_CHILD("race: missing barrier in a scan") {
  const DeviceArray<int> x(std::vector<int>(256, 1)), y(256);
  launch(faults::Scan<faults::Seed::missing_barrier>{x.data(), y.data(), 256}, 1, 64);
  synchronize();
}
TENZO_CHILD("race: scratch used again") {
  const DeviceArray<float> x(ramp(64)), y(64);
  launch(faults::StandardiseRows<faults::Seed::scratch_reuse>{x.data(), y.data(), 64}, 1, 64);
  synchronize();
}
TENZO_CHILD("race: warp exchange") {
  const DeviceArray<int> y(32);
  launch(faults::WarpExchange<false>{y.data()}, 1, 32);
  synchronize();
}
TENZO_CHILD("race: within a warp") { add_all(1, 32, 1); }
TENZO_CHILD("race: across warps") { add_all(1, 64, 32); }
TENZO_CHILD("race: across blocks") { add_all(2, 32, 32); }
TENZO_CHILD("race: ticket without fences") {
  const DeviceArray<float> x(ramp(100)), parts(4), y(1);
  const DeviceArray<unsigned> ticket(1);
  set_bytes(ticket.data(), 0, sizeof(unsigned));
  launch(faults::TicketSum<faults::Seed::no_fence>{x.data(), parts.data(), y.data(), ticket.data(), 100}, 4, 32);
  synchronize();
}
TENZO_CHILD("race: event missing between streams") {
  const Stream s, t;
  const DeviceArray<float> x(ramp(10)), y(10), z(10);
  synchronize_device();
  launch(faults::CopyOne{x.data(), y.data(), 0, 0, true}, 1, 1, 0, s);
  launch(faults::CopyOne{y.data(), z.data(), 0, 0, true}, 1, 1, 0, t);
  synchronize_device();
}
TENZO_CHILD("race: the host reads before the stream has copied") {
  const DeviceArray<float> x(ramp(10));
  const PinnedArray<float> host(10);
  copy(host.data(), x.data(), 40, Direction::to_host);
  CHECK(std::isnan(host.data()[0]));
  synchronize();
}
TENZO_CHILD("race: the host writes before the stream has copied") {
  const DeviceArray<float> x(10);
  const PinnedArray<float> host(10);
  copy(x.data(), host.data(), 40, Direction::to_device);
  host.data()[0] = 1;
  synchronize();
}
TENZO_CHILD("race: memory freed on another stream") {
  const Stream s;
  float* const x = static_cast<float*>(allocate(40));
  const DeviceArray<float> y(10);
  synchronize_device();
  launch(faults::CopyOne{x, y.data(), 0, 0, false}, 1, 1);
  release(x, s);
  synchronize_device();
}

TEST_CASE("thread sanitizer: races") {
  if (!thread_sanitizer) return;
  const std::string race = "data race";
  expect_child_fault("race: missing barrier in a sum", race, "reductions.cuh", "scratch write");
  expect_child_fault("race: missing barrier in a product", race, "tiles.cuh", "tile write");
  expect_child_fault("race: missing barrier in a scan", race, "reductions.cuh", "scan write");
  expect_child_fault("race: scratch used again", race, "reductions.cuh", "scratch write");
  expect_child_fault("race: warp exchange", race, "waits.cuh", "warp exchange");
  expect_child_fault("race: within a warp", race, "reductions.cuh", "no atomic");
  expect_child_fault("race: across warps", race, "reductions.cuh", "no atomic");
  expect_child_fault("race: across blocks", race, "reductions.cuh", "no atomic");
  expect_child_fault("race: ticket without fences", race, "reductions.cuh", "no fence");
  expect_child_fault("race: event missing between streams", race, "accesses.cuh", "checked store");
  expect_child_fault("race: the host reads before the stream has copied", race);
  expect_child_fault("race: the host writes before the stream has copied", race);
  expect_child_fault("race: memory freed on another stream", race, "accesses.cuh", "plain load");
}

// ── the host and the device's memory ─────────────────────────────────────────────────────────────────────────────────

TENZO_CHILD("the host reads memory of the device") {
  emulation::Memory::instance().protect(true);
  const DeviceArray<float> x(ramp(10)), y(10);
  launch(faults::CopyOne{x.data(), y.data(), 1, 0, true}, 1, 1);
  CHECK(y.to_host()[0] == -2);  // kernels and copies can
  std::printf("kernels and copies can\n");
  std::fflush(stdout);
  volatile float v = y.data()[0];
  (void)v;
}

TEST_CASE("protected memory: the host can not touch it") {
  expect_child_fault("the host reads memory of the device", "the host touches memory of the device");
  CHECK(run_child("the host reads memory of the device").text.find("kernels and copies can") != std::string::npos);
}
