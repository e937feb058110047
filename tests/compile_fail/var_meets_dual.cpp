// expect: two different values of equal depth do not mix
#include "tenzo/autodiff/dual.hpp"
#include "tenzo/autodiff/var.hpp"

int main() {
  using T = tenzo::Tensor<double>;
  const tenzo::Var<T> x{T::scalar(1)};
  const tenzo::Dual<T> y{T::scalar(1), T::scalar(1)};
  return tenzo::add(x, y).shape().rank();
}
