// A probe reads weights through the perturbation and must see what a perturbed copy would hold, bit for bit.
#include "tenzo/zo/probe.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "perturbations.hpp"
#include "small_model.hpp"

using namespace tenzo;
using namespace tenzo::test;
using zo::Perturbation;
using zo::Probe;

namespace {

/// The model with each weight moved in a copy of its own.
SmallModel<Tensor<float>> moved(const SmallModel<StoredTensor>& m, const Perturbation& p, int side) {
  SmallModel<Tensor<float>> copy = decoded(m);
  std::uint32_t leaf = 0;
  for_each_leaf(
      [&](const Path&, Tensor<float>& w) {
        std::vector<zo::Step> steps;
        for (const zo::ProbeTerm& t : p.terms) steps.push_back({t.direction, t.factor[std::size_t(side)]});
        const std::uint32_t n = leaf++;
        if (p.trained.empty() || p.trained[n]) zo::add_steps_(w.data(), w.matrix_rows(), w.matrix_cols(), n, steps);
      },
      copy);
  return copy;
}

SmallModel<Probe<float>> probes(const SmallModel<StoredTensor>& m, const Perturbation& p) {
  std::uint32_t leaf = 0;
  return map_tree<Probe<float>>(
      m, [&](const Path&, const StoredTensor& w) { return Probe<float>::weight(w, leaf++, &p); });
}

}  // namespace

TEST_CASE("probe: the bits of a perturbed copy, for every format, structure and number of threads") {
  for (const DType type : {DType::f32, DType::bf16, DType::f16, DType::q8_0, DType::q4_1}) {
    const SmallModel<StoredTensor> m = small_model(type);
    const std::string before = bits_of(m);
    int n = 0;
    for (const Perturbation& p : perturbations()) {
      CAPTURE(type);
      CAPTURE(n++);
      for (const int t : {1, 2}) {
        const Threads set(t);
        const Probe<float> got = probes(m, p).logits(ids);
        for (int side = 0; side < p.sides; ++side)
          CHECK(bits_of(got.read(side)) == bits_of(moved(m, p, side).logits(ids)));
      }
    }
    CHECK(bits_of(m) == before);
  }
}

TEST_CASE("probe: weights in read-only memory are read, never written") {
  const SmallModel<StoredTensor> m = small_model(DType::bf16);
  SmallModel<StoredTensor> views = map_tree<StoredTensor>(
      m, [](const StoredTensor& w) { return StoredTensor::view(w.dtype(), w.shape(), w.bytes(), {}); });
  for_each_leaf([](const Path&, const StoredTensor& w) { CHECK_FALSE(w.writable()); }, std::as_const(views));
  const Perturbation p = along({gaussian()}, 1e-3);
  CHECK(bits_of(probes(views, p).logits(ids).read(1)) == bits_of(moved(m, p, 1).logits(ids)));
}

TEST_CASE("probe: sides are computed once where nothing moves, twice where something did") {
  const SmallModel<StoredTensor> m = small_model();
  Perturbation p = along({gaussian()}, 1e-3);
  CHECK(probes(m, p).logits(ids).sides() == 2);
  p.trained = {0, 0, 0, 0, 0, 1};
  const auto last = probes(m, p);
  CHECK(last.norm(last.hidden(last.table(ids))).sides() == 1);
  CHECK(last.logits(ids).sides() == 2);
  p.trained = {0, 0, 0, 0, 0, 0};
  CHECK(probes(m, p).logits(ids).sides() == 1);
}

TEST_CASE("probe: a weight that stays is read without a copy") {
  const SmallModel<StoredTensor> m = small_model();
  const Perturbation none;
  const Tensor<float> w = probes(m, none).hidden.weight.read(0);
  CHECK(static_cast<const void*>(w.data()) == static_cast<const void*>(m.hidden.weight.bytes().data()));
}

TEST_CASE("probe: in double, too") {
  const Tensor<double> values = Tensor<double>::from(Shape{2, 3}, {1, 2, 3, 4, 5, 6});
  const Perturbation p = along({gaussian()}, 1e-4);
  const auto w = Probe<double>::weight(StoredTensor::from(values.clone()), 3, &p);
  for (int side = 0; side < 2; ++side) {
    Tensor<double> want = values.clone();
    zo::add_steps_(want.data(), 2, 3, 3, {{gaussian(), side ? -1e-4 : 1e-4}});
    CHECK(bits_of(w.read(side)) == bits_of(want));
  }
}
