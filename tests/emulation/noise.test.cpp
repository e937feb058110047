// Noise on the GPU has the bits of the CPU's.
#include "noise.cuh"

#include <vector>

#include "compare.hpp"
#include "stored.hpp"
#include "tenzo/cuda/perturb.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

constexpr Law laws[] = {Law::normal, Law::rademacher, Law::uniform, Law::ternary, {Law::ternary, 0.1}};
const NoiseKey keys[] = {{},
                         {1, 2, 3, 4},
                         {0xfedcba9876543210u, 0xffffffffu, 7, (1u << 28) - 1},
                         NoiseKey{42, 5, 6, 7}.of(Purpose::initialisation)};

/// n numbers about zero, also of a storage type.
template <class T>
std::vector<T> numbers(std::int64_t n) {
  std::vector<T> out;
  for (const float x : normals<float>(n, 99)) out.push_back(T(x));
  return out;
}

struct Tile {
  std::int64_t cols, row, rows, col, n, ld;
};
constexpr Tile tiles[] = {
    {1, 0, 1, 0, 1, 1},          {3, 0, 5, 0, 3, 3},
    {4, 1, 3, 0, 4, 4},          {31, 2, 3, 1, 30, 33},
    {33, 0, 9, 0, 33, 33},       {64, 5, 2, 8, 20, 24},
    {127, 0, 4, 3, 124, 124},    {128, 3, 3, 0, 128, 132},
    {129, 7, 2, 5, 97, 100},     {260, 0, 3, 4, 252, 252},
    {1000, 9, 1, 333, 100, 100}, {9, 0, 0, 0, 9, 9},
    {9, 3, 2, 9, 0, 9},          {1000000, 17100, 2, 999900, 100, 100},
};

template <class T>
void check_fill() {
  for (const Law& law : laws)
    for (const NoiseKey& key : keys)
      for (const Tile& t : tiles) {
        CAPTURE(int(law.kind));
        CAPTURE(t.cols);
        CAPTURE(t.col);
        CAPTURE(t.n);
        const std::vector<T> before(std::size_t(t.rows * t.ld + 3), T(-7));
        std::vector<T> want = before;
        fill_rows(law, key, t.cols, t.row, t.rows, t.col, t.n, want.data(), t.ld);
        cuda::DeviceArray<T> out{std::span<const T>(before)};
        cuda::fill_rows(Cuda{}, law, key, t.cols, t.row, t.rows, t.col, t.n, out.data(), t.ld);
        CHECK(same_bits(out.to_host(), want));
      }
}

std::vector<NoiseTerm> mixed_terms(int n) {
  std::vector<NoiseTerm> terms;
  for (int i = 0; i < n; ++i)
    terms.push_back({{std::uint64_t(i) * 77, std::uint32_t(i), 3, 5}, 0.1 * (i % 7 - 3), laws[std::size_t(i) % 5]});
  return terms;
}

template <class T>
void check_replay(std::int64_t rows, std::int64_t cols, int count, bool apart, int shift) {
  CAPTURE(rows);
  CAPTURE(cols);
  CAPTURE(count);
  CAPTURE(apart);
  CAPTURE(shift);
  const std::vector<NoiseTerm> terms = mixed_terms(count);
  const std::vector<T> before = numbers<T>(rows * cols + shift);
  std::vector<T> want = before, other = numbers<T>(rows * cols + shift);
  for (T& x : other) x = T(2 * float(x));
  add_scaled_(want.data() + shift, rows, cols, terms, apart ? other.data() + shift : nullptr);
  const cuda::DeviceArray<T> w{std::span<const T>(before)}, from{std::span<const T>(other)};
  cuda::add_scaled_(Cuda{}, w.data() + shift, rows, cols, terms, apart ? from.data() + shift : nullptr);
  CHECK(same_bits(w.to_host(), want));
}

}  // namespace

TEST_CASE("noise: tiles of all laws have the bits of the CPU") {
  const AtEnd clean;
  check_fill<float>();
  check_fill<double>();
}

