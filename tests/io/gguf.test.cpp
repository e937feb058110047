// GGUF files: what is written by hand is read, what we write has the structure of the format, damage is an error.
#include "tenzo/io/gguf.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "files.hpp"
#include "tenzo/io/gguf_writer.hpp"
#include "tenzo/io/model_hash.hpp"

using namespace tenzo;

namespace {

/// The start of a file with no keys.
Bytes head(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
  return Bytes().raw("GGUF").put(version).put(tensors).put(keys);
}
Bytes& info(Bytes& b, std::string_view name, std::vector<std::uint64_t> extents, std::uint32_t type,
            std::uint64_t offset) {
  b.text(name).put(std::uint32_t(extents.size()));
  for (const auto n : extents) b.put(n);
  return b.put(type).put(offset);
}

/// A file of every kind of value with two tensors, the second one up to the last byte.
std::string sample(std::uint32_t version = 3) {
  Bytes b = head(2, 7, version);
  b.text("general.name").put(8u).text("small");
  b.text("u").put(4u).put(7u);
  b.text("f").put(6u).put(0.5f);
  b.text("yes").put(7u).put(std::uint8_t(1));
  b.text("words").put(9u).put(8u).put(std::uint64_t(3)).text("a").text("").text("bcd");
  b.text("nested").put(9u).put(9u).put(std::uint64_t(2));
  b.put(5u).put(std::uint64_t(2)).put(-1).put(2);  // an array of i32
  b.put(12u).put(std::uint64_t(1)).put(2.5);       // an array of f64
  b.text("big").put(10u).put(~std::uint64_t(0));
  info(b, "w", {3, 2}, 0, 0);
  info(b, "q", {32, 1}, 8, 32);
  b.align(32);
  for (int i = 0; i < 6; ++i) b.put(float(i));
  b.align(32).put(std::uint16_t(0x3c00));  // the scale 1
  for (int i = 0; i < 32; ++i) b.put(std::int8_t(i - 16));
  return b.str();
}

void expect_error(std::string_view content, std::string_view text) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(parse<GgufFile>(content), std::string(text).c_str(), FileError);
}

}  // namespace

TEST_CASE("gguf: a file written by hand") {
  for (const std::uint32_t version : {2u, 3u}) {
    const GgufFile f = parse<GgufFile>(sample(version));
    CHECK(f.version() == version);
    CHECK(f.metadata().size() == 7);
    CHECK(f.text("general.name") == "small");
    CHECK(f.integer("u") == 7);
    CHECK(f.number("u") == 7.0);
    CHECK(f.number("f") == 0.5);
    CHECK(f.boolean("yes"));
    CHECK(f.texts("words") == std::vector<std::string_view>{"a", "", "bcd"});
    const auto nested = f.metadata().find("nested")->items();
    REQUIRE(nested.size() == 2);
    CHECK(nested[0].integers() == std::vector<std::int64_t>{-1, 2});
    CHECK(nested[1].numbers() == std::vector<double>{2.5});
    CHECK(f.integer("none", 5) == 5);

    REQUIRE(f.tensors().size() == 2);
    const StoredTensor& w = f.tensor("w");
    CHECK(w.shape() == Shape{2, 3});
    CHECK(w.to<float>()(1, 2) == 5.f);
    CHECK(f.tensor("q").dtype() == DType::q8_0);
    CHECK(f.tensor("q").to<float>()(31) == 15.f);
    CHECK(f.tensors().find("v") == nullptr);
  }
}

TEST_CASE("gguf: a wrong question is a sentence with the file's name") {
  const GgufFile f = parse<GgufFile>(sample());
  CHECK_THROWS_WITH_AS(f.text("u"), "file: key 'u': the value is of type u32; want text", FileError);
  CHECK_THROWS_WITH_AS(f.integer("f"), "file: key 'f': the value is of type f32; want an integer", FileError);
  CHECK_THROWS_WITH_AS(f.integer("none"), "file: has no key 'none'", FileError);
  CHECK_THROWS_WITH_AS(f.integer("big"), "file: key 'big': gguf: the value 18446744073709551615 is too large",
                       FileError);
  CHECK_THROWS_WITH_AS(f.tensor("x\n"), "file: has no tensor 'x\\x0a'", FileError);
}

