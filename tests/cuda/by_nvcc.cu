// nvcc compiles what <tenzo/cuda.hpp> promises: zeroth-order estimates and steps, minimising, stored models, a step as
// a graph, a derivative. Status 0 where there is no GPU, too: what is computed is the matter of the other tests.
#include <tenzo/cuda.hpp>
#include <tenzo/cuda/recorded_step.hpp>

#include <cstdio>

using namespace tenzo;

int main() {
  if (const auto why = cuda::obstacle(Cuda{}); !why.empty()) return std::puts(why.c_str()), 0;

  const auto loss = [](const auto& v) { return double(sum(square(v)).item()); };
  auto x = Tensor<float>::ones({8}).to<Cuda>();
  const auto start = x.clone();
  const auto g = zo::rge(zo::CallableLoss(std::as_const(x), loss), 1, 2, {.queries = 2});
  zo::descend_(x, g, 0.01);
  const auto found = zo::minimize(start, loss, {.steps = 20, .lr = 0.01, .lower = 0.5});
  const auto slope = grad([](const auto& v) { return sum(square(v)); }, start).to<Cpu>();

  const auto stored = [](const Tensor<float>& w) { return StoredTensor::from(w); };
  auto model = to_cuda(map_tree<StoredTensor>(random_linear<float>(8, 3, initial_key(1, 0)), stored));
  const auto data = random_normal<float>({32, 8}, initial_key(1, 2)).to<Cuda>();
  const auto labels = Tensor<std::int64_t>::full({32}, 1);
  cuda::RecordedStep step(
      model, [&](const auto& m) { return cross_entropy(m(data), labels); }, zo::RgeOptions{}, zo::UpdateOptions{});
  const zo::Estimate recorded = step(7, 0);

  const bool good =
      loss(x) != loss(start) && found.best_loss < loss(start) && slope(0) == 2 && recorded.slopes.size() == 1;
  return good ? 0 : 1;
}
