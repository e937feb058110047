// Zeroth-order optimization on the emulated device, beside the CPU's: a log that was written on one is replayed on the
// other with the same bits.
#include "tenzo/zo/probe.hpp"

#include "compare.hpp"
#include "cross_entropy.cuh"
#include "index.cuh"
#include "loops.cuh"
#include "matmul.cuh"
#include "norm.cuh"
#include "perturb.cuh"
#include "tenzo/cuda/weights.hpp"
#include "zo/perturbations.hpp"
#include "zo/small_model.hpp"

using namespace tenzo;
using namespace tenzo::test;
using zo::Probe;

namespace {

// Of this test's own: what is copied to the device with them goes with them.
struct Batch {
  Indices ids = test::ids.clone(), labels = test::labels.clone();
  auto loss() const {
    return [this](const auto& m) { return cross_entropy(m.logits(ids), labels); };
  }
};

template <class D, class Stored>
SmallModel<Probe<float, D>> probes(const SmallModel<Stored>& m, const Perturbation& p) {
  std::uint32_t leaf = 0;
  return map_tree<Probe<float, D>>(
      m, [&](const Path&, const Stored& w) { return Probe<float, D>::weight(w, leaf++, &p); });
}

/// The largest difference beside the largest magnitude.
double apart(const Tensor<float>& a, const Tensor<float>& b) {
  return distance(std::vector<float>(a.data(), a.data() + a.size()), std::vector<float>(b.data(), b.data() + b.size()));
}

}  // namespace

TEST_CASE("stored tensors: to the device and back, every format") {
  for (const DType type : {DType::f32, DType::bf16, DType::f16, DType::q8_0, DType::q4_1}) {
    CAPTURE(type);
    const SmallModel<StoredTensor> m = small_model(type);
    CHECK(bits_of(to_host(to_cuda(m))) == bits_of(m));
    CHECK(bits_of(cuda::StoredTensor(m.hidden.weight).borrow<float>().to<Cpu>()) == bits_of(decoded(m).hidden.weight));
  }
  emulation::expect_clean();
}

TEST_CASE("probe on the device: weights, rows and products have the CPU's bits, for every format and structure") {
  const Tensor<float> x = noise({6, 32}, 9, 1.f);
  for (const DType type : {DType::f32, DType::bf16, DType::q8_0}) {
    const SmallModel<StoredTensor> m = small_model(type);
    const SmallModel<cuda::StoredTensor> there = to_cuda(m);
    const Tensor<float, Cuda> x_there = x.to<Cuda>();
    const Indices ids = Batch().ids;
    int n = 0;
    for (const Perturbation& p : perturbations()) {
      CAPTURE(type);
      CAPTURE(n++);
      const auto here = probes<Cpu>(m, p);
      const auto moved = probes<Cuda>(there, p);
      for (int side = 0; side < p.sides; ++side) {
        for_each_leaf(
            [&](const Path& at, const Probe<float>& a, const Probe<float, Cuda>& b) {
              CAPTURE(at.str());
              CHECK(bits_of(a.read(side)) == bits_of(b.read(side).to<Cpu>()));
            },
            here, moved);
        CHECK(bits_of(here.table(ids).read(side)) == bits_of(moved.table(ids).read(side).to<Cpu>()));
        const Probe<float> y = here.hidden(Probe<float>(x));
        CHECK(bits_of(y.read(side)) == bits_of(moved.hidden(Probe<float, Cuda>(x_there)).read(side).to<Cpu>()));
        CHECK(apart(moved.logits(ids).read(side).to<Cpu>(), here.logits(ids).read(side)) <= 1e-5);
      }
    }
  }
  emulation::expect_clean();
}

TEST_CASE("estimates on the device: the CPU's slopes but for the rounding of sums") {
  const auto check = [] {
    const SmallModel<StoredTensor> m = small_model();
    const SmallModel<cuda::StoredTensor> there = to_cuda(m);
    const Batch batch;
    zo::RgeOptions o;
    o.queries = 3;
    const zo::Estimate a = zo::rge(zo::ModelLoss(m, batch.loss()), 7, 2, o);
    const zo::Estimate b = zo::rge(zo::ModelLoss(there, batch.loss()), 7, 2, o);
    REQUIRE(b.slopes.size() == a.slopes.size());
    for (std::size_t q = 0; q < a.slopes.size(); ++q)
      CHECK(b.slopes[q].value == doctest::Approx(a.slopes[q].value).epsilon(1e-2));  // of losses that are near
    CHECK(b.loss == doctest::Approx(a.loss).epsilon(1e-5));
  };
  check();
  emulation::expect_clean();
}

TEST_CASE("replay on the device: many steps in one pass, with the bits of the CPU's log") {
  const SmallModel<StoredTensor> m = small_model();
  std::vector<zo::Step> steps;
  for (std::uint32_t t = 0; t < 20; ++t) {
    Direction d = gaussian();
    d.step = t;
    if (t % 3 == 1) d.law = DirectionLaw::rademacher;
    steps.push_back({d, 1e-3 * double(t % 5) - 2e-3});
  }
  std::uint32_t leaf = 0;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        CAPTURE(at.str());
        StoredTensor here = w.clone();
        zo::add_steps_(reinterpret_cast<float*>(here.writable_row(0)), w.rows(), w.cols(), leaf, steps);
        std::vector<cuda::DirectionTerm> terms;
        for (const zo::Step& s : steps)
          terms.push_back(cuda::direction_term(s.direction, leaf, w.rows(), {s.factor, s.factor}));
        cuda::StoredTensor there(w);
        cuda::add_directions_(Cuda{}, reinterpret_cast<float*>(there.writable_data()), w.rows(), w.cols(),
                              cuda::Terms(terms));
        CHECK(bits_of(there.to_host()) == bits_of(here));
        ++leaf;
      },
      m);
  emulation::expect_clean();
}
