// The formulas of the roofline against what the kernels load and store on the emulated device, and its sequence of
// launches against those of a step.
#include "../../../benchmarks/roofline/workload.hpp"

#include <functional>
#include <map>
#include <numeric>
#include <string>

#include "both.hpp"
#include "models/tiny_llama.hpp"
#include "tenzo/cuda.hpp"
#include "tenzo/cuda/weights.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/rope.hpp"
#include "tenzo/zo/estimators.hpp"
#include "tenzo/zo/optimizers.hpp"

using namespace tenzo;
using namespace tenzo::test;
using roofline::Cost;

namespace {

/// f launches one kernel, which moves what the formula says, by as many blocks.
void check_cost(const Cost& want, const std::function<void()>& f) {
  const auto t = emulation::traffic_of(f);
  CHECK(double(t.bytes_loaded()) == want.loaded);
  CHECK(double(t.bytes_stored()) == want.stored);
  REQUIRE(t.launches.size() == 1);
  CHECK(t.launches.begin()->second.count == 1);
  CHECK(std::int64_t(t.launches.begin()->second.blocks) == want.blocks);
  CHECK(want.weights + want.activations <= want.bytes());  // what is moved at least is not more than what is asked for
}

using Floats = cuda::DeviceArray<float>;
using Numbers = cuda::DeviceArray<std::int64_t>;

Floats some(std::int64_t n) { return Floats(std::span<const float>(normals<float>(n, 1))); }

Numbers count_to(std::int64_t n) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return Numbers(std::span<const std::int64_t>(all));
}

template <class T>
const T* in(const cuda::DeviceArray<T>& a) {
  return a.data();
}

zo::Direction gaussian_direction() {
  zo::Direction d;
  d.seed = 7;
  return d;
}

StoredTensor weight(std::int64_t rows, std::int64_t cols, int bytes) {
  Tensor<float> values(Shape{rows, cols});
  fill_matrix(Law::normal, NoiseKey{.seed = 5}, rows, cols, values.data());
  StoredTensor w(bytes == 2 ? DType::bf16 : DType::f32, values.shape());
  w.encode(values.data());
  return w;
}

}  // namespace

TEST_CASE("roofline: products") {
  struct Size {
    std::int64_t m, n, k;
  };
  for (const auto& [m, n, k] : std::vector<Size>{{1, 4, 4},
                                                 {16, 60, 72},
                                                 {17, 36, 20},
                                                 {64, 32, 64},
                                                 {130, 192, 40},
                                                 {1024, 1024, 8},  // as many blocks as the large tile wants
                                                 {1024, 960, 8}})  // and fewer
    for (const int bytes : {4, 2})
      for (const int sides : {1, 2})
        for (const bool noisy : {false, true}) {
          if (sides == 2 && !noisy) continue;                                          // two products
          if (m * n > 30000 && (bytes == 2 || emulation::thread_sanitizer)) continue;  // takes long
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CAPTURE(bytes);
          CAPTURE(sides);
          CAPTURE(noisy);
          const cuda::StoredTensor w(weight(n, k, bytes));
          const Floats x[] = {some(m * k), some(m * k)}, y[] = {some(m * n), some(m * n)};
          std::vector<zo::AffineSide> all;
          for (int s = 0; s < sides; ++s) all.push_back({x[s].data(), nullptr, y[s].data()});
          const auto term = cuda::direction_term(gaussian_direction(), 0, n, {1e-3, -1e-3});
          check_cost(roofline::product(sides, noisy, m, n, k, bytes), [&] {
            if (noisy) cuda::affine_perturbed(Cuda{}, m, w.matrix(), std::span(&term, 1), all);
            else cuda::affine_stored(Cuda{}, m, w.matrix(), all[0]);
          });
        }
  emulation::expect_clean();
}

TEST_CASE("roofline: rows of perturbed weights, and updates") {
  const auto term = cuda::direction_term(gaussian_direction(), 0, 30, {1e-3, -1e-3});
  for (const int bytes : {4, 2})
    for (const std::int64_t cols : {8, 64, 576}) {
      CAPTURE(bytes);
      CAPTURE(cols);
      const cuda::StoredTensor w(weight(30, cols, bytes));
      const Numbers index = count_to(30);
      for (const int sides : {1, 2})
        for (const int terms : {0, 1}) {
          const Floats y[] = {some(30 * cols), some(30 * cols)};
          float* const to[] = {y[0].data(), y[1].data()};
          const std::span all(&term, std::size_t(terms));
          check_cost(roofline::perturbed_rows(30, cols, sides, terms, bytes, true), [&] {
            cuda::perturbed_rows(Cuda{}, w.matrix(), 30, index.data(), all, std::span(to, std::size_t(sides)));
          });
          if (sides == 1)
            check_cost(roofline::perturbed_rows(30, cols, 1, terms, bytes, false),
                       [&] { cuda::perturbed(Cuda{}, w.matrix(), all, 0, to[0]); });
        }
      cuda::StoredTensor moved(weight(30, cols, bytes));
      const Floats first = some(30 * cols), second = some(30 * cols);
      for (const auto& [rule, moments] : {std::pair{zo::UpdateRule::sgd, 0}, {zo::UpdateRule::adam, 2}})
        check_cost(roofline::descend(30, cols, 1, bytes, moments), [&] {
          cuda::descend_(Cuda{}, zo::Descent({.options = {.rule = rule}}), moved.dtype(),
                         {.w = moved.writable_data(), .rows = 30, .cols = cols, .m = first.data(), .v = second.data()},
                         std::span(&term, 1));
        });
    }
  emulation::expect_clean();
}

