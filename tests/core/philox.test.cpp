#include "tenzo/core/philox.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace tenzo;

namespace {

/// The 64 words of sixteen blocks, one by one.
std::vector<std::uint32_t> blocks(const PhiloxStream& stream, std::uint32_t c0, std::uint32_t stride) {
  std::vector<std::uint32_t> x;
  for (std::uint32_t i = 0; i < 64; ++i) x.push_back(stream.block(c0 + i / 4 * stride)[i % 4]);
  return x;
}

}  // namespace

TEST_CASE("philox: known answers at run time") {
  // The volatile keeps the compiler from answering; the same vectors stand as static_assert in the header.
  volatile std::uint32_t zero = 0;
  const std::uint32_t ones = ~zero;
  CHECK(philox4x32({zero, zero, zero, zero}, zero) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({ones, ones, ones, ones}, ~std::uint64_t(zero)) ==
        PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("philox: a stream gives the blocks of the function") {
  for (const std::uint64_t key : {0ull, 1ull, 0x299f31d0a4093822ull, ~0ull})
    for (const std::uint32_t c : {0u, 1u, 0x80000000u, 0xffffffffu}) {
      const PhiloxStream stream(key, c, c ^ 0x12345678u, c + 77);
      for (const std::uint32_t c0 : {0u, 1u, 1000u, 0x7fffffffu, 0xffffffffu}) {
        CAPTURE(key);
        CAPTURE(c);
        CAPTURE(c0);
        CHECK(stream.block(c0) == philox4x32({c0, c, c ^ 0x12345678u, c + 77}, key));
      }
    }
}

TEST_CASE("philox: sixteen blocks at once are the blocks one by one") {
  const PhiloxStream stream(0x0123456789abcdefull, 11, 22, 33);
  for (const std::uint32_t c0 : {0u, 5u, 0x10000000u, 0xffffff00u})
    for (const std::uint32_t stride : {1u, 2u, 37u, 0x00ffffffu}) {
      if (c0 + 15ull * stride > 0xffffffffull) continue;
      CAPTURE(c0);
      CAPTURE(stride);
      std::vector<std::uint32_t> x(64);
      stream.words64(c0, stride, x.data());
      CHECK(x == blocks(stream, c0, stride));
    }
  std::vector<std::uint32_t> x(128), want = blocks(stream, 123, 1);
  const auto second = blocks(stream, 456789, 1);
  want.insert(want.end(), second.begin(), second.end());
  stream.words128(123, 456789, x.data());
  CHECK(x == want);
}

TEST_CASE("philox: blocks past the last counter do not disturb those before it") {
  const PhiloxStream stream(7, 1, 2, 3);
  std::uint32_t x[64];
  stream.words64(0xfffffffcu, 1, x);
  for (std::uint32_t i = 0; i < 16; ++i) CHECK(x[i] == stream.block(0xfffffffcu + i / 4)[i % 4]);
}
