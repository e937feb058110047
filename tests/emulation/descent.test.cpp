// Zeroth-order steps on the GPU have the bits of the CPU's.
#include "descent.cuh"

#include <optional>
#include <utility>
#include <vector>

#include "compare.hpp"
#include "stored.hpp"
#include "tenzo/cuda/perturb.hpp"
#include "tenzo/zo/optimizers.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

template <class V>
struct OneLeaf {
  V weight;
  static void visit(auto&& f, auto&... self) { f("weight", self.weight...); }
};

zo::Estimate estimate(int slopes, std::uint32_t step, const zo::Direction& like) {
  zo::Estimate g;
  g.weight = 1.0 / slopes;
  for (int q = 0; q < slopes; ++q) {
    zo::Direction d = like;
    d.seed = 5, d.step = step, d.query = std::uint32_t(q);
    if (q % 3 == 2 && d.law == zo::DirectionLaw::gaussian) d.law = zo::DirectionLaw::rademacher;
    g.slopes.push_back({d, 0.3 - 0.2 * q});
  }
  return g;
}

struct Case {
  zo::UpdateOptions options;
  DType type;
  std::int64_t rows, cols;
  int slopes;
  zo::Direction like = {};
  const std::uint8_t* mask = nullptr;
};

/// Three steps on both.
void check(const Case& c) {
  OneLeaf<StoredTensor> model{random_stored(c.type, c.rows, c.cols)};
  const cuda::DeviceArray<std::byte> w(model.weight.bytes());
  const std::vector<float> zeros(std::size_t(c.rows * c.cols));
  const cuda::DeviceArray<float> m{std::span<const float>(zeros)}, v{std::span<const float>(zeros)};
  zo::UpdateState state;
  for (std::uint32_t step = 0; step < 3; ++step) {
    const zo::Estimate g = estimate(c.slopes, step, c.like);
    zo::apply_estimate_(model, {}, g, c.options, state, 0.5);
    const double lr = 0.5 * c.options.lr;
    std::vector<cuda::DirectionTerm> terms;
    for (const zo::Slope& s : g.slopes) {
      const double along = g.weight * s.value;
      const double factor = c.options.rule == zo::UpdateRule::sgd ? double(float(-lr * along)) : along;
      terms.push_back(cuda::direction_term(s.direction, 0, c.rows, {factor, factor}, c.mask));
    }
    const zo::Descent descent({c.options, lr, step + 1, {5, step, 0, 0}});
    const cuda::DescentLeaf leaf{w.data(), c.rows, c.cols, 0, c.rows > 1, nullptr, m.data(), v.data()};
    cuda::descend_(Cuda{}, descent, c.type, leaf, terms);
    const auto want = model.weight.bytes();
    CHECK(same_bits(w.to_host(), std::vector<std::byte>(want.begin(), want.end())));
  }
  const auto same_moments = [&](const cuda::DeviceArray<float>& got, const std::vector<Tensor<float>>& all) {
    if (all.empty()) return;
    const auto values = std::as_const(all[0]).values();
    CHECK(same_bits(got.to_host(), std::vector<float>(values.begin(), values.end())));
  };
  same_moments(m, state.first), same_moments(v, state.second);
}

constexpr zo::UpdateRule rules[] = {zo::UpdateRule::sgd, zo::UpdateRule::sign, zo::UpdateRule::momentum,
                                    zo::UpdateRule::adam};

}  // namespace

TEST_CASE("descent: every rule, type and size has the bits of the CPU") {
  const AtEnd clean;
  for (const zo::UpdateRule rule : rules)
    for (const DType type : {DType::f32, DType::bf16, DType::f16})
      for (const double decay : {0.0, 0.1})
        for (const auto& [rows, cols] : {std::pair{2, 1}, {3, 7}, {5, 8}, {2, 129}, {7, 136}, {2, 4104}})
          for (const int slopes : {2, 19}) {
            CAPTURE(int(rule));
            CAPTURE(type);
            CAPTURE(decay);
            CAPTURE(rows);
            CAPTURE(cols);
            CAPTURE(slopes);
            check({{.rule = rule, .lr = 0.03, .weight_decay = decay}, type, rows, cols, slopes});
          }
}