TEST_CASE("noise: uniform numbers in a range") {
  const AtEnd clean;
  for (const std::int64_t cols : {1, 4, 33, 600}) {
    std::vector<float> want(std::size_t(3 * cols));
    fill_uniform(keys[1], 3, cols, -0.3f, 0.7f, want.data());
    const cuda::DeviceArray<float> out(3 * cols);
    cuda::fill_uniform(Cuda{}, keys[1], 3, cols, -0.3f, 0.7f, out.data());
    CHECK(same_bits(out.to_host(), want));
    std::vector<double> wide(std::size_t(3 * cols));
    fill_uniform(keys[1], 3, cols, -0.3, 0.7, wide.data());
    const cuda::DeviceArray<double> wide_out(3 * cols);
    cuda::fill_uniform(Cuda{}, keys[1], 3, cols, -0.3, 0.7, wide_out.data());
    CHECK(same_bits(wide_out.to_host(), wide));
  }
  CHECK_THROWS_AS(cuda::fill_uniform(Cuda{}, keys[1], 1, 1, 1.f, 1.f, static_cast<float*>(nullptr)), ValueError);
}

TEST_CASE("noise: replay of many terms has the bits of the CPU, under every schedule") {
  const AtEnd clean;
  emulation::for_all_schedules([](const auto& schedule) {
    CAPTURE(schedule);
    for (const int count : {1, 9, 17})
      check_replay<float>(5, 129, count, false, 0), check_replay<bfloat16>(3, 136, count, false, 0);
  });
  for (const auto& [rows, cols] :
       {std::pair{1, 1}, {1, 7}, {1, 8}, {1, 9}, {7, 3}, {2, 128}, {3, 2048}, {33, 64}, {1, 2049}})
    for (const int count : {1, 2, 8, 33})
      for (const bool apart : {false, true})
        for (const int shift : {0, 1}) {
          check_replay<float>(rows, cols, count, apart, shift);
          check_replay<double>(rows, cols, count, apart, shift);
          check_replay<bfloat16>(rows, cols, count, apart, shift);
        }
  for (const bool apart : {false, true})
    check_replay<float>(3, 5, 0, apart, 0), check_replay<bfloat16>(3, 5, 0, apart, 0);
  check_replay<float>(0, 5, 1, false, 0), check_replay<float>(5, 0, 1, false, 0);
}

TEST_CASE("noise: rounding to bfloat16 keeps infinities and NaN") {
  const AtEnd clean;
  const float special[] = {INFINITY, -INFINITY, NAN, 3.3e38f, -3.3e38f, 0.f, -0.f, 1e-40f};
  std::vector<bfloat16> before;
  for (int i = 0; i < 64; ++i) before.push_back(bfloat16(special[i % 8]));
  std::vector<bfloat16> want = before;
  const NoiseTerm terms[] = {{keys[1], 1e38, Law::normal}, {keys[2], 1e-39, Law::ternary}};
  add_scaled_(want.data(), 1, 64, terms);
  const cuda::DeviceArray<bfloat16> w{std::span<const bfloat16>(before)};
  cuda::add_scaled_(Cuda{}, w.data(), 1, 64, terms);
  CHECK(same_bits(w.to_host(), want));
}

