#include "rope.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/rope.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

struct Case {
  std::int64_t tokens, heads, dim, pairs;
  bool batch;  // heads lie behind all tokens, not in each token
};

}  // namespace

TEST_CASE_TEMPLATE("rope has the CPU's bits: layouts, strides, parts of heads, both ways, also in place", T, float,
                   double) {
  const Case cases[] = {{0, 2, 4, 2, false},   {1, 1, 2, 1, false},    {3, 2, 6, 3, false},    {5, 3, 8, 4, false},
                        {5, 3, 8, 4, true},    {4, 2, 10, 3, false},   {4, 2, 24, 4, true},    {3, 9, 64, 32, false},
                        {2, 3, 64, 16, false}, {17, 2, 128, 64, true}, {33, 1, 80, 40, false}, {2, 1, 12, 2, false}};
  for (const Case& c : cases)
    for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved})
      for (const int shift : {0, 1, 2}) {
        CAPTURE(c.tokens);
        CAPTURE(c.heads);
        CAPTURE(c.dim);
        CAPTURE(c.pairs);
        CAPTURE(int(layout));
        CAPTURE(shift);
        const std::int64_t size = c.tokens * c.heads * c.dim, positions = 20;
        const HeadStrides from{c.heads * c.dim, c.dim}, behind{c.dim, c.tokens * c.dim};
        RopeShape s{c.tokens, c.heads, c.dim, c.pairs, layout, false, from, c.batch ? behind : from};
        std::vector<std::int64_t> at(static_cast<std::size_t>(c.tokens));
        for (std::size_t t = 0; t < at.size(); ++t) at[t] = std::int64_t(t * 7 % 20);
        const RopeAngles<T> angles(positions, rope_frequencies(2 * c.pairs, 10000));
        const auto numbers = [&](const Tensor<T>& t) { return std::vector<T>(t.data(), t.data() + t.size()); };
        under_schedules([&] {
          Both<T> cos(numbers(angles.cos), shift / 2), sin(numbers(angles.sin)), x(normals<T>(size, 1), shift),
              y(size, shift);
          Both<std::int64_t> p(at);
          for (const bool inverse : {false, true}) {
            s.inverse = inverse;
            on_both([&](auto d) { rope(d, s, cos.at(d), sin.at(d), p.at(d), x.at(d), y.at(d)); });
            CHECK(y.same());
          }
          s.to = s.from;
          on_both([&](auto d) { rope(d, s, cos.at(d), sin.at(d), p.at(d), x.at(d), x.at(d)); });
          CHECK(x.same());
        });
      }
  emulation::expect_clean();
}

TEST_CASE("rope reads and writes heads once, sixteen bytes at a time") {
  for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved}) {
    const std::int64_t size = 4 * 9 * 64;
    const RopeShape s{4, 9, 64, 32, layout, false, {9 * 64, 64}, {9 * 64, 64}};
    Both<float> cos(normals<float>(10 * 32, 1)), sin(normals<float>(10 * 32, 2)), x(normals<float>(size, 3)), y(size);
    Both<std::int64_t> p(std::vector<std::int64_t>{0, 9, 3, 3});
    const auto t = emulation::traffic_of(
        [&] { rope(Cuda{}, s, cos.at(Cuda{}), sin.at(Cuda{}), p.at(Cuda{}), x.at(Cuda{}), y.at(Cuda{})); });
    CHECK(t.stores[4] * 16 == size * 4);
    CHECK(t.loads[4] * 16 == (layout == RopeLayout::half ? 2 : 1) * size * 4);  // half with cosines and sines
  }
  emulation::expect_clean();
}
