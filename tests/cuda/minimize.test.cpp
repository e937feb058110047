// Zeroth-order minimising of tensors on the device: the CPU's bits where the losses are the same. It includes what a
// user is told to, and no more.
#include <tenzo/cuda.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>

#include "at_end.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

std::vector<std::uint32_t> bits_of(const Tensor<float>& x) {
  std::vector<std::uint32_t> bits;
  for (const float e : x.values()) bits.push_back(std::bit_cast<std::uint32_t>(e));
  return bits;
}
std::vector<std::uint32_t> bits_of(const Tensor<float, Cuda>& x) { return bits_of(x.to<Cpu>()); }

template <class D>
using Layer = Linear<Tensor<float, D>>;

/// Σ i (xᵢ − 1/4)², summed on the host: so it has the same bits, wherever x lies.
template <class D>
double bowl(const Tensor<float, D>& x) {
  const Tensor<float> at = x.template to<Cpu>();
  double s = 0;
  for (std::int64_t i = 0; i < at.size(); ++i) s += double(i + 1) * std::pow(double(at(i)) - 0.25, 2);
  return s;
}
const auto loss_of_layer = [](const auto& m) { return bowl(m.weight) + bowl(m.bias); };

Layer<Cpu> layer() { return random_linear<float>(5, 3, initial_key(7, 0)); }
Layer<Cuda> on_device(const Layer<Cpu>& m) {
  return map_tree<Tensor<float, Cuda>>(m, [](const Tensor<float>& w) { return w.to<Cuda>(); });
}

}  // namespace

TEST_CASE("minimize on the device: the CPU's bits by every rule and law, in a box") {
  const AtEnd clean;
  using zo::DirectionLaw, zo::UpdateRule;
  for (const UpdateRule rule : {UpdateRule::sgd, UpdateRule::momentum, UpdateRule::adam, UpdateRule::sign})
    for (const DirectionLaw law : {DirectionLaw::rademacher, DirectionLaw::gaussian, DirectionLaw::sphere}) {
      CAPTURE(int(rule));
      CAPTURE(int(law));
      const zo::MinimizeOptions o{
          .steps = 12, .lr = 0.01, .queries = 2, .law = law, .rule = rule, .lower = -0.1, .upper = 0.2};
      const Layer<Cpu> start = layer();
      const auto here = zo::minimize(start, loss_of_layer, o);
      const auto there = zo::minimize(on_device(start), loss_of_layer, o);
      CHECK(there.best_loss == here.best_loss);
      CHECK(there.best_loss < loss_of_layer(start));
      CHECK(there.evaluations == here.evaluations);
      CHECK(bits_of(there.x.weight) == bits_of(here.x.weight));
      CHECK(bits_of(there.best.bias) == bits_of(here.best.bias));
      for (const float e : there.x.weight.to<Cpu>().values()) CHECK((e >= -0.1f && e <= 0.2f));
    }
}

TEST_CASE("minimize on the device: what is no number stays none in a box; a tensor without elements") {
  const AtEnd clean;
  const auto host = Tensor<float>::from({7}, {NAN, -0.f, INFINITY, -INFINITY, 0.5f, -2, 2});
  Tensor<float> here = host.clone();
  Tensor<float, Cuda> there = host.to<Cuda>();
  zo::detail::clamp_(here, 0, 1);
  zo::detail::clamp_(there, 0, 1);
  CHECK(bits_of(there) == bits_of(here));
  CHECK(bits_of(here.rows(1, 7)) == bits_of(Tensor<float>::from({6}, {-0.f, 1, 0, 0.5f, 0, 1})));
  CHECK(std::isnan(here(0)));
  Tensor<float, Cuda> none(Shape{0});
  zo::detail::clamp_(none, 0, 1);
  CHECK(none.size() == 0);
}

TEST_CASE("estimates and steps on the device, through <tenzo/cuda.hpp> alone") {
  const AtEnd clean;
  Layer<Cpu> here = layer();
  Layer<Cuda> there = on_device(here);
  const zo::Estimate a = zo::rge(zo::CallableLoss(std::as_const(here), loss_of_layer), 3, 1, {.queries = 3});
  const zo::Estimate b = zo::rge(zo::CallableLoss(std::as_const(there), loss_of_layer), 3, 1, {.queries = 3});
  for (std::size_t q = 0; q < 3; ++q) CHECK(a.slopes[q].value == b.slopes[q].value);
  zo::descend_(here, a, 0.01);
  zo::descend_(there, b, 0.01);
  CHECK(bits_of(there.weight) == bits_of(here.weight));
  CHECK(bits_of(there.bias) == bits_of(here.bias));

  const auto stored = map_tree<StoredTensor>(here, [](const Tensor<float>& w) { return StoredTensor::from(w); });
  CHECK(bits_of(to_cuda(stored).weight.borrow<float>()) == bits_of(here.weight));
}
