// Denoisers of images: sizes, names, odd images, and what each is by hand.
#include "../ops/values.hpp"
#include "tenzo/models/didn.hpp"
#include "tenzo/models/noise_weighting.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/models/unet.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

template <class M>
bool has_leaf(const M& m, std::string_view name) {
  bool found = false;
  for_each_leaf([&](const Path& at, const auto&) { found = found || at.str() == name; }, m);
  return found;
}

}  // namespace

TEST_CASE("pixel_shuffle: channels to pixels by definition, and back") {
  const auto x = arbitrary({2, 8, 3, 4}, 3);
  const auto y = pixel_shuffle(x, 2);
  CHECK(y.shape() == Shape{2, 2, 6, 8});
  for_each_index(y.shape(), [&](const Index& i, std::int64_t) {
    CHECK(at(y, i) == at(x, {i[0], i[1] * 4 + i[2] % 2 * 2 + i[3] % 2, i[2] / 2, i[3] / 2}));
  });
  check_modes([](const auto& v) { return square(pixel_shuffle(v, 2)); }, x);
  CHECK_THROWS_AS(pixel_shuffle(arbitrary({1, 6, 2, 2}), 2), ShapeError);
}

TEST_CASE("prelu: by definition, in every mode, one slope and one a channel") {
  const auto x = arbitrary({2, 3, 4}, 5);
  for (const std::int64_t n : {1, 3}) {
    const auto a = arbitrary({n}, 6);
    const auto y = prelu(x, a);
    for_each_index(x.shape(), [&](const Index& i, std::int64_t) {
      const double v = at(x, i);
      CHECK(at(y, i) == (v > 0 ? v : v * a(n == 1 ? 0 : i[1])));
    });
    check_modes([](const auto& v) { return square(prelu(v.first, v.second)); }, std::pair{x, a});
  }
  CHECK(std::isnan(prelu(Doubles::full({1}, NAN), Doubles::ones({1})).item()));
  CHECK(prelu(Doubles(Shape{0, 3}), Doubles::ones({3})).shape() == Shape{0, 3});
  CHECK_THROWS_AS(prelu(x, arbitrary({2})), ShapeError);
}

TEST_CASE("residual_cnn: convolutions and relus beside what comes in") {
  const auto m = initialised<double>(residual_cnn_spec({.width = 3, .depth = 2}), 5);
  CHECK(count_elements(residual_cnn_spec({})) == 2 * 16 * 9 * 2 + 3 * 16 * 16 * 9 + 4 * 16 + 2);
  const auto x = arbitrary({2, 2, 5, 4}, 3);
  const auto want = add(x, m.layers[1](relu(m.layers[0](x))));
  CHECK(same(m(x), want));
  CHECK(has_leaf(m, "layers.1.bias"));
  CHECK_THROWS_AS(residual_cnn_spec({.width = 0}), ValueError);
}

TEST_CASE("didn: 3.37 and 5.02 million weights, the names of its files, images of any size") {
  CHECK(count_elements(didn_spec({})) / 10000 == 337);
  CHECK(count_elements(didn_spec({.blocks = 3})) / 10000 == 502);
  const auto m = random_didn<double>({.width = 4, .blocks = 2}, 3);
  for (const auto name : {"conv_input.weight", "recursive.1.conv25.bias", "recursive.0.relu24.weight", "relu4.weight",
                          "conv_mid2.weight", "conv_output.bias"})
    CHECK_MESSAGE(has_leaf(m, name), name);
  CHECK(m.recursive[0].relu2.weight.item() == 0.25);
  CHECK(norm(m.conv_mid.bias) == 0);
  for (const Shape& s : {Shape{2, 2, 8, 16}, Shape{1, 2, 5, 11}, Shape{0, 2, 8, 8}})
    CHECK(m(arbitrary(s)).shape() == s);
  // what is padded is zeros: an image that ends in them is denoised alike
  const auto small = arbitrary({1, 2, 6, 8}, 4);
  const auto whole = pad(small, {{2, 0, 2}});
  CHECK(same(slice(m(whole), 2, 0, 6), m(small)));
  CHECK_THROWS_AS(didn_spec({.width = 6}), ValueError);
}

TEST_CASE("unet: images of any size, scales and norms") {
  for (const bool norm_channels : {true, false}) {
    const auto m = initialised<double>(unet_spec({.width = 3, .levels = 2, .norm = norm_channels}), 3);
    CHECK(has_leaf(m, "join.1.conv2.weight"));
    CHECK(has_leaf(m, "down.0.conv1.bias") == !norm_channels);
    for (const Shape& s : {Shape{2, 2, 8, 12}, Shape{1, 2, 5, 7}}) CHECK(m(arbitrary(s)).shape() == s);
  }
  // without levels: two convolutions and one of 1 x 1 beside x
  const auto flat = initialised<double>(unet_spec({.width = 3, .levels = 0, .norm = false}), 4);
  const auto x = arbitrary({1, 2, 4, 5}, 5);
  const auto by = [](const auto& v) { return leaky_relu(v, 0.2); };
  CHECK(distance(flat(x), add(x, flat.out(by(flat.bottom.conv2(by(flat.bottom.conv1(x))))))) < 1e-15);
  CHECK_THROWS_AS(unet_spec({.channels = 0}), ValueError);
}

TEST_CASE("noise_weighting: one number in (0, 1) an image, the same for an image alone") {
  const auto m = initialised<double>(noise_weighting_spec({.width = 4, .depth = 3}), 3);
  const auto x = arbitrary({3, 2, 6, 5}, 4);
  const auto w = m(x);
  CHECK(w.shape() == Shape{3, 1});
  for (const double v : w.values()) CHECK((v > 0 && v < 1));
  CHECK(distance(m(x.rows(1, 2)), w.rows(1, 2)) < 1e-15);  // running statistics: images do not mix
  BatchStatistics<Doubles> statistics;
  m(x, &statistics);
  CHECK(statistics.size() == 3);
}
