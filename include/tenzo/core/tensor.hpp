// Tensor<T, Device>: a dense row-major array with shared storage.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "tenzo/core/device.hpp"
#include "tenzo/core/dtype.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/core/pool.hpp"
#include "tenzo/core/shape.hpp"

namespace tenzo {

namespace detail {

/// Reference-counted memory: a header and, behind it in the same block of the pool, the elements; or a header for
/// memory elsewhere, on another device or of somebody else.
class Storage {
 public:
  Storage() = default;
  explicit Storage(std::size_t bytes) : block_(header(bytes)) {
    block_->data = reinterpret_cast<std::byte*>(block_) + sizeof(Block);
  }
  /// `shared`: others may know the elements, too.
  Storage(const void* data, std::shared_ptr<const void> keep, bool shared) : block_(header(0)) {
    block_->data = static_cast<std::byte*>(const_cast<void*>(data));
    block_->keep = std::move(keep);
    block_->shared = shared;
  }
  Storage(const Storage& o) noexcept : block_(o.block_) {
    if (block_) block_->count.fetch_add(1, std::memory_order_relaxed);
  }
  Storage(Storage&& o) noexcept : block_(std::exchange(o.block_, nullptr)) {}
  Storage& operator=(Storage o) noexcept {
    std::swap(block_, o.block_);
    return *this;
  }
  ~Storage() {
    if (block_ && block_->count.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      const std::size_t size = block_->size;
      block_->~Block();
      Pool::instance().release(block_, size);
    }
  }
  std::byte* data() const { return block_ ? block_->data : nullptr; }
  /// False of memory that somebody else owns, too.
  bool unique() const { return block_ && !block_->shared && block_->count.load(std::memory_order_acquire) == 1; }
  explicit operator bool() const { return block_ != nullptr; }

  /// f(slot), one call at a time: the slot keeps what f puts there as long as the elements live.
  template <class F>
  auto mirrored(F&& f) const {
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    return f(block_->mirror);
  }

 private:
  struct alignas(64) Block {
    std::byte* data = nullptr;
    std::size_t size = 0;  // of the pool's block, this header with it
    std::shared_ptr<const void> keep;
    std::atomic<int> count{1};
    bool shared = false;
    std::shared_ptr<const void> mirror;
  };
  static_assert(sizeof(Block) == 64);

  static Block* header(std::size_t bytes) {
    const Pool::Block memory = Pool::instance().allocate(sizeof(Block) + bytes);
    auto* b = new (memory.data) Block;
    b->size = memory.size;
    return b;
  }

  Block* block_ = nullptr;
};

}  // namespace detail

/// A dense row-major array of T on a device.
///   A handle: copies share the elements, and a default-constructed one is undefined (in differentiation: zero).
///   What is reached through a const handle is read-only; `clone` makes an array of its own.
template <Scalar T, class Device = Cpu>
class Tensor {
 public:
  using value_type = T;
  using device = Device;
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

  Tensor() = default;

  /// Uninitialised elements.
  explicit Tensor(const Shape& shape) : shape_(shape), size_(shape.numel()), storage_(memory(bytes(shape))) {
    data_ = reinterpret_cast<T*>(storage_.data());
  }

  static Tensor full(const Shape& shape, T value) {
    Tensor t(shape);
    fill_elements(Device{}, t.size(), t.data(), value);
    return t;
  }
  static Tensor zeros(const Shape& shape) { return full(shape, T(0)); }
  static Tensor ones(const Shape& shape) { return full(shape, T(1)); }
  static Tensor scalar(T value) { return full(Shape{}, value); }
  static Tensor from(const Shape& shape, std::span<const T> values) {
    expect(std::int64_t(values.size()) == shape.numel(), "tensor: ", values.size(), " values for shape ", shape);
    Tensor t(shape);
    if constexpr (HostDevice<Device>) std::copy(values.begin(), values.end(), t.data());
    else copy_from_host(Device{}, t.size(), values.data(), t.data());
    return t;
  }
  static Tensor from(const Shape& shape, std::initializer_list<T> values) {
    return from(shape, std::span<const T>(values.begin(), values.size()));
  }

  /// The caller's memory, row-major and not copied; `keep` lives as long as any handle does. Without `keep` the caller
  /// sees to it that the memory outlives them.
  static Tensor borrow(T* data, const Shape& shape, std::shared_ptr<const void> keep = {}) {
    Tensor t;
    t.shape_ = shape;
    t.size_ = shape.numel();
    t.storage_ = detail::Storage(data, std::move(keep), true);
    t.data_ = data;
    return t;
  }
  /// An Eigen row-major matrix or vector, not copied.
  template <class Derived>
  static Tensor borrow(Eigen::PlainObjectBase<Derived>& m) {
    if constexpr (Derived::IsVectorAtCompileTime) return borrow(m.data(), Shape{m.size()});
    else {
      static_assert(Derived::IsRowMajor, "tensors are row-major: give a row-major matrix");
      return borrow(m.data(), Shape{m.rows(), m.cols()});
    }
  }

