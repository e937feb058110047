// Products and rows of perturbed weights on the GPU have the bits of the CPU's.
#include "perturb.cuh"

#include <optional>
#include <set>
#include <vector>

#include "compare.hpp"
#include "stored.hpp"
#include "tenzo/zo/probe.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

using View = MatrixView<const float>;

/// A product's operands on both sides of the bus, two of each.
struct Operands {
  std::int64_t m, n, k;
  std::array<std::vector<float>, 2> x, bias;
  std::array<std::optional<cuda::DeviceArray<float>>, 2> on_x, on_bias, on_y;
  int shift;  // of all pointers, in elements

  Operands(std::int64_t m_, std::int64_t n_, std::int64_t k_, int by = 0) : m(m_), n(n_), k(k_), shift(by) {
    for (std::size_t s = 0; s < 2; ++s) {
      x[s] = normals<float>(m * k + shift, 3 + s), bias[s] = normals<float>(n + shift, 5 + s);
      on_x[s].emplace(std::span<const float>(x[s])), on_bias[s].emplace(std::span<const float>(bias[s]));
      on_y[s].emplace(m * n + shift);
    }
  }
  ProbeSide host(std::size_t s, double factor, bool biased, std::vector<float>& y) const {
    y.assign(std::size_t(m * n), 0.f);
    return {View::row_major(x[s].data() + shift, m, k),
            float(factor),
            MatrixView<float>::row_major(y.data(), m, n),
            {.accumulate = false, .bias = biased ? bias[s].data() + shift : nullptr}};
  }
  zo::AffineSide device(std::size_t s, bool biased) const {
    return {on_x[s]->data() + shift, biased ? on_bias[s]->data() + shift : nullptr, on_y[s]->data() + shift};
  }
  std::vector<float> result(std::size_t s) const {
    const std::vector<float> y = on_y[s]->to_host();
    return {y.begin() + shift, y.end()};
  }
};

/// Both sides, then the first alone, along a direction of a leaf.
void check_pair(const StoredTensor& w, const zo::Direction& d, std::int64_t m, bool biased, int shift = 0,
                const std::uint8_t* mask = nullptr) {
  const std::uint32_t leaf = 6;
  const std::array<double, 2> factor{1e-2, -1.5e-2};
  const Operands all(m, w.rows(), w.cols(), shift);
  const OnDevice device(w);
  const cuda::DirectionTerm term = cuda::direction_term(d, leaf, w.rows(), factor, mask);
  std::array<std::vector<float>, 2> want;
  zo::detail::pair_product({&w}, leaf, d, all.host(0, factor[0], biased, want[0]),
                           all.host(1, factor[1], biased, want[1]));
  const zo::AffineSide sides[] = {all.device(0, biased), all.device(1, biased)};
  cuda::affine_perturbed(Cuda{}, m, device.matrix(), std::span(&term, 1), sides);
  CHECK(same_bits(all.result(0), want[0]));
  CHECK(same_bits(all.result(1), want[1]));
  cuda::affine_perturbed(Cuda{}, m, device.matrix(), std::span(&term, 1), std::span(sides, 1));
  CHECK(same_bits(all.result(0), want[0]));
}

zo::Direction direction(zo::DirectionLaw law) {
  zo::Direction d;
  d.law = law, d.seed = 0x123456789abcdef, d.step = 4, d.query = 1, d.leaf = 6, d.element = 77;
  return d;
}

}  // namespace

TEST_CASE("perturb: products of any size, law and storage have the bits of the CPU") {
  const AtEnd clean;
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    for (const zo::DirectionLaw law : {zo::DirectionLaw::gaussian, zo::DirectionLaw::rademacher})
      for (const auto& [m, n, k] : {std::array{1, 1, 1},
                                    {1, 33, 7},
                                    {2, 5, 129},
                                    {15, 31, 64},
                                    {16, 32, 31},
                                    {17, 33, 128},
                                    {64, 32, 16},
                                    {65, 40, 135},
                                    {3, 64, 260},
                                    {70, 9, 9}}) {
        CAPTURE(type);
        CAPTURE(int(law));
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        const StoredTensor w = random_stored(type, n, k);
        check_pair(w, direction(law), m, m % 2);
        check_pair(w, direction(law), m, !(m % 2), 1);
      }
}

