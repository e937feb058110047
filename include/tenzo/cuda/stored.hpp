// A tensor in the format of its file, in a GPU's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "tenzo/core/stored.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/cuda/quantized.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo::cuda {

/// A dense row-major tensor of any stored format. A handle: copies share the bytes, which may be written.
class StoredTensor {
 public:
  using device = Device;

  StoredTensor() = default;
  /// A copy of one on the host.
  explicit StoredTensor(const tenzo::StoredTensor& host)
      : dtype_(host.dtype()),
        shape_(host.shape()),
        rows_(host.rows()),
        cols_(host.cols()),
        bytes_(Shape{host.nbytes()}) {
    copy_from_host(Device{}, host.nbytes(), reinterpret_cast<const std::uint8_t*>(host.bytes().data()), bytes_.data());
  }

  /// A copy on the host.
  tenzo::StoredTensor to_host() const {
    if (!defined()) return {};
    tenzo::StoredTensor t(dtype_, shape_);
    copy_to_host(Device{}, t.nbytes(), bytes_.data(), reinterpret_cast<std::uint8_t*>(t.writable_bytes().data()));
    return t;
  }

  bool defined() const { return bytes_.defined(); }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  std::int64_t size() const { return rows_ * cols_; }
  std::int64_t nbytes() const { return bytes_.size(); }

  StoredMatrix matrix() const { return {dtype_, bytes_.data(), rows_, cols_}; }
  std::uint8_t* writable_data() { return bytes_.data(); }

  /// The elements as T without a copy where the format is T, else decoded by way of float.
  template <Real T>
  Tensor<T, Device> borrow() const {
    if (!defined()) return {};
    if (dtype_ == dtype_of<T>) {
      auto keep = std::make_shared<Tensor<std::uint8_t, Device>>(bytes_);
      T* const data = reinterpret_cast<T*>(keep->data());
      return Tensor<T, Device>::borrow(data, shape_, std::move(keep));
    }
    Tensor<float, Device> t(shape_);
    decode(Device{}, matrix(), t.data());
    if constexpr (std::is_same_v<T, float>) return t;
    else return t.template cast<T>();
  }

 private:
  DType dtype_ = DType::f32;
  Shape shape_;
  std::int64_t rows_ = 0, cols_ = 0;
  Tensor<std::uint8_t, Device> bytes_;
};

}  // namespace tenzo::cuda

namespace tenzo {

template <>
struct StoredOn<Cuda> {
  using type = cuda::StoredTensor;
};
template <>
struct IsLeaf<cuda::StoredTensor> : std::true_type {};

/// A model as it lies in its file, copied to the GPU.
template <template <class> class M>
M<cuda::StoredTensor> to_cuda(const M<StoredTensor>& model) {
  return map_tree<cuda::StoredTensor>(model, [](const StoredTensor& w) { return cuda::StoredTensor(w); });
}
/// The same back on the host.
template <template <class> class M>
M<StoredTensor> to_host(const M<cuda::StoredTensor>& model) {
  return map_tree<StoredTensor>(model, [](const cuda::StoredTensor& w) { return w.to_host(); });
}

}  // namespace tenzo
