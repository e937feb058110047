// Zeroth-order optimization on the device, through tenzo::cuda, beside the CPU's: a log that was written on one is
// replayed on the other with the same bits. Also compiled against tenzo::cuda, for a GPU.
#include "tenzo/zo/probe.hpp"

#include <doctest/doctest.h>

#include "device_test.hpp"
#include "tenzo/cuda/recorded_step.hpp"
#include "tenzo/cuda/weights.hpp"
#include "tenzo/zo/optimizers.hpp"
#include "zo/perturbations.hpp"

using namespace tenzo;
using namespace tenzo::test;
using zo::Probe;

namespace {

template <class D, class Stored>
SmallModel<Probe<float, D>> probes(const SmallModel<Stored>& m, const Perturbation& p) {
  std::uint32_t leaf = 0;
  return map_tree<Probe<float, D>>(
      m, [&](const Path&, const Stored& w) { return Probe<float, D>::weight(w, leaf++, &p); });
}

/// Masks of the matrices, which keep two elements of three.
std::shared_ptr<const zo::Masks> some_masks(const SmallModel<StoredTensor>& m) {
  zo::Masks masks;
  for_each_leaf(
      [&](const Path&, const StoredTensor& w) {
        Tensor<std::uint8_t> mask;
        if (w.shape().rank() == 2) {
          mask = Tensor<std::uint8_t>(w.shape());
          for (std::int64_t i = 0; i < mask.size(); ++i) mask(i) = i % 3 != 0;
        }
        masks.push_back(mask);
      },
      m);
  return std::make_shared<const zo::Masks>(std::move(masks));
}

}  // namespace

TEST_CASE("stored tensors: to the device and back, every format") {
  const AtEnd clean;
  for (const DType type : {DType::f32, DType::bf16, DType::f16, DType::q8_0, DType::q4_1}) {
    CAPTURE(type);
    const SmallModel<StoredTensor> m = small_model(type);
    CHECK(bits_of(to_host(to_cuda(m))) == bits_of(m));
    CHECK(bits_of(cuda::StoredTensor(m.hidden.weight).borrow<float>().to<Cpu>()) == bits_of(decoded(m).hidden.weight));
  }
}

TEST_CASE("probe on the device: weights, rows and products have the CPU's bits, for every format and structure") {
  const AtEnd clean;
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
}

TEST_CASE("estimates on the device: the CPU's slopes but for the rounding of sums") {
  const AtEnd clean;
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
}

TEST_CASE("steps on the device: its slopes, and the CPU's bits of what follows from them; replay on either") {
  const AtEnd clean;
  const Batch batch;
  for (const DType type : {DType::f32, DType::bf16})
    for (const zo::UpdateRule rule :
         {zo::UpdateRule::sgd, zo::UpdateRule::sign, zo::UpdateRule::momentum, zo::UpdateRule::adam}) {
      CAPTURE(type);
      CAPTURE(int(rule));
      zo::RgeOptions probe;
      probe.queries = 2;
      if (rule == zo::UpdateRule::momentum) probe.masks = some_masks(small_model(type));
      if (rule == zo::UpdateRule::adam) probe.rank = 2;
      const zo::UpdateOptions o{.rule = rule, .lr = 1e-2, .weight_decay = rule == zo::UpdateRule::sign ? 0.1 : 0};
      SmallModel<StoredTensor> here = small_model(type);
      const SmallModel<StoredTensor> begin =
          map_tree<StoredTensor>(here, [](const StoredTensor& w) { return w.clone(); });
      SmallModel<cuda::StoredTensor> there = to_cuda(here);
      zo::UpdateState state;
      zo::UpdateStateOn<Cuda> state_there;
      std::vector<zo::Estimate> log;
      for (std::uint32_t step = 0; step < 3; ++step) {
        log.push_back(zo::rge(zo::ModelLoss(there, batch.loss()), 7, step, probe));
        zo::apply_estimate_(there, {}, log.back(), o, state_there, 0.5);
        zo::apply_estimate_(here, {}, log.back(), o, state, 0.5);
        CHECK(bits_of(to_host(there)) == bits_of(here));
      }
      CHECK(log[2].loss != log[0].loss);
      SmallModel<cuda::StoredTensor> again = to_cuda(begin);
      state_there = {};
      for (const zo::Estimate& g : log) zo::apply_estimate_(again, {}, g, o, state_there, 0.5);
      CHECK(bits_of(to_host(again)) == bits_of(here));
    }
}

