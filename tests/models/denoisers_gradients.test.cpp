// Denoisers of images: derivatives by their weights.
#include "../mri/mri.hpp"
#include "tenzo/models/didn.hpp"
#include "tenzo/models/unet.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("didn and unet: derivatives by weights and images") {
  auto didn = random_didn<double>({.width = 4, .blocks = 1}, 3);
  const auto x = arbitrary({1, 2, 5, 8}, 4);
  // biases that are no zeros: else the border that is added stands on the rectifiers' kink
  didn = tenzo::detail::moved(didn, tenzo::detail::arbitrary_like(didn, 7), 0.2);
  check_first_order([](const auto& v) { return v.first(v.second); }, std::pair{didn, x}, 1e-7);
  const auto unet = initialised<double>(unet_spec({.width = 3, .levels = 1}), 3);
  check_first_order([](const auto& v) { return v.first(v.second); }, std::pair{unet, x}, 1e-7);
}
