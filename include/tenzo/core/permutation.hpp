// Whole numbers without bias, and permutations, as functions of a key.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/noise.hpp"

namespace tenzo {

/// Whole numbers of one key; number i is a function of the key and i alone.
class Integers {
 public:
  explicit constexpr Integers(const NoiseKey& key)
      : seed_(key.seed), stream_(key.seed, key.tensor, key.query, key.step) {}

  /// Uniform in {0, …, n - 1}, exactly; i is taken modulo 2^32.
  ///   Method  the halves of the block of counter i (words 0 and 1, then 2 and 3, low word first) are cut to as many
  ///   bits
  ///           as n - 1 has, and the first one below n is taken. If there is none, the block itself is the counter of
  ///           the next one. At most two halves on average.
  ///   Throws  ValueError unless n is positive.
  std::int64_t below(std::int64_t n, std::int64_t i) const {
    require(n > 0, "Integers: a number in [0, ", n, ')');
    const std::uint64_t bound = std::uint64_t(n), mask = std::bit_ceil(bound) - 1;
    for (PhiloxBlock x = stream_.block(std::uint32_t(i));; x = philox4x32(x, seed_)) {
      for (std::size_t half = 0; half < 2; ++half) {
        const std::uint64_t y = (x[2 * half] | std::uint64_t(x[2 * half + 1]) << 32) & mask;
        if (y < bound) return std::int64_t(y);
      }
    }
  }

 private:
  std::uint64_t seed_;
  PhiloxStream stream_;
};

/// A uniformly random permutation of 0, …, n - 1.
///   Method  Fisher and Yates' exchanges: for i = n - 1, …, 1 swap element i with element below(i + 1, i).
///   Key     as given: key.of(Purpose::data_order) for the order of data.
///   Throws  ValueError when n is negative or above 2^32.
inline std::vector<std::int64_t> permutation(std::int64_t n, const NoiseKey& key) {
  require(n >= 0 && n <= std::int64_t(1) << 32, "permutation: of ", n, " elements");
  std::vector<std::int64_t> p(static_cast<std::size_t>(n));
  std::iota(p.begin(), p.end(), std::int64_t(0));
  const Integers integers(key);
  for (std::int64_t i = n - 1; i > 0; --i) std::swap(p[std::size_t(i)], p[std::size_t(integers.below(i + 1, i))]);
  return p;
}

}  // namespace tenzo
