// Normalisation: every combination of weight and bias in every mode, statistics, errors.
#include "tenzo/ops/channel_norm.hpp"

#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// Which of weight and bias are given.
struct Given {
  bool weight, bias;
};
const Given all_given[] = {{true, true}, {true, false}, {false, true}, {false, false}};

std::vector<Doubles> operands(const Shape& x, const Shape& each, Given given) {
  return {arbitrary(x, 1, 2), given.weight ? arbitrary(each, 2) + 1.5 : Doubles{},
          given.bias ? arbitrary(each, 3) : Doubles{}};
}

}  // namespace

TEST_CASE("layer_norm: in every mode, over one axis and two") {
  for (const Given given : all_given) {
    check_modes([](const auto& v) { return square(layer_norm(v[0], v[1], v[2], 1e-3)); },
                operands({2, 3, 5}, {5}, given));
  }
  const auto two = operands({3, 2, 4}, {2, 4}, {true, true});
  const Doubles y = layer_norm(two[0], two[1], two[2], 1e-3, 2);
  const Doubles flat = layer_norm(reshape(two[0], {3, 8}), flatten(two[1]), flatten(two[2]), 1e-3);
  CHECK(same(flatten(y), flatten(flat)));
  const Doubles h = layer_norm(two[0], Doubles{}, Doubles{}, 0);
  CHECK(distance(mean(h, 2), Doubles::zeros({3, 2})) < 1e-15);
  CHECK(distance(variance(h, 2, 0), Doubles::ones({3, 2})) < 1e-14);
}

TEST_CASE("rms_norm: in every mode") {
  for (const bool weight : {true, false})
    check_modes([](const auto& v) { return square(rms_norm(v[0], v[1], 1e-3)); },
                operands({4, 6}, {6}, {weight, false}));
  const Doubles x = arbitrary({7});
  CHECK(distance(mean(square(rms_norm(x, Doubles{}, 0)), 0), Doubles::scalar(1)) < 1e-15);
}

TEST_CASE("group_norm: in every mode") {
  for (const Given given : all_given)
    check_modes([](const auto& v) { return square(group_norm(v[0], 2, v[1], v[2], 1e-3)); },
                operands({2, 4, 3}, {4}, given));
}

TEST_CASE("batch_norm: in every mode, of images and of plain features") {
  for (const Given given : all_given)
    check_modes([](const auto& v) { return square(batch_norm(v[0], v[1], v[2], 1e-3).y); },
                operands({3, 2, 1, 4}, {2}, given));
  check_modes([](const auto& v) { return square(batch_norm(v[0], v[1], v[2], 1e-3).y); },
              operands({5, 3}, {3}, {true, true}));
}

TEST_CASE("batch_norm: hands out its statistics, and takes given ones") {
  const auto x = operands({3, 2, 4, 5}, {2}, {true, true});
  const auto normalized = batch_norm(x[0], x[1], x[2], 1e-5);
  CHECK(distance(normalized.mean, mean(x[0], {0, 2, 3})) < 1e-15);
  CHECK(distance(normalized.variance, variance(x[0], {0, 2, 3}, 0)) < 1e-14);
  const Doubles again = batch_norm(x[0], normalized.mean, normalized.variance, x[1], x[2], 1e-5);
  CHECK(distance(again, normalized.y) < 1e-14);
  const auto f = [&](const auto& v) {
    return square(batch_norm(v[0], normalized.mean, normalized.variance, v[1], v[2], 1e-3));
  };
  for (const Given given : all_given) check_modes(f, operands({3, 2, 2, 2}, {2}, given));
  Tape<Doubles> tape;
  const auto recorded = batch_norm(tape.leaf(x[0]), x[1], x[2], 1e-5);
  CHECK(same(recorded.mean, normalized.mean));
}

TEST_CASE("normalisation: what does not fit is a sentence") {
  const Doubles x = arbitrary({2, 6, 3});
  CHECK_THROWS_WITH_AS(rms_norm(x, arbitrary({6})), "rms_norm: x is (2, 6, 3), the weight (6); want (3)", ShapeError);
  CHECK_THROWS_AS(layer_norm(x, arbitrary({6}), Doubles{}), ShapeError);
  CHECK_THROWS_AS(layer_norm(x, Doubles{}, Doubles{}, 1e-5, 4), ShapeError);
  CHECK_THROWS_WITH_AS(group_norm(x, 4, Doubles{}, Doubles{}), "group_norm: 4 groups of 6 channels", ShapeError);
  CHECK_THROWS_AS(batch_norm(arbitrary({4}), Doubles{}, Doubles{}), ShapeError);
  CHECK(layer_norm(Doubles::zeros({0, 3}), Doubles{}, Doubles{}).shape() == Shape{0, 3});
}