TEST_CASE("descent: under every schedule") {
  const AtEnd clean;
  emulation::for_all_schedules([](const auto& schedule) {
    CAPTURE(schedule);
    for (const zo::UpdateRule rule : rules)
      check({{.rule = rule, .lr = 0.03, .weight_decay = 0.1}, DType::bf16, 3, 700, 3});
  });
}

TEST_CASE("descent: directions with a structure of their own") {
  const AtEnd clean;
  const std::int64_t rows = 6, cols = 50;
  Tensor<std::uint8_t> mask(Shape{rows, cols});
  for (std::int64_t i = 0; i < rows * cols; ++i) mask.data()[i] = std::uint8_t(i % 4 == 1);
  const cuda::DeviceArray<std::uint8_t> there(std::span<const std::uint8_t>(mask.data(), std::size_t(rows * cols)));
  for (const zo::UpdateRule rule : rules)
    for (const auto law : {zo::DirectionLaw::gaussian, zo::DirectionLaw::sphere, zo::DirectionLaw::coordinate})
      for (const int rank : {0, 2})
        for (const bool masked : {false, true}) {
          CAPTURE(int(rule));
          CAPTURE(int(law));
          CAPTURE(rank);
          CAPTURE(masked);
          zo::Direction like;
          like.law = law, like.rank = rank, like.radius = law == zo::DirectionLaw::sphere ? 1.5 : 1, like.element = 123;
          if (masked) like.masks = std::make_shared<const zo::Masks>(zo::Masks{mask});
          check({{.rule = rule, .lr = 0.03, .weight_decay = 0.1},
                 DType::bf16,
                 rows,
                 cols,
                 2,
                 like,
                 masked ? there.data() : nullptr});
        }
}

TEST_CASE("descent: what is not finite stays so, and what is empty") {
  const AtEnd clean;
  const std::vector<cuda::DirectionTerm> no_terms;
  const float special[] = {INFINITY, -INFINITY, NAN, 3.38e38f, -0.f, 1e-40f};
  for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
    StoredTensor w(type, Shape{2, 66});
    std::vector<float> x;
    for (int i = 0; i < 132; ++i) x.push_back(special[i % 6]);
    w.encode(x.data());
    OneLeaf<StoredTensor> model{w.clone()};
    const cuda::DeviceArray<std::byte> there(w.bytes());
    zo::UpdateState state;
    const zo::UpdateOptions o{.rule = zo::UpdateRule::sign, .lr = 0.1, .weight_decay = 0.1};
    const zo::Estimate g = estimate(1, 0, {});
    zo::apply_estimate_(model, {}, g, o, state);
    const cuda::DirectionTerm term = cuda::direction_term(g.slopes[0].direction, 0, 2, {g.slopes[0].value, 0});
    const zo::Descent step({o, o.lr, 1, {5, 0, 0, 0}});
    cuda::descend_(Cuda{}, step, type, {.w = there.data(), .rows = 2, .cols = 66}, std::span(&term, 1));
    const auto want = model.weight.bytes();
    CHECK(same_bits(there.to_host(), std::vector<std::byte>(want.begin(), want.end())));
    cuda::descend_(Cuda{}, step, type, {.rows = 0, .cols = 66}, std::span(&term, 1));
    cuda::descend_(Cuda{}, step, cuda::leaf_table(Cuda{}, type, {}), std::span(&term, 1));
  }
  CHECK_THROWS_AS(cuda::descend_(Cuda{}, {}, DType::q8_0, {.rows = 1, .cols = 32}, cuda::Terms(no_terms)), ValueError);
  CHECK_THROWS_AS(cuda::leaf_table(Cuda{}, DType::q8_0, {}), ValueError);
}

