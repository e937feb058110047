// StoredTensor: a tensor in the format of its file, owned or memory-mapped, decoded to float where it is read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/core/blocks.hpp"
#include "tenzo/core/compiled.hpp"
#include "tenzo/core/dtype.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/shape.hpp"
#include "tenzo/core/stored_codec.hpp"
#include "tenzo/core/stored_dtype.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo {

/// A dense row-major tensor of any stored format. A handle: copies share the bytes.
///   All axes but the last are folded into rows; a tensor of rank 0 or 1 is one row. Rows of quantised formats are
///   whole blocks.
///   Owned memory is 64-byte aligned and writable. A view, of a mapped file say, keeps its owner alive, is read-only
///   and may lie at any address.
class StoredTensor {
 public:
  using device = Cpu;

  StoredTensor() = default;

  /// Owned, uninitialised bytes. Throws ShapeError where a row is no whole number of blocks.
  StoredTensor(DType dtype, const Shape& shape) : StoredTensor(dtype, shape, nullptr) {
    struct Release {
      void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t(64)); }
    };
    auto* p =
        static_cast<std::byte*>(::operator new(std::size_t(std::max<std::int64_t>(nbytes(), 1)), std::align_val_t(64)));
    data_ = writable_ = p;
    keep_ = std::shared_ptr<std::byte>(p, Release{});
  }

  /// Bytes that somebody else owns, read-only; `keep` lives as long as any handle does. Throws ShapeError where the
  /// number of bytes is not that of the shape.
  static StoredTensor view(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                           std::shared_ptr<const void> keep) {
    StoredTensor t(dtype, shape, std::move(keep));
    expect(std::int64_t(bytes.size()) == t.nbytes(), "stored: ", bytes.size(), " bytes for a ", dtype,
           " tensor of shape ", shape, "; want ", t.nbytes());
    static constexpr std::byte none{};
    t.data_ = bytes.empty() ? &none : bytes.data();
    return t;
  }

  /// The same elements as `x`, which may be written through either handle; nothing is copied.
  template <Scalar T>
  static StoredTensor from(Tensor<T> x) {
    auto owner = std::make_shared<Tensor<T>>(std::move(x));
    StoredTensor t(dtype_of<T>, owner->shape(), owner);
    t.data_ = t.writable_ = reinterpret_cast<std::byte*>(owner->data());
    return t;
  }

  bool defined() const { return data_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return rows_ * cols_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  std::int64_t row_bytes() const { return row_bytes_; }
  std::int64_t nbytes() const { return rows_ * row_bytes_; }

  std::span<const std::byte> bytes() const { return {data_, std::size_t(nbytes())}; }
  const std::byte* row(std::int64_t i) const { return data_ + i * row_bytes_; }

  /// Whether the bytes may be written; a view of a file may not.
  bool writable() const { return writable_ != nullptr; }
  /// The bytes, to be written. Throws ValueError for a view.
  std::span<std::byte> writable_bytes() {
    require_writable();
    return {writable_, std::size_t(nbytes())};
  }
  std::byte* writable_row(std::int64_t i) { return writable_bytes().data() + i * row_bytes_; }

  /// dst[i ld + j] = element (row0 + i, col0 + j) for i < nrows, j < ncols. On the calling thread.
  ///   Exact for formats of at most 24 significant bits; wider ones are rounded to nearest.
  TENZO_COMPILED void decode(std::int64_t row0, std::int64_t nrows, std::int64_t col0, std::int64_t ncols, float* dst,
                             std::int64_t ld) const;

  /// All elements, row-major, on all threads.
  void decode(float* dst) const {
    parallel_for(rows_, piece(), [&](std::int64_t begin, std::int64_t end) {
      decode(begin, end - begin, 0, cols_, dst + begin * cols_, cols_);
    });
  }

  /// Element (row0 + i, col0 + j) = src[i ld + j], rounded to nearest even (f16, bf16) or quantised as the format's
  /// reference does (q8_0, q4_0, q4_1: whole blocks only). On the calling thread.
  ///   Throws ValueError for a view, a format that is not written, or values that a block's scale can not reach.
  TENZO_COMPILED void encode(std::int64_t row0, std::int64_t nrows, std::int64_t col0, std::int64_t ncols,
                             const float* src, std::int64_t ld);

  /// All elements from row-major floats, on all threads.
  void encode(const float* src) {
    parallel_for(rows_, piece(), [&](std::int64_t begin, std::int64_t end) {
      encode(begin, end - begin, 0, cols_, src + begin * cols_, cols_);
    });
  }

  /// An owned copy.
  StoredTensor clone() const {
    if (!defined()) return {};
    StoredTensor t(dtype_, shape_);
    std::memcpy(t.writable_, data_, std::size_t(nbytes()));
    return t;
  }

  /// The values of a tensor of the same shape: its bytes where the format is the same, else by way of float. On all
  /// threads; what `encode` throws.
  TENZO_COMPILED void assign(const StoredTensor& source);

  /// The same values in another format, owned; this handle again where it has that format already.
  StoredTensor converted(DType dtype) const {
    if (!defined() || dtype == dtype_) return *this;
    StoredTensor t(dtype, shape_);
    t.assign(*this);
    return t;
  }

  /// The elements as T, in memory that may be written: shared where this is an owned tensor of T, copied where it is a
  /// view of T, else decoded, by way of float.
  template <Scalar T>
  Tensor<T> to() const {
    if (!defined()) return {};
    if (dtype_ == dtype_of<T>) return writable() && aligned<T>() ? borrowed<T>() : copied<T>();
    Tensor<T> t(shape_);
    if constexpr (std::is_same_v<T, float>) decode(t.data());
    else if constexpr (is_encodable(dtype_of<T>)) from(t).assign(*this);
    else require(false, "stored: a ", dtype_, " tensor is not read as ", dtype_of<T>);
    return t;
  }

  /// The elements as T without a copy where the format is T and its address allows it, else as `to`. The caller must
  /// not write to a tensor borrowed from a view.
  template <Scalar T>
  Tensor<T> borrow() const {
    return defined() && dtype_ == dtype_of<T> && aligned<T>() ? borrowed<T>() : to<T>();
  }

 private:
  StoredTensor(DType dtype, const Shape& shape, std::shared_ptr<const void> keep)
      : dtype_(dtype), shape_(shape), keep_(std::move(keep)) {
    const auto [unused, block, bytes] = dtype_info(dtype);
    cols_ = shape.rank() == 0 ? 1 : shape[shape.rank() - 1];
    rows_ = shape.rank() == 0 ? 1 : shape.outer(shape.rank() - 1);
    expect(cols_ % block == 0, "stored: rows of ", cols_, " elements in shape ", shape, " are no whole blocks of ",
           block, " (", dtype, ")");
    std::int64_t total;
    expect(!__builtin_mul_overflow(cols_ / block, bytes, &row_bytes_) &&
               !__builtin_mul_overflow(rows_, row_bytes_, &total),
           "stored: shape ", shape, " has more bytes than 63 bits count");
  }

  void check_tile(std::int64_t row0, std::int64_t nrows, std::int64_t col0, std::int64_t ncols) const {
    expect(0 <= row0 && 0 <= nrows && nrows <= rows_ - row0 && 0 <= col0 && 0 <= ncols && ncols <= cols_ - col0,
           "stored: rows [", row0, ", ", row0 + nrows, "), columns [", col0, ", ", col0 + ncols, ") of shape ", shape_);
  }
  void require_writable() const { require(writable(), "stored: a view is read-only; clone it"); }
  std::int64_t piece() const {
    return cols_ == 0 ? std::max<std::int64_t>(1, rows_) : std::max<std::int64_t>(1, 32768 / cols_);
  }

  template <class T>
  bool aligned() const {
    return reinterpret_cast<std::uintptr_t>(data_) % alignof(T) == 0;
  }
  template <class T>
  Tensor<T> borrowed() const {
    return Tensor<T>::borrow(reinterpret_cast<T*>(const_cast<std::byte*>(data_)), shape_, keep_);
  }
  template <class T>
  Tensor<T> copied() const {
    Tensor<T> t(shape_);
    std::memcpy(static_cast<void*>(t.data()), data_, std::size_t(nbytes()));
    return t;
  }

  DType dtype_ = DType::f32;
  Shape shape_;
  std::int64_t rows_ = 0, cols_ = 0, row_bytes_ = 0;
  const std::byte* data_ = nullptr;
  std::byte* writable_ = nullptr;
  std::shared_ptr<const void> keep_;
};

