// Training steps of small networks: names and sizes as in the peers' scripts.
#include <array>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/models/resnet.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/loss.hpp"
#include "tenzo/ops/pool.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/rl/fixed_q.hpp"
#include "tenzo/rl/q_network.hpp"
#include "tenzo/tree/ravel.hpp"
#include "workloads.hpp"
#include "zo_steps.hpp"

namespace {

using namespace tenzo;
using bench::repeat;

template <class D>
Tensor<float, D> noise(const Shape& s, std::uint32_t number, double size = 1) {
  Tensor<float> t(s);
  fill_matrix(Law::normal, NoiseKey{11, 0, 0, number}, 1, t.size(), t.data());
  return scale(t, size).template to<D>();
}
template <class D>
Linear<Tensor<float, D>> dense(std::int64_t out, std::int64_t in, std::uint32_t number) {
  Linear<Tensor<float, D>> l;
  l.weight = noise<D>({out, in}, number, 1 / std::sqrt(double(in)));
  l.bias = Tensor<float, D>::zeros({out});
  return l;
}
Indices labels(std::int64_t n, std::int64_t classes) {
  Indices y(Shape{n});
  for (std::int64_t i = 0; i < n; ++i) y(i) = i * 7 % classes;
  return y;
}

/// Linear layers with a function between them.
template <class V>
struct Dense {
  std::vector<Linear<V>> layers;
  static void visit(auto&& f, auto&... self) { f("layers", self.layers...); }