TEST_CASE("gguf: damage has a place and a reason") {
  expect_error("", "file: offset 0: the file ends within the mark \"GGUF\": 4 bytes wanted, 0 are left");
  expect_error("GGML....", "file: offset 0: is not a GGUF file");
  expect_error(head(0, 0, 1).str(), "file: offset 4: version 1 is not supported; want 2 or 3");
  expect_error(head(0, 0, 0x03000000).str(),
               "file: offset 4: version 50331648, a big-endian file, is not supported; want 2 or 3");
  expect_error(head(0, ~std::uint64_t(0)).str(),
               "file: offset 24: the file ends within a key: 8 bytes wanted, 0 are left");
  expect_error(head(0, 1).put(~std::uint64_t(0)).str(),
               "file: offset 32: the file ends within a key: 18446744073709551615 bytes wanted, 0 are left");
  expect_error(head(0, 1).text("k").put(13u).str(), "file: offset 33: the type of a value is 13; known are 0 to 12");
  expect_error(head(0, 1).text("k").put(9u).put(0u).put(std::uint64_t(1) << 60).str(),
               "file: offset 37: an array of 1152921504606846976 items of type u8 does not fit: 0 bytes are left");
  expect_error(head(0, 2).text("k").put(0u).put('x').text("k").put(0u).put('x').str(),
               "file: offset 38: the key 'k' comes twice");
  expect_error(head(0, 1).text("general.alignment").put(4u).put(24u).str(),
               "file: offset 53: general.alignment must be a power of 2 of type u32");
  {
    Bytes deep = head(0, 1).text("k").put(9u);
    for (int i = 0; i < 100000; ++i) deep.put(9u).put(std::uint64_t(1));
    expect_error(deep.str(), "file: offset 229: arrays are nested more than 16 deep");
  }

  const auto one = [](std::vector<std::uint64_t> extents, std::uint32_t type, std::uint64_t offset = 0) {
    Bytes b = head(1, 0);
    return info(b, "t", extents, type, offset).align(32).raw(std::string(64, '\0')).str();
  };
  CHECK(parse<GgufFile>(one({16}, 0)).tensors().size() == 1);
  CHECK(parse<GgufFile>(one({}, 0)).tensor("t").shape() == Shape{});
  expect_error(
      one({17}, 0),
      "file: offset 24: tensor 't': 68 bytes at data offset 0 reach beyond the end of the file (64 bytes of data)");
  expect_error(
      one({16}, 0, 32),
      "file: offset 24: tensor 't': 64 bytes at data offset 32 reach beyond the end of the file (64 bytes of data)");
  expect_error(one({1}, 0, std::uint64_t(-32)),
               "file: offset 24: tensor 't': 4 bytes at data offset 18446744073709551584 reach beyond the end of the "
               "file (64 bytes of data)");
  expect_error(one({1}, 0, 4), "file: offset 49: tensor 't': offset 4 is no multiple of 32");
  expect_error(one({1, 1, 1, 1, 1}, 0), "file: offset 33: tensor 't' has rank 5; at most 4");
  expect_error(one({0}, 0), "file: offset 33: tensor 't': extent 0 is 0, out of range");
  expect_error(one({std::uint64_t(1) << 32, std::uint64_t(1) << 32}, 0),
               "file: offset 33: tensor 't': extent 1 is 4294967296, out of range");
  expect_error(one({std::uint64_t(1) << 62}, 0), "file: offset 45: tensor 't' has more bytes than 63 bits count");
  expect_error(one({33}, 8), "file: offset 45: tensor 't': rows of 33 elements are no whole blocks of 32 (q8_0)");
  expect_error(one({32}, 10), "file: offset 45: tensor 't' has type 10, which is not supported");
  {
    Bytes b = head(2, 0);
    info(b, "a", {16}, 0, 0);
    info(b, "b", {8}, 0, 32);
    expect_error(b.align(32).raw(std::string(64, '\0')).str(), "file: offset 57: tensor 'b' overlaps 'a'");
  }
  {
    Bytes b = head(2, 0);
    info(b, "a", {8}, 0, 0);
    info(b, "a", {8}, 0, 32);
    expect_error(b.align(32).raw(std::string(64, '\0')).str(), "file: offset 57: the tensor 'a' comes twice");
  }
}

