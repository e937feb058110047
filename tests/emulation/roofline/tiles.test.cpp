// The tiles that the roofline counts with are those of the kernels.
#include <doctest/doctest.h>

#include "../../../benchmarks/roofline/costs.hpp"
#include "perturb.cuh"

using namespace tenzo;

namespace {

template <class K>
constexpr bool is_tile(const roofline::ProductTile& t) {
  return t == roofline::ProductTile{K::bm, K::bn, K::bk, K::tm, K::tn};
}

}  // namespace

TEST_CASE("roofline: tiles of products") {
  CHECK(is_tile<cuda::detail::LargeTile>(roofline::large_tile));
  CHECK(is_tile<cuda::detail::MediumTile>(roofline::medium_tile));
  CHECK(is_tile<cuda::detail::SmallTile>(roofline::small_tile));
}