TEST_CASE("roofline: norms and element-wise functions") {
  for (const std::int64_t rows : {1, 40})
    for (const std::int64_t n : sizes({4, 64, 576, 1028, 4096, 11776, 11780}, {64, 1028})) {
      CAPTURE(rows);
      CAPTURE(n);
      const Floats x = some(rows * n), w = some(n), y = some(rows * n), rstd = some(rows);
      check_cost(roofline::rms_norm(rows, n),
                 [&] { cuda::rms_norm(Cuda{}, rows, n, x.data(), w.data(), 1e-5, y.data(), rstd.data()); });
      check_cost(roofline::gated(rows * n), [&] {
        cuda::gated(Cuda{}, GateShape::two_arrays(1, rows * n), x.data(), x.data(), y.data(), fn::Silu{});
      });
      check_cost(roofline::map(rows * n, 2),
                 [&] { cuda::map(Cuda{}, rows * n, y.data(), fn::Plus{}, in(x), x.data()); });
    }
  emulation::expect_clean();
}

TEST_CASE("roofline: rotary positions") {
  for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved})
    for (const std::int64_t tokens : {1, 30}) {
      const std::int64_t heads = 3, dim = 64, size = tokens * heads * dim;
      const RopeShape s{tokens, heads, dim, dim / 2, layout, false, {heads * dim, dim}, {heads * dim, dim}};
      const Floats x = some(size), y = some(size), angles = some(tokens * dim / 2);
      const Numbers p = count_to(tokens);
      check_cost(roofline::rope(s),
                 [&] { cuda::rope(Cuda{}, s, angles.data(), angles.data(), p.data(), x.data(), y.data()); });
    }
  emulation::expect_clean();
}

TEST_CASE("roofline: rows and sums") {
  {
    const Floats x = some(40 * 64), y = some(40 * 64);
    const Numbers index = count_to(30);
    check_cost(roofline::select_rows(30, 64), [&] {
      cuda::select_rows(Cuda{}, AroundAxis(Shape{40, 64}, 0), 30, index.data(), in(x), y.data());
    });
  }
  for (const std::int64_t n : {1, 30, 2000}) {
    const Floats row = some(n), sum = some(1);
    check_cost(roofline::sum_rows(1, n), [&] { cuda::sum_middle(Cuda{}, 1, n, 1, in(row), sum.data()); });
  }
  emulation::expect_clean();
}

TEST_CASE("roofline: cross entropy") {
  for (const std::int64_t classes : {2, 9, 40, 300, 1024, 5000}) {
    CAPTURE(classes);
    const std::int64_t rows = 5;
    const Floats logits = some(rows * classes), loss = some(rows), lse = some(rows);
    const Numbers labels(std::vector<std::int64_t>{0, 1, 1, 0, 1});
    check_cost(roofline::cross_entropy(rows, classes), [&] {
      cuda::cross_entropy(Cuda{}, rows, classes, in(logits), labels.data(), {}, loss.data(), lse.data());
    });
  }
  emulation::expect_clean();
}

TEST_CASE("roofline: attention") {
  for (const std::int64_t dim : sizes({32, 64, 128, 256}, {32}))
    for (const std::int64_t length : sizes({1, 24, 70}, {24}))
      for (const std::int64_t window : {0, 40})
        for (const bool causal : {true, false}) {
          if (window && !causal) continue;
          CAPTURE(dim);
          CAPTURE(length);
          CAPTURE(window);
          CAPTURE(causal);
          AttentionProblem p;
          p.heads = 6, p.kv_heads = 2, p.head_dim = dim, p.causal = causal, p.window = window;
          p.sequences = {{0, length, 0, length}, {length, 9, length, 9}};
          const std::int64_t tokens = length + 9;
          p.q = p.out = {6 * dim, dim}, p.k = p.v = {2 * dim, dim}, p.lse = {6, 1};
          const Floats q = some(tokens * 6 * dim), k = some(tokens * 2 * dim), v = some(tokens * 2 * dim);
          const Floats out = some(tokens * 6 * dim), lse = some(tokens * 6);
          check_cost(roofline::attention(p), [&] {
            cuda::attention(Cuda{}, p, in(q), k.data(), v.data(), static_cast<const float*>(nullptr), out.data(),
                            lse.data());
          });
        }
  emulation::expect_clean();
}

