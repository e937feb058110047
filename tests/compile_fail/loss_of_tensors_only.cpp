// expect: takes the model on any value type
#include <tenzo/tenzo.hpp>

using namespace tenzo;

int main() {
  const auto x = Tensor<double>::ones({3});
  const auto g = grad([](const Tensor<double>& v) { return sum(v); }, x);
}
