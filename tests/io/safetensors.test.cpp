// safetensors files and folders: what is written by hand is read, damage is an error, what we write is canonical.
#include "tenzo/io/safetensors.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "files.hpp"
#include "tenzo/io/safetensors_writer.hpp"

using namespace tenzo;

namespace {

std::string file_of(std::string_view header, std::string_view data) {
  return Bytes().put(std::uint64_t(header.size())).raw(header).raw(data).str();
}

std::string sample() {
  Bytes data;
  for (int i = 0; i < 6; ++i) data.put(float(i));
  data.put(std::int64_t(-3)).put(std::uint8_t(1));
  return file_of(
      R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("n":{"dtype":"I64","shape":[],"data_offsets":[24,32]},"e":{"dtype":"F16","shape":[0,7],"data_offsets":[32,32]},)"
      R"("b":{"shape":[1],"data_offsets":[32,33],"dtype":"BOOL"}}   )",
      data.str());
}

void expect_error(std::string_view content, std::string_view text) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(parse<SafetensorsFile>(content), std::string(text).c_str(), FileError);
}

}  // namespace

TEST_CASE("safetensors: a file written by hand") {
  const SafetensorsFile f = parse<SafetensorsFile>(sample());
  CHECK(f.metadata() == SafetensorsFile::Metadata{{"format", "pt"}});
  CHECK(f.tensors().size() == 4);
  CHECK(f.tensor("w").shape() == Shape{2, 3});
  CHECK(f.tensor("w").to<float>()(1, 2) == 5.f);
  CHECK(f.tensor("n").shape() == Shape{});
  CHECK(f.tensor("n").to<std::int64_t>().item() == -3);
  CHECK(f.tensor("e").size() == 0);
  CHECK(f.tensor("b").to<bool>()(0));
  CHECK_THROWS_WITH_AS(f.tensor("x"), "file: has no tensor 'x'", FileError);
  CHECK(parse<SafetensorsFile>(file_of("{}", "")).tensors().empty());
}

