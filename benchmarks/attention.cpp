// Attention, causal: a batch as PyTorch has it, a packed batch of a small language model, and one long sequence.
#include "tenzo/ops/cpu/attention.hpp"

#include "workloads.hpp"

namespace {

using namespace tenzo;

template <class D>
struct Tensors {
  Tensor<float, D> q, k, v, out, lse, g, gq, gk, gv;

  Tensors(std::int64_t queries, std::int64_t keys, std::int64_t dim)
      : q(bench::numbers<D>(queries * dim, 1)),
        k(bench::numbers<D>(keys * dim, 2)),
        v(bench::numbers<D>(keys * dim, 3)),
        out(bench::room<D>(q.size())),
        lse(bench::room<D>(queries)),
        g(bench::numbers<D>(queries * dim, 4)),
        gq(bench::room<D>(q.size())),
        gk(bench::room<D>(k.size())),
        gv(bench::room<D>(v.size())) {}

  void forward(const AttentionProblem& p) {
    attention<float>(D{}, p, q.data(), k.data(), v.data(), nullptr, out.data(), lse.data());
  }
  void backward(const AttentionProblem& p) {
    attention_backward<float>(D{}, p, q.data(), k.data(), v.data(), nullptr, out.data(), lse.data(), g.data(),
                              gq.data(), gk.data(), gv.data());
  }
};

/// (16, 9, 128, 64), heads before tokens.
AttentionProblem batch() {
  AttentionProblem p{.heads = 9, .kv_heads = 9, .head_dim = 64, .scale = 0.125, .causal = true};
  p.q = p.k = p.v = p.out = {64, 128 * 64};
  p.lse = {1, 128};
  for (std::int64_t b = 0; b < 16; ++b) p.sequences.push_back({b * 9 * 128, 128, b * 9 * 128, 128});
  return p;
}

/// `count` sequences of `length` tokens one after another, 9 heads that share 3 of keys and values.
AttentionProblem packed(std::int64_t count, std::int64_t length) {
  AttentionProblem p{.heads = 9, .kv_heads = 3, .head_dim = 64, .scale = 0.125, .causal = true};
  p.q = p.out = {576, 64};
  p.k = p.v = {192, 64};
  p.lse = {9, 1};
  for (std::int64_t s = 0; s < count; ++s) p.sequences.push_back({s * length, length, s * length, length});
  return p;
}

template <class D>
void run(benchmark::State& s, const AttentionProblem& p, bool backward) {
  std::int64_t tokens = 0;
  double products = 0;  // floating-point operations of what is seen
  for (const auto& span : p.sequences) {
    tokens += span.q_length;
    products +=
        0.5 * double(span.q_length) * double(span.kv_length) * double(p.heads * p.head_dim) * (backward ? 10 : 4);
  }
  Tensors<D> t(tokens * p.heads, tokens * p.kv_heads, p.head_dim);
  t.forward(p);
  bench::repeat<D>(s, [&] {
    if (backward) t.backward(p);
    else t.forward(p);
  });
  s.counters["GFLOP/s"] = benchmark::Counter(products * double(s.iterations()) * 1e-9, benchmark::Counter::kIsRate);
}

const bench::Workloads workloads([](auto device) {
  using D = decltype(device);
  bench::add("attention/b16_h9_t128_d64", run<D>, batch(), false);
  bench::add("attention_backward/b16_h9_t128_d64", run<D>, batch(), true);
  bench::add("attention/packed_16x32_h9_kv3_d64", run<D>, packed(16, 32), false);
  bench::add("attention/packed_1x4096_h9_kv3_d64", run<D>, packed(1, 4096), false);
});

}  // namespace
