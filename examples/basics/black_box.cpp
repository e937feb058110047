// Ten lines: minimises a function of twenty numbers of which nothing is known but its values.
#include <cmath>
#include <cstdio>
#include <tenzo/tenzo.hpp>

int main() {
  const auto black_box = [](const tenzo::Tensor<double>& x) {
    double loss = 0;
    for (std::int64_t i = 0; i < x.size(); ++i) loss += std::abs(x(i) - 1 / double(i + 1));
    return loss;
  };
  const auto result = tenzo::zo::minimize(tenzo::Tensor<double>::zeros({20}), black_box, {.steps = 4000});
  std::printf("%.6f after %lld evaluations, was %.6f\n", result.best_loss, static_cast<long long>(result.evaluations),
              black_box(tenzo::Tensor<double>::zeros({20})));
  return result.best_loss < 0.05 ? 0 : 1;
}