TEST_CASE("gguf: cut anywhere, it is an error") {
  const std::string whole = sample();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(parse<GgufFile>(std::string_view(whole).substr(0, n)), FileError);
  }
}

TEST_CASE("gguf: damaged anywhere, it is read or is an error") {
  const std::string whole = sample();
  Xorshift random;
  int read = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = whole;
    for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips)
      damaged[random() % damaged.size()] ^= char(1u << random() % 8);
    try {
      const GgufFile f = parse<GgufFile>(damaged);
      for (const auto& [name, t] : f.tensors()) t.to<float>();
      for (const auto& [key, value] : f.metadata())
        if (value.type() == GgufType::array) value.items();
      ++read;
    } catch (const FileError&) {
      ++refused;
    }
  }
  CHECK(read > 0);
  CHECK(refused > 0);
}

TEST_CASE("gguf: what is written comes back, and twice the same bytes") {
  const TestFolder folder;
  GgufMetadata m;
  m.set("general.architecture", "llama");
  m.set("an.unknown.key", GgufValue::array(std::vector<std::string>{"x", "yz", ""}));
  m.set("n", std::uint32_t(3));
  m.set("eps", 1e-5f);
  m.set("flag", true);
  m.set("wide", std::int64_t(-5));
  m.set("nested", GgufValue::array_of(GgufType::array, {GgufValue::array(std::vector<std::int32_t>{1, 2}),
                                                        GgufValue::array(std::vector<float>{})}));
  m.set("n", std::uint32_t(4));

  const std::int64_t rows = 3, cols = 64;
  Tensor<float> w({rows, cols});
  for (std::int64_t i = 0; i < w.size(); ++i) w(i) = float(i % 37 - 18) / 8.f;
  const std::vector<DType> types = {DType::f32,  DType::f16,  DType::bf16, DType::q8_0,
                                    DType::q4_0, DType::q4_1, DType::f64};
  std::vector<TensorSpec> specs;
  for (const DType t : types) specs.push_back({cat("w.", t), t, {rows, cols}});
  specs.push_back({"v", DType::f32, {5}});
  std::vector<std::size_t> asked;
  const auto source = [&](std::size_t i) {
    asked.push_back(i);
    return StoredTensor::from(i < types.size() ? w : Tensor<float>::full({5}, 2.f));
  };
  write_gguf(folder / "a.gguf", m, specs, source);
  write_gguf(folder / "b.gguf", m, specs, source);
  CHECK(asked.size() == 16);
  CHECK(asked[1] == 1);
  CHECK(folder.count() == 2);
  CHECK(read_file(folder / "a.gguf") == read_file(folder / "b.gguf"));

  const GgufFile f = GgufFile::open(folder / "a.gguf");
  CHECK(std::ranges::equal(f.metadata(), m,
                           [](const auto& a, const auto& b) { return a.key == b.key && a.value == b.value; }));
  CHECK(f.integer("n") == 4);
  REQUIRE(f.tensors().size() == specs.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    CAPTURE(types[i]);
    CHECK(f.tensors()[i].name == specs[i].name);
    const StoredTensor want = StoredTensor::from(w).converted(types[i]);
    CHECK(std::ranges::equal(f.tensors()[i].tensor.bytes(), want.bytes()));
    CHECK(f.tensors()[i].tensor.shape() == Shape{rows, cols});
    CHECK(reinterpret_cast<std::uintptr_t>(f.tensors()[i].tensor.bytes().data()) % 32 == 0);
  }
  CHECK(f.tensor("v").borrow<float>()(4) == 2.f);

  // An alignment of its own is kept, and so are formats that are only passed on.
  std::vector<std::byte> raw(144, std::byte{1});
  const auto k = StoredTensor::view(DType::q4_k, {1, 256}, raw, nullptr);
  m.set("general.alignment", std::uint32_t(64));
  write_gguf(folder / "c.gguf", m, {{"k", DType::q4_k, {1, 256}}, {"l", DType::q4_k, {1, 256}}},
             [&](std::size_t) { return k; });
  const GgufFile g = GgufFile::open(folder / "c.gguf");
  CHECK(g.alignment() == 64);
  CHECK(g.tensor("l").bytes().data() - g.tensor("k").bytes().data() == 192);
  CHECK(std::ranges::equal(g.tensor("l").bytes(), raw));
  CHECK(read_file(folder / "c.gguf").size() % 64 == 0);
}

