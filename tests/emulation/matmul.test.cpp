#include "matmul.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/matmul.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// Both sides are chains of multiply-adds in the order of k under emulation; the library's order is its own.
constexpr double tolerance = 4;

Shape with_matrix(Shape s, std::int64_t rows, std::int64_t cols) {
  s.push_back(rows);
  s.push_back(cols);
  return s;
}

template <class T>
void check_matmul(const Shape& a_shape, const Shape& b_shape, bool ta, bool tb, int shift = 0) {
  CAPTURE(a_shape);
  CAPTURE(b_shape);
  CAPTURE(ta);
  CAPTURE(tb);
  const MatMulShape s(a_shape, b_shape, ta, tb);
  under_schedules([&] {
    Both<T> a(normals<T>(a_shape.numel(), 1), shift), b(normals<T>(b_shape.numel(), 2), shift),
        c(s.out().numel(), shift);
    on_both([&](auto d) { matmul(d, s, static_cast<const T*>(a.at(d)), static_cast<const T*>(b.at(d)), c.at(d)); });
    CHECK(c.error() <= tolerance);
  });
}

/// The calls of the library for a batch.
int runs(const Shape& batch_a, const Shape& batch_b) {
  const MatMulShape s(with_matrix(batch_a, 2, 3), with_matrix(batch_b, 3, 4), false, false);
  return int(s.batch.numel() / cuda::detail::BatchRun(s).entries);
}

}  // namespace

TEST_CASE_TEMPLATE("matmul: all transpositions, any size", T, float, double) {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const std::int64_t m : sizes({0, 1, 3, 33}, {1, 5}))
        for (const std::int64_t n : {0, 1, 5, 32})
          for (const std::int64_t k : {0, 1, 7, 31})
            check_matmul<T>(ta ? Shape{k, m} : Shape{m, k}, tb ? Shape{n, k} : Shape{k, n}, ta, tb, int(m % 2));
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("matmul: batches, alike and broadcast", T, float, double) {
  const std::vector<std::pair<Shape, Shape>> batches = {
      {{4}, {4}},    {{4}, {1}},         {{1}, {4}},       {{}, {4}},        {{4}, {}},        {{2, 3}, {2, 3}},
      {{2, 3}, {3}}, {{3}, {2, 3}},      {{2, 1}, {1, 3}}, {{1, 3}, {2, 1}}, {{2, 1}, {2, 3}}, {{2, 3, 4}, {2, 1, 4}},
      {{0}, {1}},    {{2, 1, 1}, {1, 5}}};
  for (const auto& [a, b] : batches)
    for (const bool ta : {false, true})
      check_matmul<T>(with_matrix(a, ta ? 6 : 3, ta ? 3 : 6), with_matrix(b, 6, 5), ta, false);
  emulation::expect_clean();
}

TEST_CASE("matmul: batches that run alike are one call") {
  CHECK(runs({4}, {4}) == 1);
  CHECK(runs({4}, {}) == 1);
  CHECK(runs({2, 3}, {2, 3}) == 1);
  CHECK(runs({2, 1, 3}, {2, 1, 3}) == 1);
  CHECK(runs({2, 3}, {3}) == 2);
  CHECK(runs({2, 1}, {2, 3}) == 2);
  CHECK(runs({2, 3, 4}, {2, 1, 4}) == 6);
}

