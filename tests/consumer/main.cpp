// Adds two numbers with tenzo's tensors; status 0 when the sum is right.
#include <tenzo/core/tensor.hpp>
#include <tenzo/version.hpp>

int main() {
  auto x = tenzo::Tensor<float>::full(tenzo::Shape{2, 3}, 2.f);
  float sum = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) sum += x.data()[i];
  return sum == 12.f ? 0 : 1;
}
