// A user's program: status 0 when the derivative of Σ x² at 1, 2, 3 is 2x.
#include <tenzo/tenzo.hpp>

int main() {
  tenzo::Tensor<double> x(tenzo::Shape{3});
  for (std::int64_t i = 0; i < 3; ++i) x(i) = double(i + 1);
  const auto g = tenzo::grad([](const auto& v) { return sum(mul(v, v)); }, x);
  for (std::int64_t i = 0; i < 3; ++i)
    if (g(i) != 2 * x(i)) return 1;
  return 0;
}