  template <Value X, class F>
  auto operator()(const X& x, F&& between) const {
    auto h = layers[0](x);
    for (std::size_t i = 1; i < layers.size(); ++i) h = layers[i](between(h));
    return h;
  }
};

template <class D>
Dense<Tensor<float, D>> dense_network(std::initializer_list<std::int64_t> sizes) {
  Dense<Tensor<float, D>> m;
  std::uint32_t number = 0;
  for (auto it = sizes.begin(); it + 1 != sizes.end(); ++it) m.layers.push_back(dense<D>(it[1], it[0], number++));
  return m;
}

constexpr auto by_relu = [](const auto& x) { return relu(x); };

template <class D>
void mlp_train(benchmark::State& s) {
  using T = Tensor<float, D>;
  auto m = dense_network<D>({784, 256, 256, 10});
  const auto x = noise<D>({64, 784}, 100);
  const Indices y = labels(64, 10);
  const Sgd sgd{.lr = 0.1};
  Sgd::State<Dense<T>> state;
  repeat<D>(s, [&] {
    const auto g = value_and_grad([&](const auto& p) { return cross_entropy(p(x, by_relu), y); }, m);
    sgd.step(state, m, g.grad);
    benchmark::DoNotOptimize(g.value.data());
  });
}

template <class V>
struct MnistCnn {
  Conv2d<V> conv1, conv2;
  Linear<V> fc1, fc2;
  static void visit(auto&& f, auto&... self) {
    f("conv1", self.conv1...);
    f("conv2", self.conv2...);
    f("fc1", self.fc1...);
    f("fc2", self.fc2...);
  }
  template <Value X>
  auto operator()(const X& x) const {
    const auto h = max_pool2d(relu(conv2(relu(conv1(x)))), {.kernel = {2, 2}, .stride = {2, 2}});
    return fc2(relu(fc1(reshape(h, Shape{h.shape()[0], h.shape().numel() / h.shape()[0]}))));
  }
};

template <class D>
void cnn_train(benchmark::State& s) {
  using T = Tensor<float, D>;
  MnistCnn<T> m;
  m.conv1.weight = noise<D>({32, 1, 3, 3}, 0, 0.3);
  m.conv1.bias = T::zeros({32});
  m.conv2.weight = noise<D>({64, 32, 3, 3}, 1, 0.06);
  m.conv2.bias = T::zeros({64});
  m.fc1 = dense<D>(128, 9216, 2);
  m.fc2 = dense<D>(10, 128, 3);
  const auto x = noise<D>({64, 1, 28, 28}, 100);
  const Indices y = labels(64, 10);
  const Sgd sgd{.lr = 0.1};
  Sgd::State<MnistCnn<T>> state;
  repeat<D>(s, [&] {
    const auto g = value_and_grad([&](const auto& p) { return cross_entropy(p(x), y); }, m);
    sgd.step(state, m, g.grad);
  });
}

template <class D>
ResNet<Tensor<float, D>> resnet20() {
  using T = Tensor<float, D>;
  ResNetConfig c;
  c.width = 16;
  c.classes = 10;
  c.blocks = {3, 3, 3};
  c.cifar_stem = true;
  std::uint32_t number = 0;
  return map_tree<T>(resnet_spec(c), [&](const Path& at, const Expected& e) {
    if (e.shape().rank() == 1)
      return at.name == "weight" || at.name == "running_var" ? T::ones(e.shape()) : T::zeros(e.shape());
    return noise<D>(e.shape(), number++, std::sqrt(2.0 / double(e.shape().numel() / e.shape()[0])));
  });
}

template <class D>
void resnet20_train(benchmark::State& s) {
  using T = Tensor<float, D>;
  auto m = resnet20<D>();
  const auto x = noise<D>({64, 3, 32, 32}, 100);
  const Indices y = labels(64, 10);
  const Sgd sgd{.lr = 0.1};
  Sgd::State<ResNet<T>> state;
  repeat<D>(s, [&] {
    BatchStatistics<T> statistics;
    const auto g = value_and_grad(
        [&](const auto& p) {
          using V = leaf_t<std::remove_cvref_t<decltype(p)>>;
          return cross_entropy(p(lift<V>(x), &statistics), y);
        },
        m, [](const Path& at) { return !is_running_statistic(at); });
    sgd.step(state, m, g.grad);
    m.update_running_(statistics);
  });
}

template <class D>
void resnet20_forward(benchmark::State& s) {
  const auto m = resnet20<D>();
  const auto x = noise<D>({64, 3, 32, 32}, 100);
  repeat<D>(s, [&] { benchmark::DoNotOptimize(m(x).data()); });
}

/// By the network that is compiled for its sizes.
void fixed_dqn_update(benchmark::State& s) {
  const auto now = noise<Cpu>({32, 4}, 100), next = noise<Cpu>({32, 4}, 101), reward = noise<Cpu>({32}, 102);
  const std::vector<float> discount(32, 0.99f);
  std::vector<std::int32_t> action(32);
  for (std::int32_t i = 0; i < 32; ++i) action[std::size_t(i)] = i * 7 % 2;
  rl::FixedQ<rl::FixedQNetwork<false, false, 4, 64, 64, 2>, 32> q(ravel(dense_network<Cpu>({4, 64, 64, 2})),
                                                                  {.lr = 1e-3});
  const rl::Batch batch{now.values(), next.values(), action, reward.values(), discount};
  repeat<Cpu>(s, [&] { benchmark::DoNotOptimize(q.update(batch, {}).loss); });
}

template <class D>
void dqn_update(benchmark::State& s) {
  using T = Tensor<float, D>;
  auto q = dense_network<D>({4, 64, 64, 2});
  const auto target = map_tree<T>(q, [](const T& t) { return t.clone(); });
  const auto now = noise<D>({32, 4}, 100), next = noise<D>({32, 4}, 101), reward = noise<D>({32}, 102);
  const Indices action = labels(32, 2).reshaped({32, 1});
  const Adam adam{.lr = 1e-3};
  Adam::State<Dense<T>> state;
  repeat<D>(s, [&] {
    const T y = add(reward, scale(max(target(next, by_relu), 1), 0.99));
    const auto g = value_and_grad(
        [&](const auto& p) { return mse_loss(reshape(gather(p(now, by_relu), 1, action), Shape{32}), y); }, q);
    adam.step(state, q, g.grad);
  });
}

template <class D>
void hessian_product(benchmark::State& s) {
  using T = Tensor<float, D>;
  const auto m = dense_network<D>({784, 128, 10});
  const auto x = noise<D>({64, 784}, 100);
  const Indices y = labels(64, 10);
  std::uint32_t number = 200;
  const auto d = map_tree<T>(m, [&](const T& t) { return noise<D>(t.shape(), number++); });
  repeat<D>(s, [&] {
    const auto h =
        hvp([&](const auto& p) { return cross_entropy(p(x, [](const auto& v) { return tanh(v); }), y); }, m, d);
    benchmark::DoNotOptimize(h.layers[0].weight.data());
  });
}

template <class D>
void zo_step(benchmark::State& s, const bench::ZoStep& how) {
  auto m = map_tree<stored_t<D>>(dense_network<Cpu>({784, 256, 256, 10}),
                                 [](const Tensor<float>& t) { return stored_t<D>(StoredTensor::from(t)); });
  const auto x = noise<D>({64, 784}, 100);
  const Indices y = labels(64, 10);
  bench::zo_steps(
      s, m, [&](const auto& p) { return cross_entropy(p(x, by_relu), y); }, how, 1e-4);
}

/// f(x) = Σ a x² / 2 of a million unknowns, in double, by two-sided Rademacher differences: SPSA.
void spsa_quadratic(benchmark::State& s) {
  constexpr std::int64_t n = 1000000;
  Tensor<double> x = Tensor<double>::ones({n}), a(Shape{n});
  for (std::int64_t i = 0; i < n; ++i) a(i) = 1.0 + double(i % 7);
  const auto f = [&](const Tensor<double>& v) {
    std::array<double, 64> parts{};
    const std::int64_t piece = (n + 63) / 64;
    parallel_for(n, piece, [&](std::int64_t begin, std::int64_t end) {
      double lane[8] = {};
      const double *p = v.data(), *c = std::as_const(a).data();
      std::int64_t i = begin;
      for (; i + 8 <= end; i += 8) {
#pragma omp simd
        for (int l = 0; l < 8; ++l) lane[l] = std::fma(c[i + l] * p[i + l], p[i + l], lane[l]);
      }
      for (; i < end; ++i) lane[0] = std::fma(c[i] * p[i], p[i], lane[0]);
      for (const double l : lane) parts[std::size_t(begin / piece)] += l;
    });
    double total = 0;
    for (const double p : parts) total += p;
    return 0.5 * total;
  };
  zo::CallableLoss at(x, f);
  std::uint32_t step = 0;
  repeat<Cpu>(s, [&] {
    zo::RgeOptions o;
    o.law = zo::DirectionLaw::rademacher;
    const auto g = zo::rge(at, 3, step++, o);
    std::vector<zo::Step> steps;
    for (const zo::Slope& e : g.slopes) steps.push_back({e.direction, -1e-8 * e.value});
    zo::add_steps_(x.data(), 1, n, 0, steps);
  });
}

const bench::Workloads workloads([](auto device) {
  using D = decltype(device);
  using bench::add;
  add("mlp_train/784-256-256-10/b64", mlp_train<D>);
  add("cnn_train/mnist/b64", cnn_train<D>);
  add("resnet20_train/cifar/b64", resnet20_train<D>);
  add("resnet20_forward/cifar/b64", resnet20_forward<D>);
  if constexpr (HostDevice<D>) {
    add("dqn_update/4-64-64-2/b32", fixed_dqn_update);
    add("dqn_update_taped/4-64-64-2/b32", dqn_update<D>);
  } else {
    add("dqn_update/4-64-64-2/b32", dqn_update<D>);
  }
  add("hvp/784-128-10/b64", hessian_product<D>);
  bench::add_zo_step<D>("zo_step", "784-256-256-10/b64", zo_step<D>);
  if constexpr (HostDevice<D>) add("spsa/quadratic_1e6", spsa_quadratic);
});

}  // namespace
