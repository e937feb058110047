// A user's program: status 0 when the derivative of Σ x² at 1, 2, 3 is 2x, when A (2, 3) times its transpose is right,
// and when floats come back from bfloat16.
#include <tenzo/tenzo.hpp>

int main() {
  tenzo::Tensor<double> x(tenzo::Shape{3});
  for (std::int64_t i = 0; i < 3; ++i) x(i) = double(i + 1);
  const auto g = tenzo::grad([](const auto& v) { return sum(mul(v, v)); }, x);
  for (std::int64_t i = 0; i < 3; ++i)
    if (g(i) != 2 * x(i)) return 1;

  const float values[] = {1, 2, 3, 4, 5, 6};
  const auto a = tenzo::Tensor<float>::from(tenzo::Shape{2, 3}, values);
  if (matmul(a, transpose(a))(1, 1) != 77) return 1;
  tenzo::StoredTensor stored(tenzo::DType::bf16, tenzo::Shape{2, 3});
  stored.encode(values);
  float read[6];
  stored.decode(read);
  for (int i = 0; i < 6; ++i)
    if (read[i] != values[i]) return 1;
  return 0;
}
