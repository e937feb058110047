// The device that a program's user names.
#pragma once

#include <string>
#include <utility>

#include "tenzo/core/device.hpp"
#include "tenzo/core/error.hpp"
#ifdef TENZO_CUDA
#include "tenzo/cuda/operations.hpp"
#endif

namespace tenzo {

/// What `--device` says. GPUs are for programs that link tenzo::cuda.
enum class DeviceOption { cpu, cuda };

inline const char* name_of(DeviceOption device) { return device == DeviceOption::cpu ? "cpu" : "cuda"; }

/// Throws ValueError for another name than cpu and cuda, for cuda in a program without it, and on a machine that has no
/// GPU.
inline DeviceOption device_named(const std::string& name) {
  require(name == "cpu" || name == "cuda", "--device is '", name, "'; want cpu or cuda");
  if (name == "cpu") return DeviceOption::cpu;
#ifdef TENZO_CUDA
  const std::string obstacle = cuda::obstacle(Cuda{});
  require(obstacle.empty(), "--device cuda: ", obstacle);
  return DeviceOption::cuda;
#else
  require(false, "--device cuda: this program was built without CUDA; want the preset cuda");
  return DeviceOption::cpu;
#endif
}

/// f(Cpu{}) or f(Cuda{}).
template <class F>
decltype(auto) on_device([[maybe_unused]] DeviceOption device, F&& f) {
#ifdef TENZO_CUDA
  if (device == DeviceOption::cuda) return std::forward<F>(f)(Cuda{});
#endif
  return std::forward<F>(f)(Cpu{});
}

}  // namespace tenzo
