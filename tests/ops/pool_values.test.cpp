// The largest of each window without its place: the values of max_pool2d with it, for all shapes, infinities and NaNs.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tenzo/nn/init.hpp"
#include "tenzo/ops/pool.hpp"

using namespace tenzo;

namespace {

template <class T>
void check_shape(const Shape& shape, const PoolSettings& settings) {
  CAPTURE(shape);
  Tensor<T> x = random_normal<T>(shape, initial_key(3, std::uint32_t(shape.numel())));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (i % 7 == 3) x(i) = T(0.5);  // equal ones
    if (i % 31 == 5) x(i) = std::numeric_limits<T>::quiet_NaN();
    if (i % 29 == 4) x(i) = -std::numeric_limits<T>::infinity();
    if (i % 37 == 6) x(i) = std::numeric_limits<T>::infinity();
  }
  const Tensor<T> got = max_pool2d(x, settings);
  const PoolGeometry g =
      pool_geometry("max_pool2d", detail::plane_count(shape), detail::image_size("", shape), settings);
  Tensor<T> want(got.shape());
  std::vector<std::int32_t> index(std::size_t(want.size()));
  cpu::max_pool2d(Cpu{}, g, x.data(), want.data(), index.data());
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const bool same = got(i) == want(i) || (std::isnan(got(i)) && std::isnan(want(i)));
    CHECK(same);
    // by hand: the largest of the window that the index points into
    if (!std::isnan(want(i))) CHECK(x(i / g.out_plane() * g.in_plane() + index[std::size_t(i)]) == want(i));
  }
}

}  // namespace

TEST_CASE("max_pool2d of plain tensors: as with places") {
  const PoolSettings halves{.kernel = {2, 2}, .stride = {2, 2}};
  for (const std::int64_t h : {2, 3, 8, 24, 37})
    for (const std::int64_t w : {2, 5, 8, 24, 30, 128, 130}) {
      check_shape<float>({2, 3, h, w}, halves);
      check_shape<double>({3, h, w}, halves);
    }
  check_shape<float>({2, 2, 9, 11}, {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}});
  check_shape<float>({0, 2, 4, 4}, halves);
}

TEST_CASE("max_pool2d of plain tensors: 2 x 2 windows against the definition, any number of threads") {
  const Tensor<float> x = random_normal<float>({5, 7, 12, 16}, initial_key(4, 0));
  const int before = threads();
  for (const int team : {1, 3}) {
    set_threads(team);
    const Tensor<float> y = max_pool2d(x, {.kernel = {2, 2}, .stride = {2, 2}});
    for (std::int64_t p = 0; p < 35; ++p)
      for (std::int64_t i = 0; i < 6; ++i)
        for (std::int64_t j = 0; j < 8; ++j) {
          const float* at = x.data() + p * 192 + 32 * i + 2 * j;
          CHECK(y(p * 48 + i * 8 + j) == std::max(std::max(at[0], at[1]), std::max(at[16], at[17])));
        }
  }
  set_threads(before);
}
