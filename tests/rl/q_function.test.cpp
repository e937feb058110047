// Networks of fixed size against the same networks on a tape, and the rules of Q-learning against their formulas.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

#include "tenzo/core/pool.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/rl/draw.hpp"
#include "tenzo/rl/fixed_q.hpp"
#include "tenzo/rl/q_network.hpp"
#include "tenzo/rl/tensor_q.hpp"

using namespace tenzo;
using namespace tenzo::rl;

namespace {

std::atomic<std::int64_t> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t whole = (size + alignment - 1) / alignment * alignment;
  if (void* p = std::aligned_alloc(alignment, whole > 0 ? whole : alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace

// All of this program's memory from the heap; the forms for arrays and those that do not throw call these. Inlined,
// they would look to the compiler like memory that is given back to another place than it is from.
[[gnu::noinline]] void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, std::size_t(alignment));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

struct Data {
  std::vector<float> observation, next, reward, discount, weight;
  std::vector<std::int32_t> action;

  Data(std::int64_t n, std::int64_t size, std::int32_t actions, std::uint32_t number) {
    const auto some = [&](std::int64_t count, std::uint32_t tensor) {
      const auto t = random_normal<float>({count}, initial_key(5, 100 * number + tensor));
      return std::vector<float>(t.values().begin(), t.values().end());
    };
    observation = some(n * size, 0), next = some(n * size, 1), reward = some(n, 2), weight = some(n, 3);
    for (float& w : weight) w = std::abs(w);
    for (std::int64_t i = 0; i < n; ++i) {
      action.push_back(std::int32_t(i * 7 % actions));
      discount.push_back(i % 5 == 0 ? 0.f : 0.99f);
    }
  }
  Batch batch(bool weighted = false) const {
    Batch b{observation, next, action, reward, discount};
    if (weighted) b.weight = weight;
    return b;
  }
};

QNetwork<Tensor<float>> start_of(const QNetworkConfig& c, std::uint64_t seed) {
  auto m = initialised<float>(q_network_spec(c), seed);
  for (auto& l : m.layers)
    if (l.norm.weight.defined())
      for (std::int64_t i = 0; i < l.norm.weight.size(); ++i)
        l.norm.weight(i) += 0.1f * float(i % 7), l.norm.bias(i) += 0.05f * float(i % 5);
  return m;
}

double largest_difference(const Tensor<float>& a, const Tensor<float>& b) {
  double most = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(double(a(i)) - double(b(i))));
  return most;
}

/// Both ways side by side: values, targets, losses, errors and weights after some updates.
template <bool norm, bool dueling, int B, int... widths>
void same_numbers(const TdRule& rule, bool weighted, double limit) {
  using Net = FixedQNetwork<norm, dueling, widths...>;
  const QNetworkConfig c{.widths = {widths...}, .norm = norm, .dueling = dueling};
  const auto start = start_of(c, 3);
  CAPTURE(cat(norm, ' ', dueling, ' ', rule.double_q, ' ', rule.huber, ' ', weighted, ' ', B));
  REQUIRE(count_elements(start) == Net::parameters);
  FixedQ<Net, B> fast(ravel(start), {.lr = 1e-3});
  TensorQ<QNetwork<Tensor<float>>> slow(start, Shape{c.widths.front()}, Net::out, {.lr = 1e-3});
  fast.gradient_limit = slow.gradient_limit = limit;

  const Data probe(37, Net::in, Net::out, 50);
  std::vector<float> a(37 * Net::out), b(37 * Net::out);
  fast.values(probe.observation, a), slow.values(probe.observation, b);
  for (std::size_t i = 0; i < a.size(); ++i)
    CHECK(a[i] == doctest::Approx(b[i]).epsilon(norm || dueling ? 2e-5 : 1e-6));

  for (std::uint32_t t = 0; t < 12; ++t) {
    const Data d(B, Net::in, Net::out, t);
    std::vector<float> fast_errors(B), slow_errors(B);
    const TdFigures f = fast.update(d.batch(weighted), rule, 1, fast_errors);
    const TdFigures s = slow.update(d.batch(weighted), rule, 1, slow_errors);
    CHECK(f.loss == doctest::Approx(s.loss).epsilon(1e-4));
    CHECK(f.mean_q == doctest::Approx(s.mean_q).epsilon(1e-4));
    if (limit > 0) CHECK(f.gradient == doctest::Approx(s.gradient).epsilon(1e-4));
    for (std::size_t i = 0; i < B; ++i) CHECK(fast_errors[i] == doctest::Approx(slow_errors[i]).epsilon(1e-3));
    if (t == 5) fast.follow(1), slow.follow(1);
    if (t == 8) fast.follow(0.3), slow.follow(0.3);
  }
  // Adam divides by the root of a mean of squares: where a gradient is as small as its own rounding, steps of up to
  // 1e-3 each have any sign. On average they must not.
  CHECK(largest_difference(fast.parameters, slow.parameters) < 12 * 2e-3);
  double total = 0;
  for (std::int64_t i = 0; i < fast.parameters.size(); ++i)
    total += std::abs(double(fast.parameters(i)) - double(slow.parameters(i)));
  CHECK(total / double(fast.parameters.size()) < 1e-5);
}

}  // namespace

