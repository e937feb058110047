// Masks on the GPU choose the CPU's elements.
#include "masks.cuh"

#include <vector>

#include "compare.hpp"
#include "stored.hpp"
#include "tenzo/zo/masks.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

std::vector<std::uint8_t> on_cpu(const StoredTensor& w, std::int64_t count) {
  std::vector<std::uint8_t> to(std::size_t(w.size()));
  zo::detail::mark_smallest(
      w.rows(), w.cols(), count,
      [&](std::int64_t row, float* values) { w.decode(row, 1, 0, w.cols(), values, w.cols()); }, to.data());
  return to;
}

std::vector<std::uint8_t> on_gpu(const StoredTensor& w, std::int64_t count) {
  const OnDevice device(w);
  const cuda::DeviceArray<std::uint8_t> to(w.size());
  cuda::mark_smallest(Cuda{}, device.matrix(), count, to.data());
  return to.to_host();
}

}  // namespace

TEST_CASE("masks: the least magnitudes of every format, ties in order") {
  const AtEnd clean;
  for (const DType type : stored_formats)
    for (const auto& [rows, cols] : {std::pair{1, 1}, {7, 3}, {5, 33}, {9, 256}, {2, 4096}, {3, 1500}}) {
      if (cols % dtype_info(type).block != 0) continue;
      const StoredTensor w = random_stored(type, rows, cols);
      const std::int64_t n = w.size();
      for (const std::int64_t count : {std::int64_t(0), std::int64_t(1), n / 3, n / 2 + 1, n - 1, n}) {
        CAPTURE(type);
        CAPTURE(rows);
        CAPTURE(cols);
        CAPTURE(count);
        CHECK(on_gpu(w, count) == on_cpu(w, count));
      }
    }
}

TEST_CASE("masks: equal, signed, special and subnormal values, under every schedule") {
  const AtEnd clean;
  const float values[] = {0.f, -0.f, 1.f, -1.f, INFINITY, NAN, 1e-40f, -1e-45f, 0x1.000002p0f, 3e38f};
  std::vector<float> x;
  for (int i = 0; i < 6007; ++i) x.push_back(values[i * i % 10]);
  StoredTensor w(DType::f32, Shape{1, 6007});
  w.encode(x.data());
  for (const std::int64_t count : {1, 600, 1201, 1202, 2500, 6006})
    emulation::for_all_schedules([&](const auto& schedule) {
      CAPTURE(schedule);
      CAPTURE(count);
      CHECK(on_gpu(w, count) == on_cpu(w, count));
    });
  CHECK_THROWS_AS(on_gpu(w, 6008), ValueError);
}

TEST_CASE("masks: the least of uniform noise") {
  const AtEnd clean;
  for (const auto& [rows, cols] : {std::pair{1, 1}, {3, 5}, {40, 129}, {0, 3}}) {
    const NoiseKey key = NoiseKey{.seed = 9, .tensor = 3}.of(Purpose::dropout);
    const std::int64_t n = rows * cols, count = n / 4 + (n > 0), columns = cols;
    std::vector<std::uint8_t> want(static_cast<std::size_t>(n));
    zo::detail::mark_smallest(
        rows, cols, count, [&](std::int64_t row, float* to) { fill(Law::uniform, key, columns, row, 0, columns, to); },
        want.data());
    const cuda::DeviceArray<std::uint8_t> to(n);
    cuda::mark_smallest(Cuda{}, key, rows, cols, count, to.data());
    CHECK(to.to_host() == want);
  }
}

TEST_CASE("masks: applied") {
  const AtEnd clean;
  for (const std::int64_t n : {0, 1, 255, 256, 257}) {
    const std::vector<float> x = normals<float>(n, 3);
    std::vector<std::uint8_t> mask;
    std::vector<float> want;
    for (std::int64_t i = 0; i < n; ++i) {
      mask.push_back(std::uint8_t(i % 3));
      want.push_back(x[std::size_t(i)] * float(mask.back() != 0));
    }
    const cuda::DeviceArray<float> y{std::span<const float>(x)};
    const cuda::DeviceArray<std::uint8_t> m{std::span<const std::uint8_t>(mask)};
    cuda::apply_mask_(Cuda{}, n, m.data(), y.data());
    CHECK(same_bits(y.to_host(), want));
  }
}
