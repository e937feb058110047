// StoredTensor and the stored formats, against values of the `gguf` package and against one element at a time.
#include "tenzo/core/stored.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace tenzo;

namespace {

std::vector<std::byte> golden(const std::string& name) {
  std::ifstream file(std::string(TENZO_SOURCE_DIR) + "/tests/golden/blocks/" + name, std::ios::binary);
  REQUIRE(file);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<float> floats_of(std::span<const std::byte> bytes) {
  std::vector<float> x(bytes.size() / 4);
  std::memcpy(x.data(), bytes.data(), x.size() * 4);
  return x;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Deterministic bytes without a pattern of a short period.
std::vector<std::byte> noise_bytes(std::size_t n) {
  std::vector<std::byte> b(n);
  std::uint64_t s = 88172645463325252u;
  for (auto& x : b) {
    s ^= s << 13, s ^= s >> 7, s ^= s << 17;
    x = std::byte(s >> 32);
  }
  return b;
}

/// Values of all magnitudes that matter to a narrow format, at a length that is no multiple of a vector.
std::vector<float> awkward_values() {
  std::vector<float> x = {
      0.f,      -0.f,         1.f,       -1.f,      65504.f,   65519.996f,      65520.f,    -65536.f,
      1e30f,    INFINITY,     -INFINITY, 0x1p-24f,  0x1p-25f,  0x1.002p0f,      0x1.006p0f, 0x1.001p0f,
      0x1p-14f, 0x1.ffcp-15f, 3e-39f,    0x1.01p0f, 0x1.03p0f, 0x1.fffffep127f, NAN};
  for (int i = 0; i < 40000; ++i) x.push_back(std::bit_cast<float>(std::uint32_t(i) * 107374u + 12345u));
  for (float& v : x)
    if (std::isnan(v)) v = NAN;
  return x;
}

template <class T>
void check_narrow_format(DType t) {
  const std::vector<float> x = awkward_values();
  StoredTensor s(t, {std::int64_t(x.size())});
  s.encode(x.data());
  std::vector<float> back(x.size());
  s.decode(back.data());
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T want(x[i]);
    wrong += std::memcmp(s.bytes().data() + 2 * i, &want, 2) != 0;
    const float wide = want;
    wrong += std::memcmp(&back[i], &wide, 4) != 0;
  }
  CHECK(wrong == 0);
}

const DType quantized[] = {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                           DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k};

}  // namespace

TEST_CASE("stored: blocks decode to the bits of the reference") {
  for (const DType t : quantized) {
    CAPTURE(t);
    const auto bytes = golden(cat("decode_", t, ".bin"));
    const auto [name, block, block_bytes] = dtype_info(t);
    const std::int64_t n = std::int64_t(bytes.size()) / (block_bytes + 4 * block);
    REQUIRE(n * (block_bytes + 4 * block) == std::int64_t(bytes.size()));
    const auto all = std::span(bytes);
    const auto want = floats_of(all.subspan(std::size_t(n * block_bytes)));
    const auto x = StoredTensor::view(t, {n / 2, 2 * block}, all.first(std::size_t(n * block_bytes)), nullptr);
    std::vector<float> got(want.size());
    x.decode(got.data());
    CHECK(same_bits(got, want));
  }
}

TEST_CASE("stored: floats encode to the bytes of the reference") {
  const auto bytes = golden("encode.bin");
  auto rest = std::span<const std::byte>(bytes);
  // per 32 values: 128 bytes as f32, then 64 f16, 64 bf16, 34 q8_0, 18 q4_0, 20 q4_1
  const std::size_t blocks = bytes.size() / 328;
  REQUIRE(bytes.size() == blocks * 328);
  const auto x = floats_of(rest.first(blocks * 128));
  rest = rest.subspan(blocks * 128);
  for (const DType t : {DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q4_1}) {
    CAPTURE(t);
    StoredTensor s(t, {std::int64_t(blocks), 32});
    s.encode(x.data());
    const auto want = rest.first(s.bytes().size());
    rest = rest.subspan(s.bytes().size());
    CHECK(std::ranges::equal(s.bytes(), want));
  }
}

TEST_CASE("stored: f16 and bf16 are the same in vectors as one at a time") {
  check_narrow_format<half>(DType::f16);
  check_narrow_format<bfloat16>(DType::bf16);

  std::vector<std::uint16_t> every(65536);
  for (std::size_t i = 0; i < every.size(); ++i) every[i] = std::uint16_t(i);
  std::vector<float> got(every.size());
  for (const DType t : {DType::f16, DType::bf16}) {
    StoredTensor::view(t, {65536}, std::as_bytes(std::span(every)), nullptr).decode(got.data());
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < every.size(); ++i) {
      const float want = t == DType::f16 ? detail::half_to_float(every[i]) : detail::bfloat16_to_float(every[i]);
      wrong += std::memcmp(&want, &got[i], 4) != 0;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("stored: any tile is that part of the whole") {
  for (int k = 0; k <= int(DType::q6_k); ++k) {
    const auto t = DType(k);
    CAPTURE(t);
    const std::int64_t rows = 5, cols = is_quantized(t) ? 2 * dtype_info(t).block : 37;
    StoredTensor x(t, {rows, cols});
    const auto noise = noise_bytes(std::size_t(x.nbytes()));
    std::ranges::copy(noise, x.writable_bytes().begin());
    std::vector<float> whole(std::size_t(rows * cols));
    x.decode(whole.data());
    std::int64_t wrong = 0;
    for (std::int64_t col = 0; col < cols; col += col % 32 == 31 ? 1 : 5)
      for (const std::int64_t n : {0, 1, 15, 16, 17, 31, 33, 300}) {
        if (col + n > cols) continue;
        std::vector<float> tile(std::size_t(3 * (n + 2)), 7.f), want = tile;
        x.decode(1, 3, col, n, tile.data(), n + 2);
        for (std::int64_t i = 0; i < 3; ++i)
          std::copy_n(whole.data() + (1 + i) * cols + col, n, want.data() + i * (n + 2));
        wrong += !same_bits(tile, want);
      }
    CHECK(wrong == 0);
  }
}

TEST_CASE("stored: quantisation errs by at most half a step") {
  // A step is d. d is kept as a half, so the largest code times its rounding (2^-11 relative) adds to the half step,
  // and the product before rounding to a code errs by some units of float; 1e-5 steps allow for that. Q4_0 clips: the
  // end opposite to its extreme can miss by a whole step. The least value of Q4_1 is kept as a half too.
  std::vector<float> x(32 * 64);
  const auto noise = noise_bytes(x.size() * 2);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = (float(noise[2 * i]) - 128.f) / 128.f + (float(noise[2 * i + 1]) - 128.f) / 32768.f;
  for (const DType t : {DType::q8_0, DType::q4_0, DType::q4_1}) {
    CAPTURE(t);
    StoredTensor s(t, {64, 32});
    s.encode(x.data());
    std::vector<float> y(x.size());
    s.decode(y.data());
    for (int b = 0; b < 64; ++b) {
      const auto part = std::span(x).subspan(std::size_t(32 * b), 32);
      const float least = *std::ranges::min_element(part), most = *std::ranges::max_element(part);
      const double extreme = std::max(std::abs(least), std::abs(most));
      const double step = t == DType::q8_0 ? extreme / 127 : t == DType::q4_0 ? extreme / 8 : (most - least) / 15.0;
      const double codes = t == DType::q8_0 ? 127 : t == DType::q4_0 ? 8 : 15;
      const double clip = t == DType::q4_0 ? 0.5 : 0, offset = t == DType::q4_1 ? std::abs(least) * 0x1p-11 : 0;
      double worst = 0;
      for (int i = 0; i < 32; ++i) worst = std::max(worst, std::abs(double(x[32 * b + i]) - y[32 * b + i]));
      CHECK(worst <= step * (0.5 + clip + codes * 0x1p-11 + 1e-5) + offset);
    }
  }
}

TEST_CASE("stored: what a block can not hold is refused") {
  StoredTensor s(DType::q8_0, {32});
  std::vector<float> x(32, 1.f);
  for (const float bad : {NAN, INFINITY, 1e30f}) {
    x[7] = bad;
    for (const DType t : {DType::q8_0, DType::q4_0, DType::q4_1}) {
      StoredTensor q(t, {32});
      CHECK_THROWS_AS(q.encode(x.data()), ValueError);
    }
  }
  x.assign(32, 1e-44f);  // the scale is 0 as a half
  s.encode(x.data());
  s.decode(x.data());
  CHECK(x == std::vector<float>(32, 0.f));
}

TEST_CASE("stored: rows, handles, and who may write") {
  StoredTensor x(DType::f32, {2, 3, 5});
  CHECK(x.rows() == 6);
  CHECK(x.cols() == 5);
  CHECK(x.row_bytes() == 20);
  CHECK(x.row(4) == x.bytes().data() + 80);
  CHECK(reinterpret_cast<std::uintptr_t>(x.bytes().data()) % 64 == 0);
  CHECK(StoredTensor(DType::q4_1, {64}).rows() == 1);
  CHECK(StoredTensor(DType::q4_1, {64}).nbytes() == 40);
  CHECK(StoredTensor(DType::f32, Shape{}).size() == 1);
  CHECK(StoredTensor(DType::f32, {0, 4}).size() == 0);
  CHECK(!StoredTensor().defined());

  std::vector<float> v(30);
  for (int i = 0; i < 30; ++i) v[std::size_t(i)] = float(i);
  x.encode(v.data());
  StoredTensor shared = x, other = x.clone();
  const float nine = 9;
  shared.encode(0, 1, 0, 1, &nine, 1);
  float got[2];
  x.decode(0, 1, 0, 1, got, 1);
  other.decode(0, 1, 0, 1, got + 1, 1);
  CHECK(got[0] == 9);
  CHECK(got[1] == 0);

  auto owner = std::make_shared<std::vector<float>>(v);
  auto view = StoredTensor::view(DType::f32, {30}, std::as_bytes(std::span(*owner)), owner);
  const std::weak_ptr<std::vector<float>> watch = owner;
  owner.reset();
  CHECK(!watch.expired());
  CHECK(!view.writable());
  CHECK_THROWS_WITH_AS(view.encode(v.data()), "stored: a view is read-only; clone it", ValueError);
  view = {};
  CHECK(watch.expired());
}

TEST_CASE("stored: tensors go in and out without a copy") {
  const auto t = Tensor<float>::from({2, 2}, {1, 2, 3, 4});
  const StoredTensor s = StoredTensor::from(t);
  CHECK(s.dtype() == DType::f32);
  CHECK(s.to<float>().data() == t.data());
  CHECK(s.borrow<float>().data() == t.data());

  const std::vector<double> d = {1, 2, 3, 4};
  const auto view = StoredTensor::view(DType::f64, {4}, std::as_bytes(std::span(d)), nullptr);
  CHECK(view.borrow<double>().data() == d.data());
  const Tensor<double> copy = view.to<double>();
  CHECK(copy.data() != d.data());
  CHECK(copy(3) == 4);
  CHECK(view.to<float>()(2) == 3.f);

  std::vector<std::byte> odd(17);
  const std::int64_t two[2] = {5, -7};
  std::memcpy(odd.data() + 1, two, 16);
  const auto unaligned = StoredTensor::view(DType::i64, {2}, std::span(odd).subspan(1), nullptr);
  CHECK(unaligned.borrow<std::int64_t>()(1) == -7);
  CHECK(unaligned.to<float>()(1) == -7.f);
  CHECK_THROWS_AS(unaligned.to<std::int32_t>(), ValueError);

  const StoredTensor bf = s.converted(DType::bf16);
  CHECK(bf.to<bfloat16>()(3).bits == bfloat16(4.f).bits);
  CHECK(bf.to<double>()(1) == 2.0);
  CHECK(s.converted(DType::f32).bytes().data() == s.bytes().data());
}

TEST_CASE("stored: the same bits on any number of threads") {
  const std::int64_t rows = 257, cols = 320;
  std::vector<float> x(std::size_t(rows * cols));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float((i * 2654435761u >> 7) % 4001) / 1000.f - 2.f;
  const int before = threads();
  for (const DType t : {DType::q4_1, DType::q8_0, DType::bf16}) {
    std::vector<float> first;
    for (const int n : {1, 2, 5}) {
      set_threads(n);
      StoredTensor s(t, {rows, cols});
      s.encode(x.data());
      std::vector<float> y(x.size());
      s.decode(y.data());
      if (n == 1) first = y;
      CHECK(same_bits(first, y));
    }
  }
  set_threads(before);
}

TEST_CASE("stored: mistakes are sentences") {
  CHECK_THROWS_WITH_AS(StoredTensor(DType::q4_1, {4, 33}),
                       "stored: rows of 33 elements in shape (4, 33) are no whole blocks of 32 (q4_1)", ShapeError);
  StoredTensor x(DType::q8_0, {2, 64});
  float v[64] = {};
  CHECK_THROWS_WITH_AS(x.decode(1, 2, 0, 64, v, 64), "stored: rows [1, 3), columns [0, 64) of shape (2, 64)",
                       ShapeError);
  CHECK_THROWS_AS(x.decode(0, 1, 60, 5, v, 64), ShapeError);
  CHECK_THROWS_AS(x.decode(0, 1, -1, 5, v, 64), ShapeError);
  CHECK_THROWS_WITH_AS(x.encode(0, 1, 0, 33, v, 64),
                       "stored: columns [0, 33) of a q8_0 tensor are no whole blocks of 32", ShapeError);
  StoredTensor k(DType::q6_k, {256});
  const std::vector<float> zeros(256);
  CHECK_THROWS_WITH_AS(k.encode(zeros.data()), "stored: floats are not written as q6_k", ValueError);
  CHECK_THROWS_WITH_AS(StoredTensor::view(DType::f16, {3}, {}, nullptr),
                       "stored: 0 bytes for a f16 tensor of shape (3); want 6", ShapeError);
  CHECK_THROWS_AS(StoredTensor(DType::f64, {std::int64_t(1) << 61}), ShapeError);
}