// ── a step ───────────────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

std::string name_of(std::string_view kernel) {
  kernel = kernel.substr(0, kernel.find('<'));
  return std::string(kernel.substr(kernel.rfind(':') + 1));
}

struct Totals {
  std::int64_t count = 0, blocks = 0;
  bool operator==(const Totals&) const = default;
};
std::ostream& operator<<(std::ostream& o, const Totals& t) {
  return o << t.count << " launches of " << t.blocks << " blocks";
}

/// The sequence is what f launches, kernel by kernel, and moves as many bytes.
void check_sequence(const roofline::Sequence& want, const std::function<void()>& f) {
  const auto t = emulation::traffic_of(f);
  std::map<std::string, Totals> expected, got;
  double loaded = 0, stored = 0;
  for (const roofline::Launch& l : want.launches) {
    if (l.what.starts_with("cublas")) continue;  // not a launch of ours
    expected[l.what].count += l.count;
    expected[l.what].blocks += l.count * l.cost.blocks;
    loaded += double(l.count) * l.cost.loaded;
    stored += double(l.count) * l.cost.stored;
  }
  for (const auto& [kernel, n] : t.launches) {
    got[name_of(kernel)].count += std::int64_t(n.count);
    got[name_of(kernel)].blocks += std::int64_t(n.blocks);
  }
  for (const auto& [kernel, n] : got) {
    CAPTURE(kernel);
    CHECK(expected[kernel] == n);
  }
  CHECK(got.size() == expected.size());
  CHECK(double(t.bytes_loaded()) == loaded);
  CHECK(double(t.bytes_stored()) == stored);
}

/// The task of benchmarks/language_model.cpp on a model of this test's own.
struct Step {
  roofline::Task task;
  Llama<StoredTensor> host;
  LlamaBatch batch;
  Indices last, words, labels;

  explicit Step(const roofline::Task& t)
      : task(t),
        host(map_tree<StoredTensor>(random_llama(t.config),
                                    [&](const StoredTensor& w) {
                                      if (w.shape().rank() == 1 || t.weight_bytes == 4) return w;
                                      StoredTensor b(DType::bf16, w.shape());
                                      b.encode(w.borrow<float>().data());
                                      return b;
                                    })),
        batch(host.batch(tokens(t))),
        last(Shape{t.sequences}),
        words(Shape{t.choices}),
        labels(Shape{t.sequences}) {
    for (std::int64_t i = 0; i < t.sequences; ++i) last(i) = t.length * (i + 1) - 1, labels(i) = i % t.choices;
    for (std::int64_t i = 0; i < t.choices; ++i) words(i) = 3 * i + 1;
  }
  auto loss() const {
    return [this](const auto& m) {
      const auto h = m.blocks(m.embed(batch), batch, 0, m.depth());
      return cross_entropy(linear(m.finish(index_select(h, 0, last)), embedding(m.head(), words)), labels);
    };
  }

 private:
  static PackedTokens tokens(const roofline::Task& t) {
    std::vector<std::vector<int>> all;
    for (int s = 0; s < t.sequences; ++s) {
      all.emplace_back();
      for (int i = 0; i < t.length; ++i) all.back().push_back(int((s * t.length + i) * 7 % t.config.vocab_size));
    }
    return packed(all);
  }
};

roofline::Task small_task(int weight_bytes) {
  LlamaConfig c = tiny_config();
  c.vocab_size = 48;
  c.hidden_size = 64;
  c.intermediate_size = 104;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 3;
  c.num_key_value_heads = 1;
  c.head_dim = 32;
  c.tie_word_embeddings = true;
  c.rope_layout = RopeLayout::interleaved;
  return {c, 3, 24, 2, weight_bytes};
}

}  // namespace

TEST_CASE("roofline: a step launches and moves what its sequence says") {
  for (const std::int64_t bytes : sizes({4, 2}, {4})) {
    CAPTURE(bytes);
    const Step step(small_task(int(bytes)));
    Llama<cuda::StoredTensor> model = to_cuda(step.host);
    const auto loss = step.loss();
    const zo::ModelLoss at(model, loss);
    zo::Perturbation plain;
    plain.sides = 1;
    zo::Estimate g;
    check_sequence(roofline::forward(step.task, roofline::Products::perturbed), [&] { g = zo::rge(at, 1, 0); });
    check_sequence(roofline::forward(step.task, roofline::Products::stored), [&] { at(plain); });
    zo::UpdateStateOn<Cuda> state;
    check_sequence(roofline::update(step.task), [&] { zo::apply_estimate_(model, {}, g, {.lr = 1e-3}, state); });
  }
  emulation::expect_clean();
}
