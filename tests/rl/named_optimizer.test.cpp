// The optimizer that a user of the program dqn names is the one of that name.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include "../../examples/dqn/optimizer.hpp"
#include "../tree/same_bits.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;

TEST_CASE("named optimizers: the same bits as the ones they stand for") {
  const auto after = [](const auto& optimizer) {
    using O = std::remove_cvref_t<decltype(optimizer)>;
    auto x = random_normal<float>({40}, initial_key(1, 0));
    typename O::template State<Tensor<float>> s;
    for (std::uint32_t t = 1; t <= 12; ++t) optimizer.step(s, x, random_normal<float>({40}, initial_key(1, t)), 0.5);
    CHECK(s.step == 12);
    return x;
  };
  const auto named = [&](const std::string& name) { return after(dqn::NamedOptimizer{.lr = 0.01, .name = name}); };
  CHECK(test::same_bits(named("adam"), after(Adam{.lr = 0.01})));
  CHECK(test::same_bits(named("radam"), after(RAdam{.lr = 0.01})));
  CHECK(test::same_bits(named("rmsprop"), after(RmsProp{.lr = 0.01, .alpha = 0.95, .eps = 0.01, .centered = true})));
  CHECK_FALSE(test::same_bits(named("adam"), named("radam")));
  CHECK(dqn::optimizers().size() == 3);
}