TEST_CASE("perturb: every tile has the same bits") {
  const AtEnd clean;
  const auto check = [](auto tile, auto sides, DType type, zo::DirectionLaw law, std::int64_t m, std::int64_t n,
                        std::int64_t k) {
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    using T = decltype(tile);
    constexpr int count = decltype(sides)::value;
    const StoredTensor w = random_stored(type, n, k);
    const zo::Direction d = direction(law);
    const Operands all(m, n, k);
    const OnDevice device(w);
    std::array<std::vector<float>, 2> want;
    zo::detail::pair_product({&w}, 6, d, all.host(0, 0.1, true, want[0]), all.host(1, -0.2, true, want[1]));
    const cuda::DirectionTerm term = cuda::direction_term(d, 6, n, {0.1, -0.2});
    const zo::AffineSide on[] = {all.device(0, true), all.device(1, true)};
    const cuda::detail::LaunchTerms<float, 1> held(Cuda{}, std::span(&term, 1), {n, k});
    cuda::detail::with_source(device.matrix(), [&](const auto& source) {
      if constexpr (cuda::detail::is_plain_source<std::remove_cvref_t<decltype(source)>>)
        cuda::detail::launch_product<T, count, true>(source, m, device.matrix(), std::span<const zo::AffineSide>(on),
                                                     held.list());
    });
    for (std::size_t s = 0; s < count; ++s) CHECK(same_bits(all.result(s), want[s]));
  };
  const std::integral_constant<int, 1> one;
  const std::integral_constant<int, 2> two;
  for (const auto& [m, n, k] : {std::array{1, 1, 5}, {127, 63, 33}, {128, 64, 8}, {129, 65, 257}, {130, 70, 140}})
    for (const auto law : {zo::DirectionLaw::gaussian, zo::DirectionLaw::rademacher}) {
      check(cuda::detail::LargeTile(), two, DType::f32, law, m, n, k);
      check(cuda::detail::LargeTile(), one, DType::bf16, law, m, n, k);
      check(cuda::detail::MediumTile(), two, DType::bf16, law, m, n, k);
      check(cuda::detail::SmallTile(), two, DType::f32, law, m, n, k);
    }
  // what the launcher itself takes for many rows of many weights: 128 tiles
  check_pair(random_stored(DType::bf16, 64 * 64, 10), direction(zo::DirectionLaw::gaussian), 130, true);
}

TEST_CASE("perturb: products under every schedule") {
  const AtEnd clean;
  for (const auto& [m, n, k] : {std::array{5, 35, 140}, {20, 35, 140}})
    for (const auto law : {zo::DirectionLaw::gaussian, zo::DirectionLaw::rademacher}) {
      const StoredTensor w = random_stored(DType::f32, n, k);
      emulation::for_all_schedules([&, rows = m](const auto& schedule) {
        CAPTURE(schedule);
        check_pair(w, direction(law), rows, true);
      });
    }
}

TEST_CASE("perturb: spheres, masks, low ranks, unit vectors and several terms") {
  const AtEnd clean;
  const std::int64_t n = 21, k = 70;
  Tensor<std::uint8_t> mask(Shape{n, k});
  for (std::int64_t i = 0; i < n * k; ++i) mask.data()[i] = std::uint8_t(i % 5 != 1);
  const cuda::DeviceArray<std::uint8_t> on_device(std::span<const std::uint8_t>(mask.data(), std::size_t(n * k)));
  const StoredTensor w = random_stored(DType::bf16, n, k);
  for (const auto law : {zo::DirectionLaw::gaussian, zo::DirectionLaw::rademacher, zo::DirectionLaw::sphere,
                         zo::DirectionLaw::coordinate})
    for (const int rank : {0, 2})
      for (const bool masked : {false, true})
        for (const std::int64_t m : {3, 18}) {
          CAPTURE(int(law));
          CAPTURE(rank);
          CAPTURE(masked);
          zo::Direction d = direction(law);
          d.rank = rank, d.radius = law == zo::DirectionLaw::sphere ? 1.25 : 1;
          if (masked) {
            zo::Masks masks(7);
            masks[6] = mask;
            d.masks = std::make_shared<const zo::Masks>(masks);
          }
          check_pair(w, d, m, true, 0, masked ? on_device.data() : nullptr);
        }
  // two terms, as PerturbedRows adds them
  const std::int64_t m = 5;
  const Operands all(m, n, k);
  const OnDevice device(w);
  const zo::Direction one = direction(zo::DirectionLaw::gaussian), other = direction(zo::DirectionLaw::rademacher);
  const cuda::DirectionTerm terms[] = {cuda::direction_term(one, 6, n, {0.3, -0.3}),
                                       cuda::direction_term(other, 6, n, {0.1, 0.2})};
  const zo::AffineSide sides[] = {all.device(0, false), all.device(1, false)};
  cuda::affine_perturbed(Cuda{}, m, device.matrix(), terms, sides);
  for (std::size_t s = 0; s < 2; ++s) {
    using Rows = zo::detail::DirectionRows;
    const std::vector<ScaledRows<Rows>> scaled{{{&one, 6, n, k}, float(terms[0].factor[s])},
                                               {{&other, 6, n, k}, float(terms[1].factor[s])}};
    std::vector<float> want;
    const ProbeSide host = all.host(s, 0, false, want);
    const zo::detail::WeightRows rows{&w};
    gemm_rows(host.x, PerturbedRows<zo::detail::WeightRows, Rows>(rows, scaled), host.y);
    CHECK(same_bits(all.result(s), want));
  }
  cuda::affine_perturbed(Cuda{}, m, device.matrix(), std::vector<cuda::DirectionTerm>(), sides);
  std::vector<float> want;
  const ProbeSide host = all.host(1, 0, false, want);
  gemm_rows(host.x, zo::detail::WeightRows{&w}, host.y);
  CHECK(same_bits(all.result(1), want));
}