TEST_CASE("safetensors: damage has a place and a reason") {
  expect_error("", "file: offset 0: the file ends within the length of the header: 8 bytes wanted, 0 are left");
  expect_error(Bytes().put(std::uint64_t(50)).raw("{}").str(),
               "file: offset 8: the file ends within the header: 50 bytes wanted, 2 are left");
  expect_error(Bytes().put(~std::uint64_t(0)).raw("{}").str(),
               "file: offset 0: a header of 18446744073709551615 bytes; at most 100000000");
  expect_error(file_of("[]", ""), "file: offset 8: the header does not begin with '{': not a safetensors file");
  expect_error(file_of("{\"a\":", ""), "file: offset 14: is not valid JSON here");
  expect_error(file_of("{} x", ""), "file: offset 12: is not valid JSON here");
  expect_error(file_of("{\"\xff\":{}}", ""), "file: offset 11: is not valid JSON here");
  expect_error(file_of(R"({"a":{"b":12e5599}})", ""), "file: offset 8: the JSON holds a number that is out of range");
  expect_error(file_of(R"({"a":3})", ""), "file: offset 8: the JSON holds no object under 'a'");
  expect_error(file_of(R"({"a":[]})", ""), "file: offset 8: the JSON holds a list under 'a'; want an object");
  expect_error(file_of(R"({"a":{"b":{}}})", ""), "file: offset 8: the JSON is nested too deep at 'a'");
  expect_error(file_of(R"({"a":{"b":[[]]}})", ""), "file: offset 8: the JSON is nested too deep at 'a'");
  expect_error(file_of(R"({"__metadata__":{"b":1}})", ""), "file: offset 8: __metadata__: 'b' is no text");
  {
    std::string many = R"({"a":{"shape":[1)";
    for (int i = 0; i < 100; ++i) many += ",1";
    expect_error(file_of(many + "]}}", ""), "file: offset 8: the JSON holds a list of more than 64 items at 'a'");
    const std::string deep(100000, '[');
    expect_error(file_of(cat(R"({"a":{"b":)", deep), ""), "file: offset 8: the JSON is nested too deep at 'a'");
  }

  const auto one = [](std::string_view description, std::size_t bytes = 8) {
    return file_of(cat("{\"a\":{", description, "}}"), std::string(bytes, '\0'));
  };
  const std::string lacks =
      "file: offset 8: tensor 'a': the header lacks its dtype, its shape, or its two data_offsets";
  expect_error(one(""), lacks);
  expect_error(one(R"("dtype":"F32","shape":[2])"), lacks);
  expect_error(one(R"("dtype":"F32","data_offsets":[0,8])"), lacks);
  expect_error(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,8])"), lacks);
  expect_error(one(R"("dtype":3,"shape":[2],"data_offsets":[0,8])"), lacks);
  expect_error(one(R"("dtype":"F8_E5M2","shape":[8],"data_offsets":[0,8])"),
               "file: offset 8: tensor 'a': dtype 'F8_E5M2' is not supported");
  expect_error(one(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), "file: offset 8: tensor 'a': shape is no list");
  expect_error(one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"),
               "file: offset 8: tensor 'a': shape holds no whole number");
  expect_error(one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"),
               "file: offset 8: tensor 'a': shape holds no whole number");
  expect_error(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])"),
               "file: offset 8: tensor 'a': rank 9; at most 8");
  expect_error(one(R"("dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,8])"),
               "file: offset 8: tensor 'a': extent 0 is 9223372036854775807, out of range");
  expect_error(one(R"("dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0])"),
               "file: offset 8: tensor 'a': extent 1 is 4294967296, out of range");
  expect_error(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"),
               "file: offset 8: tensor 'a': data_offsets [0, 4] hold 4 bytes; dtype and shape want 8");
  expect_error(one(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"),
               "file: offset 8: tensor 'a': data_offsets [8, 0] are not within the file's 8 bytes of data");
  expect_error(one(R"("dtype":"F32","shape":[2],"data_offsets":[4,12])"),
               "file: offset 8: tensor 'a': data_offsets [4, 12] are not within the file's 8 bytes of data");
  expect_error(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"),
               "file: offset 62: tensor 'a' begins at 4, after a gap from 0");
  expect_error(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"),
               "file: offset 66: the tensors end here, the data 4 bytes later");

  const std::string half = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  expect_error(file_of(cat("{\"a\":", half, ",\"b\":", half, "}"), std::string(8, '\0')),
               "file: offset 115: tensor 'b' begins at 0, within the one before it, which ends at 8");
  expect_error(file_of(cat("{\"a\":", half, ",\"a\":", half, "}"), std::string(8, '\0')),
               "file: offset 8: 'a' comes twice in the header");
}

TEST_CASE("safetensors: cut anywhere, it is an error") {
  const std::string whole = sample();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(parse<SafetensorsFile>(std::string_view(whole).substr(0, n)), FileError);
  }
}

TEST_CASE("safetensors: damaged anywhere, it is read or is an error") {
  const std::string whole = sample();
  Xorshift random;
  int read = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = whole;
    for (std::uint64_t flips = 1 + random() % 3; flips > 0; --flips)
      damaged[random() % damaged.size()] ^= char(1u << random() % 8);
    try {
      const SafetensorsFile f = parse<SafetensorsFile>(damaged);
      for (const auto& [name, t] : f.tensors()) t.to<float>();
      ++read;
    } catch (const FileError&) {
      ++refused;
    }
  }
  CHECK(read > 0);
  CHECK(refused > 0);
}

