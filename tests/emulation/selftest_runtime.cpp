// Calls of the runtime that go wrong: memory, copies, streams, events, graphs. And those that do not.

#include <cmath>

#include "faults/accesses.cuh"
#include "selftest.hpp"

using namespace tenzo;
using namespace tenzo::selftest;
using doctest::Contains;

namespace {

/// y[i] = x[i] + by.
struct Add {
  const float* x;
  float* y;
  std::int64_t n;
  float by;
  static constexpr int max_threads = 64;

  TENZO_DEVICE void operator()() const {
    for (std::int64_t i = thread_in_grid(); i < n; i += threads_of_grid()) store(y + i, load(x + i) + by);
  }
};
void add(const DeviceArray<float>& x, const DeviceArray<float>& y, float by, cudaStream_t s = current_stream()) {
  launch(Add{x.data(), y.data(), x.size(), by}, 2, 64, 0, s);
}

void expect_refused(cudaError_t e, cudaError_t want, const char* says) {
  CHECK(int(e) == int(want));
  CHECK(last_report().text.find(says) != std::string::npos);
  INFO(last_report().text);
  CHECK(cudaGetLastError() == want);
  CHECK(cudaGetLastError() == cudaSuccess);
}

}  // namespace

TEST_CASE("memory: freed twice, not at all, or never allocated") {
  void* p = nullptr;
  CHECK(cudaMalloc(&p, 100) == cudaSuccess);
  CHECK(cudaFree(p) == cudaSuccess);
  expect_refused(cudaFree(p), cudaErrorInvalidValue, "freed twice");
  CHECK(cudaFree(nullptr) == cudaSuccess);

  CHECK(cudaMallocAsync(&p, 100, nullptr) == cudaSuccess);
  CHECK(cudaFreeAsync(p, nullptr) == cudaSuccess);
  expect_refused(cudaFreeAsync(p, nullptr), cudaErrorInvalidValue, "freed twice");

  CHECK(cudaMalloc(&p, 100) == cudaSuccess);
  expect_refused(cudaFree(static_cast<char*>(p) + 4), cudaErrorInvalidValue, "not what an allocation gave");
  expect_refused(cudaFreeHost(p), cudaErrorInvalidValue, "not what an allocation gave");
  CHECK_THROWS_WITH_AS(emulation::expect_clean(), Contains("100 bytes of the device were not freed"), Error);
  CHECK_NOTHROW(emulation::expect_clean());  // told once
  CHECK(cudaFree(p) == cudaSuccess);

  CHECK(cudaMallocHost(&p, 8) == cudaSuccess);
  CHECK_THROWS_WITH_AS(emulation::expect_clean(), Contains("8 bytes of pinned memory were not freed"), Error);
  CHECK(cudaFreeHost(p) == cudaSuccess);
}

TEST_CASE("memory: the device has a limit") {
  const std::size_t has = std::exchange(emulation::Memory::instance().device_bytes, 1000);
  {
    const DeviceArray<char> most(900);
    CHECK_THROWS_AS(DeviceArray<char>(101), DeviceError);
    CHECK_NOTHROW(DeviceArray<char>(100));
  }
  emulation::Memory::instance().device_bytes = has;
  CHECK_NOTHROW(emulation::expect_clean());
}

