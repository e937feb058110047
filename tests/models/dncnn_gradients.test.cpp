// DnCNN: derivatives by its weights and its images.
#include <doctest/doctest.h>

#include <utility>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/models/dncnn.hpp"

using namespace tenzo;

using D = Tensor<double>;

TEST_CASE("dncnn: derivatives by its weights and images, with norms and without") {
  const D x = random_normal<double>({2, 2, 4, 5}, initial_key(2, 0));
  for (const bool norm : {true, false})
    for (const bool residual : {true, false}) {
      const auto m = initialised<double>(
          dncnn_spec({.channels = 2, .depth = 3, .width = 3, .norm = norm, .residual = residual}), 6);
      BatchStatistics<D> statistics;
      const auto report = check_gradients([&](const auto& both) { return both.first(both.second, &statistics); },
                                          std::pair{m, x}, {.probes = 16});
      CHECK_MESSAGE(report.passed(), report);
    }
}
