// The map from (key, row, column) to numbers, written down a second time as plainly as it can be, and every way to get
// at those numbers compared with it.
#include "tenzo/core/noise.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <span>
#include <vector>

#include "tenzo/core/hash.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/core/row_source.hpp"

using namespace tenzo;

namespace {

constexpr NoiseKey some_key{0x0123456789abcdefull, 7, 3, 11};

const Law laws[] = {Law::normal, Law::rademacher, Law::uniform, {Law::ternary, 0.3}};

/// Element (row, col) of a matrix with `cols` columns, by the documentation.
float element(Law law, const NoiseKey& k, std::int64_t cols, std::int64_t row, std::int64_t col) {
  const auto block = [&](std::int64_t n) {
    return philox4x32({std::uint32_t(row * ((cols + n - 1) / n) + col / n), k.tensor, k.query, k.step}, k.seed);
  };
  if (law.kind == Law::rademacher) return block(128)[std::size_t(col % 128 / 32)] >> (col % 32) & 1u ? -1.f : 1.f;
  const std::uint32_t x = block(4)[std::size_t(col % 4)];
  if (law.kind == Law::normal) return normal_from_word(x);
  if (law.kind == Law::uniform) return float(x >> 8 | 1u) / 16777216.f;
  return double(x >> 2) < std::round(law.density * 1073741824.) ? (x & 1u ? -1.f : 1.f) : 0.f;
}

std::vector<float> matrix(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols) {
  std::vector<float> z;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j) z.push_back(element(law, key, cols, i, j));
  return z;
}

constexpr float untouched = 99;

/// Room for n values and one more, which must stay as it is.
template <class T = float>
std::vector<T> room(std::int64_t n) {
  return std::vector<T>(std::size_t(n) + 1, T(untouched));
}

template <class T>
bool holds(const std::vector<T>& got, std::span<const float> want) {
  bool equal = got.size() == want.size() + 1 && got.back() == T(untouched);
  for (std::size_t i = 0; i < want.size(); ++i)
    equal = equal && got[i] == T(want[i]) && std::signbit(got[i]) == std::signbit(want[i]);
  return equal;
}

}  // namespace

TEST_CASE("noise: a matrix of any shape, as documented") {
  for (const Law law : laws)
    for (const std::int64_t rows : {1, 2, 3, 17})
      for (const std::int64_t cols :
           {1, 2, 3, 4, 5, 8, 9, 63, 64, 65, 127, 128, 129, 130, 200, 576, 4095, 4100, 9001}) {
        CAPTURE(int(law.kind));
        CAPTURE(rows);
        CAPTURE(cols);
        const auto want = matrix(law, some_key, rows, cols);
        auto got = room(rows * cols);
        fill_matrix(law, some_key, rows, cols, got.data());
        CHECK(holds(got, want));
        auto wide = room<double>(rows * cols);
        fill_matrix(law, some_key, rows, cols, wide.data());
        CHECK(holds(wide, want));
      }
}

TEST_CASE("noise: any part of a row, and blocks of rows") {
  const std::int64_t rows = 5;
  for (const Law law : laws)
    for (const std::int64_t cols : {3, 130, 700}) {
      const auto all = matrix(law, some_key, rows, cols);
      for (const std::int64_t col : {0, 1, 2, 64, 65, 127, 128, 300, 699})
        for (const std::int64_t n : {0, 1, 3, 64, 65, 200, 640}) {
          if (col + n > cols) continue;
          CAPTURE(int(law.kind));
          CAPTURE(cols);
          CAPTURE(col);
          CAPTURE(n);
          auto got = room(n);
          fill(law, some_key, cols, rows - 1, col, n, got.data());
          CHECK(holds(got, std::span(all).subspan(std::size_t((rows - 1) * cols + col), std::size_t(n))));

          const std::int64_t ld = n + 3;
          std::vector<float> block(std::size_t(3 * ld), untouched);
          fill_rows(law, some_key, cols, 1, 3, col, n, block.data(), ld);
          bool equal = true;
          for (std::int64_t i = 0; i < 3; ++i)
            for (std::int64_t j = 0; j < ld; ++j)
              equal = equal && block[std::size_t(i * ld + j)] ==
                                   (j < n ? all[std::size_t((1 + i) * cols + col + j)] : untouched);
          CHECK(equal);
        }
    }
}

