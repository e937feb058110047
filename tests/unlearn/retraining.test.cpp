// Methods that train on the retain set: what they equal, and what they move, in closed form.
#include "tenzo/unlearn/retraining.hpp"

#include <doctest/doctest.h>

#include "clusters.hpp"
#include "tenzo/ops/softmax.hpp"
#include "tenzo/unlearn/ascent.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

const std::vector<Centre> three{{0, 0, 0}, {4, 0, 1}, {0, 4, 2}};

double loss_of(const auto& model, const Samples<double>& s) {
  return cross_entropy(scores(model, s.x), s.labels).item();
}

/// One linear layer without a bias, on samples of which some are zero: those have no gradient.
struct Flat {
  Linear<Tensor<double>> model;
  Samples<double> samples;
};
Flat flat(std::int64_t zeros, std::int64_t ones) {
  Flat f;
  f.model.weight = Tensor<double>::from({3, 2}, {0.5, -1, 2, -0.25, 0.75, 1.5});
  f.samples = {Tensor<double>::zeros({zeros + ones, 2}), Tensor<std::int64_t>::full({zeros + ones}, 1), 3};
  for (std::int64_t i = zeros; i < zeros + ones; ++i) f.samples.x(i, 0) = 1;
  return f;
}

}  // namespace

TEST_CASE("retrain: the bits of training on the retain set alone") {
  const auto samples = clusters<double>(three, 20, 0.5);
  const auto model = mlp<double>(2, 8, 3, 99);
  const Request r{model, samples, range(0, 15), range(15, 60), 7};
  const Retrain method{{.epochs = 4, .batch = 16}};
  auto want = initialised<double>(model, 7);
  train_(want, samples.at(range(15, 60)), {.epochs = 4, .batch = 16, .seed = 7});
  CHECK(bits(method(r)) == bits(want));

  Request mine = r;
  const auto start = mlp<double>(2, 8, 3, 1234);
  mine.fresh = [&](std::uint64_t) { return start; };
  const std::string before = bits(start);
  CHECK(bits(method(mine)) != bits(want));
  CHECK(bits(start) == before);  // handles of a given model are not written through
}

TEST_CASE("fine-tuning: begins at the model and leaves it alone") {
  const auto samples = clusters<double>(three, 20, 0.5);
  const auto model = mlp<double>(2, 8, 3);
  const std::string before = bits(model);
  const Request r{model, samples, range(0, 20), range(20, 60)};
  FineTune method;
  method.train.epochs = 0;
  CHECK(bits(method(r)) == before);
  method.train.epochs = 20;
  const auto tuned = method(r);
  CHECK(bits(model) == before);
  CHECK(accuracy(tuned, r.retain_samples()) == 1);
  L1Sparse none{method.train, 0};
  CHECK(bits(none(r)) == bits(tuned));
}

TEST_CASE("l1-sparse: where the data have no gradient a weight goes to zero by the sum of the steps") {
  // Five epochs of three batches: Σ_e α (1 − e/5) · 3 · lr = α · 3 · 3 · lr.
  const Flat f = flat(30, 1);
  const Request r{f.model, f.samples, {30}, range(0, 30)};
  const L1Sparse method{{.epochs = 5, .batch = 10, .sgd = {.lr = 0.1}, .schedule = Schedule::Kind::constant}, 0.01};
  const auto got = method(r);
  for (std::int64_t i = 0; i < 6; ++i) {
    const double w = f.model.weight(i);
    CHECK(got.weight(i) == doctest::Approx(w - (w > 0 ? 1 : -1) * 0.01 * 9 * 0.1).epsilon(1e-12));
  }
}

TEST_CASE("gradient ascent: one step along the gradient of the forget set's mean loss") {
  const Flat f = flat(4, 2);
  const Request r{f.model, f.samples, {4, 5}, range(0, 4)};
  const GradientAscent method{{.epochs = 1, .batch = 10, .sgd = {.lr = 0.1}, .schedule = Schedule::Kind::constant}};
  const auto got = method(r);
  const auto p = softmax(f.model(f.samples.x.rows(4, 5)), 1);
  for (std::int64_t c = 0; c < 3; ++c) {
    CHECK(got.weight(c, 0) == doctest::Approx(f.model.weight(c, 0) + 0.1 * (p(0, c) - (c == 1))).epsilon(1e-12));
    CHECK(got.weight(c, 1) == f.model.weight(c, 1));
  }
}

TEST_CASE("gradient difference: λ of the ascent, and fine-tuning for λ = 0") {
  const Flat f = flat(4, 2);
  const Request r{f.model, f.samples, {4, 5}, range(0, 4)};
  const TrainOptions one{.epochs = 1, .batch = 10, .sgd = {.lr = 0.1}, .schedule = Schedule::Kind::constant};
  const auto got = GradientDifference{one, 0.5}(r);  // the retain set has no gradient
  const auto half = GradientAscent{{.epochs = 1, .batch = 10, .sgd = {.lr = 0.05}}}(r);
  for (std::int64_t i = 0; i < 6; ++i) CHECK(got.weight(i) == doctest::Approx(half.weight(i)).epsilon(1e-12));

  const auto samples = clusters<double>(three, 20, 0.5);
  const auto model = mlp<double>(2, 8, 3);
  const Request q{model, samples, range(0, 20), range(20, 60)};
  CHECK(bits(GradientDifference{tuning(0.02), 0}(q)) == bits(FineTune{tuning(0.02)}(q)));
}

TEST_CASE("ascent: the forgotten cluster is lost, and with the difference the others stay") {
  const auto samples = clusters<double>(three, 30, 0.4);
  auto model = mlp<double>(2, 16, 3);
  train_(model, samples, {.epochs = 15});
  REQUIRE(accuracy(model, samples) == 1);
  const Request r{model, samples, range(0, 30), range(30, 90)};
  TrainOptions o = tuning(0.05);
  o.epochs = 20, o.batch = 10;
  CHECK(loss_of(GradientAscent{o}(r), r.forget_samples()) > loss_of(model, r.forget_samples()) + 1);
  const auto apart = GradientDifference{o, 0.05}(r);
  CHECK(accuracy(apart, r.forget_samples()) == 0);
  CHECK(accuracy(apart, r.retain_samples()) == 1);
}

TEST_CASE("unlearning: a request that can not be met is a sentence") {
  const auto samples = clusters<double>(three, 2, 0.5);
  const auto model = mlp<double>(2, 4, 3);
  const auto ask = [&](Rows forget, Rows retain) { FineTune{}(Request{model, samples, forget, retain}); };
  CHECK_THROWS_WITH_AS(ask({}, {1}), "unlearn: 0 samples to forget, 1 to retain; want some of each", ValueError);
  CHECK_THROWS_AS(ask({1}, {}), ValueError);
  CHECK_THROWS_WITH_AS(ask({6}, {1}), "unlearn: sample 6 of 6", ValueError);
  CHECK_THROWS_AS(ask({0}, {-1}), ValueError);
  CHECK_THROWS_WITH_AS(ask({0, 1}, {2, 1}), "unlearn: sample 1 is named twice", ValueError);
  CHECK_THROWS_AS(ask({0, 0}, {2}), ValueError);
}