TEST_CASE("perturb: products with stored weights of every format have the bits of the CPU") {
  const AtEnd clean;
  for (const DType type : stored_formats)
    for (const std::int64_t m : {1, 16, 17, 70})
      for (const std::int64_t n : {1, 37}) {
        const std::int64_t k = is_quantized(type) ? 256 : m == 1 ? 45 : 64;
        CAPTURE(type);
        CAPTURE(m);
        CAPTURE(n);
        const StoredTensor w = random_stored(type, n, k);
        const OnDevice device(w);
        const Operands all(m, n, k);
        std::vector<float> want;
        const ProbeSide host = all.host(0, 0, true, want);
        gemm_rows(host.x, zo::detail::WeightRows{&w}, host.y, host.options);
        cuda::affine_stored(Cuda{}, m, device.matrix(), all.device(0, true));
        CHECK(same_bits(all.result(0), want));
      }
}

TEST_CASE("perturb: no rows, no columns, no sums") {
  const AtEnd clean;
  for (const auto& [m, n, k] : {std::array{0, 3, 4}, {3, 0, 4}, {3, 5, 0}}) {
    const StoredTensor w(DType::f32, Shape{n, k});
    check_pair(w, direction(zo::DirectionLaw::gaussian), m, true);
  }
  const zo::AffineSide none;
  CHECK_THROWS_AS(cuda::affine_perturbed(Cuda{}, 1, {DType::f32, nullptr, 1, 1}, std::vector<cuda::DirectionTerm>(1),
                                         std::vector<zo::AffineSide>(3)),
                  ValueError);
}

TEST_CASE("perturb: rows of a table have the bits of the CPU") {
  const AtEnd clean;
  for (const DType type : stored_formats)
    for (const bool many : {false, true}) {
      const std::int64_t n = 50, k = is_quantized(type) ? 256 : many ? 37 : 40;
      CAPTURE(type);
      CAPTURE(k);
      const StoredTensor w = random_stored(type, n, k);
      const OnDevice device(w);
      zo::Perturbation p;
      p.sides = 2;
      std::vector<cuda::DirectionTerm> terms;
      for (int i = 0; i < (many ? 18 : 1); ++i) {
        zo::Direction d = direction(i % 2 ? zo::DirectionLaw::rademacher : zo::DirectionLaw::gaussian);
        d.query = std::uint32_t(i);
        p.terms.push_back({d, {0.1 * i + 0.1, -0.2}});
        terms.push_back(cuda::direction_term(d, 6, n, p.terms.back().factor));
      }
      const zo::Probe<float> table = zo::Probe<float>::weight(w, 6, &p);
      const std::vector<std::int64_t> index{3, 49, 0, 3, 17};
      const auto count = std::int64_t(index.size());
      std::array<std::vector<float>, 2> want;
      for (std::size_t s = 0; s < 2; ++s) {
        want[s].resize(std::size_t(count * k));
        for (std::int64_t i = 0; i < count; ++i)
          cpu::read_rows(w, 6, &p, int(s), index[std::size_t(i)], index[std::size_t(i)] + 1, want[s].data() + i * k);
      }
      const cuda::DeviceArray<std::int64_t> on_index{std::span<const std::int64_t>(index)};
      const cuda::DeviceArray<float> a(count * k), b(count * k), whole(n * k);
      float* const y[] = {a.data(), b.data()};
      emulation::for_all_schedules([&](const auto& schedule) {
        CAPTURE(schedule);
        cuda::perturbed_rows(Cuda{}, device.matrix(), count, on_index.data(), terms, y);
        CHECK(same_bits(a.to_host(), want[0]));
        CHECK(same_bits(b.to_host(), want[1]));
      });
      cuda::perturbed_rows(Cuda{}, device.matrix(), count, on_index.data(), terms, std::span(y, 1));
      CHECK(same_bits(a.to_host(), want[0]));
      cuda::perturbed_rows(Cuda{}, device.matrix(), 0, on_index.data(), terms, y);
      for (const int s : {0, 1}) {
        cuda::perturbed(Cuda{}, device.matrix(), terms, s, whole.data());
        const Tensor<float> read = table.read(s);
        CHECK(same_bits(whole.to_host(), std::vector<float>(read.values().begin(), read.values().end())));
      }
    }
}