TEST_CASE("noise: tiles, as the product asks for them") {
  static_assert(RowSource<Noise<Law::normal>> && RowSource<Noise<Law::rademacher>>);
  const std::int64_t rows = 21, cols = 300, width = 70;
  for (const Law law : laws) {
    const auto all = matrix(law, some_key, rows, cols);
    const auto check = [&](const auto& noise) {
      for (const std::int64_t row : {0, 5})
        for (const std::int64_t height : {1, 2, 15, 16})
          for (std::int64_t col = 0; col < cols; col += 64) {
            const std::int64_t n = std::min<std::int64_t>(64, cols - col);
            std::vector<float> tile(16 * width, untouched);
            noise.tile(row, height, col, n, tile.data(), width);
            bool equal = true;
            for (std::int64_t i = 0; i < 16; ++i)
              for (std::int64_t j = 0; j < width; ++j)
                equal = equal && tile[std::size_t(i * width + j)] ==
                                     (i < height && j < n ? all[std::size_t((row + i) * cols + col + j)] : untouched);
            CAPTURE(row);
            CAPTURE(height);
            CAPTURE(col);
            CHECK(equal);
          }
    };
    CAPTURE(int(law.kind));
    std::visit(check, make_noise(law, some_key, rows, cols));
  }
}

TEST_CASE("noise: runs of 64") {
  for (const Law law : laws) {
    bool equal = true;
    const auto check = [&](const auto& noise) {
      for (const std::int64_t col : {0, 64, 128, 192}) {
        float run[64];
        noise.run64(2, col, run);
        for (std::int64_t j = 0; j < 64; ++j) equal = equal && run[j] == element(law, some_key, 300, 2, col + j);
      }
    };
    std::visit(check, make_noise(law, some_key, 5, 300));
    CHECK(equal);
  }
}

TEST_CASE("noise: the bits of a million values of each law are those of every other machine") {
  const auto hash = [](Law law) {
    std::vector<float> z(1'000'000);
    fill_matrix(law, some_key, 1, 1'000'000, z.data());
    Hash64 h;
    h.update(std::as_bytes(std::span(z)));
    return h.value();
  };
  CHECK(hash(Law::normal) == 0xfab165944127931a);
  CHECK(hash(Law::rademacher) == 0x292c0a08e1014e33);
  CHECK(hash(Law::uniform) == 0x1c0a6f3adc1e3004);
  CHECK(hash(Law::ternary) == 0xff48aed38dab66a7);
}

TEST_CASE("noise: purposes do not meet, and keep the rest of the key") {
  const NoiseKey k{1, 2, 3, 4};
  CHECK(k.of(Purpose::direction) == k);
  CHECK(k.of(Purpose::dropout) == NoiseKey{1, 2, 3, 0x20000004u});
  CHECK(k.of(Purpose::rounding).of(Purpose::data_order) == NoiseKey{1, 2, 3, 0x30000004u});
}

TEST_CASE("noise: sizes and densities that can not be") {
  const NoiseKey k;
  float z = 0;
  CHECK_THROWS_WITH_AS(fill_matrix(Law::normal, k, -1, 4, &z), "noise: a matrix of -1 rows and 4 columns", ValueError);
  CHECK_THROWS_WITH_AS(make_noise(Law::normal, k, (std::int64_t(1) << 32) + 1, 4),
                       "noise: 4294967297 rows of 4 columns take more than 2^32 blocks", ValueError);
  CHECK_NOTHROW(make_noise(Law::rademacher, k, (std::int64_t(1) << 32), 128));
  CHECK_THROWS_WITH_AS(make_noise({Law::ternary, 1.5}, k, 1, 1), "noise: the density is 1.5; want a probability",
                       ValueError);
  CHECK_THROWS_AS(fill(Law::normal, k, 10, 0, 8, 3, &z), ValueError);
  CHECK_NOTHROW(fill_matrix(Law::normal, k, 0, 4, &z));
  CHECK_NOTHROW(fill_matrix(Law::normal, k, 4, 0, &z));
  CHECK(z == 0);
}
