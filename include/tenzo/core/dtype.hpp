// Element types: half and bfloat16 as storage, and the names of all types.
#pragma once

#include <bit>
#include <complex>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace tenzo {

namespace detail {

/// float → bfloat16, to nearest even; a NaN stays a (quiet) NaN.
constexpr std::uint16_t float_to_bfloat16(float x) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return std::uint16_t((u >> 16) | 0x40u);
  return std::uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

constexpr float bfloat16_to_float(std::uint16_t h) { return std::bit_cast<float>(std::uint32_t(h) << 16); }

/// float → IEEE half, to nearest even, with subnormals; overflow gives infinity.
constexpr std::uint16_t float_to_half(float x) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  const auto sign = std::uint16_t((u >> 16) & 0x8000u);
  const std::uint32_t a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return std::uint16_t(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
  if (a >= 0x477ff000u) return std::uint16_t(sign | 0x7c00u);  // rounds to 65536 or beyond
  if (a < 0x33000001u) return sign;                            // at most half the least subnormal
  if (a < 0x38800000u) {                                       // subnormal half
    const std::uint32_t shift = 126u - (a >> 23), m = (a & 0x7fffffu) | 0x800000u;
    const std::uint32_t cut = m & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
    std::uint32_t q = m >> shift;
    if (cut > tie || (cut == tie && (q & 1u))) ++q;
    return std::uint16_t(sign | q);
  }
  const std::uint32_t r = a + 0xfffu + ((a >> 13) & 1u);
  return std::uint16_t(sign | ((r - 0x38000000u) >> 13));
}

constexpr float half_to_float(std::uint16_t h) {
  const std::uint32_t sign = std::uint32_t(h & 0x8000u) << 16, magnitude = std::uint32_t(h & 0x7fffu) << 13;
  const auto finite = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);     // subnormals, too
  const std::uint32_t special = magnitude | (magnitude > 0x0f800000u ? 0x7fc00000u : 0x7f800000u);  // NaN: quiet
  return std::bit_cast<float>(sign | (magnitude < 0x0f800000u ? finite : special));
}

}  // namespace detail

/// IEEE binary16, for storage: arithmetic happens in float.
struct half {
  std::uint16_t bits = 0;
  half() = default;
  constexpr explicit half(float x) : bits(detail::float_to_half(x)) {}
  constexpr operator float() const { return detail::half_to_float(bits); }
};

/// The upper half of a float, for storage: arithmetic happens in float.
struct bfloat16 {
  std::uint16_t bits = 0;
  bfloat16() = default;
  constexpr explicit bfloat16(float x) : bits(detail::float_to_bfloat16(x)) {}
  constexpr operator float() const { return detail::bfloat16_to_float(bits); }
};

/// Types that operations compute in.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

/// Types that a tensor may hold.
template <class T>
concept Scalar = std::is_arithmetic_v<T> || std::same_as<T, half> || std::same_as<T, bfloat16> ||
    std::same_as<T, std::complex<float>> || std::same_as<T, std::complex<double>>;

/// The field's short name of an element type: "f32", "bf16", "i64", …
template <Scalar T>
constexpr std::string_view dtype_name() {
  if constexpr (std::same_as<T, float>) return "f32";
  else if constexpr (std::same_as<T, double>) return "f64";
  else if constexpr (std::same_as<T, half>) return "f16";
  else if constexpr (std::same_as<T, bfloat16>) return "bf16";
  else if constexpr (std::same_as<T, std::complex<float>>) return "c64";
  else if constexpr (std::same_as<T, std::complex<double>>) return "c128";
  else if constexpr (std::same_as<T, bool>) return "bool";
  else {
    static_assert(std::is_integral_v<T>);
    constexpr bool s = std::is_signed_v<T>;
    switch (sizeof(T)) {
      case 1: return s ? "i8" : "u8";
      case 2: return s ? "i16" : "u16";
      case 4: return s ? "i32" : "u32";
      default: return s ? "i64" : "u64";
    }
  }
}

}  // namespace tenzo
