// What went wrong, kept until somebody asks: the last error of the CUDA runtime, with a reason.
#pragma once

#include <string>
#include <utility>

#include "site.hpp"

/// The runtime's results that the emulation gives, with CUDA's numbers.
enum cudaError_t : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorMisalignedAddress = 716,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureUnjoined = 904,
  cudaErrorStreamCaptureIsolation = 905,
  cudaErrorCapturedEvent = 907,
};

namespace tenzo::emulation {

enum class Fault {
  none,
  call,               // the runtime refuses a call
  divergent_barrier,  // threads of a block wait at different barriers
  early_exit,         // a barrier that some threads of the block never reach, since they have left the kernel
  warp,               // lanes of a mask that do not meet, or a shuffle from outside the mask
  deadlock,           // nobody can go on, for another reason
  illegal_address,    // not, or no longer, memory of the device
  misaligned,         // an access that is not aligned to its size
  shared_memory,      // more than the launch may have
  exception,          // thrown out of a kernel
};

struct Report {
  cudaError_t code = cudaSuccess;
  Fault fault = Fault::none;
  std::string text;
  Site site;  // in the kernel, where it is known
};

/// The first error that nobody has asked for yet, or the one that was asked for last.
class LastError {
 public:
  static LastError& instance() {
    static LastError errors;
    return errors;
  }

  cudaError_t raise(Report r) {
    const cudaError_t code = r.code;
    if (!pending_) report_ = std::move(r), pending_ = true;
    return code;
  }
  cudaError_t peek() const { return pending_ ? report_.code : cudaSuccess; }
  cudaError_t ask() { return std::exchange(pending_, false) ? report_.code : cudaSuccess; }

  /// Also after it was asked for.
  const Report& report() const { return report_; }

 private:
  Report report_;
  bool pending_ = false;
};

/// What went wrong last.
inline const Report& last_report() { return LastError::instance().report(); }

}  // namespace tenzo::emulation
