// Block-wise estimation in Gauss-Seidel order: slopes where the blocks before have moved, and what it costs.
#include "tenzo/zo/blocks.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tenzo/zo/dense.hpp"

using namespace tenzo;
using zo::CallableLoss;
using zo::Estimate;
using zo::LeafRange;

namespace {

using Vector = Tensor<double>;
using Point = std::vector<Vector>;

/// ½ |x|² + c Σ of products of neighbouring blocks: the blocks feel each other.
double coupled(const Point& x) {
  double s = 0;
  for (std::size_t b = 0; b < x.size(); ++b)
    for (std::int64_t i = 0; i < x[b].size(); ++i) {
      s += 0.5 * x[b](i) * x[b](i);
      if (b > 0) s += 0.7 * x[b](i) * x[b - 1](i);
    }
  return s;
}

Point start() {
  return {Vector::from({3}, {1, -2, 0.5}), Vector::from({3}, {0.3, 1.5, -1}), Vector::from({3}, {-0.8, 0.2, 2})};
}
const std::vector<LeafRange> blocks{{0, 1}, {1, 2}, {2, 3}};
const zo::RgeOptions options{.eps = 0.01, .law = zo::DirectionLaw::rademacher};

}  // namespace

TEST_CASE("block_sweep: a block's slope is that of block_rge at the point where the blocks before have moved") {
  constexpr double lr = 0.1;
  Point x = start(), by_hand = start();
  CallableLoss losses(x, coupled), hand_losses(by_hand, coupled);
  int moves = 0;
  const Estimate g = zo::block_sweep(
      losses, 4, 9, blocks,
      [&](Estimate& part) {
        CHECK(part.slopes.size() == 1);
        CHECK(part.slopes[0].direction.query == std::uint32_t(moves++));
        zo::descend_(x, part, lr);
      },
      options);
  CHECK(moves == 3);
  CHECK(g.forwards == 6);
  for (std::size_t b = 0; b < 3; ++b) {
    Estimate all = zo::block_rge(hand_losses, 4, 9, blocks, options);
    CHECK(g.slopes[b].value == all.slopes[b].value);
    all.slopes = {all.slopes[b]};
    zo::descend_(by_hand, all, lr);
    for (std::int64_t i = 0; i < 3; ++i) CHECK(x[b](i) == by_hand[b](i));
  }
  CHECK(g.loss < coupled(start()));  // later blocks were probed lower down

  // The whole sweep from its slopes: what a log replays.
  Point again = start();
  for (const zo::Slope& s : g.slopes) zo::descend_(again, Estimate{{s}, 1, 0, 0}, lr);
  for (std::size_t b = 0; b < 3; ++b)
    for (std::int64_t i = 0; i < 3; ++i) CHECK(again[b](i) == x[b](i));
}

TEST_CASE("block_sweep: with one block it is block_rge, one-sided ones know their own point") {
  Point x = start();
  CallableLoss losses(x, coupled);
  const std::vector<LeafRange> one{{}};
  const auto nothing = [](Estimate&) {};
  const Estimate g = zo::block_sweep(losses, 1, 2, one, nothing, options);
  const Estimate want = zo::block_rge(losses, 1, 2, one, options);
  CHECK(g.slopes[0].value == want.slopes[0].value);
  CHECK(g.loss == want.loss);
  zo::RgeOptions one_sided = options;
  one_sided.two_sided = false;
  CHECK(zo::block_sweep(losses, 1, 2, blocks, nothing, one_sided).forwards == 6);
}

TEST_CASE("block_sweep: a block without a finite loss stays, and the move may change its estimate") {
  Point x = start();
  int calls = 0, moved = 0;
  CallableLoss losses(x, [&](const Point& p) { return ++calls == 3 ? NAN : coupled(p); });
  const Estimate g = zo::block_sweep(
      losses, 1, 0, blocks,
      [&](Estimate& part) {
        ++moved;
        part.slopes[0].value *= -1;
      },
      options);
  CHECK(moved == 2);
  CHECK(std::isnan(g.slopes[1].value));
  CHECK_FALSE(g.finite());
  CHECK(g.slopes[0].value == -zo::block_rge(CallableLoss(x, coupled), 1, 0, blocks, options).slopes[0].value);
  CHECK_THROWS_WITH_AS(zo::block_sweep(
                           losses, 1, 0, {}, [](Estimate&) {}, options),
                       "block_sweep: no blocks", ValueError);
}

TEST_CASE("blocks: names of orders, and the leaves of a block") {
  CHECK(zo::block_order("jacobi") == zo::BlockOrder::jacobi);
  CHECK(zo::block_order("gauss-seidel") == zo::BlockOrder::gauss_seidel);
  CHECK_THROWS_WITH_AS(zo::block_order("sor"), "unknown order of blocks 'sor'; want jacobi or gauss-seidel",
                       ValueError);
  const std::vector<std::uint8_t> trained{1, 1, 0, 1};
  CHECK(zo::trained_in(trained, {1, 3}) == std::vector<std::uint8_t>{0, 1, 0, 0});
  CHECK(zo::trained_in(trained, {2, 99}) == std::vector<std::uint8_t>{0, 0, 0, 1});
}

TEST_CASE("blocks: leaves are cut into runs of about equal size") {
  const auto cut = [](const std::vector<std::int64_t>& sizes, std::size_t blocks) {
    std::vector<std::pair<int, int>> out;
    for (const LeafRange& r : zo::equal_blocks(sizes, blocks)) out.emplace_back(int(r.first), int(r.last));
    return out;
  };
  using Cuts = std::vector<std::pair<int, int>>;
  CHECK(cut({1, 1, 1, 1, 1, 1}, 3) == Cuts{{0, 2}, {2, 4}, {4, 6}});
  CHECK(cut({10, 1, 1, 1, 1, 1, 1}, 4) == Cuts{{0, 1}, {1, 3}, {3, 5}, {5, 7}});  // one leaf larger than a share
  CHECK(cut({1, 1, 1, 100}, 4) == Cuts{{0, 1}, {1, 2}, {2, 3}, {3, 4}});
  CHECK(cut({1, 1, 1, 100}, 2) == Cuts{{0, 3}, {3, 4}});
  CHECK(cut({5}, 1) == Cuts{{0, 1}});
  CHECK(cut({0, 0, 3, 0}, 2) == Cuts{{0, 3}, {3, 4}});
  CHECK_THROWS_AS(cut({1, 1}, 3), ValueError);
  CHECK_THROWS_AS(cut({1, 1}, 0), ValueError);
}
