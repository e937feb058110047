// The network of mlp.cpp trained by forward passes only: no gradient is formed, no activation is kept.
#include <cmath>
#include <cstdio>
#include <tenzo/tenzo.hpp>

using namespace tenzo;

template <class V>
struct Mlp {
  Linear<V> hidden, out;
  static void visit(auto&& f, auto&... self) { f("hidden", self.hidden...), f("out", self.out...); }
  V operator()(const Tensor<float>& x) const { return out(tanh(hidden(x))); }  // (n, 2) -> (n, 2)
};

int main() {
  Tensor<float> x(Shape{400, 2});
  Tensor<std::int64_t> y(Shape{400});
  for (std::int64_t i = 0; i < 400; ++i) {
    const float turn = 0.02f * float(i / 2), side = i % 2 ? 1.f : -1.f;
    x(i, 0) = side * turn * std::cos(turn), x(i, 1) = side * turn * std::sin(turn), y(i) = i % 2;
  }
  using Model = Mlp<Tensor<float>>;
  const Model start{random_linear<float>(2, 32, initial_key(1, 0)), random_linear<float>(32, 2, initial_key(1, 1))};
  const auto loss = [&](const Model& m) { return cross_entropy(m(x), y).item(); };
  const auto watch = [](const auto& s) {
    if (s.step % 1000 == 0) std::printf("step %5lld  loss %.4f\n", static_cast<long long>(s.step), s.loss);
  };
  const auto result = zo::minimize(start, loss, {.steps = 4000, .lr = 0.02, .queries = 2}, watch);
  std::printf("loss %.4f, was %.4f\n", result.best_loss, double(loss(start)));
  return result.best_loss < 0.1 ? 0 : 1;
}
