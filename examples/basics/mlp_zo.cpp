// The network of mlp.cpp trained by forward passes only: no gradient is formed, no activation is kept.
#include <cstdio>
#include <tenzo/tenzo.hpp>
using namespace tenzo;

template <class V>
struct Mlp {
  Linear<V> hidden, out;
  static void visit(auto&& f, auto&... self) { f("hidden", self.hidden...), f("out", self.out...); }
  V operator()(const Tensor<float>& x) const { return out(tanh(hidden(x))); }  // (n, 2) -> (n, 2)
};
using Model = Mlp<Tensor<float>>;

int main() {
  const auto x = random_uniform<float>({400, 2}, initial_key(1, 2), -1, 1);
  Tensor<std::int64_t> y(Shape{400});
  for (std::int64_t i = 0; i < 400; ++i) y(i) = x(i, 0) * x(i, 1) > 0;
  const Model start{random_linear<float>(2, 32, initial_key(1, 0)), random_linear<float>(32, 2, initial_key(1, 1))};
  const auto loss = [&](const Model& m) { return cross_entropy(m(x), y).item(); };
  const auto watch = [](const auto& s) {
    if (s.step % 1000 == 0) std::printf("step %5lld  loss %.3f\n", static_cast<long long>(s.step), s.loss);
  };
  const auto result = zo::minimize(start, loss, {.steps = 4000, .lr = 0.02, .queries = 2}, watch);
  std::printf("loss %.3f -> %.3f\n", double(loss(start)), result.best_loss);
  return result.best_loss < 0.1 ? 0 : 1;
}