  bool defined() const { return bool(storage_); }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  std::int64_t size() const { return size_; }
  std::int64_t dim(int axis) const { return shape_.dim(axis); }
  const T* data() const { return data_; }
  T* data() { return data_; }
  std::span<const T> values() const requires HostDevice<Device> { return {data_, std::size_t(size_)}; }
  std::span<T> values() requires HostDevice<Device> { return {data_, std::size_t(size_)}; }
  /// Whether nobody else sees the elements: no other handle, and no owner of borrowed memory.
  bool unique() const { return storage_.unique(); }

  /// The only element; from another device, when what was asked of it before is done. Throws ShapeError when there are
  /// more.
  T item() const {
    expect(size_ == 1, "item: a tensor of shape ", shape_, " is not a single number");
    if constexpr (HostDevice<Device>) return data_[0];
    else {
      T value;
      copy_to_host(Device{}, 1, data_, &value);
      return value;
    }
  }
  T& operator()(std::int64_t i) requires HostDevice<Device> { return data_[i]; }
  const T& operator()(std::int64_t i) const requires HostDevice<Device> { return data_[i]; }
  T& operator()(std::int64_t i, std::int64_t j) requires HostDevice<Device> { return data_[i * shape_[1] + j]; }
  const T& operator()(std::int64_t i, std::int64_t j) const requires HostDevice<Device> {
    return data_[i * shape_[1] + j];
  }

  /// The same elements under another shape.
  Tensor reshaped(const Shape& shape) const {
    expect(shape.numel() == size_, "reshape: ", shape_, " has other elements than ", shape);
    Tensor t = *this;
    t.shape_ = shape;
    return t;
  }
  /// Rows [begin, end) of the first axis; shares the elements.
  Tensor rows(std::int64_t begin, std::int64_t end) const {
    expect(rank() > 0 && 0 <= begin && begin <= end && end <= shape_[0], "rows: [", begin, ", ", end, ") of ", shape_);
    Tensor t = *this;
    const std::int64_t row = shape_.inner(0);
    t.data_ += begin * row;
    t.shape_ = shape_.with(0, end - begin);
    t.size_ = (end - begin) * row;
    return t;
  }

  Tensor clone() const {
    if (!defined()) return {};
    Tensor t(shape_);
    copy_elements(Device{}, size_, data_, t.data_);
    return t;
  }
  template <Scalar U>
  Tensor<U, Device> cast() const {
    if (!defined()) return {};
    Tensor<U, Device> t(shape_);
    cast_elements(Device{}, size_, data_, t.data());
    return t;
  }
  /// A copy of the elements on another device; a handle to the same ones where it is this one.
  template <class Other>
  Tensor<T, Other> to() const {
    if constexpr (std::is_same_v<Other, Device>) return *this;
    else {
      if (!defined()) return {};
      Tensor<T, Other> t(shape_);
      if constexpr (HostDevice<Device>) copy_from_host(Other{}, size_, data_, t.data());
      else copy_to_host(Device{}, size_, data_, t.data());
      return t;
    }
  }

  /// The elements on another device as `to` gives them, kept with these for the next call: for data that no longer
  /// changes, as positions and masks.
  template <class Other>
  Tensor<T, Other> on() const {
    if constexpr (std::is_same_v<Other, Device>) return *this;
    else {
      if (!defined()) return {};
      struct Mirror {
        const T* of;
        Tensor<T, Other> there;
      };
      return storage_.mirrored([&](std::shared_ptr<const void>& kept) {
        const auto* m = static_cast<const Mirror*>(kept.get());
        if (m && m->of == data_ && m->there.size() == size_) return m->there.reshaped(shape_);
        const Tensor<T, Other> there = to<Other>();
        kept = std::make_shared<const Mirror>(Mirror{data_, there});
        return there;
      });
    }
  }

  /// Eigen's view of the elements: all axes but the last are rows.
  Eigen::Map<Matrix> matrix() requires HostDevice<Device> { return {data_, matrix_rows(), matrix_cols()}; }
  Eigen::Map<const Matrix> matrix() const requires HostDevice<Device> { return {data_, matrix_rows(), matrix_cols()}; }
  Eigen::Map<Vector> vector() requires HostDevice<Device> { return {data_, size_}; }
  Eigen::Map<const Vector> vector() const requires HostDevice<Device> { return {data_, size_}; }

  /// Number of rows and columns of `matrix()`; a tensor of rank 0 or 1 is one row.
  std::int64_t matrix_cols() const { return rank() == 0 ? 1 : shape_[rank() - 1]; }
  std::int64_t matrix_rows() const { return rank() == 0 ? 1 : shape_.outer(rank() - 1); }

 private:
  static detail::Storage memory(std::size_t bytes) {
    if constexpr (HostDevice<Device>) return detail::Storage(bytes);
    else {
      const std::shared_ptr<void> block = allocate(Device{}, bytes);
      return detail::Storage(block.get(), block, false);
    }
  }
  static std::size_t bytes(const Shape& shape) {
    constexpr auto most = std::int64_t((std::uint64_t(1) << 62) / sizeof(T));
    expect(shape.numel() <= most, "tensor: shape ", shape, " has more bytes than there is memory");
    return std::size_t(shape.numel()) * sizeof(T);
  }

  Shape shape_;
  std::int64_t size_ = 0;
  T* data_ = nullptr;
  detail::Storage storage_;
};

}  // namespace tenzo
