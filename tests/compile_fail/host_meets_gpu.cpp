// expect: values on two devices do not mix \(a tensor of the host and one on a GPU\)
#include "tenzo/cuda.hpp"

int main() {
  const auto x = tenzo::Tensor<float>::ones({3});
  const auto loss = [&](const auto& w) { return sum(mul(w, x)); };  // x stays on the host
  return int(tenzo::grad(loss, x.to<tenzo::Cuda>()).size());
}
