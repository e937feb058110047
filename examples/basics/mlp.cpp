// Twenty lines: a network of two layers learns in which quadrants points lie, its gradients by reverse mode.
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
  const auto x = random_uniform<float>({400, 2}, initial_key(1, 2), -1, 1);
  Tensor<std::int64_t> y(Shape{400});
  for (std::int64_t i = 0; i < 400; ++i) y(i) = x(i, 0) * x(i, 1) > 0;
  Mlp<Tensor<float>> model{random_linear<float>(2, 32, initial_key(1, 0)),
                           random_linear<float>(32, 2, initial_key(1, 1))};
  const auto loss = [&](const auto& m) { return cross_entropy(m(x), y); };
  const float before = loss(model).item();
  Adam::State<Mlp<Tensor<float>>> state;
  for (int step = 0; step < 500; ++step) Adam{.lr = 0.02}.step(state, model, grad(loss, model));
  std::printf("loss %.3f -> %.3f\n", double(before), double(loss(model).item()));
  return loss(model).item() < 0.1f ? 0 : 1;
}
