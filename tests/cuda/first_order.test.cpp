// First-order optimization on the device, through tenzo::cuda, beside the CPU's.
#include "device_test.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/optim/optimizers.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("first-order steps on the device: Adam and SGD on a small model, beside the CPU") {
  const AtEnd clean;
  const auto check = [](const auto& optimizer) {
    const Batch batch;
    using Here = SmallModel<Tensor<float>>;
    using There = SmallModel<Tensor<float, Cuda>>;
    using Optimizer = std::remove_cvref_t<decltype(optimizer)>;
    Here here = decoded(small_model());
    There there = map_tree<Tensor<float, Cuda>>(here, [](const Tensor<float>& w) { return w.to<Cuda>(); });
    typename Optimizer::template State<Here> state;
    typename Optimizer::template State<There> state_there;
    double first = 0, last = 0;
    for (int step = 0; step < 5; ++step) {
      const auto [loss, g] = value_and_grad(batch.loss(), here);
      const auto [loss_there, g_there] = value_and_grad(batch.loss(), there);
      CHECK(loss_there.item() == doctest::Approx(loss.item()).epsilon(1e-5));
      for_each_leaf(
          [&](const Path& at, const Tensor<float>& a, const Tensor<float, Cuda>& b) {
            CAPTURE(at.str());
            CHECK(apart(b.to<Cpu>(), a) <= 1e-4);
          },
          g, g_there);
      optimizer.step(state, here, g);
      // The CPU's gradient on both, so that only the optimizer's step is compared: to the bit.
      const There same = map_tree<Tensor<float, Cuda>>(g, [](const Tensor<float>& w) { return w.to<Cuda>(); });
      optimizer.step(state_there, there, same);
      CHECK(bits_of(map_tree<Tensor<float>>(there, [](const auto& w) { return w.template to<Cpu>(); })) ==
            bits_of(here));
      (step == 0 ? first : last) = double(loss.item());
    }
    CHECK(last < 0.9 * first);
  };
  check(Adam{.lr = 1e-2});
  check(Adam{.lr = 1e-2, .weight_decay = 0.01, .amsgrad = true});
  check(Sgd{.lr = 1e-1, .momentum = 0.9});
  check(Sgd{.lr = 1e-1});
}
