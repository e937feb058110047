// Sparse products, convolutions and models against the masked dense ones; masks in files.
#include "tenzo/prune/sparse_model.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "net.hpp"
#include "tenzo/prune/scores.hpp"
#include "tenzo/prune/select.hpp"
#include "tenzo/train/classifier.hpp"

using namespace tenzo;
using namespace tenzo::prune;
using namespace tenzo::test;

namespace {

template <class T>
T largest_difference(const Tensor<T>& a, const Tensor<T>& b) {
  REQUIRE(a.shape() == b.shape());
  T worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a(i) - b(i)));
  return worst;
}

/// Normal numbers of which a share is zero.
template <class T>
Tensor<T> with_zeros(const Shape& s, double density, std::uint32_t number) {
  std::vector<Tensor<T>> w{random_normal<T>(s, initial_key(9, number))};
  zero_pruned_(w,
               largest(random_scores(w, number, [](const Path&, const Shape&) { return true; }), {.density = density}));
  return w[0];
}

}  // namespace

TEST_CASE_TEMPLATE("csr: products with rows of any number have the bits of the dense product", T, float, double) {
  for (const std::int64_t n : {0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 300})
    for (const auto& [out, in] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {3, 5}, {33, 70}})
      for (const double density : {0., 0.1, 0.5, 1.}) {
        CAPTURE(n);
        CAPTURE(out);
        CAPTURE(density);
        const auto w = with_zeros<T>({out, in}, density, 1);
        const auto x = random_normal<T>({n, in}, initial_key(9, 2)), bias = random_normal<T>({out}, initial_key(9, 3));
        const auto a = CsrMatrix<T>::from(w.data(), out, in, in);
        CHECK(a.count() == out * in - pruned_count(density, out * in));
        Tensor<T> y(Shape{n, out});
        multiply_transposed(a, n, x.data(), bias.data(), y.data());
        CHECK(largest_difference(y, linear(x, w, bias)) == 0);
        multiply_transposed(a, n, x.data(), static_cast<const T*>(nullptr), y.data());
        CHECK(largest_difference(y, linear(x, w)) == 0);
      }
}

TEST_CASE("csr: a matrix with empty rows, by columns, and none at all") {
  const auto w = Tensor<double>::from({3, 4}, {0, 0, 0, 0, 1, 0, 2, 0, 0, 3, 0, 0});
  const auto a = CsrMatrix<double>::from(w.data(), 3, 4, 4);
  CHECK(a.begin == std::vector<std::int64_t>{0, 0, 2, 3});
  CHECK(a.col == std::vector<std::int32_t>{0, 2, 1});
  const auto t = CsrMatrix<double>::from(w.data(), 4, 3, 1, 4);
  CHECK(t.begin == std::vector<std::int64_t>{0, 1, 2, 3, 3});
  CHECK(t.value == std::vector<double>{1, 3, 2});
  const auto none = CsrMatrix<double>::from(w.data(), 2, 0, 0);
  double y[6] = {7, 7, 7, 7, 7, 7};
  multiply_transposed(none, 3, w.data(), static_cast<const double*>(nullptr), y);
  for (const double v : y) CHECK(v == 0);
}

TEST_CASE_TEMPLATE("sparse convolution: strides, padding, dilation, groups, odd sizes", T, float, double) {
  struct Case {
    Shape x, w;
    ConvSettings s;
  };
  const Case cases[] = {{{2, 3, 9, 7}, {5, 3, 3, 3}, {}},
                        {{1, 4, 13, 15}, {6, 2, 3, 2}, {.stride = {2, 1}, .padding = {1, 2}, .groups = 2}},
                        {{3, 2, 8, 8}, {4, 2, 1, 1}, {}},
                        {{2, 3, 20, 21}, {7, 1, 3, 3}, {.padding = {2, 2}, .dilation = {2, 1}, .groups = 3}},
                        {{1, 1, 5, 5}, {2, 1, 5, 5}, {.padding = {4, 0}}}};
  std::uint32_t number = 10;
  for (const Case& c : cases)
    for (const double density : {0., 0.2, 1.}) {
      Case k = c;
      if (k.w[0] % k.s.groups != 0) k.w = k.w.with(0, 6);
      const auto w = with_zeros<T>(k.w, density, ++number);
      const auto x = random_normal<T>(k.x, initial_key(9, ++number)), b = random_normal<T>({k.w[0]}, initial_key(9, 5));
      Conv2d<Tensor<T>> layer{w, b, k.s};
      const auto dense = layer(x);
      const Tensor<T> sparse = sparse_model(layer, dense_mask(layer))(x);
      CHECK(largest_difference(sparse, dense) < (std::is_same_v<T, float> ? 1e-5 : 1e-13));
      layer.bias = {};
      const Tensor<T> bare = sparse_model(layer, dense_mask(layer))(x);
      CHECK(largest_difference(bare, layer(x)) < (std::is_same_v<T, float> ? 1e-5 : 1e-13));
    }
}

TEST_CASE("sparse model: the outputs of the masked one, on any number of threads") {
  const auto net = conv_net<float>(11, 6);
  const auto s = stripes<float>(150, 2);
  for (const double density : {1., 0.3, 0.05}) {
    const auto mask = largest(magnitude_scores(net), {.density = density});
    const auto sparse = sparse_model(net, mask);
    CHECK(sparse.conv1.weight.weight->matrix.count() == densities(mask)[0].kept);
    const auto dense = masked(net, mask);
    const Tensor<float> y = sparse(s.x);
    CHECK(largest_difference(y, dense(s.x)) < 1e-5f);
    CHECK(accuracy(sparse, s) == accuracy(dense, s));
    const int before = threads();
    set_threads(1);
    const Tensor<float> one = sparse(s.x);
    set_threads(before);
    CHECK(largest_difference(y, one) == 0);
  }
}

TEST_CASE("sparse model: a sparse weight in another place is a sentence") {
  Linear<Tensor<float>> l;
  l.weight = Tensor<float>::ones({3, 2});
  l.in_out = true;
  const auto s = sparse_model(l, dense_mask(l));
  CHECK_THROWS_WITH_AS(s(Tensor<float>::ones({1, 3})),
                       "sparse: linear reads a sparse weight; want linear layers and convolutions", ValueError);
}
