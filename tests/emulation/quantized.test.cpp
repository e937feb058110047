// Stored matrices on the GPU: decoded to the CPU's bits, and multiplied.
#include "quantized.cuh"

#include <random>
#include <vector>

#include "compare.hpp"
#include "stored.hpp"
#include "tenzo/core/gemm_rows.hpp"
#include "tenzo/core/stored.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("quantized: every format is decoded to the bits of the CPU") {
  const AtEnd clean;
  for (const DType type : stored_formats)
    for (const std::int64_t blocks : {1, 2, 3}) {
      const std::int64_t unit = dtype_info(type).block, cols = unit == 1 ? 37 * blocks : unit * blocks, rows = 5;
      CAPTURE(type);
      CAPTURE(cols);
      const StoredTensor host = random_stored(type, rows, cols);
      const OnDevice w(host);
      std::vector<float> want(std::size_t(rows * cols));
      host.decode(want.data());
      emulation::for_all_schedules([&](const auto& schedule) {
        CAPTURE(schedule);
        const cuda::DeviceArray<float> all(rows * cols);
        cuda::decode(Cuda{}, w.matrix(), all.data());
        CHECK(same_bits(all.to_host(), want));
      });
      for (const auto& [row, n_rows, col, n_cols, ld] : {std::array<std::int64_t, 5>{1, 3, 4, cols - 4, cols},
                                                         {0, 2, 1, cols - 2, cols + 3},
                                                         {4, 1, 5, 20, 20},
                                                         {2, 0, 0, 3, 3},
                                                         {0, 1, cols, 0, 1}}) {
        CAPTURE(col);
        std::vector<float> tile(std::size_t(n_rows * ld + 1), -7.f);
        const cuda::DeviceArray<float> out{std::span<const float>(tile)};
        host.decode(row, n_rows, col, n_cols, tile.data() + 1, ld);
        cuda::decode(Cuda{}, w.matrix(), row, n_rows, col, n_cols, out.data() + 1, ld);
        CHECK(same_bits(out.to_host(), tile));
      }
    }
}

TEST_CASE("quantized: blocks whose scales are subnormal, infinite or NaN, and matrices of other formats") {
  const AtEnd clean;
  for (const DType type : stored_formats)
    for (const std::uint16_t bits : {0x0001, 0x83ff, 0x7c00, 0xfc00, 0x7e01}) {
      const std::int64_t cols = std::max<std::int64_t>(16, dtype_info(type).block);
      CAPTURE(type);
      CAPTURE(bits);
      StoredTensor host = random_stored(type, 1, cols);
      auto* const p = reinterpret_cast<std::uint8_t*>(host.writable_bytes().data());
      const std::int64_t at = type == DType::q6_k ? 208 : 0;
      p[at] = std::uint8_t(bits & 0xff), p[at + 1] = std::uint8_t(bits >> 8);
      const OnDevice w(host);
      std::vector<float> want(static_cast<std::size_t>(cols));
      host.decode(want.data());
      const cuda::DeviceArray<float> out(cols);
      cuda::decode(Cuda{}, w.matrix(), out.data());
      const std::vector<float> got = out.to_host();
      for (std::size_t i = 0; i < got.size(); ++i)
        CHECK((got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]))));
    }
  const cuda::DeviceArray<float> out(8);
  CHECK_THROWS_AS(cuda::decode(Cuda{}, {DType::i8, out.data(), 1, 8}, out.data()), ValueError);
  CHECK_THROWS_AS(cuda::decode(Cuda{}, {DType::q8_0, out.data(), 1, 8}, out.data()), ShapeError);
  CHECK_THROWS_AS(cuda::decode(Cuda{}, {DType::f32, out.data(), 1, 8}, 0, 2, 0, 8, out.data(), 8), ShapeError);
}

TEST_CASE("quantized: products with few rows") {
  const AtEnd clean;
  for (const DType type : stored_formats)
    for (const std::int64_t m : {0, 1, 2, 3, 4, 5, 8, 9})
      for (const bool biased : {false, true}) {
        const std::int64_t unit = dtype_info(type).block, k = unit == 1 ? (m % 2 ? 260 : 131) : 256 * (1 + m % 3);
        const std::int64_t n = m % 2 ? 7 : 33;
        CAPTURE(type);
        CAPTURE(m);
        CAPTURE(k);
        CAPTURE(n);
        const StoredTensor host = random_stored(type, n, k);
        const OnDevice w(host);
        const std::vector<float> x = normals<float>(m * k, 5), bias = normals<float>(n, 6);
        std::vector<float> values(std::size_t(n * k));
        host.decode(values.data());
        const cuda::DeviceArray<float> dx{std::span<const float>(x)}, db{std::span<const float>(bias)}, dy(m * n);
        cuda::multiply_few_rows(Cuda{}, m, w.matrix(), dx.data(), biased ? db.data() : nullptr, dy.data());
        const std::vector<float> got = dy.to_host();
        for (std::int64_t i = 0; i < m; ++i)
          for (std::int64_t j = 0; j < n; ++j) {
            double sum = 0, size = 0;
            for (std::int64_t c = 0; c < k; ++c) {
              const double product = double(x[std::size_t(i * k + c)]) * double(values[std::size_t(j * k + c)]);
              sum += product, size += std::abs(product);
            }
            if (biased) sum += double(bias[std::size_t(j)]), size += std::abs(double(bias[std::size_t(j)]));
            // a lane's chain, five levels of the tree, the bias
            CHECK(std::abs(double(got[std::size_t(i * n + j)]) - sum) <= (double(k) / 32 + 8) * 0x1p-24 * size);
          }
        if (m > 0)  // a row alone has the bits that it has among others
          emulation::for_all_schedules([&](const auto& schedule) {
            CAPTURE(schedule);
            const cuda::DeviceArray<float> one(n);
            cuda::multiply_few_rows(Cuda{}, 1, w.matrix(), dx.data() + (m - 1) * k, biased ? db.data() : nullptr,
                                    one.data());
            CHECK(same_bits(one.to_host(), std::vector<float>(got.end() - n, got.end())));
          });
      }
}

TEST_CASE("quantized: what a product with one row moves") {
  const StoredTensor host = random_stored(DType::q8_0, 8, 1024);
  const OnDevice w(host);
  const cuda::DeviceArray<float> x{std::span<const float>(normals<float>(1024, 1))}, y(8);
  const auto t =
      emulation::traffic_of([&] { cuda::multiply_few_rows(Cuda{}, 1, w.matrix(), x.data(), nullptr, y.data()); });
  // of w the codes once; scales again for each four codes and x again for each row, both from the cache
  CHECK(t.bytes_loaded() == 8 * (1024 + 1024 / 4 * 2 + 4096));
  CHECK(t.bytes_stored() == 8 * 4);
}
