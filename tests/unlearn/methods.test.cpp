// All methods by name: a network with batch norm through each, the same bits on any number of threads.
#include "tenzo/unlearn/methods.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "clusters.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

const std::vector<Centre> three{{0.2, 0.2, 0}, {0.8, 0.2, 1}, {0.2, 0.8, 2}};

}  // namespace

TEST_CASE("methods: names lead back, four relabel, all but one train") {
  std::set<std::string> names, relabelling, still, referring;
  for (Method m : all_methods()) {
    const std::string name(name_of(m));
    CHECK(names.insert(name).second);
    CHECK(name_of(method_named(name)) == name);
    CHECK(method_named(name).index() == m.index());
    if (relabels(m)) relabelling.insert(name);
    if (!training_of(m)) still.insert(name);
    if (wants_held_out(m)) referring.insert(name);
  }
  CHECK(names.size() == std::variant_size_v<Method>);
  CHECK(relabelling == std::set<std::string>{"rl", "bs", "be", "salun"});
  CHECK(still == std::set<std::string>{"iu"});
  CHECK(referring == std::set<std::string>{"reference"});
  CHECK_THROWS_WITH_AS(method_named("magic"),
                       "unlearn: no method 'magic'; want one of retrain, ft, l1-sparse, eu-k, cf-k, scrub, rl, bs, be, "
                       "salun, ga, neggrad+, iu, reference",
                       ValueError);
}

TEST_CASE("methods: each gives a model of the same form, twice the same bits, and leaves its own model alone") {
  const auto samples = clusters<float>(three, 20, 0.1), held = clusters<float>(three, 10, 0.1, 3);
  auto m = normed_mlp<float>(2, 8, 3);
  train_(m, samples, {.epochs = 5});
  Request r{m, samples, range(0, 6), range(6, 60), 3};
  r.held_out = &held;
  const std::string before = bits(m);
  const int was = threads();
  for (Method method : all_methods()) {
    CAPTURE(name_of(method));
    if (TrainOptions* o = training_of(method)) o->epochs = 3, o->batch = 16;
    set_threads(1);
    const auto one = unlearned(method, r);
    set_threads(2);
    const auto two = unlearned(method, r);
    CHECK(bits(one) == bits(two));
    CHECK(bits(one).size() == before.size());
    CHECK(bits(one) != before);
    CHECK(bits(m) == before);
    for (const float z : scores(one, samples.x).values()) CHECK(std::isfinite(z));
    Request bad = r;
    bad.forget = {};
    CHECK_THROWS_AS(unlearned(method, bad), ValueError);
    Request alone = r;
    alone.held_out = nullptr;
    if (wants_held_out(method)) CHECK_THROWS_AS(unlearned(method, alone), ValueError);
    else CHECK(bits(unlearned(method, alone)) == bits(one));
  }
  set_threads(was);
}