TEST_CASE("a recorded step: the bits of the one whose parts the host asks for") {
  const AtEnd clean;
  const Batch batch;
  for (const DType type : {DType::f32, DType::bf16})
    for (const DirectionLaw law : {DirectionLaw::gaussian, DirectionLaw::rademacher})
      for (const int queries : {1, 3}) {
        CAPTURE(type);
        CAPTURE(int(law));
        CAPTURE(queries);
        const SmallModel<StoredTensor> host = small_model(type);
        zo::RgeOptions probe{.eps = 1e-2, .queries = queries, .law = law};
        if (queries == 3) probe.masks = some_masks(host);
        const zo::UpdateOptions update{.lr = 1e-2};
        SmallModel<cuda::StoredTensor> model = to_cuda(host), same = to_cuda(host);
        cuda::RecordedStep recorded(model, batch.loss(), probe, update, {1, 1, 0, 1, 1, 1});
        zo::UpdateStateOn<Cuda> state;
        for (std::uint32_t step = 0; step < 4; ++step) {
          const double factor = 1.0 / (1 + step);
          const zo::Estimate want = zo::rge(zo::ModelLoss(same, batch.loss(), {1, 1, 0, 1, 1, 1}), 9, step, probe);
          zo::apply_estimate_(same, {1, 1, 0, 1, 1, 1}, want, update, state, factor);
          const zo::Estimate got = recorded(9, step, factor);
          REQUIRE(got.slopes.size() == want.slopes.size());
          for (std::size_t q = 0; q < got.slopes.size(); ++q) {
            CHECK(got.slopes[q].value == want.slopes[q].value);
            CHECK(got.slopes[q].direction.query == q);
          }
          CHECK(got.loss == doctest::Approx(want.loss).epsilon(1e-12));
          CHECK(got.forwards == want.forwards);
          CHECK(bits_of(to_host(model)) == bits_of(to_host(same)));
        }
      }
}

TEST_CASE("a recorded step: a loss that is not finite leaves the weights; what can not be recorded is refused") {
  const AtEnd clean;
  const Batch batch;
  SmallModel<StoredTensor> host = small_model();
  reinterpret_cast<float*>(host.norm.bias.writable_row(0))[0] = 1e10f;
  reinterpret_cast<float*>(host.out.weight.writable_row(0))[0] = 3e38f;
  SmallModel<cuda::StoredTensor> model = to_cuda(host);
  cuda::RecordedStep recorded(model, batch.loss(), {}, {.lr = 1e-2});
  CHECK(!recorded(9, 0).finite());
  CHECK(bits_of(to_host(model)) == bits_of(host));
  using Step = decltype(recorded);
  CHECK_THROWS_AS(Step(model, batch.loss(), {.two_sided = false}, {}), ValueError);
  CHECK_THROWS_AS(Step(model, batch.loss(), {.law = DirectionLaw::sphere}, {}), ValueError);
  CHECK_THROWS_AS(Step(model, batch.loss(), {}, {.rule = zo::UpdateRule::adam}), ValueError);
}

TEST_CASE("steps of some leaves: the others stay; what is quantised is refused") {
  const AtEnd clean;
  const zo::Estimate g = zo::rge(zo::ModelLoss(small_model(), Batch().loss()), 7, 0, {});
  SmallModel<StoredTensor> here = small_model(DType::q8_0);
  SmallModel<cuda::StoredTensor> there = to_cuda(here);
  zo::UpdateState state;
  zo::UpdateStateOn<Cuda> state_there;
  const std::vector<std::uint8_t> vectors = {0, 0, 1, 1, 1, 0};
  zo::apply_estimate_(here, vectors, g, {.lr = 0.1}, state);
  zo::apply_estimate_(there, vectors, g, {.lr = 0.1}, state_there);
  CHECK(bits_of(to_host(there)) == bits_of(here));
  CHECK_THROWS_WITH_AS(zo::apply_estimate_(there, {}, g, {.lr = 0.1}, state_there),
                       doctest::Contains("weights of type q8_0 are frozen"), ValueError);
}

TEST_CASE("replay on the device: many steps in one pass, with the bits of the CPU's log") {
  const AtEnd clean;
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
}
