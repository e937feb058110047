// expect: central differences need double
#include "tenzo/autodiff/check.hpp"

int main() {
  const auto f = [](const auto& x) { return tenzo::mul(x, x); };
  return tenzo::check_gradients(f, tenzo::Tensor<float>::scalar(1)).passed();
}
