// What keeps a program from the GPU, told before it begins.
#include <doctest/doctest.h>

#include <thread>
#include <utility>

#include "at_end.hpp"
#include "tenzo/cuda.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("obstacle: none where the tests run") {
  const AtEnd clean;
  CHECK(cuda::obstacle(Cuda{}) == "");
}

#ifdef TENZO_EMULATE_CUDA
TEST_CASE("obstacle: a GPU that is too old for the kernels") {
  const AtEnd clean;
  cudaDeviceProp& gpu = emulation::device_properties();
  const int major = std::exchange(gpu.major, 7), minor = std::exchange(gpu.minor, 5);
  std::string said;
  std::thread([&] { said = cuda::obstacle(Cuda{}); }).join();  // a GPU's properties are asked for once a thread
  gpu.major = major, gpu.minor = minor;
  CHECK(said == "the GPU emulated device is of compute capability 7.5; want 8.0 or later");
}
#endif
