// A user's program of a plain C++ compiler. Status 0 when the derivative is right, or where there is no GPU.
#include <tenzo/cuda.hpp>

int main() {
  if (!tenzo::cuda::obstacle(tenzo::Cuda{}).empty()) return 0;
  const auto x = tenzo::Tensor<float>::from({3}, {1, 2, 3}).to<tenzo::Cuda>();
  const auto g = tenzo::grad([](const auto& v) { return sum(mul(v, v)); }, x).to<tenzo::Cpu>();
  for (std::int64_t i = 0; i < 3; ++i)
    if (g(i) != 2 * float(i + 1)) return 1;
  return 0;
}