TEST_CASE("gguf: what can not be written is refused, and nothing is left behind") {
  const TestFolder folder;
  const std::string path = folder / "a.gguf";
  put_file(path, "old");
  const auto t = StoredTensor::from(Tensor<float>::full({2, 32}, NAN));
  const auto write = [&](TensorSpec s, const GgufMetadata& m = {}) {
    write_gguf(path, m, {std::move(s)}, [&](std::size_t) { return t; });
  };
  CHECK_THROWS_AS(write({"t", DType::q8_0, {2, 32}}), ValueError);  // not finite, found while writing
  CHECK_THROWS_AS(write({"t", DType::q4_k, {1, 256}}), ShapeError);
  CHECK_THROWS_WITH_AS(write({"t", DType::f32, {64}}), "write: the tensor t has shape (2, 32); want (64)", ShapeError);
  CHECK_THROWS_AS(write({"t", DType::u8, {2, 32}}), ValueError);
  CHECK_THROWS_AS(write({"t", DType::f32, Shape{}}), ShapeError);
  CHECK_THROWS_AS(write({std::string(64, 'n'), DType::f32, {2, 32}}), ValueError);
  CHECK_THROWS_AS(write({"t", DType::q8_0, {64, 1}}), ShapeError);
  GgufMetadata bad;
  bad.set("general.alignment", std::uint32_t(3));
  CHECK_THROWS_AS(write({"t", DType::f32, {2, 32}}, bad), ValueError);
  CHECK_THROWS_AS(
      write_gguf(path, {}, {{"t", DType::f32, {1}}}, [](std::size_t) -> StoredTensor { throw ValueError("no"); }),
      ValueError);
  CHECK(read_file(path) == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("gguf: the formats that a model of a format is written in") {
  CHECK(gguf_dtype(DType::q8_0, {4, 64}) == DType::q8_0);
  CHECK(gguf_dtype(DType::q8_0, {4, 33}) == DType::f16);
  CHECK(gguf_dtype(DType::f16, {64}) == DType::f32);
  CHECK(gguf_file_type(DType::f16) == 1);
  CHECK_THROWS_AS(gguf_file_type(DType::i8), ValueError);
}

TEST_CASE("model hash: names, formats, shapes and bytes count, the order does not") {
  const auto a = StoredTensor::from(Tensor<float>::from({2, 2}, {1, 2, 3, 4}));
  const auto b = StoredTensor::from(Tensor<float>::from({3}, {5, 6, 7}));
  const auto hash = [](std::vector<NamedTensor> t) { return model_hash(NamedTensors(std::move(t))); };
  const std::uint64_t h = hash({{"a", a}, {"b", b}});
  CHECK(h == hash({{"b", b}, {"a", a}}));
  CHECK(h != hash({{"a", a}, {"c", b}}));
  CHECK(h != hash({{"a", b}, {"b", a}}));
  CHECK(h != hash({{"a", StoredTensor::from(Tensor<float>::from({4}, {1, 2, 3, 4}))}, {"b", b}}));
  CHECK(h != hash({{"a", a.converted(DType::f16)}, {"b", b}}));
  CHECK(h != hash({{"a", StoredTensor::from(Tensor<float>::from({2, 2}, {1, 2, 3, 4.0000005f}))}, {"b", b}}));
  CHECK_THROWS_AS(hash({{"a", a}, {"a", b}}), ValueError);

  // XXH64 of the bytes that the definition lists.
  Bytes bytes;
  bytes.text("a").text("f32").put(std::uint64_t(2)).put(std::uint64_t(2)).put(std::uint64_t(2));
  for (const float x : {1.f, 2.f, 3.f, 4.f}) bytes.put(x);
  Hash64 want;
  want.update(std::string_view(bytes.str()));
  CHECK(hash({{"a", a}}) == want.value());
}
