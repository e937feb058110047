// Twenty lines: a network of two layers learns to tell two spirals apart, its gradients by reverse mode.
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
  Mlp<Tensor<float>> model{random_linear<float>(2, 32, initial_key(1, 0)),
                           random_linear<float>(32, 2, initial_key(1, 1))};
  const auto loss = [&](const auto& m) { return cross_entropy(m(x), y); };
  const Adam adam{.lr = 0.02};
  Adam::State<Mlp<Tensor<float>>> state;
  for (int step = 0; step < 500; ++step) adam.step(state, model, grad(loss, model));
  std::printf("loss %.4f\n", loss(model).item());
  return loss(model).item() < 0.1f ? 0 : 1;
}