TEST_CASE("perturb: a recorded graph probes along what its buffer holds") {
  const AtEnd clean;
  const std::int64_t m = 6, n = 20, k = 50;
  const StoredTensor w = random_stored(DType::f32, n, k);
  const OnDevice device(w);
  const Operands all(m, n, k);
  cuda::TermBuffer buffer(Cuda{}, 1);
  const zo::AffineSide sides[] = {all.device(0, true), all.device(1, true)};
  const cuda::Graph graph =
      cuda::Graph::capture([&] { cuda::affine_perturbed(Cuda{}, m, device.matrix(), cuda::Terms(buffer, 6), sides); });
  for (std::uint32_t step = 0; step < 2; ++step)
    for (const auto law : {zo::DirectionLaw::gaussian, zo::DirectionLaw::rademacher}) {
      zo::Direction d = direction(law);
      d.step = step;
      std::array<std::vector<float>, 2> want;
      zo::detail::pair_product({&w}, 6, d, all.host(0, 0.5, true, want[0]), all.host(1, -0.5, true, want[1]));
      cuda::DirectionTerm term = cuda::direction_term(d, 0, n, {0.5, -0.5});
      buffer.write(std::span(&term, 1));
      graph.launch();
      CHECK(same_bits(all.result(0), want[0]));
      CHECK(same_bits(all.result(1), want[1]));
    }
}

TEST_CASE("perturb: fours cover a part once, and its columns fall into different banks") {
  const auto check = [](auto tile) {
    using T = decltype(tile);
    using K = cuda::detail::ProductKernel<cuda::detail::PlainSource<float>, T, 2, true>;
    const auto covers = [](auto fours, int rows, int threads) {
      using F = decltype(fours);
      std::set<std::pair<int, int>> seen;
      for (int t = 0; t < threads; ++t)
        for (int i = 0; i < F::count; ++i) seen.insert({F(t).row, F(t).col + i * F::step});
      CHECK(int(seen.size()) == rows * T::bk / 4);
      for (const auto& [row, col] : seen) CHECK((row < rows && col % 4 == 0 && col < T::bk));
      for (int warp = 0; warp < threads; warp += 32) {
        std::set<int> banks;
        for (int t = warp; t < warp + 32; ++t) banks.insert((F(t).col * (rows + 4) + F(t).row) % 32);
        CHECK(banks.size() == 32);
      }
    };
    covers(typename K::XFours(0), T::bm, T::threads);
    covers(typename K::WFours(0), T::bn, T::threads / K::turns);
  };
  check(cuda::detail::LargeTile());
  check(cuda::detail::MediumTile());
  check(cuda::detail::SmallTile());
}

TEST_CASE("perturb: what a probe of 128 rows moves") {
  const std::int64_t m = 128, n = 64, k = 256;
  const StoredTensor w = random_stored(DType::f32, n, k);
  const OnDevice device(w);
  const Operands all(m, n, k);
  const cuda::DirectionTerm term = cuda::direction_term(direction(zo::DirectionLaw::gaussian), 6, n, {1, -1});
  const zo::AffineSide sides[] = {all.device(0, false), all.device(1, false)};
  const cuda::detail::LaunchTerms<float, 1> held(Cuda{}, std::span(&term, 1), {n, k});
  const auto t = emulation::traffic_of([&] {
    cuda::detail::launch_product<cuda::detail::LargeTile, 2, true>(
        cuda::detail::PlainSource<float>{static_cast<const float*>(device.matrix().data), k, true}, m, device.matrix(),
        std::span<const zo::AffineSide>(sides), held.list());
  });
  CHECK(t.loads[4] * 16 == std::uint64_t(4 * (2 * m * k + n * k)));  // both x, and W once, by vectors
  CHECK(t.stores[4] * 16 == std::uint64_t(4 * 2 * m * n));
  CHECK(t.bytes_loaded() == t.loads[4] * 16);
}