#if TENZO_DEFINES(core)
TENZO_COMPILED void StoredTensor::decode(std::int64_t row0, std::int64_t nrows, std::int64_t col0, std::int64_t ncols,
                                         float* dst, std::int64_t ld) const {
  check_tile(row0, nrows, col0, ncols);
  if (ncols == 0) return;
  detail::with_codec(dtype_, [&](auto codec) {
    for (std::int64_t i = 0; i < nrows; ++i) codec.decode(row(row0 + i), col0, ncols, dst + i * ld);
  });
}

TENZO_COMPILED void StoredTensor::encode(std::int64_t row0, std::int64_t nrows, std::int64_t col0, std::int64_t ncols,
                                         const float* src, std::int64_t ld) {
  check_tile(row0, nrows, col0, ncols);
  require_writable();
  const std::int64_t block = dtype_info(dtype_).block;
  expect(col0 % block == 0 && ncols % block == 0, "stored: columns [", col0, ", ", col0 + ncols, ") of a ", dtype_,
         " tensor are no whole blocks of ", block);
  if (ncols == 0) return;
  detail::with_codec(dtype_, [&](auto codec) {
    if constexpr (codec.encodable)
      for (std::int64_t i = 0; i < nrows; ++i) codec.encode(src + i * ld, col0, ncols, writable_row(row0 + i));
    else require(false, "stored: floats are not written as ", dtype_);
  });
}

TENZO_COMPILED void StoredTensor::assign(const StoredTensor& source) {
  expect(source.shape_ == shape_, "stored: shape ", source.shape_, " assigned to ", shape_);
  require_writable();
  if (size() == 0) return;
  parallel_for(rows_, piece(), [&](std::int64_t begin, std::int64_t end) {
    if (source.dtype_ == dtype_) {
      std::memmove(writable_row(begin), source.row(begin), std::size_t((end - begin) * row_bytes_));
      return;
    }
    std::vector<float> values(static_cast<std::size_t>(cols_));
    for (std::int64_t i = begin; i < end; ++i) {
      source.decode(i, 1, 0, cols_, values.data(), cols_);
      encode(i, 1, 0, cols_, values.data(), cols_);
    }
  });
}
#endif

/// A stored tensor on a device: `type` is a class like StoredTensor.
template <class D>
struct StoredOn;
template <>
struct StoredOn<Cpu> {
  using type = StoredTensor;
};
template <class D>
using stored_t = typename StoredOn<D>::type;

}  // namespace tenzo
