// An operand of a loop on both devices: what the CPU's namesake reads and writes, and the same on the GPU.
#pragma once

#include "compare.hpp"
#include "tenzo/core/device.hpp"

namespace tenzo::test {

/// Numbers, or memory for a result, behind `shift` others that no loop touches: from shift 1 on, an address that is not
/// aligned. Both allocations end with the last number.
template <class T>
class Both {
 public:
  explicit Both(std::vector<T> values, int shift = 0) : shift_(shift), host_(std::move(values)) {
    host_.insert(host_.begin(), std::size_t(shift), T(99));
    device_.emplace_back(std::span<const T>(host_));
  }
  /// n numbers that nobody has written.
  explicit Both(std::int64_t n, int shift = 0)
      : Both(std::vector<T>(static_cast<std::size_t>(n), unwritten()), shift) {}

  T* at(Cpu) { return host_.data() + shift_; }
  T* at(Cuda) { return device_[0].data() + shift_; }

  std::vector<T> want() const { return {host_.begin() + shift_, host_.end()}; }
  std::vector<T> got() const {
    const auto all = device_[0].to_host();
    return {all.begin() + shift_, all.end()};
  }

  bool same() const { return same_bits(device_[0].to_host(), host_); }
  /// The largest difference in units of `eps` of T beside the largest finite magnitude, infinite where one is not
  /// finite in another way than the other.
  double error() const {
    const auto got = device_[0].to_host();
    double worst = 0, top = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double a = double(got[i]), b = double(host_[i]);
      if (std::isfinite(a) && std::isfinite(b)) worst = std::max(worst, std::abs(a - b));
      else if (!(a == b || (std::isnan(a) && std::isnan(b)))) return INFINITY;
      if (std::isfinite(b) && i >= std::size_t(shift_)) top = std::max(top, std::abs(b));
    }
    return worst / (top > 0 ? top : 1) / double(std::numeric_limits<T>::epsilon());
  }

 private:
  static T unwritten() {
    if constexpr (std::numeric_limits<T>::has_quiet_NaN) return std::numeric_limits<T>::quiet_NaN();
    else return T(-1);
  }

  int shift_;
  std::vector<T> host_;
  std::vector<cuda::DeviceArray<T>> device_;
};

/// f(device) on both.
template <class F>
void on_both(F&& f) {
  f(Cpu{});
  f(Cuda{});
}

/// f() under the fixed schedules and a random one; where there is much work, under the two that differ most.
template <class F>
void under_schedules(F&& f, bool much_work = false) {
  const auto run = [&](const emulation::Schedule& schedule) {
    if (much_work && schedule.order != emulation::Order::ascending && schedule.order != emulation::Order::warp_greedy)
      return;
    CAPTURE(schedule);
    f();
  };
  emulation::for_all_schedules(run, 1);
}

/// `all`, or the few that the thread sanitizer has time for.
inline std::vector<std::int64_t> sizes(std::vector<std::int64_t> all, std::vector<std::int64_t> few) {
  return emulation::thread_sanitizer ? few : all;
}

}  // namespace tenzo::test
