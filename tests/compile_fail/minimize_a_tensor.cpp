// expect: of a tensor with one element take .item
#include <tenzo/tenzo.hpp>

using namespace tenzo;

int main() {
  const auto x = Tensor<double>::ones({3});
  zo::minimize(x, [](const auto& v) { return sum(v); });
}