TEST_CASE("noise: directions of every structure have the bits of the CPU") {
  const AtEnd clean;
  constexpr std::int64_t rows = 9, cols = 45;
  Tensor<std::uint8_t> mask(Shape{rows, cols});
  for (std::int64_t i = 0; i < rows * cols; ++i) mask.data()[i] = std::uint8_t(i % 3 != 0);
  const cuda::DeviceArray<std::uint8_t> device_mask{
      std::span<const std::uint8_t>(mask.data(), std::size_t(rows * cols))};
  const std::uint32_t leaf = 4;
  for (const zo::DirectionLaw law : {zo::DirectionLaw::gaussian, zo::DirectionLaw::rademacher, zo::DirectionLaw::sphere,
                                     zo::DirectionLaw::coordinate})
    for (const int rank : {0, 1, 3})
      for (const bool masked : {false, true}) {
        CAPTURE(int(law));
        CAPTURE(rank);
        CAPTURE(masked);
        zo::Direction d;
        d.law = law, d.seed = 12, d.step = 3, d.query = 1, d.rank = rank, d.leaf = leaf, d.element = 100;
        if (law == zo::DirectionLaw::sphere) d.radius = 0.7;
        if (masked) {
          zo::Masks masks(leaf + 1);
          masks[leaf] = mask;
          d.masks = std::make_shared<const zo::Masks>(masks);
        }
        std::vector<float> want(std::size_t(rows * cols));
        zo::direction_tile(d, leaf, rows, cols, 0, rows, 0, cols, want.data(), cols);
        const cuda::DirectionTerm u =
            cuda::direction_term(d, leaf, rows, {1, 1}, masked ? device_mask.data() : nullptr);
        const cuda::DeviceArray<float> out(rows * cols);
        cuda::write_direction(Cuda{}, u, rows, cols, out.data());
        const std::vector<float> got = out.to_host();
        CHECK(got == want);  // a zero may have another sign
        double squares = 0;
        for (const float x : want) squares += double(x) * double(x);
        CHECK(cuda::squared_norm(Cuda{}, u, rows, cols) == doctest::Approx(squares).epsilon(1e-13));
      }
}

TEST_CASE("noise: the squared norm has the bits of the CPU") {
  const AtEnd clean;
  for (const Law& law : laws)
    for (const auto& [rows, cols] :
         {std::pair{1, 1}, {1, 4096}, {1, 4097}, {5, 3}, {3, 1000}, {0, 4}, {4, 0}, {2, 9000}, {1400, 3}}) {
      CAPTURE(int(law.kind));
      CAPTURE(rows);
      CAPTURE(cols);
      CHECK(cuda::squared_norm(Cuda{}, law, keys[1], rows, cols) == squared_norm(law, keys[1], rows, cols));
    }
  emulation::for_all_schedules([](const auto& schedule) {
    CAPTURE(schedule);
    CHECK(cuda::squared_norm(Cuda{}, Law::normal, keys[1], 3, 1500) == squared_norm(Law::normal, keys[1], 3, 1500));
  });
}

TEST_CASE("noise: a recorded graph draws what its buffer holds") {
  const AtEnd clean;
  constexpr std::int64_t rows = 3, cols = 50;
  cuda::TermBuffer buffer(Cuda{}, 2);
  const std::vector<float> before = numbers<float>(rows * cols);
  const cuda::DeviceArray<float> w{std::span<const float>(before)};
  const cuda::Graph graph =
      cuda::Graph::capture([&] { cuda::add_directions_(Cuda{}, w.data(), rows, cols, cuda::Terms(buffer, 6)); });
  std::vector<float> want = before;
  for (std::uint32_t step = 0; step < 3; ++step) {
    const cuda::DirectionTerm terms[] = {{.key = {8, step, 0, 0}, .factor = {0.1 * step, 0}},
                                         {.key = {8, step, 1, 0}, .law = Law::rademacher, .factor = {-0.2, 0}}};
    buffer.write(terms);
    graph.launch();
    const NoiseTerm same[] = {{{8, step, 0, 6}, 0.1 * step, Law::normal}, {{8, step, 1, 6}, -0.2, Law::rademacher}};
    add_scaled_(want.data(), rows, cols, same);
  }
  CHECK(same_bits(w.to_host(), want));
  const cuda::DirectionTerm masked{.mask = reinterpret_cast<const std::uint8_t*>(w.data())};
  CHECK_THROWS_AS(buffer.write(std::vector{masked, masked}), ValueError);
}

TEST_CASE("noise: what is moved") {
  constexpr std::int64_t rows = 4, cols = 512;
  const cuda::DeviceArray<float> w(rows * cols);
  const NoiseTerm terms[] = {{keys[1], 0.5, Law::normal}};
  const auto t = emulation::traffic_of([&] { cuda::add_scaled_(Cuda{}, w.data(), rows, cols, terms); });
  CHECK(t.bytes_loaded() == rows * cols * 4);
  CHECK(t.bytes_stored() == rows * cols * 4);
  CHECK(t.loads[4] == rows * cols / 4);
  CHECK(t.stores[4] == rows * cols / 4);
}
