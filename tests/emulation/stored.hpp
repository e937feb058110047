// Stored tensors of every format that the GPU reads, with random contents, on both sides.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "compare.hpp"
#include "cuda/at_end.hpp"
#include "tenzo/core/philox.hpp"
#include "tenzo/core/stored.hpp"
#include "tenzo/cuda/quantized.hpp"

namespace tenzo::test {

inline constexpr DType stored_formats[] = {DType::f32,  DType::f16,  DType::bf16, DType::q4_0, DType::q4_1, DType::q5_0,
                                           DType::q5_1, DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k};

/// Random numbers; of a quantised format random codes with scales of about 2⁻⁸.
inline StoredTensor random_stored(DType type, std::int64_t rows, std::int64_t cols) {
  StoredTensor t(type, Shape{rows, cols});
  if (!is_quantized(type)) {
    t.encode(normals<float>(rows * cols, 17).data());
    return t;
  }
  const auto bytes = t.writable_bytes();
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = std::byte(philox4x32({std::uint32_t(i / 16), 3, 5, 7}, 11)[i / 4 % 4] >> i % 4 * 8 & 0xff);
  const std::size_t block = std::size_t(dtype_info(type).bytes);
  for (std::size_t i = 0; i < bytes.size(); i += block) {
    const auto scale = [&](std::size_t at, float value) {
      const half h(value * (1 + float(i / block % 7) / 8));
      std::memcpy(bytes.data() + i + at, &h, 2);
    };
    scale(type == DType::q6_k ? 208 : 0, 0x1p-8f);
    if (type == DType::q4_1 || type == DType::q5_1 || type == DType::q4_k || type == DType::q5_k) scale(2, -0x1p-6f);
  }
  return t;
}

/// A copy of its bytes on the device.
class OnDevice {
 public:
  explicit OnDevice(const StoredTensor& t) : bytes_(t.bytes()), type_(t.dtype()), rows_(t.rows()), cols_(t.cols()) {}
  cuda::StoredMatrix matrix() const { return {type_, bytes_.data(), rows_, cols_}; }

 private:
  cuda::DeviceArray<std::byte> bytes_;
  DType type_;
  std::int64_t rows_, cols_;
};

}  // namespace tenzo::test
