// The language model at hand: a forward pass, zeroth-order steps and a step of Adam, on 16 x 32 tokens.
//   The file is named by TENZO_SMOLLM2, else it is the one that the set-up fetched; without it these are skipped.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/models/adapters.hpp"
#include "tenzo/models/language_model.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/zo/estimators.hpp"
#include "tenzo/zo/optimizers.hpp"

#ifndef TENZO_SOURCE_DIR
#define TENZO_SOURCE_DIR "."
#endif

namespace {

using namespace tenzo;
using T = Tensor<float>;

std::string model_path() {
  if (const char* path = std::getenv("TENZO_SMOLLM2"); path && *path) return path;
  return TENZO_SOURCE_DIR "/data/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
}

/// Weights of a benchmark of its own: an update of one moves no other.
std::unique_ptr<Llama<StoredTensor>> load(benchmark::State& s) {
  const std::string path = model_path();
  if (!std::filesystem::exists(path)) {
    s.SkipWithError(("no model at " + path).c_str());
    return nullptr;
  }
  return std::make_unique<Llama<StoredTensor>>(load_language_model(path, WeightFormat::f32).model);
}

/// 16 sequences of 32 tokens, a label each, and the two rows of the head that are compared.
struct Task {
  LlamaBatch batch;
  Indices last{Shape{16}}, rows{Shape{2}}, labels{Shape{16}};

  explicit Task(const Llama<StoredTensor>& m) : batch(m.batch(tokens())) {
    for (std::int64_t i = 0; i < 16; ++i) {
      last(i) = 32 * i + 31;
      labels(i) = i % 2;
    }
    rows(0) = 13321;
    rows(1) = 1109;
  }
  template <class M>
  auto loss(const M& m) const {
    const auto h = m.blocks(m.embed(batch), batch, 0, m.depth());
    return cross_entropy(linear(m.finish(index_select(h, 0, last)), embedding(m.head(), rows)), labels);
  }

 private:
  static PackedTokens tokens() {
    PackedTokens t;
    for (int s = 0; s < 16; ++s) {
      std::vector<int> ids;
      for (int i = 0; i < 32; ++i) ids.push_back((s * 32 + i) * 7919 % 49000);
      t.append(ids);
    }
    return t;
  }
};

void llama_forward(benchmark::State& s) {
  const auto m = load(s);
  if (!m) return;
  const Task task(*m);
  const auto weights =
      map_tree<T>(*m, [](const StoredTensor& w) { return zo::Probe<float>::weight(w, 0, nullptr).read(0); });
  for (auto _ : s) {
    const T h = weights.blocks(weights.embed(task.batch), task.batch, 0, weights.depth());
    benchmark::DoNotOptimize(weights.finish(h).data());
  }
}
BENCHMARK(llama_forward)->Name("llama_forward/smollm2/16x32")->Unit(benchmark::kMillisecond);

void zo_step(benchmark::State& s, zo::DirectionLaw law) {
  const auto m = load(s);
  if (!m) return;
  const Task task(*m);
  const auto loss = [&](const auto& p) { return task.loss(p); };
  const zo::ModelLoss at(*m, loss);
  zo::RgeOptions o;
  o.law = law;
  zo::UpdateState state;
  std::uint32_t step = 0;
  for (auto _ : s) {
    const auto g = zo::rge(at, 1, step++, o);
    zo::apply_estimate_(*m, {}, g, {.lr = 1e-9}, state);
  }
}
BENCHMARK_CAPTURE(zo_step, gaussian, zo::DirectionLaw::gaussian)
    ->Name("zo_step/smollm2/16x32")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(zo_step, rademacher, zo::DirectionLaw::rademacher)
    ->Name("zo_step_rademacher/smollm2/16x32")
    ->Unit(benchmark::kMillisecond);

void adam_step(benchmark::State& s) {
  const auto m = load(s);
  if (!m) return;
  const Task task(*m);
  auto weights = map_tree<T>(*m, [](const StoredTensor& w) { return zo::Probe<float>::weight(w, 0, nullptr).read(0); });
  const Adam adam{.lr = 1e-6, .weight_decay = 0.01};
  Adam::State<Llama<T>> state;
  const auto step = [&] {
    const auto g = value_and_grad([&](const auto& p) { return task.loss(p); }, weights);
    adam.step(state, weights, g.grad);
  };
  step();  // the first makes the moments
  for (auto _ : s) step();
}
BENCHMARK(adam_step)->Name("adam_step/smollm2/16x32")->Unit(benchmark::kMillisecond);

}  // namespace