TEST_CASE("safetensors: written sorted and aligned, twice the same bytes") {
  const TestFolder folder;
  const std::vector<TensorSpec> specs = {{"b\"\n", DType::f32, {2}},
                                         {"a", DType::f32, {1, 2}},
                                         {"n", DType::i64, Shape{}},
                                         {"h", DType::bf16, {3}},
                                         {"\u00e9", DType::f16, {0, 2}}};
  const auto source = [&](std::size_t i) {
    if (i == 2) return StoredTensor::from(Tensor<std::int64_t>::full(Shape{}, 7));
    return StoredTensor::from(Tensor<float>::full(specs[i].shape, float(i) + 0.5f));
  };
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"a key", "a \"value\""}};
  write_safetensors(folder / "x", metadata, specs, source);
  write_safetensors(folder / "y", metadata, specs, source);
  CHECK(folder.count() == 2);
  const std::string bytes = read_file(folder / "x");
  CHECK(bytes == read_file(folder / "y"));
  std::string header =
      R"({"__metadata__":{"a key":"a \"value\"","format":"pt"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},"b\"\n":{"dtype":"F32","shape":[2],"data_offsets":[16,24]},)"
      R"("h":{"dtype":"BF16","shape":[3],"data_offsets":[24,30]},)"
      "\"\u00e9\":{\"dtype\":\"F16\",\"shape\":[0,2],\"data_offsets\":[30,30]}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(bytes.substr(8, header.size()) == header);
  CHECK(bytes.substr(0, 8) == Bytes().put(std::uint64_t(header.size())).str());
  CHECK(bytes.size() == 8 + header.size() + 30);

  const SafetensorsFile f = SafetensorsFile::open(folder / "x");
  CHECK(f.metadata() == metadata);
  CHECK(f.tensor("n").to<std::int64_t>().item() == 7);
  CHECK(f.tensor("a").borrow<float>()(0, 1) == 1.5f);
  CHECK(f.tensor("b\"\n").to<float>()(0) == 0.5f);
  CHECK(f.tensor("h").to<float>()(2) == 3.5f);

  const auto nothing = [](std::size_t) { return StoredTensor(); };
  CHECK_THROWS_AS(write_safetensors(folder / "z", {}, {{"q", DType::q8_0, {32}}}, nothing), ValueError);
  CHECK_THROWS_AS(write_safetensors(folder / "z", {}, {{"\xff", DType::f32, {1}}}, nothing), ValueError);
  CHECK_THROWS_AS(write_safetensors(folder / "z", {}, {{"a", DType::f32, {1}}, {"a", DType::f32, {1}}}, nothing),
                  ValueError);
  CHECK_THROWS_AS(write_safetensors(folder / "z", {}, {{"__metadata__", DType::f32, {1}}}, nothing), ValueError);
  CHECK_THROWS_AS(write_safetensors(folder / "z", {}, {{"a", DType::f32, {1}}}, nothing), ValueError);
  CHECK(folder.count() == 2);
}

TEST_CASE("safetensors: a folder with one file or with shards") {
  const TestFolder folder;
  CHECK_THROWS_AS(SafetensorsFile::open(folder / "."), FileError);
  const auto save = [&](const char* file, std::vector<std::string> names) {
    std::vector<TensorSpec> specs;
    for (const auto& n : names) specs.push_back({n, DType::f32, {1}});
    write_safetensors(folder / file, {{"format", "pt"}}, specs,
                      [&](std::size_t i) { return StoredTensor::from(Tensor<float>::full({1}, float(names[i][0]))); });
  };
  save("model.safetensors", {"a"});
  CHECK(SafetensorsFile::open(folder / ".").tensors().size() == 1);

  save("1.safetensors", {"a", "b"});
  save("2.safetensors", {"c"});
  const std::string index = folder / "model.safetensors.index.json";
  const auto with = [&](std::string_view weights) {
    put_file(index, cat(R"({"metadata":{"total_size":12},"weight_map":{)", weights, "}}"));
  };
  with(R"("a":"1.safetensors","b":"1.safetensors","c":"2.safetensors")");
  for (const std::string& path : {folder / ".", index}) {
    const SafetensorsFile f = SafetensorsFile::open(path);
    CHECK(f.tensors().size() == 3);
    CHECK(f.tensor("c").to<float>()(0) == float('c'));
    CHECK(f.metadata().at("format") == "pt");
  }
  const auto wrong = [&](std::string_view weights) {
    with(weights);
    CHECK_THROWS_AS(SafetensorsFile::open(folder / "."), FileError);
  };
  wrong(R"("a":"1.safetensors","c":"2.safetensors")");                                          // b is not named
  wrong(R"("a":"1.safetensors","b":"1.safetensors","c":"2.safetensors","d":"2.safetensors")");  // d is not there
  wrong(R"("a":"1.safetensors","b":"1.safetensors","c":"3.safetensors")");                      // no such file
  wrong(R"("a":"../1.safetensors")");
  wrong(R"("a":1)");
  wrong("");
}
