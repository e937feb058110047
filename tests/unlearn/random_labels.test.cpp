// Random labels: how many are redrawn and by which law, masks of the largest elements, and what a mask holds.
#include "tenzo/unlearn/random_labels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "clusters.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

using Labels = Tensor<std::int64_t>;
const std::vector<Centre> three{{0, 0, 0}, {4, 0, 1}, {0, 4, 2}};

}  // namespace

TEST_CASE("redrawn: the first labels alone, uniform over all classes, a function of seed and epoch") {
  const std::int64_t n = 30000, classes = 10;
  const Labels y = Labels::full({n + 50}, 3);
  const Labels a = redrawn(y, n, classes, 1, 0);
  std::vector<double> count(classes, 0);
  for (std::int64_t i = 0; i < n; ++i) {
    REQUIRE(a(i) >= 0);
    REQUIRE(a(i) < classes);
    count[std::size_t(a(i))] += 1;
  }
  // Binomial of 30,000 and 1/10: deviation 52; seven of them.
  for (const double c : count) CHECK(std::abs(c - 3000) < 364);
  for (std::int64_t i = n; i < n + 50; ++i) CHECK(a(i) == 3);
  CHECK(y(0) == 3);
  const auto same = [](const Labels& p, const Labels& q) {
    return std::equal(p.values().begin(), p.values().end(), q.values().begin());
  };
  CHECK(same(a, redrawn(y, n, classes, 1, 0)));
  CHECK_FALSE(same(a, redrawn(y, n, classes, 1, 1)));
  CHECK_FALSE(same(a, redrawn(y, n, classes, 2, 0)));
  CHECK(same(y, redrawn(y, 0, classes, 1, 0)));

  const Labels wrong = redrawn(y, n, classes, 1, 0, true);
  std::fill(count.begin(), count.end(), 0);
  for (std::int64_t i = 0; i < n; ++i) count[std::size_t(wrong(i))] += 1;
  CHECK(count[3] == 0);
  for (std::int64_t c = 0; c < classes; ++c)  // of 1/9: deviation 54.4
    if (c != 3) CHECK(std::abs(count[std::size_t(c)] - 30000.0 / 9) < 381);
  CHECK_THROWS_AS(redrawn(y, n + 51, classes, 1, 0), ValueError);
  CHECK_THROWS_AS(redrawn(y, 1, 1, 1, 0, true), ValueError);
  CHECK_THROWS_AS(redrawn(y, 1, 0, 1, 0), ValueError);
}

TEST_CASE("largest elements: one ranking over all leaves, of equal ones the first, an exact count") {
  using Model = std::vector<Tensor<double>>;
  const Model g{Tensor<double>::from({2, 2}, {-5, 1, 2, 2}), Tensor<double>::from({3}, {2, -3, 0})};
  const auto mask = [&](double share) {
    std::vector<double> all;
    const Model m = largest_elements(g, share);
    for (const auto& v : m) all.insert(all.end(), v.values().begin(), v.values().end());
    return all;
  };
  CHECK(mask(0.5) == std::vector<double>{1, 0, 1, 0, 0, 1, 0});  // ⌊3.5⌋
  CHECK(mask(0.6) == std::vector<double>{1, 0, 1, 1, 0, 1, 0});
  CHECK(mask(0) == std::vector<double>(7, 0));
  CHECK(mask(1) == std::vector<double>(7, 1));
  CHECK_THROWS_AS(largest_elements(g, 1.1), ValueError);
  CHECK_THROWS_AS(largest_elements(g, NAN), ValueError);
}

TEST_CASE("salun: what the mask holds keeps its bits, unless decay reaches everything") {
  const auto samples = clusters<float>(three, 20, 0.5);
  auto m = normed_mlp<float>(2, 8, 3);
  train_(m, samples, {.epochs = 3});
  const Request r{m, samples, range(0, 20), range(20, 60)};
  const auto mask = largest_elements(sum_gradient(m, r.forget_samples()), 0.5);
  const auto moved = [&](const SalUn& method) {
    std::int64_t held = 0, free = 0;
    const auto after = method(r);
    for_each_leaf(
        [&](const Path& at, const auto& a, const auto& b, const auto& keep) {
          for (std::int64_t i = 0; is_trained(at) && i < a.size(); ++i) (keep(i) != 0 ? free : held) += a(i) != b(i);
        },
        m, after, mask);
    return std::pair(held, free);
  };
  const std::int64_t trained = count_elements(m) - 16;  // 67, without the statistics
  const auto [held, free] = moved(SalUn{});
  CHECK(held == 0);
  CHECK(free <= trained / 2);
  CHECK(free > trained / 2 - 5);
  CHECK(moved({.decay_all = true}).first > 20);
}

TEST_CASE("salun: with the whole model free it is random labels, with nothing free it is nothing") {
  const auto samples = clusters<double>(three, 20, 0.5);
  auto m = mlp<double>(2, 8, 3);
  train_(m, samples, {.epochs = 5});
  const Request r{m, samples, range(0, 20), range(20, 60)};
  CHECK(bits(SalUn{.share = 0}(r)) == bits(m));
  // The decay is added by the hook instead of the optimizer: equal up to rounding.
  CHECK(distance(SalUn{.share = 1}(r), RandomLabels{}(r)) < 1e-10);
  CHECK(bits(SalUn{.share = 1, .decay_all = true}(r)) == bits(RandomLabels{}(r)));
}

TEST_CASE("random labels: the model unlearns its cluster and keeps the others") {
  const auto samples = clusters<double>(three, 30, 0.4);
  auto m = mlp<double>(2, 16, 3);
  train_(m, samples, {.epochs = 15});
  const Request r{m, samples, range(0, 30), range(30, 90)};
  RandomLabels method{tuning(0.05)};
  method.train.epochs = 30;
  const auto got = method(r);
  CHECK(accuracy(got, r.retain_samples()) > 0.95);
  // Towards uniform probabilities on the forget set: the loss of a label goes to log 3 ≈ 1.1.
  CHECK(cross_entropy(scores(got, r.forget_samples().x), r.forget_samples().labels).item() > 0.7);
  method.only_wrong = true;
  CHECK(accuracy(method(r), r.forget_samples()) == 0);
}
