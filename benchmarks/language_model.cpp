// The language model at hand: a forward pass, zeroth-order steps and a step of Adam, on 16 x 32 tokens.
//   The file is named by TENZO_SMOLLM2, else it is the one that the set-up fetched; without it these are skipped.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/models/adapters.hpp"
#include "tenzo/models/language_model.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "workloads.hpp"
#include "zo_steps.hpp"

#ifndef TENZO_SOURCE_DIR
#define TENZO_SOURCE_DIR "."
#endif

namespace {

using namespace tenzo;

std::string model_path() {
  if (const char* path = std::getenv("TENZO_SMOLLM2"); path && *path) return path;
  return TENZO_SOURCE_DIR "/data/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
}

/// Weights of a benchmark of its own: an update of one moves no other.
template <class D>
std::unique_ptr<Llama<stored_t<D>>> load(benchmark::State& s) {
  const std::string path = model_path();
  if (!std::filesystem::exists(path)) {
    s.SkipWithError(("no model at " + path).c_str());
    return nullptr;
  }
  return std::make_unique<Llama<stored_t<D>>>(map_tree<stored_t<D>>(
      load_language_model(path, WeightFormat::f32).model, [](const StoredTensor& w) { return stored_t<D>(w); }));
}

/// Its weights as tensors.
template <class D>
Llama<Tensor<float, D>> weights_of(const Llama<stored_t<D>>& m) {
  return map_tree<Tensor<float, D>>(
      m, [](const stored_t<D>& w) { return zo::Probe<float, D>::weight(w, 0, nullptr).read(0); });
}

/// 16 sequences of 32 tokens, a label each, and the two rows of the head that are compared.
struct Task {
  LlamaBatch batch;
  Indices last{Shape{16}}, rows{Shape{2}}, labels{Shape{16}};

  template <class V>
  explicit Task(const Llama<V>& m) : batch(m.batch(tokens())) {
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

template <class D>
void llama_forward(benchmark::State& s) {
  const auto m = load<D>(s);
  if (!m) return;
  const Task task(*m);
  const auto weights = weights_of<D>(*m);
  bench::repeat<D>(s, [&] {
    const auto h = weights.blocks(weights.embed(task.batch), task.batch, 0, weights.depth());
    benchmark::DoNotOptimize(weights.finish(h).data());
  });
}

template <class D>
void zo_step(benchmark::State& s, const bench::ZoStep& how) {
  const auto m = load<D>(s);
  if (!m) return;
  const Task task(*m);
  bench::zo_steps(
      s, *m, [&](const auto& p) { return task.loss(p); }, how, 1e-9);
}

template <class D>
void adam_step(benchmark::State& s) {
  const auto m = load<D>(s);
  if (!m) return;
  const Task task(*m);
  auto weights = weights_of<D>(*m);
  const Adam adam{.lr = 1e-6, .weight_decay = 0.01};
  Adam::State<Llama<Tensor<float, D>>> state;
  const auto step = [&] {
    const auto g = value_and_grad([&](const auto& p) { return task.loss(p); }, weights);
    adam.step(state, weights, g.grad);
  };
  step();  // the first makes the moments
  bench::repeat<D>(s, step);
}

const bench::Workloads workloads([](auto device) {
  using D = decltype(device);
  bench::add("llama_forward/smollm2/16x32", llama_forward<D>);
  bench::add_zo_step<D>("zo_step", "smollm2/16x32", zo_step<D>);
  bench::add_zo_step<D>("zo_step_rademacher", "smollm2/16x32", zo_step<D>, zo::DirectionLaw::rademacher);
  bench::add("adam_step/smollm2/16x32", adam_step<D>);
});

}  // namespace
