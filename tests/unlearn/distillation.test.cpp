// Methods with a teacher: fixed points, limits in which they are other methods, and clusters that are forgotten.
#include "tenzo/unlearn/distillation.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "clusters.hpp"
#include "tenzo/unlearn/retraining.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

const std::vector<Centre> three{{0, 0, 0}, {4, 0, 1}, {0, 4, 2}};

struct Fixture {
  Samples<double> samples = clusters<double>(three, 30, 0.4);
  Mlp<Tensor<double>> model = mlp<double>(2, 16, 3);
  Fixture() { train_(model, samples, {.epochs = 15}); }
  Request<Mlp<Tensor<double>>, double> request() const { return {model, samples, range(0, 30), range(30, 90)}; }
};

/// One step an epoch, without decay of weights.
TrainOptions steps(std::int64_t n, double lr) {
  return {.epochs = n, .batch = 1000, .sgd = {.lr = lr, .momentum = 0}, .schedule = Schedule::Kind::constant};
}

}  // namespace

TEST_CASE("scrub: the teacher is the place where the distance has no slope") {
  const Fixture f;
  // Student = teacher: the first step of a max epoch is zero up to rounding; the second is, too.
  Scrub still{steps(2, 0.1)};
  CHECK(distance(still(f.request()), f.model) < 1e-13);
}

TEST_CASE("scrub: min epochs without a teacher are fine-tuning, and the step size falls where it should") {
  const Fixture f;
  Scrub s{tuning(0.02)};
  s.max_epochs = 0, s.gamma = 1, s.alpha = 0;
  s.decay_at = {};
  CHECK(distance(s(f.request()), FineTune{tuning(0.02)}(f.request())) < 1e-12);

  // With equal gradients to first order, steps of 1, 1, then twice 0.1: as far as 2.2 steps.
  s.train = steps(4, 1e-7);
  s.decay_at = {2};
  const double decayed = distance(s(f.request()), f.model);
  s.decay_at = {};
  CHECK(decayed / distance(s(f.request()), f.model) == doctest::Approx(2.2 / 4).epsilon(1e-4));
}

TEST_CASE("scrub: the first epochs leave the forget set, min passes keep the others") {
  const Fixture f;
  const auto r = f.request();
  const auto loss = [&](const auto& m) {
    const auto s = r.forget_samples();
    return cross_entropy(scores(m, s.x), s.labels).item();
  };
  Scrub s{tuning(0.2)};
  s.train.batch = 10, s.train.epochs = 20;
  s.max_epochs = 8;
  s.decay_at = {};
  const auto got = s(r);
  CHECK(loss(got) > loss(f.model) + 1);
  CHECK(accuracy(got, r.retain_samples()) == 1);
  s.alternate = true;
  CHECK(bits(s(r)) != bits(got));
  CHECK(accuracy(s(r), r.retain_samples()) == 1);
  CHECK_THROWS_AS((Scrub{.temperature = 0}(r)), ValueError);
}

TEST_CASE("reference-guided: references are means over held-out samples of a class") {
  Linear<Tensor<double>> same;  // scores are the inputs
  same.weight = Tensor<double>::from({2, 2}, {1, 0, 0, 1});
  const double a = std::log(3.0), b = std::log(7.0);
  const Samples<double> s{Tensor<double>::from({3, 2}, {a, 0, b, 0, 0, a}), Tensor<std::int64_t>::full({3}, 0), 2};
  const auto q = ReferenceGuided::references(same, s, 2);
  CHECK(q(0, 0) == doctest::Approx((0.75 + 0.875 + 0.25) / 3).epsilon(1e-14));
  CHECK(q(0, 1) == doctest::Approx((0.25 + 0.125 + 0.75) / 3).epsilon(1e-14));
  CHECK(std::isnan(q(1, 0)));
  CHECK(std::isnan(ReferenceGuided::references(
      same, Samples<double>{Tensor<double>(Shape{0, 2}), Tensor<std::int64_t>(Shape{0}), 2}, 2)(0, 1)));
}

TEST_CASE("reference-guided: the forget set ends near its reference, the others at their labels") {
  const Fixture f;
  auto r = f.request();
  CHECK_THROWS_WITH_AS(ReferenceGuided{}(r), "reference-guided unlearning: wants held-out samples", ValueError);
  // Held-out samples of class 0 lie where the model says 1: the forget set should go there.
  const auto held = clusters<double>({{4, 0, 0}, {4, 0, 1}, {0, 4, 2}}, 10, 0.2, 9);
  r.held_out = &held;
  ReferenceGuided method{tuning(0.05)};
  method.train.epochs = 40;
  const auto got = method(r);
  const auto guess = predictions(scores(got, r.forget_samples().x));
  for (std::int64_t i = 0; i < 30; ++i) CHECK(guess(i) == 1);
  CHECK(accuracy(got, r.retain_samples()) == 1);
  const auto others = clusters<double>({{4, 0, 1}, {0, 4, 2}}, 10, 0.2, 9);
  r.held_out = &others;
  CHECK_THROWS_WITH_AS(method(r), "reference-guided unlearning: no held-out sample of class 0", ValueError);
}
