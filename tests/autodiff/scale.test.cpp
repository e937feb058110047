// Differentiation at scale: long chains and shared sub-expressions, in every mode, without recursion.
#include <doctest/doctest.h>
#include <pthread.h>

#include <functional>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/ops/reduce.hpp"

using namespace tenzo;

namespace {

using T = Tensor<double>;

/// Runs `work` on a thread whose stack has a megabyte: a recursion a hundred thousand deep does not fit.
void on_small_stack(const std::function<void()>& work) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, std::size_t(1) << 20) == 0);
  pthread_t thread;
  auto entry = [](void* f) -> void* {
    (*static_cast<const std::function<void()>*>(f))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, entry, const_cast<std::function<void()>*>(&work)) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

/// x² doubled `n` times by adding it to itself: 2ⁿ x².
const auto doublings = [](int n) {
  return [n](const auto& x) {
    auto y = mul(x, x);
    for (int i = 0; i < n; ++i) y = add(y, y);
    return y;
  };
};

/// x² c^n, one multiplication by the number c after another.
const auto chain = [](int n, double c) {
  return [n, c](const auto& x) {
    auto y = mul(x, x);
    for (int i = 0; i < n; ++i) y = scale(y, c);
    return y;
  };
};

template <class F>
void check_all_modes(const F& f, double x0, double factor) {  // f(x) = factor x²
  const T x = T::scalar(x0), one = T::scalar(1);
  CHECK(f(x).item() == doctest::Approx(factor * x0 * x0).epsilon(1e-9));
  CHECK(grad(f, x).item() == doctest::Approx(2 * factor * x0).epsilon(1e-9));
  CHECK(jvp(f, x, one).second.item() == doctest::Approx(2 * factor * x0).epsilon(1e-9));
  CHECK(hvp(f, x, one).item() == doctest::Approx(2 * factor).epsilon(1e-9));
  const auto slope = [&](const auto& q) { return grad(f, q); };
  CHECK(grad(slope, x).item() == doctest::Approx(2 * factor).epsilon(1e-9));
  const auto tangent = [&](const auto& q) {
    using V = std::remove_cvref_t<decltype(q)>;
    return jvp(f, q, lift<V>(T::scalar(1))).second;
  };
  CHECK(grad(tangent, x).item() == doctest::Approx(2 * factor).epsilon(1e-9));
}

}  // namespace

TEST_CASE("autodiff: a chain of 100,000 operations in every mode, on a small stack") {
  constexpr int n = 100000;
  constexpr double c = 1 + 1e-5;
  on_small_stack([] { check_all_modes(chain(n, c), 1.5, std::pow(c, n)); });
}

TEST_CASE("autodiff: 60 doublings of a shared sub-expression in every mode") {
  check_all_modes(doublings(60), 0.75, std::ldexp(1.0, 60));
}

TEST_CASE("autodiff: the tape grows by one record an operation, whatever is shared") {
  Tape<T> tape;
  const Var<T> x = tape.leaf(T::scalar(1));
  doublings(60)(x);
  CHECK(tape.size() == 61);
}
