// Readers of arrays and tables: what they give, and what they say of damaged files.
#include <doctest/doctest.h>
#include <zlib.h>

#include <string>

#include "../io/files.hpp"
#include "tenzo/data/cifar.hpp"
#include "tenzo/data/csv.hpp"
#include "tenzo/data/idx.hpp"
#include "tenzo/data/npy.hpp"

using namespace tenzo;

namespace {

using Text = std::string;
using namespace std::string_literals;

/// Calls f with a copy of exactly these bytes, so that a sanitizer sees a read beyond the end.
template <class F>
auto with_bytes(std::string_view content, F&& f) {
  const std::unique_ptr<std::byte[]> copy(new std::byte[content.size()]);
  std::memcpy(copy.get(), content.data(), content.size());
  return f(std::span<const std::byte>(copy.get(), content.size()));
}

Text gzipped(const Text& s) {
  z_stream z{};
  REQUIRE(::deflateInit2(&z, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Text out(::deflateBound(&z, uLong(s.size())), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(s.data()));
  z.avail_in = uInt(s.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = uInt(out.size());
  REQUIRE(::deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  ::deflateEnd(&z);
  return out;
}

Text idx(std::initializer_list<unsigned> sizes, const Text& values, char kind = 8) {
  Text s{0, 0, kind, char(sizes.size())};
  for (const unsigned n : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) s += char(n >> shift);
  return s + values;
}
Text idx_refusal(const Text& s) {
  return refusal([&] { with_bytes(s, [](std::span<const std::byte> bytes) { return parse_idx(bytes, "f").shape; }); });
}

Text npy(const Text& header, const Text& values, char version = 1) {
  Text s = "\x93NUMPY" + Text{version, 0};
  s += Text{char(header.size()), char(header.size() >> 8)};
  if (version > 1) s += Text{0, 0};
  return s + header + values;
}
Text npy_refusal(const Text& s) {
  return refusal(
      [&] { with_bytes(s, [](std::span<const std::byte> bytes) { return parse_npy(bytes, "f").as<float>(); }); });
}

}  // namespace

TEST_CASE("file_bytes: compressed or not, the content comes") {
  TestFolder folder;
  Text long_text;
  for (int i = 0; i < 50000; ++i) long_text += std::to_string(i * 7919 % 1000);
  for (const Text& content : {Text("numbers"), Text(""), long_text}) {
    put_file(folder / "plain", content);
    put_file(folder / "packed", gzipped(content));
    put_file(folder / "twice", gzipped(content) + gzipped("more"));
    CHECK(FileBytes::open(folder / "plain").text() == content);
    CHECK(FileBytes::open(folder / "packed").text() == content);
    CHECK(FileBytes::open(folder / "twice").text() == content + "more");
  }
  CHECK_THROWS_AS(FileBytes::open(folder / "missing"), FileError);
}

TEST_CASE("file_bytes: damaged and swollen files are refused") {
  TestFolder folder;
  const Text packed = gzipped(Text(100000, 'x'));
  const auto says = [&](const Text& content, std::uint64_t most) {
    put_file(folder / "f", content);
    return refusal([&] { FileBytes::open(folder / "f", most); });
  };
  CHECK(says(packed, 100000) == "nothing");
  CHECK(says(packed, 99999).ends_with("holds more than 99999 bytes"));
  CHECK(says(packed.substr(0, packed.size() - 1), 1 << 20).ends_with("the compressed data end too early"));
  CHECK(says(packed.substr(0, 2), 1 << 20).ends_with("the compressed data end too early"));
  CHECK(says(packed + "tail", 1 << 20).find("are damaged") != Text::npos);
  Text wrong = packed;
  wrong[packed.size() - 6] = char(wrong[packed.size() - 6] ^ 1);  // the checksum
  CHECK(says(wrong, 1 << 20).find("are damaged") != Text::npos);
}

TEST_CASE("idx: images and labels") {
  TestFolder folder;
  put_file(folder / "x", idx({2, 2, 3}, Text("\0\xff\x33\1\2\3\4\5\6\7\x8\x9", 12)));
  put_file(folder / "y.gz", gzipped(idx({2}, "\3\1")));
  const auto s = read_idx(folder / "x", folder / "y.gz");
  CHECK(s.x.shape() == Shape{2, 1, 2, 3});
  CHECK(s.classes == 4);
  CHECK(s.labels(0) == 3);
  CHECK(s.labels(1) == 1);
  CHECK(s.x(0) == 0);
  CHECK(s.x(1) == 1);
  CHECK(s.x(2) == 0.2f);
  CHECK(s.x(11) == 9 / 255.f);
  put_file(folder / "y.gz", idx({3}, "\3\1\2"));
  CHECK_THROWS_AS(read_idx(folder / "x", folder / "y.gz"), FileError);
  CHECK_THROWS_AS(read_idx(folder / "y.gz", folder / "y.gz"), FileError);
  put_file(folder / "x", idx({0, 5, 5}, ""));
  put_file(folder / "y.gz", idx({0}, ""));
  CHECK(read_idx(folder / "x", folder / "y.gz").x.shape() == Shape{0, 1, 5, 5});
}

TEST_CASE("idx: damaged files are one line") {
  CHECK(idx_refusal("") == "f: offset 0: the file ends within the magic number: 4 bytes wanted, 0 are left");
  CHECK(idx_refusal("\1\2\3\4") == "f: offset 0: is no IDX file: it begins with other bytes");
  CHECK(idx_refusal(idx({1}, "a", 13)) == "f: offset 2: elements of kind 13; want unsigned bytes, 8");
  CHECK(idx_refusal(idx({}, "")) == "f: offset 3: 0 axes; want 1 to 8");
  CHECK(idx_refusal(idx({2, 3}, "12345")) ==
        "f: offset 12: the file ends within the elements: 6 bytes wanted, 5 are left");
  CHECK(idx_refusal(idx({2, 3}, "1234567")) == "f: offset 18: 1 bytes behind the last element");
  CHECK(idx_refusal(idx({~0u, ~0u}, "")) == "f: offset 8: more elements than 62 bits count");
  CHECK(idx_refusal(idx({~0u, 1u << 30}, "")) ==
        "f: offset 12: the file ends within the elements: 4611686017353646080 bytes wanted, 0 are left");
}

TEST_CASE("cifar: records") {
  Text record(1 + 3072, '\0');
  record[0] = 7;
  record[1] = char(0xff);
  record[1 + 1024] = 51;
  const auto parse = [](const Cifar& set, const Text& s) {
    return with_bytes(s, [&](std::span<const std::byte> bytes) { return parse_cifar(set, bytes, "f"); });
  };
  const auto s = parse(Cifar::ten(), record + record);
  CHECK(s.x.shape() == Shape{2, 3, 32, 32});
  CHECK(s.labels(1) == 7);
  CHECK(s.classes == 10);
  CHECK(s.x(0) == 1);
  CHECK(s.x(3072 + 1024) == 0.2f);
  const auto h = parse(Cifar::hundred(), Text("\x13\x63") + record.substr(1));  // the fine label counts
  CHECK(h.labels(0) == 99);
  CHECK(h.x(0) == 1);
  CHECK(parse(Cifar::ten(), "").size() == 0);
  CHECK(refusal([&] { parse(Cifar::ten(), record + "a"); }) ==
        "f: offset 3073: the file ends within a record of 3073 bytes");
  CHECK(refusal([&] { parse(Cifar::ten(), record + "\x0a" + record.substr(1)); }) ==
        "f: offset 3073: label 10 of 10 classes");
  CHECK(refusal([&] { parse(Cifar::hundred(), Text("\0\x64", 2) + record.substr(1)); }) ==
        "f: offset 1: label 100 of 100 classes");
}

TEST_CASE("npy: arrays of all kinds") {
  const auto parse = [](const Text& s) {
    return with_bytes(s, [](std::span<const std::byte> bytes) { return parse_npy(bytes, "f").as<double>(); });
  };
  const Text end = ", 'fortran_order': False, 'shape': (2,), }  \n";
  CHECK(parse(npy("{'descr': '<f8'" + end, Bytes().put(0.25).put(-3.0).str()))(1) == -3);
  CHECK(parse(npy("{'descr': '<f4'" + end, Bytes().put(0.25f).put(5.f).str()))(0) == 0.25);
  CHECK(parse(npy("{'descr': '|u1'" + end, "\xff\2"))(0) == 255);
  CHECK(parse(npy("{'descr': '|b1'" + end, Text("\0\1", 2)))(1) == 1);
  CHECK(parse(npy("{'descr': '|i1'" + end, "\xff\2"))(0) == -1);
  CHECK(parse(npy("{'descr': '<i2'" + end, "\xfe\xff\0\1"s))(0) == -2);
  CHECK(parse(npy("{'descr': '<u2'" + end, "\xfe\xff\0\1"s))(0) == 65534);
  CHECK(parse(npy("{'descr': '<i4'" + end, Bytes().put(-7).put(8).str()))(0) == -7);
  CHECK(parse(npy("{'descr': '<i8'" + end, Bytes().put(std::int64_t(-7)).put(std::int64_t(8)).str(), 2))(1) == 8);
  CHECK(parse(npy("{\"shape\":(),\"descr\":\"<f8\",\"fortran_order\":False}", Bytes().put(2.5).str(), 3)).item() ==
        2.5);
  CHECK(parse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0, 2)}", "")).shape() == Shape{3, 0, 2});
}

TEST_CASE("npy: damaged files are one line") {
  const auto with = [](const Text& descr, const Text& order, const Text& shape, const Text& values) {
    return npy_refusal(npy("{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + "}", values));
  };
  CHECK(with("'|u1'", "False", "(3,)", "abc") == "nothing");
  CHECK(npy_refusal("") == "f: offset 0: the file ends within the magic number: 6 bytes wanted, 0 are left");
  CHECK(npy_refusal("numpy!!!!!") == "f: offset 0: is no .npy file: it begins with other bytes");
  CHECK(npy_refusal(npy("", "", 4)) == "f: offset 6: version 4; want 1 to 3");
  CHECK(npy_refusal(npy("", "")) == "f: offset 10: the header: want '{'");
  CHECK(npy_refusal(npy("{}", "")) == "f: offset 12: the header: want descr, fortran_order and shape");
  CHECK(npy_refusal(npy("{'a': 1}", "")) == "f: offset 15: the header: an unknown entry 'a'");
  CHECK(npy_refusal(npy("{'descr", "")) == "f: offset 11: the header: a text without its end");
  CHECK(with("'|u1'", "True", "(3,)", "abc").ends_with("columns before rows (fortran_order); want rows first"));
  CHECK(with("'>f8'", "False", "(3,)", "abc") ==
        "f: offset 10: elements '>f8'; want <f4, <f8, |u1, |b1, |i1, <u2, <i2, <i4 or <i8");
  CHECK(with("'|u1'", "False", "(-3,)", "abc").ends_with("the header: want a size"));
  CHECK(with("'|u1'", "False", "(99999999999999999999,)", "abc").ends_with("the header: want a size"));
  CHECK(with("'|u1'", "False", "(1,1,1,1,1,1,1,1,1)", "a").ends_with("the header: more than 8 axes"));
  CHECK(with("'<f8'", "False", "(4611686018427387904, 4)", "").ends_with("more bytes than 62 bits count"));
  CHECK(with("'|u1'", "False", "(4,)", "abc").ends_with("ends within the elements: 4 bytes wanted, 3 are left"));
  CHECK(with("'|u1'", "False", "(2,)", "abc").ends_with("1 bytes behind the last element"));
}

TEST_CASE("csv: tables") {
  const auto t = parse_csv("1, 2.5,-3e1\r\n\n 4,5 ,6", "f");
  CHECK(t.shape() == Shape{2, 3});
  CHECK(t(0, 1) == 2.5f);
  CHECK(t(0, 2) == -30);
  CHECK(t(1, 1) == 5);
  CHECK(parse_csv("", "f").shape() == Shape{0, 0});
  const auto says = [](const Text& s) { return refusal([&] { parse_csv(s, "f"); }); };
  CHECK(says("1,2\n3\n") == "f: offset 4: a row of 1 numbers; the first has 2");
  CHECK(says("1,x\n") == "f: offset 2: is no finite number: 'x'");
  CHECK(says("1,\n") == "f: offset 2: is no finite number: ''");
  CHECK(says(",1\n") == "f: offset 0: is no finite number: ',1'");
  CHECK(says("1 2\n") == "f: offset 2: want a comma between two numbers");
  CHECK(says("nan") == "f: offset 0: is no finite number: 'nan'");
  CHECK(says("1e99") == "f: offset 0: is no finite number: '1e99'");
}

TEST_CASE("csv: labelled images") {
  const auto s = csv_samples(parse_csv("0,16,8,4,2\n1,2,3,4,0\n", "f"), {1, 2, 2}, 16, "f");
  CHECK(s.x.shape() == Shape{2, 1, 2, 2});
  CHECK(s.x(1) == 1);
  CHECK(s.x(2) == 0.5f);
  CHECK(s.labels(0) == 2);
  CHECK(s.classes == 3);
  CHECK(csv_samples(parse_csv("", "f"), {1, 2, 2}, 16, "f").x.shape() == Shape{0, 1, 2, 2});
  const auto says = [](const Text& t) { return refusal([&] { csv_samples(parse_csv(t, "f"), {2}, 16, "f"); }); };
  CHECK(says("1,2") == "f: rows of 2 numbers; want 2 pixels and a label");
  CHECK(says("1,17,0") == "f: row 0: pixel 1 is 17; want 0 to 16");
  CHECK(says("1,2,0\n-1,2,0") == "f: row 1: pixel 0 is -1; want 0 to 16");
  CHECK(says("1,2,0.5") == "f: row 0: the label is 0.5; want a whole number from 0");
  CHECK(says("1,2,-1") == "f: row 0: the label is -1; want a whole number from 0");
}
