// A user's program that nvcc compiles: an element-wise function of its own runs as one kernel. Status 0 when its
// derivative is right, or where there is no GPU.
#include <tenzo/tenzo.hpp>
#include <tenzo_kernels/all.cuh>

int main() {
  if (!tenzo::cuda::obstacle(tenzo::Cuda{}).empty()) return 0;
  const auto x = tenzo::Tensor<double>::from({3}, {1, 2, 3}).to<tenzo::Cuda>();
  const auto g = tenzo::grad([](const auto& v) { return sum(mul(v, v)); }, x).to<tenzo::Cpu>();
  for (std::int64_t i = 0; i < 3; ++i)
    if (g(i) != 2 * double(i + 1)) return 1;
  return 0;
}
