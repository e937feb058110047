// DLPack: tensors handed between libraries in one process without a copy.
//
// The structures have the layout of the published interface (dlpack.h, DLManagedTensor), so pointers may be cast
// between both. No header of that project is needed.
#pragma once

#include <algorithm>
#include <array>
#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "tenzo/core/tensor.hpp"

namespace tenzo::dlpack {

/// Kinds of elements; `bits` of one and the number of `lanes` complete a type.
enum class TypeCode : std::uint8_t {
  integer = 0,
  unsigned_integer = 1,
  real = 2,
  bfloat = 4,
  complex = 5,
  boolean = 6
};

struct DataType {
  std::uint8_t code = 0, bits = 0;
  std::uint16_t lanes = 1;

  friend bool operator==(const DataType&, const DataType&) = default;
};

struct Device {
  std::int32_t type = 1, id = 0;  // 1: the host's memory
};

struct TensorView {
  void* data = nullptr;
  Device device;
  std::int32_t ndim = 0;
  DataType dtype;
  std::int64_t* shape = nullptr;
  std::int64_t* strides = nullptr;  // in elements; null: row-major without gaps
  std::uint64_t byte_offset = 0;
};

/// A view with its owner. Whoever is done with it calls `deleter(this)`.
struct ManagedTensor {
  TensorView view;
  void* manager = nullptr;
  void (*deleter)(ManagedTensor*) = nullptr;
};

static_assert(sizeof(DataType) == 4 && sizeof(Device) == 8);
static_assert(sizeof(void*) != 8 || (sizeof(TensorView) == 48 && sizeof(ManagedTensor) == 64));
static_assert(std::is_standard_layout_v<ManagedTensor>);

/// The interface's type of T.
template <Scalar T>
constexpr DataType data_type() {
  const auto of = [](TypeCode code) { return DataType{std::uint8_t(code), std::uint8_t(8 * sizeof(T)), 1}; };
  if constexpr (std::same_as<T, bool>) return of(TypeCode::boolean);
  else if constexpr (std::same_as<T, bfloat16>) return of(TypeCode::bfloat);
  else if constexpr (std::same_as<T, half> || std::floating_point<T>) return of(TypeCode::real);
  else if constexpr (std::signed_integral<T>) return of(TypeCode::integer);
  else if constexpr (std::unsigned_integral<T>) return of(TypeCode::unsigned_integer);
  else return of(TypeCode::complex);
}

namespace detail {

/// What an exported view points to, and the handle that keeps its elements.
template <class T>
struct Exported {
  ManagedTensor managed;
  Tensor<T> tensor;
  std::array<std::int64_t, Shape::max_rank> shape, strides;
};

/// Gives back what it was handed, when the last handle is gone.
struct Owner {
  ManagedTensor* managed = nullptr;

  Owner() = default;
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() {
    if (managed && managed->deleter) managed->deleter(managed);
  }
};

/// Strides of the view, by axis.
inline std::array<std::int64_t, Shape::max_rank> strides_of_view(const TensorView& v, const Shape& shape) {
  auto strides = strides_of(shape);
  if (v.strides) std::copy_n(v.strides, v.ndim, strides.begin());
  return strides;
}

inline bool is_contiguous(const Shape& shape, const std::array<std::int64_t, Shape::max_rank>& strides) {
  const auto wanted = strides_of(shape);
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] > 1 && strides[std::size_t(i)] != wanted[std::size_t(i)]) return false;
  return true;
}

/// to = the elements of a strided array from `axis` on, in row-major order; returns the end.
template <class T>
T* gather(const std::byte* from, const Shape& shape, const std::array<std::int64_t, Shape::max_rank>& strides, int axis,
          T* to) {
  if (axis == shape.rank()) {
    std::memcpy(static_cast<void*>(to), from, sizeof(T));  // may lie at any address
    return to + 1;
  }
  const std::int64_t step = strides[std::size_t(axis)] * std::int64_t(sizeof(T));
  for (std::int64_t i = 0; i < shape[axis]; ++i) to = gather(from + i * step, shape, strides, axis + 1, to);
  return to;
}

}  // namespace detail

/// A tensor for another library; nothing is copied, and the elements live until its deleter is called.
///   The other library may write to them: who wants to keep what they are hands out a clone.
///   Throws ShapeError for an undefined tensor.
template <Scalar T>
ManagedTensor* export_tensor(const Tensor<T>& t) {
  expect(t.defined(), "dlpack: an undefined tensor");
  auto* e = new detail::Exported<T>{{}, t, {}, strides_of(t.shape())};
  std::copy(t.shape().begin(), t.shape().end(), e->shape.begin());
  e->managed.view = {e->tensor.data(), {}, t.rank(), data_type<T>(), e->shape.data(), e->strides.data(), 0};
  e->managed.manager = e;
  e->managed.deleter = [](ManagedTensor* m) { delete static_cast<detail::Exported<T>*>(m->manager); };
  return &e->managed;
}

/// The tensor of another library, which belongs to the result from here on; where this throws it stays the caller's.
///   Memory  shared where the array is row-major without gaps and aligned for T; copied, and given back, otherwise.
///   Throws  ValueError where the elements are not T or not in the host's memory, ShapeError for an impossible shape.
template <Scalar T>
Tensor<T> import_tensor(ManagedTensor* managed) {
  require(managed != nullptr, "dlpack: no tensor");
  const TensorView& v = managed->view;
  const DataType want = data_type<T>();
  require(v.device.type == 1, "dlpack: the elements lie on a device of type ", v.device.type, "; want 1, the host");
  require(v.dtype == want, "dlpack: elements of code ", int(v.dtype.code), ", ", int(v.dtype.bits), " bits and ",
          v.dtype.lanes, " lanes; want ", dtype_name<T>(), ": code ", int(want.code), ", ", int(want.bits),
          " bits, 1 lane");
  expect(v.ndim >= 0 && v.ndim <= Shape::max_rank, "dlpack: ", v.ndim, " axes; at most ", Shape::max_rank);
  expect(v.ndim == 0 || v.shape, "dlpack: ", v.ndim, " axes without a shape");
  const Shape shape(std::span<const std::int64_t>(v.shape, std::size_t(v.ndim)));
  require(v.data || shape.numel() == 0, "dlpack: no elements for shape ", shape);

  auto* data = static_cast<std::byte*>(v.data) + (v.data ? v.byte_offset : 0);
  const auto strides = detail::strides_of_view(v, shape);
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % alignof(T) == 0;
  auto owner = std::make_shared<detail::Owner>();
  Tensor<T> t;
  if (shape.numel() > 0 && aligned && detail::is_contiguous(shape, strides)) {
    t = Tensor<T>::borrow(reinterpret_cast<T*>(data), shape, owner);
  } else {
    t = Tensor<T>(shape);
    if (shape.numel() > 0) detail::gather(data, shape, strides, 0, t.data());
  }
  owner->managed = managed;
  return t;
}

}  // namespace tenzo::dlpack
