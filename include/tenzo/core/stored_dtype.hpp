// DType: the format of stored elements, known at run time; plain types and quantised blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string_view>

#include "tenzo/core/dtype.hpp"

namespace tenzo {

/// How the elements of a stored tensor lie in memory.
///   The q formats hold a run of 32 or 256 elements of a row as one block: small integers and one or more scales.
enum class DType : std::uint8_t {
  f32,
  f64,
  f16,
  bf16,
  i8,
  i16,
  i32,
  i64,
  u8,
  u16,
  u32,
  u64,
  boolean,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q4_k,
  q5_k,
  q6_k,
};

/// A format's name and the size of its blocks; a plain element is a block of one.
struct DTypeInfo {
  std::string_view name;
  std::int64_t block;  // elements
  std::int64_t bytes;  // of a block
};

namespace detail {

inline constexpr std::array<DTypeInfo, 21> dtype_table{{
    {"f32", 1, 4},      {"f64", 1, 8},      {"f16", 1, 2},      {"bf16", 1, 2},   {"i8", 1, 1},     {"i16", 1, 2},
    {"i32", 1, 4},      {"i64", 1, 8},      {"u8", 1, 1},       {"u16", 1, 2},    {"u32", 1, 4},    {"u64", 1, 8},
    {"bool", 1, 1},     {"q4_0", 32, 18},   {"q4_1", 32, 20},   {"q5_0", 32, 22}, {"q5_1", 32, 24}, {"q8_0", 32, 34},
    {"q4_k", 256, 144}, {"q5_k", 256, 176}, {"q6_k", 256, 210},
}};

}  // namespace detail

constexpr const DTypeInfo& dtype_info(DType t) { return detail::dtype_table[std::size_t(t)]; }
constexpr std::string_view dtype_name(DType t) { return dtype_info(t).name; }

/// Whether the format is made of blocks of several elements.
constexpr bool is_quantized(DType t) { return dtype_info(t).block > 1; }

/// Whether floats can be written in the format.
constexpr bool is_encodable(DType t) {
  switch (t) {
    case DType::f32:
    case DType::f64:
    case DType::f16:
    case DType::bf16:
    case DType::q4_0:
    case DType::q4_1:
    case DType::q8_0: return true;
    default: return false;
  }
}

inline std::ostream& operator<<(std::ostream& os, DType t) { return os << dtype_name(t); }

namespace detail {

constexpr DType dtype_named(std::string_view n) {
  for (std::size_t i = 0; i < dtype_table.size(); ++i)
    if (dtype_table[i].name == n) return DType(i);
  throw "no stored format of this name";
}

}  // namespace detail

/// The plain format that holds T. Complex types have none.
template <Scalar T>
inline constexpr DType dtype_of = detail::dtype_named(dtype_name<T>());

static_assert(dtype_of<float> == DType::f32 && dtype_of<bool> == DType::boolean);
static_assert(dtype_name(DType::q6_k) == "q6_k" && dtype_of<std::uint64_t> == DType::u64);

}  // namespace tenzo