TEST_CASE_TEMPLATE("affine: both layouts of the weight, with and without bias", T, float, double) {
  for (const bool in_out : {false, true})
    for (const bool with_bias : {false, true})
      for (const std::int64_t rows : sizes({0, 1, 33}, {3}))
        for (const std::int64_t n : {0, 1, 4, 8, 33})
          for (const std::int64_t k : {0, 1, 20})
            for (const int shift : {0, 1}) {
              CAPTURE(rows);
              CAPTURE(n);
              CAPTURE(k);
              under_schedules([&] {
                Both<T> x(normals<T>(rows * k, 1), shift), w(normals<T>(n * k, 2)), b(normals<T>(n, 3), shift);
                Both<T> y(rows * n, shift);
                on_both([&](auto d) {
                  affine(d, rows, k, n, in_out, static_cast<const T*>(x.at(d)), static_cast<const T*>(w.at(d)),
                         with_bias ? static_cast<const T*>(b.at(d)) : nullptr, y.at(d));
                });
                CHECK(y.error() <= tolerance);
              });
            }
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("spread: vectors or single numbers, more blocks than a row has", T, float, double) {
  struct Sizes {
    std::int64_t outer, channels, inner;
  };
  for (const Sizes s : {Sizes{3, 5, 7}, {3, 4, 1}, {2, 3, 8}, {1, 1, 1}, {5, 1028, 1}, {2, 3, 1030}})
    for (const int shift : {0, 1})
      under_schedules([&] {
        const auto b = normals<T>(s.channels, 1);
        const cuda::DeviceArray<T> bias{std::span<const T>(b)}, y(s.outer * s.channels * s.inner + shift);
        cuda::detail::spread(s.outer, s.channels, s.inner, static_cast<const T*>(bias.data()), y.data() + shift);
        const auto got = y.to_host();
        bool same = true;
        for (std::int64_t i = 0; i < s.outer * s.channels * s.inner; ++i)
          same = same && got[std::size_t(i + shift)] == b[std::size_t(i / s.inner % s.channels)];
        CHECK(same);
      });
  emulation::expect_clean();
}

TEST_CASE("affine: captured in a graph, with the memory that the library works in") {
  const auto host = normals<float>(200, 1);
  under_schedules([&] {
    const cuda::DeviceArray<float> x{std::span<const float>(host)}, once(12 * 5), again(12 * 5);
    const float* const p = x.data();
    const auto run = [&](float* y) { affine(Cuda{}, 12, 8, 5, false, p, p + 100, p + 150, y); };
    run(once.data());
    cuda::synchronize();
    const cuda::Graph graph = cuda::Graph::capture([&] { run(again.data()); });
    for (int i = 0; i < 2; ++i) {
      cuda::set_bytes(again.data(), 0xff, 12 * 5 * sizeof(float));
      graph.launch();
      CHECK(again.to_host() == once.to_host());
    }
  });
  emulation::expect_clean();
}

TEST_CASE("matmul: what the library refuses is an error with the sizes") {
  const cuda::DeviceArray<float> x(10);
  CHECK_THROWS_WITH_AS(cuda::detail::gemm<float>(1, 3, 4, 5, {x.data()}, {x.data()}, {x.data()}),
                       "cublasSgemm of 1 (3, 5) · (5, 4): CUBLAS_STATUS_INVALID_VALUE", cuda::LibraryError);
  CHECK(emulation::last_refusal() == "cublasSgemm: 80 bytes of a are not memory of the device");
}

TEST_CASE("cublas, the stand-in: refuses what the library refuses") {
  cublasHandle_t h = nullptr;
  REQUIRE(cublasCreate(&h) == CUBLAS_STATUS_SUCCESS);
  const cuda::DeviceArray<float> x(64);
  const cuda::DeviceArray<std::byte> workspace(1024);
  float* const p = x.data();
  const float one = 1;
  const auto product = [&](std::int64_t m, std::int64_t lda, const float* alpha, float* c, std::int64_t ldc) {
    return cublasSgemm_64(h, CUBLAS_OP_N, CUBLAS_OP_N, m, 2, 2, alpha, p, lda, p + 16, 2, &one, c, ldc);
  };
  CHECK(product(4, 4, &one, p + 32, 4) == CUBLAS_STATUS_ALLOC_FAILED);  // no workspace yet
  REQUIRE(cublasSetWorkspace(h, workspace.data(), 1024) == CUBLAS_STATUS_SUCCESS);
  CHECK(product(4, 4, &one, p + 32, 4) == CUBLAS_STATUS_SUCCESS);
  CHECK(product(-1, 4, &one, p + 32, 4) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(4, 3, &one, p + 32, 4) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(4, 4, &one, p + 32, 3) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(4, 4, nullptr, p + 32, 4) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(4, 4, &one, p + 60, 4) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(0, 1, &one, p + 32, 1) == CUBLAS_STATUS_SUCCESS);
  CHECK(product(4, 4, &one, reinterpret_cast<float*>(reinterpret_cast<char*>(p) + 2), 4) ==
        CUBLAS_STATUS_INVALID_VALUE);
  CHECK(cublasSetWorkspace(h, workspace.data() + 8, 16) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(cublasSgemmStridedBatched_64(h, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, p, 2, 0, p, 2, 4, &one, p + 32, 2, 3,
                                     2) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(emulation::last_refusal() == "cublasSgemmStridedBatched: the matrices of c overlap");
  REQUIRE(cublasSetStream(h, nullptr) == CUBLAS_STATUS_SUCCESS);
  CHECK(product(4, 4, &one, p + 32, 4) == CUBLAS_STATUS_ALLOC_FAILED);  // forgotten with the stream
  CHECK(cublasDestroy(h) == CUBLAS_STATUS_SUCCESS);
  CHECK(cublasDestroy(h) == CUBLAS_STATUS_NOT_INITIALIZED);
  CHECK(product(4, 4, &one, p + 32, 4) == CUBLAS_STATUS_NOT_INITIALIZED);
}
