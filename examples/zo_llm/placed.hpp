// A model and the device that computes with it.
#pragma once

#include <optional>
#include <string>

#include "tenzo/io/device_option.hpp"
#include "tenzo/models/language_model.hpp"
#ifdef TENZO_CUDA
#include "tenzo/cuda/weights.hpp"
#endif

namespace zo_llm {

using Model = tenzo::Llama<tenzo::StoredTensor>;

/// An S for each device of this program, of which the one for the device in use is used.
template <template <class> class S>
struct OnEachDevice {
  S<tenzo::Cpu> cpu{};
#ifdef TENZO_CUDA
  S<tenzo::Cuda> cuda{};
#endif

  template <class D>
  S<D>& of() {
#ifdef TENZO_CUDA
    if constexpr (std::is_same_v<D, tenzo::Cuda>) return cuda;
    else
#endif
      return cpu;
  }
};

/// The device of a model's leaves.
template <class M>
using device_of = typename tenzo::leaf_t<std::remove_cvref_t<M>>::device;

/// On the CPU the host's model is computed with as it lies there; on a GPU a copy of it, which `fetch` brings back.
///   Who changes the host's model, its adapters say, places it again.
class Placed {
 public:
  Placed(Model& host, tenzo::DeviceOption device) : host_(host), device_(device) { place(); }
  Placed(const Placed&) = delete;
  Placed& operator=(const Placed&) = delete;

  /// Configuration, names and shapes; on a GPU its weights may be older than what is computed with.
  Model& host() { return host_; }
  const Model& host() const { return host_; }

  /// f(model), of tenzo::StoredTensor or tenzo::cuda::StoredTensor.
  template <class F>
  decltype(auto) visit(F&& f) const {
#ifdef TENZO_CUDA
    if (device_ == tenzo::DeviceOption::cuda) return f(*there_);
#endif
    return f(std::as_const(host_));
  }
  template <class F>
  decltype(auto) visit(F&& f) {
#ifdef TENZO_CUDA
    if (device_ == tenzo::DeviceOption::cuda) return f(*there_);
#endif
    return f(host_);
  }

  /// Drops both, before another model comes: two do not fit where one does.
  void clear() {
    host_ = {};
#ifdef TENZO_CUDA
    there_.reset();
#endif
  }
  /// Copies the host's model to the device.
  void place() {
#ifdef TENZO_CUDA
    there_.reset();
    if (device_ == tenzo::DeviceOption::cuda) there_.emplace(tenzo::to_cuda(std::as_const(host_)));
#endif
  }
  /// Copies what is writable on the host, that is all that may have changed, back from the device.
  void fetch() {
#ifdef TENZO_CUDA
    if (device_ == tenzo::DeviceOption::cuda)
      tenzo::for_each_leaf(
          [](const tenzo::Path&, tenzo::StoredTensor& to, const tenzo::cuda::StoredTensor& from) {
            if (to.defined() && to.writable()) to.assign(from.to_host());
          },
          host_, std::as_const(*there_));
#endif
  }

 private:
  Model& host_;
  tenzo::DeviceOption device_;
#ifdef TENZO_CUDA
  std::optional<tenzo::Llama<tenzo::cuda::StoredTensor>> there_;
#endif
};

}  // namespace zo_llm
