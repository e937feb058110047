// Zip archives and NumPy's archives of arrays. The golden archives are of Python's zipfile and of NumPy 2.
#include "tenzo/data/npz.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../io/files.hpp"

using namespace tenzo;
using namespace std::string_literals;

namespace {

using Text = std::string;

Text deflated(const Text& s) {
  z_stream z{};
  REQUIRE(::deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
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

/// A member as it is put, with everything that can be wrong of it.
struct Member {
  Text name, content;
  bool packed = false;
  std::uint16_t method = 0, flags = 0;
  std::uint32_t crc = 0, packed_size = 0, size = 0;
  Text bytes;

  Member(Text n, Text c, bool deflate = false) : name(std::move(n)), content(std::move(c)), packed(deflate) {
    bytes = packed ? deflated(content) : content;
    method = packed ? 8 : 0;
    crc = std::uint32_t(::crc32(0, reinterpret_cast<const Bytef*>(content.data()), uInt(content.size())));
    packed_size = std::uint32_t(bytes.size());
    size = std::uint32_t(content.size());
  }
};

Text zip(const std::vector<Member>& members, const Text& comment = "", const Text& extra = "") {
  Text out, directory;
  for (const Member& m : members) {
    const auto at = std::uint32_t(out.size());
    // A header need not know the sizes: the directory does.
    Bytes head;
    head.raw("PK\3\4").put(std::uint16_t(20)).put(m.flags).put(m.method).put(0u).put(0u).put(~0u).put(~0u);
    head.put(std::uint16_t(m.name.size())).put(std::uint16_t(extra.size())).raw(m.name).raw(extra);
    out += head.str() + m.bytes;
    Bytes entry;
    entry.raw("PK\1\2").put(std::uint16_t(20)).put(std::uint16_t(20)).put(m.flags).put(m.method).put(0u).put(m.crc);
    entry.put(m.packed_size).put(m.size).put(std::uint16_t(m.name.size())).put(std::uint16_t(extra.size()));
    entry.put(std::uint16_t(0)).put(0u).put(std::uint16_t(0)).put(0u).raw("");
    Text e = entry.str();
    e.resize(42);
    directory += e + Bytes().put(at).str() + m.name + extra;
  }
  Bytes end;
  end.raw("PK\5\6").put(0u).put(std::uint16_t(members.size())).put(std::uint16_t(members.size()));
  end.put(std::uint32_t(directory.size())).put(std::uint32_t(out.size())).put(std::uint16_t(comment.size()));
  return out + directory + end.str() + comment;
}

/// f(archive) of a copy of exactly these bytes, so that a sanitizer sees a read beyond the end.
template <class File, class F>
auto with_archive(const Text& content, F&& f) {
  const std::unique_ptr<std::byte[]> copy(new std::byte[content.size()]);
  std::memcpy(copy.get(), content.data(), content.size());
  return f(File::parse({copy.get(), content.size()}, "f"));
}

/// The members' contents, one after another with a bar between them.
Text contents(const Text& archive) {
  return with_archive<ZipFile>(archive, [](const ZipFile& z) {
    Text out;
    for (const ZipMember& m : z.members()) {
      const ZipContent c = z.read(m);
      out += Text(reinterpret_cast<const char*>(c.bytes().data()), c.bytes().size()) + "|";
    }
    return out;
  });
}
Text says(const Text& archive) {
  return refusal([&] { contents(archive); });
}

Text npy(const Text& descr, const Text& shape, const Text& values) {
  const Text header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  return "\x93NUMPY\1\0"s + Text{char(header.size()), 0} + header + values;
}

}  // namespace

TEST_CASE("zip: stored and deflated members, comments, extra fields") {
  const Text long_text(100000, 'x');
  for (const Text& comment : {""s, "a comment"s, Text(65535, 'c')})
    for (const Text& extra : {""s, Text(20, 'e')}) {
      CHECK(contents(zip({}, comment, extra)) == "");
      CHECK(contents(zip({{"a", ""}, {"b", "", true}, {"c", "text"}, {"d", long_text, true}}, comment, extra)) ==
            "||text|" + long_text + "|");
    }
  with_archive<ZipFile>(zip({{"a/b.txt", "1"}, {"c", "2"}}), [](const ZipFile& z) {
    REQUIRE(z.find("c"));
    CHECK(z.find("c")->size == 1);
    CHECK(z.members()[0].name == "a/b.txt");
    CHECK(z.find("b.txt") == nullptr);
  });
}

TEST_CASE("zip: damaged archives are one line") {
  CHECK(says("") == "f: offset 0: is no zip archive: it has 0 bytes");
  CHECK(says(Text(100, 'x')) == "f: offset 100: is no zip archive, or its end is missing");
  const Text good = zip({{"name", "text", true}});
  const std::size_t end = good.size() - 22, at = end - 46 - 4;
  CHECK(says(good) == "nothing");
  for (std::size_t n = 0; n < good.size(); ++n) CHECK(says(good.substr(0, n)) != "nothing");
  const auto with = [&](std::size_t place, const Text& bytes) {
    Text s = good;
    return says(s.replace(place, bytes.size(), bytes));
  };
  CHECK(with(end + 4, "\1") == cat("f: offset ", end, ": a zip archive in several parts"));
  CHECK(with(end + 8, "\2") == cat("f: offset ", end, ": a zip archive in several parts"));
  CHECK(with(end + 10, "\xff\xff") == cat("f: offset ", end, ": a zip archive of more than 4 GB or 65534 members"));
  CHECK(with(end + 8, "\2\0\2\0"s).find("the file ends within the directory") != Text::npos);
  CHECK(with(end + 16, "\xff\xff\xff\x7f") == cat("f: offset ", end, ": the directory is not before its end"));
  CHECK(with(end + 16, "\0"s).find("want a member of the directory here") != Text::npos);
  CHECK(with(at + 8, "\1") == cat("f: offset ", at, ": 'name' is encrypted"));
  CHECK(with(at + 10, "\x0c") ==
        cat("f: offset ", at, ": 'name' is packed by method 12; want 0 (stored) or 8 (deflated)"));
  CHECK(with(at + 10, "\0"s) == cat("f: offset ", at, ": 'name' is stored in 6 bytes but has 4"));
  CHECK(with(at + 24, "\xff\xff\xff\xff") == cat("f: offset ", at, ": 'name' has more than 4 GB"));
  CHECK(with(at + 24, "\xff\xff\xff\x7f") == cat("f: offset ", at, ": 'name' claims 2147483647 bytes in 6"));
  CHECK(with(at + 24, "\3").find("'name' is damaged: its compressed data are not of 3 bytes") != Text::npos);
  CHECK(with(at + 24, "\5").find("'name' is damaged: its compressed data are not of 5 bytes") != Text::npos);
  CHECK(with(at + 16, "\0"s) == "f: offset 34: 'name' is damaged: its checksum is another");
  CHECK(with(at + 42, "\1") == "f: offset 1: want the header of 'name' here");
  CHECK(with(at + 42, "\xff\xff") ==
        cat("f: offset 0: the file ends within the members: 65535 bytes wanted, ", good.size(), " are left"));
  CHECK(with(26, "\xff\xff").find("the file ends within the header of a member") != Text::npos);
  CHECK(with(35, "\xff") != "nothing");
}

TEST_CASE("zip: any byte changed gives the members' bytes or an error") {
  const Text good = zip({{"a", "stored"}, {"b", Text(300, 'x') + "deflated", true}}), all = contents(good);
  for (std::size_t i = 0; i < good.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      Text s = good;
      s[i] = char(s[i] ^ 1 << bit);
      try {
        const Text got = contents(s);
        // What no checksum holds: dates, versions, names, and how many members there are said to be.
        CHECK((got == all || got.size() < all.size()));
      } catch (const FileError& e) {
        CHECK(Text(e.what()).find('\n') == Text::npos);
      }
    }
}

TEST_CASE("npz: arrays by name") {
  const Text archive =
      zip({{"x.npy", npy("<f4", "(2,)", Bytes().put(1.5f).put(-2.f).str()), true},
           {"k.npy", npy("<i2", "(1, 2)", Bytes().put(std::int16_t(-32767)).put(std::int16_t(3)).str())},
           {"readme.txt", "text"}});
  with_archive<NpzFile>(archive, [](const NpzFile& z) {
    CHECK(z.names() == std::vector<Text>{"x", "k"});
    CHECK(z.has("x"));
    CHECK_FALSE(z.has("readme"));
    CHECK(z.as<float>("x")(1) == -2);
    CHECK(z.as<double>("k").shape() == Shape{1, 2});
    CHECK(z.as<double>("k")(0) == -32767);
    CHECK(z.with("k", [](const NpyArray& a) { return a.type; }) == "i2");
    CHECK(refusal([&] { z.as<float>("y"); }) == "f: holds no array 'y'");
  });
  with_archive<NpzFile>(zip({{"x.npy", npy("<f4", "(3,)", "abcd")}}), [](const NpzFile& z) {
    CHECK(refusal([&] { z.as<float>("x"); }).starts_with("f:x: offset "));
  });
  TestFolder folder;
  put_file(folder / "a.npz", archive);
  CHECK(NpzFile::open(folder / "a.npz").as<float>("x")(0) == 1.5f);
  CHECK_THROWS_AS(NpzFile::open(folder / "missing.npz"), FileError);
}