TEST_CASE("descent: many leaves in one launch have the bits of one after another") {
  const AtEnd clean;
  const std::pair<std::int64_t, std::int64_t> sizes[] = {{1, 1}, {33, 66}, {0, 8}, {1, 5000}, {7, 1024}, {256, 8}};
  const zo::Estimate g = estimate(2, 3, {});
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    for (const zo::UpdateRule rule : rules) {
      CAPTURE(type);
      CAPTURE(int(rule));
      std::vector<cuda::DescentLeaf> alone, together;
      std::vector<cuda::DeviceArray<std::byte>> weights;
      std::vector<cuda::DeviceArray<float>> moments;
      std::optional<cuda::DeviceArray<std::uint8_t>> mask;
      for (auto* all : {&alone, &together}) {
        std::uint32_t number = 3;
        for (const auto& [rows, cols] : sizes) {
          weights.emplace_back(random_stored(type, rows, cols).bytes());
          const std::vector<float> zeros(std::size_t(rows * cols), 0.5f);
          moments.emplace_back(std::span<const float>(zeros));
          float* const m = moments.back().data();
          moments.emplace_back(std::span<const float>(zeros));
          if (rows == 7 && !mask) {
            std::vector<std::uint8_t> bits(std::size_t(rows * cols));
            for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = i % 3 == 0;
            mask.emplace(std::span<const std::uint8_t>(bits));
          }
          all->push_back({weights.back().data(), rows, cols, number++, rows > 1, rows == 7 ? mask->data() : nullptr, m,
                          moments.back().data()});
        }
      }
      const zo::UpdateStep step{{.rule = rule, .lr = 1e-2, .weight_decay = 0.1}, 1e-2, 4, {5, 3, 0, 0}};
      const auto terms = [&](std::uint32_t leaf, const std::uint8_t* m) {
        std::vector<cuda::DirectionTerm> t;
        for (const zo::Slope& s : g.slopes)
          t.push_back(cuda::direction_term(s.direction, leaf, 1, {s.value, s.value}, m));
        return t;
      };
      for (const cuda::DescentLeaf& l : alone) {
        cuda::DescentLeaf bare = l;
        bare.mask = nullptr;
        cuda::descend_(Cuda{}, zo::Descent(step), type, bare, terms(l.number, l.mask));
      }
      const cuda::LeafTable table = cuda::leaf_table(Cuda{}, type, together);
      cuda::descend_(Cuda{}, zo::Descent(step), table, terms(0, nullptr));
      for (std::size_t i = 0; i < std::size(sizes); ++i) {
        CHECK(same_bits(weights[i].to_host(), weights[std::size(sizes) + i].to_host()));
        for (std::size_t k : {2 * i, 2 * i + 1})
          CHECK(same_bits(moments[k].to_host(), moments[2 * std::size(sizes) + k].to_host()));
      }
    }
}

TEST_CASE("descent: what a step of Adam moves") {
  const std::int64_t n = 4096;
  const cuda::DeviceArray<bfloat16> w(n);
  const cuda::DeviceArray<float> m(n), v(n);
  const zo::Estimate g = estimate(1, 0, {});
  const cuda::DirectionTerm term = cuda::direction_term(g.slopes[0].direction, 0, 1);
  const auto t = emulation::traffic_of([&] {
    cuda::descend_(Cuda{}, zo::Descent({{.rule = zo::UpdateRule::adam}, 1e-3}), DType::bf16,
                   {.w = w.data(), .rows = 1, .cols = n, .m = m.data(), .v = v.data()}, std::span(&term, 1));
  });
  CHECK(t.bytes_loaded() == std::uint64_t(n * (2 + 4 + 4)));
  CHECK(t.bytes_stored() == t.bytes_loaded());
  CHECK(t.loads[4] * 16 == t.bytes_loaded());
}