TEST_CASE("fixed q: the same numbers as on a tape") {
  same_numbers<false, false, 32, 4, 64, 64, 2>({}, false, 0);
  same_numbers<false, false, 128, 4, 120, 84, 2>({.double_q = true}, false, 0);
  same_numbers<false, false, 16, 3, 17, 5>({.huber = 1}, true, 0.5);
  same_numbers<true, false, 48, 6, 33, 20, 3>({.double_q = true, .huber = 0.5}, true, 1);
  same_numbers<false, true, 32, 2, 30, 4>({}, true, 0);
  same_numbers<true, true, 16, 5, 16, 16, 16, 2>({}, false, 10);
}

TEST_CASE("fixed q: a forward pass has the bits of the layers it stands for") {
  const QNetworkConfig c{.widths = {4, 120, 84, 2}};
  const auto start = start_of(c, 9);
  FixedQ<FixedQNetwork<false, false, 4, 120, 84, 2>, 32> q(ravel(start));
  for (const std::int64_t n : {1, 15, 16, 17, 100}) {
    const auto x = random_normal<float>({n, 4}, initial_key(2, 0));
    std::vector<float> y(std::size_t(2 * n));
    q.values(x.values(), y);
    const auto want = start(x);
    CHECK(std::equal(y.begin(), y.end(), want.values().begin()));
  }
}

TEST_CASE("fixed q: an update takes no memory") {
  using Net = FixedQNetwork<true, true, 4, 32, 16, 3>;
  FixedQ<Net, 32> q(Tensor<float>::ones({Net::parameters}));
  q.gradient_limit = 1;
  const Data d(32, 4, 3, 1);
  std::vector<float> errors(32);
  q.update(d.batch(true), {.double_q = true, .huber = 1}, 1, errors);  // makes the optimizer's moments
  Pool::instance().reset_peak();
  const std::size_t before = Pool::instance().statistics().in_use;
  std::vector<float> values(32 * 3);
  q.values(d.observation, values);
  const std::int64_t made = allocations;
  for (int i = 0; i < 10; ++i) {
    q.update(d.batch(true), {.double_q = true, .huber = 1}, 1, errors), q.follow(0.5);
    q.values(d.observation, values);
  }
  CHECK(allocations == made);
  CHECK(made > 0);
  CHECK(Pool::instance().statistics().peak == before);
}

TEST_CASE("q-learning: one step on one sample, by hand") {
  // Q(s, ·) = W s without hidden layers: W (2, 1), b (2).
  const auto w = Tensor<float>::from({4}, {2, -1, 0.5f, 0.25f});
  using Net = FixedQNetwork<false, false, 1, 2>;
  std::vector<float> x(16, 3.f), next(16, 2.f), reward(16, 1.f), discount(16, 0.5f), errors(16);
  const std::vector<std::int32_t> action(16, 1);
  const Batch batch{x, next, action, reward, discount};
  FixedQ<Net, 16, Sgd> q(w, {.lr = 0.1});
  q.target = Tensor<float>::from({4}, {-1, 3, 0, 0});  // Q⁻(2) = (-2, 6), Q(2) = (4.5, -1.75)
  SUBCASE("the target's own maximum") {
    const TdFigures f = q.update(batch, {}, 1, errors);  // y = 1 + 0.5 · 6 = 4, Q(3)[1] = -2.75
    CHECK(errors[7] == doctest::Approx(-6.75));
    CHECK(f.loss == doctest::Approx(6.75 * 6.75));
    CHECK(f.mean_q == doctest::Approx(-2.75));
    CHECK(q.parameters(1) == doctest::Approx(-1 + 0.1 * 2 * 6.75 * 3));
    CHECK(q.parameters(3) == doctest::Approx(0.25 + 0.1 * 2 * 6.75));
    CHECK(q.parameters(0) == 2);
  }
  SUBCASE("double: the online network chooses") {
    q.update(batch, {.double_q = true}, 1, errors);  // y = 1 + 0.5 · (-2) = 0
    CHECK(errors[0] == doctest::Approx(-2.75));
  }
  SUBCASE("huber: the slope is bounded") {
    const TdFigures f = q.update(batch, {.huber = 1}, 1, errors);
    CHECK(f.loss == doctest::Approx(6.75 - 0.5));
    CHECK(q.parameters(3) == doctest::Approx(0.25 + 0.1));
  }
  SUBCASE("a terminal state has no value") {
    std::fill(discount.begin(), discount.end(), 0.f);
    q.update(batch, {}, 1, errors);
    CHECK(errors[3] == doctest::Approx(-3.75));
  }
}

TEST_CASE("q functions: what does not fit is said") {
  using Net = FixedQNetwork<false, false, 4, 8, 2>;
  CHECK_THROWS_AS((FixedQ<Net, 16>(Tensor<float>::zeros({3}))), ShapeError);
  FixedQ<Net, 16> q(Tensor<float>::zeros({Net::parameters}));
  const Data few(15, 4, 2, 0), other(16, 3, 2, 0);
  CHECK_THROWS_AS(q.update(few.batch(), {}), ShapeError);
  CHECK_THROWS_AS(q.update(other.batch(), {}), ShapeError);
  Data wrong(16, 4, 2, 0);
  wrong.action[3] = 2;
  CHECK_THROWS_WITH_AS(q.update(wrong.batch(), {}), "q-learning: action 2 of 2", ValueError);
  CHECK_THROWS_AS(q_network_spec({.widths = {4}}), ValueError);
  CHECK_THROWS_AS(q_network_spec({.widths = {4, 0, 2}}), ValueError);
}
