// expect: must compute one value from its arguments alone
#include "tenzo/autodiff/checkpoint.hpp"

int main() {
  using T = tenzo::Tensor<double>;
  tenzo::Tape<T> tape;
  const tenzo::Var<T> w = tape.leaf(T::scalar(2)), x = tape.leaf(T::scalar(1));
  return tenzo::checkpoint([&](const auto& v) { return tenzo::mul(v, w); }, x).shape().rank();
}