TEST_CASE("copies: direction, size, and whose memory it is") {
  const DeviceArray<float> x(4), y(8);
  float host[8] = {};
  const auto copy = [](void* to, const void* from, std::size_t n, cudaMemcpyKind kind) {
    return cudaMemcpyAsync(to, from, n * sizeof(float), kind, nullptr);
  };
  expect_refused(copy(x.data(), host, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue, "destination is memory of");
  expect_refused(copy(host, x.data(), 4, cudaMemcpyHostToDevice), cudaErrorInvalidValue,
                 "destination is not memory of");
  expect_refused(copy(y.data(), host, 4, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue, "source is not memory of");
  expect_refused(copy(host, host + 4, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue, "source is not memory of");
  expect_refused(copy(x.data(), host, 5, cudaMemcpyHostToDevice), cudaErrorInvalidValue,
                 "20 bytes, and the destination");
  expect_refused(copy(y.data(), x.data() + 1, 4, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue,
                 "begins at byte 4 of 16");
  expect_refused(copy(y.data() + 1, y.data(), 4, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue, "overlap");
  const PinnedArray<float> pinned(2);
  expect_refused(copy(pinned.data(), x.data(), 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue, "16 bytes, and the");
  expect_refused(cudaMemsetAsync(host, 0, 4, nullptr), cudaErrorInvalidValue, "not memory of the device");
  const float* freed = DeviceArray<float>(4).data();
  expect_refused(copy(y.data(), freed, 4, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue, "was freed");
  CHECK_THROWS_WITH_AS(cuda::copy(host, x.data(), 64, Direction::to_host),
                       Contains("cudaMemcpyAsync: cudaErrorInvalid"), DeviceError);
  synchronize();
}

TEST_CASE("copies: pageable memory is read before the call returns, pinned memory later") {
  const Stream s;
  std::vector<float> pageable{1, 2};
  PinnedArray<float> pinned(2);
  pinned.data()[0] = 3, pinned.data()[1] = 4;
  const DeviceArray<float> x(2, s), y(2, s);
  copy(x.data(), pageable.data(), 8, Direction::to_device, s);
  copy(y.data(), pinned.data(), 8, Direction::to_device, s);
  pageable[0] = 9;
  if (!thread_sanitizer) pinned.data()[0] = 9;  // a fault
  CHECK(x.to_host() == std::vector<float>{1, 2});
  CHECK(y.to_host() == std::vector<float>{thread_sanitizer ? 3.0f : 9.0f, 4});
}

TEST_CASE("streams: nothing is done before somebody waits") {
  if (thread_sanitizer) return;  // it would tell (selftest_sanitizers.cpp)
  const Stream s;
  const DeviceArray<float> x(ramp(4), s), y(4, s);
  PinnedArray<float> host(4);
  add(x, y, 1, s);
  copy(host.data(), y.data(), 16, Direction::to_host, s);
  CHECK(std::isnan(host.values()[0]));
  synchronize(s);
  CHECK(host.values()[0] == -2);
}

TEST_CASE("streams: an event that is missing between two of them shows") {
  const auto run = [](bool wait_for_it) {
    const Stream s, t;
    const DeviceArray<float> x(ramp(4), s), y(4, s), z(4, t);
    synchronize_device();
    Event e;
    add(x, y, 1, s);
    e.record(s);
    if (wait_for_it) wait(t, e);
    add(y, z, 1, t);
    return z.to_host()[0];  // synchronises t only
  };
  int seen = 0;
  for_all_schedules([&](const Schedule& schedule) {
    CAPTURE(schedule);
    CHECK(run(true) == -1);
    if (!thread_sanitizer) seen += std::isnan(run(false));
  });
  if (!thread_sanitizer) CHECK(seen >= 2);  // at least where only what is asked for is done
  CHECK_NOTHROW(emulation::expect_clean());
}

TEST_CASE("streams: the default stream waits for those that are not told otherwise, and they for it") {
  for_all_schedules([](const Schedule& schedule) {
    CAPTURE(schedule);
    cudaStream_t s = nullptr;
    check(cudaStreamCreate(&s), "cudaStreamCreate");
    {
      const DeviceArray<float> x(ramp(4)), y(4), z(4);
      add(x, y, 1);
      add(y, z, 1, s);
      add(z, y, 1);
      CHECK(y.to_host()[0] == 0);
    }
    check(cudaStreamDestroy(s), "cudaStreamDestroy");
  });
  CHECK_NOTHROW(emulation::expect_clean());
}

TEST_CASE("streams: queries, times and handles") {
  {
    const Stream s;
    Event begin(Event::Timing::on), end(Event::Timing::on);
    const DeviceArray<float> x(ramp(64), s), y(64, s);
    begin.record(s);
    add(x, y, 1, s);
    end.record(s);
    CHECK(cudaEventQuery(end.handle()) == cudaErrorNotReady);
    CHECK(cudaStreamQuery(s) == cudaErrorNotReady);
    while (cudaEventQuery(end.handle()) == cudaErrorNotReady) {}
    CHECK(cudaStreamQuery(s) == cudaSuccess);
    CHECK(milliseconds(begin, end) >= 0);
  }
  cudaStream_t s = nullptr;
  check(cudaStreamCreate(&s), "cudaStreamCreate");
  CHECK_THROWS_WITH_AS(emulation::expect_clean(), Contains("1 streams"), Error);
  check(cudaStreamDestroy(s), "cudaStreamDestroy");
  expect_refused(cudaStreamDestroy(s), cudaErrorInvalidResourceHandle, "destroyed");
  expect_refused(cudaStreamSynchronize(s), cudaErrorInvalidResourceHandle, "destroyed");
  expect_refused(cudaEventDestroy(nullptr), cudaErrorInvalidResourceHandle, "not an event");
}

TEST_CASE("graphs: what was captured is done at each launch") {
  for_all_schedules([](const Schedule& schedule) {
    CAPTURE(schedule);
    const DeviceArray<float> x(ramp(4)), y(ramp(4));
    const Stream other;
    Event forked, joined;
    synchronize();
    const Graph graph = Graph::capture([&] {
      const DeviceArray<float> between(4);  // lives in the graph
      add(x, between, 1);
      forked.record();
      wait(other, forked);
      add(between, y, 1, other);
      joined.record(other);
      wait(current_stream(), joined);
      add(y, x, 0);
    });
    CHECK(x.to_host() == ramp(4));
    for (int i = 0; i < 3; ++i) graph.launch();
    const auto v = x.to_host();
    for (std::size_t i = 0; i < 4; ++i) CHECK(v[i] == ramp(4)[i] + 6);
  });
  CHECK_NOTHROW(emulation::expect_clean());
}

TEST_CASE("graphs: what can not be captured") {
  const DeviceArray<float> x(ramp(4)), y(4);
  float host[4];
  CHECK_THROWS_AS(Graph::capture([&] { synchronize(); }), DeviceError);
  CHECK_THROWS_AS(Graph::capture([&] { copy(host, x.data(), 16, Direction::to_host); }), DeviceError);
  CHECK_THROWS_AS(Graph::capture([&] { PinnedArray<float>(4); }), DeviceError);
  Event e;
  e.record();
  CHECK_THROWS_AS(Graph::capture([&] { wait(current_stream(), e); }), DeviceError);
  const Stream other;
  CHECK_THROWS_WITH_AS(Graph::capture([&] {
                         Event forked;
                         forked.record();
                         wait(other, forked);
                         add(x, y, 1, other);
                       }),
                       Contains("a stream joined the capture"), DeviceError);
  CHECK(x.to_host() == ramp(4));
}
