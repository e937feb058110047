// NIfTI-1: what the reader gives, and what it says of damaged files. Golden values: nibabel 5.3.
#include "tenzo/data/nifti.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "../io/files.hpp"

using namespace tenzo;

namespace {

using Text = std::string;

/// A header of 348 bytes, its numbers in either order of bytes.
class Header {
 public:
  explicit Header(bool swapped = false) : swapped_(swapped), text_(348, '\0') {
    at(0, 348).sizes({3, 2, 3, 4}).at(70, short(16)).at(108, 352.f);
    for (int axis = 1; axis <= 3; ++axis) at(std::size_t(76 + 4 * axis), float(axis));
    magic("n+1");
  }
  template <class T>
  Header& at(std::size_t place, T x) {
    Text b = Bytes().put(x).str();
    if (swapped_) std::reverse(b.begin(), b.end());
    text_.replace(place, b.size(), b);
    return *this;
  }
  Header& sizes(std::initializer_list<int> n) {
    std::size_t place = 40;
    for (const int k : n) at(place, short(k)), place += 2;
    return *this;
  }
  Header& magic(const char* m) {
    text_.replace(344, 4, Text(m) + Text(1, '\0'));
    return *this;
  }
  Header& row(std::size_t r, std::initializer_list<float> x) {
    std::size_t place = 280 + 16 * r;
    for (const float v : x) at(place, v), place += 4;
    return *this;
  }
  /// The whole file: the header, and at byte 352 the voxels.
  Text operator+(const Text& voxels) const { return text_ + Text(4, '\0') + voxels; }
  const Text& str() const { return text_; }

 private:
  bool swapped_;
  Text text_;
};

/// 0, 1, …, n − 1 as T.
template <class T>
Text counting(int n, bool swapped = false) {
  Text out;
  for (int i = 0; i < n; ++i) {
    Text b = Bytes().put(T(i)).str();
    if (swapped) std::reverse(b.begin(), b.end());
    out += b;
  }
  return out;
}

/// Parses a copy of exactly these bytes, so that a sanitizer sees a read beyond the end.
Volume volume(const Text& content) {
  const std::unique_ptr<std::byte[]> copy(new std::byte[content.size()]);
  std::memcpy(copy.get(), content.data(), content.size());
  return parse_nifti({copy.get(), content.size()}, "f");
}
Text says(const Text& content) {
  return refusal([&] { volume(content); });
}
Text says(const Header& h) { return says(h + counting<float>(24)); }

void check_counting(const Volume& v, double scale = 1, double offset = 0) {
  CHECK(v.voxels.shape() == Shape{4, 3, 2});
  for (std::int64_t i = 0; i < 24; ++i) CHECK(v.voxels(i) == float(scale * double(i) + offset));
}

/// A volume (4, 3, 2) of 0, …, 23 in that world.
Volume in_world(const Volume::World& world) {
  Volume v = volume(Header() + counting<float>(24));
  v.world = world;
  return v;
}

}  // namespace

TEST_CASE("nifti: x runs fastest, spacing in mm") {
  Volume v = volume(Header() + counting<float>(24));
  check_counting(v);
  CHECK(v.spacing == std::array<double, 3>{3, 2, 1});
  CHECK(v.world == Volume::World{{{1, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 3, 0}}});
  v = volume(Header().at(123, char(3)).at(80, -1000.f) + counting<float>(24));  // micrometres, a negative size
  CHECK(v.spacing[2] == 1);
  CHECK(volume(Header().at(123, char(1)) + counting<float>(24)).spacing[2] == 1000);
  CHECK(volume(Header().at(80, 0.f) + counting<float>(24)).spacing[2] == 1);
  check_counting(volume(Header().sizes({5, 2, 3, 4, 1, 1}) + counting<float>(24)));
  check_counting(volume(Header() + counting<float>(24) + "behind"));
}

TEST_CASE_TEMPLATE("nifti: all kinds of numbers, in both orders of bytes", T, std::uint8_t, std::int16_t, std::int32_t,
                   float, double, std::int8_t, std::uint16_t, std::uint32_t, std::int64_t, std::uint64_t) {
  const int code = std::is_same_v<T, std::uint8_t>    ? 2
                   : std::is_same_v<T, std::int16_t>  ? 4
                   : std::is_same_v<T, std::int32_t>  ? 8
                   : std::is_same_v<T, float>         ? 16
                   : std::is_same_v<T, double>        ? 64
                   : std::is_same_v<T, std::int8_t>   ? 256
                   : std::is_same_v<T, std::uint16_t> ? 512
                   : std::is_same_v<T, std::uint32_t> ? 768
                   : std::is_same_v<T, std::int64_t>  ? 1024
                                                      : 1280;
  for (const bool swapped : {false, true}) {
    Header h(swapped);
    h.at(70, short(code));
    check_counting(volume(h + counting<T>(24, swapped)));
    h.at(112, 0.5f).at(116, -3.f);
    check_counting(volume(h + counting<T>(24, swapped)), 0.5, -3);
    Text low = counting<T>(24);
    const Text least = Bytes().put(std::numeric_limits<T>::lowest()).str();
    if (!std::is_same_v<T, double>)
      CHECK(volume(Header().at(70, short(code)) + low.replace(0, sizeof(T), least)).voxels(0) ==
            float(std::numeric_limits<T>::lowest()));
  }
}

TEST_CASE("nifti: what is no scale is none; the voxels begin where the header says") {
  check_counting(volume(Header().at(112, 0.f).at(116, 7.f) + counting<float>(24)));
  check_counting(volume(Header().at(112, NAN).at(116, NAN) + counting<float>(24)));
  check_counting(volume(Header().at(112, 1.f).at(116, 7.f) + counting<float>(24)), 1, 7);
  for (const int begin : {348, 352, 1296, 2640})
    check_counting(
        volume(Header().at(108, float(begin)).str() + Text(std::size_t(begin) - 348, 'x') + counting<float>(24)));
}

TEST_CASE("nifti: compressed files and pairs") {
  TestFolder folder;
  put_file(folder / "a.nii", Header() + counting<float>(24));
  check_counting(read_nifti(folder / "a.nii"));
  const Header pair = Header().magic("ni1").at(108, 0.f);
  put_file(folder / "b.hdr", pair.str());
  CHECK(refusal([&] { read_nifti(folder / "b.hdr"); }).find("b.img: can not be opened") != Text::npos);
  put_file(folder / "b.img", counting<float>(24));
  check_counting(read_nifti(folder / "b.hdr"));
  put_file(folder / "b.img", counting<float>(23));
  CHECK(refusal([&] { read_nifti(folder / "b.hdr"); }).find("b.img: offset 92: the file ends within the voxels") !=
        Text::npos);
  put_file(folder / "c.nii", pair.str());
  CHECK(refusal([&] { read_nifti(folder / "c.nii"); }).ends_with("want a name that ends in .hdr"));
  CHECK(says(pair.str()).find("its voxels are in a file of their own") != Text::npos);
  CHECK_THROWS_AS(read_nifti(folder / "missing.nii"), FileError);
  for (const char* name : {"a.nii", "a.nii.gz", "a.hdr", "a.hdr.gz"}) CHECK(is_nifti_name(name));
  for (const char* name : {"a.img", "a.gz", "nii", "a.nii.gz.txt"}) CHECK_FALSE(is_nifti_name(name));
}

TEST_CASE("nifti: damaged files are one line") {
  const Text whole = Header() + counting<float>(24);
  CHECK(says(whole) == "nothing");
  CHECK(says("") == "f: offset 0: the file ends within the header: 4 bytes wanted, 0 are left");
  CHECK(says(Text(400, 'x')) == "f: offset 0: is no NIfTI-1 file: it begins with other bytes");
  CHECK(says(Header().at(0, 540)) == "f: offset 0: is a NIfTI-2 file; want NIfTI-1");
  CHECK(says(Header(true).at(0, 540)) == "f: offset 0: is a NIfTI-2 file; want NIfTI-1");
  CHECK(says(whole.substr(0, 347)) == "f: offset 4: the file ends within the header: 344 bytes wanted, 343 are left");
  CHECK(says(Header().magic("abc")) == "f: offset 344: is no NIfTI-1 file: want 'n+1' or 'ni1' here, not 'abc\\x00'");
  CHECK(says(Header().sizes({2, 4, 6})) == "f: offset 40: 2 axes; want a volume, 3");
  CHECK(says(Header().sizes({8, 4, 6})) == "f: offset 40: 8 axes; want a volume, 3");
  CHECK(says(Header().sizes({3, 2, 0, 4})) == "f: offset 44: 0 voxels along axis 2; want at least 1");
  CHECK(says(Header().sizes({3, -2, 3, 4})) == "f: offset 42: -2 voxels along axis 1; want at least 1");
  CHECK(says(Header().sizes({4, 2, 3, 2, 2})) == "f: offset 48: 2 volumes along axis 4; want one volume");
  CHECK(says(Header().at(70, short(128))).starts_with("f: offset 70: voxels of type 128; want real numbers"));
  CHECK(says(Header().sizes({3, 32767, 32767, 32767})) ==
        "f: offset 448: the file ends within the voxels: 140724603846652 bytes from 352 on wanted");
  CHECK(says(whole.substr(0, whole.size() - 1)) ==
        "f: offset 447: the file ends within the voxels: 96 bytes from 352 on wanted");
  for (const float begin : {-1.f, 347.f, 352.5f, NAN, INFINITY, 1e30f})
    CHECK(says(Header().at(108, begin)).starts_with("f: offset 108: the voxels begin at byte "));
  CHECK(says(Header().at(108, 1e12f)).find("ends within the voxels") != Text::npos);
  CHECK(says(Header().at(112, 2.f).at(116, NAN)) ==
        "f: offset 116: voxels are scaled by 2 and nan; want finite numbers");
  CHECK(says(Header().at(84, INFINITY)) == "f: offset 84: voxels of inf mm; want a finite number");
  CHECK(says(Header().at(254, short(1)).row(1, {NAN, 0, 0, 0})) ==
        "f: offset 252: the volume's place in the body is not finite");
  CHECK(says(Header().at(252, short(1)).at(256, NAN)) == "f: offset 252: the volume's place in the body is not finite");
}

TEST_CASE("nifti: a voxel that is no finite number is named by its place") {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    Text voxels = counting<float>(24);
    voxels.replace(4 * 15, 4, Bytes().put(bad).str());
    CHECK(says(Header() + voxels) == cat("f: offset 412: voxel (1, 1, 2) is ", bad, "; want finite numbers"));
  }
  CHECK(says(Header().sizes({3, 1, 1, 1}).at(70, short(64)) + Bytes().put(1e39).str()) ==
        "f: offset 352: voxel (0, 0, 0) is 1e+39; want finite numbers");
  CHECK(says(Header().sizes({3, 1, 1, 1}).at(112, 1e38f) + Bytes().put(10.f).str()).find("is 1e+39") != Text::npos);
}

TEST_CASE("to_ras: right, front, top, as nibabel's closest canonical") {
  const auto check = [](const Volume& v, const Shape& shape, std::initializer_list<int> values,
                        const Volume::World& world) {
    const Volume r = to_ras(v);
    CHECK(r.voxels.shape() == shape);
    std::int64_t i = 0;
    for (const int x : values) CHECK(r.voxels(i++) == float(x));
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t b = 0; b < 4; ++b) CHECK(r.world[a][b] == doctest::Approx(world[a][b]));
  };
  check(in_world({{{-1.5, 0, 0, 10}, {0, 0, 2.5, -20}, {0, -2, 0, 30}}}), {3, 4, 2},
        {5, 4, 11, 10, 17, 16, 23, 22, 3, 2, 9, 8, 15, 14, 21, 20, 1, 0, 7, 6, 13, 12, 19, 18},
        {{{1.5, 0, 0, 8.5}, {0, 2.5, 0, -20}, {0, 0, 2, 26}}});
  check(in_world({{{0.1, -0.2, 3, 5}, {1.9, 0.3, 0.2, 6}, {-0.2, 2.4, 0.5, 7}}}), {3, 2, 4},
        {0, 6, 12, 18, 1, 7, 13, 19, 2, 8, 14, 20, 3, 9, 15, 21, 4, 10, 16, 22, 5, 11, 17, 23},
        {{{3, 0.1, -0.2, 5}, {0.2, 1.9, 0.3, 6}, {0.5, -0.2, 2.4, 7}}});
  const Volume turned = to_ras(in_world({{{0.1, -0.2, 3, 5}, {1.9, 0.3, 0.2, 6}, {-0.2, 2.4, 0.5, 7}}}));
  CHECK(turned.spacing == std::array<double, 3>{2, 1, 3});  // of y, x, z of the file
  check_counting(to_ras(in_world({{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}})));
  check_counting(to_ras(in_world({})));  // no axis has a length: as they are
}

TEST_CASE("nifti: the place in the body, by matrix and by quaternion") {
  const Volume s = volume(
      Header().at(254, short(2)).at(252, short(1)).row(0, {1, 2, 3, 4}).row(1, {5, 6, 7, 8}).row(2, {9, 10, 11, 12}) +
      counting<float>(24));
  CHECK(s.world == Volume::World{{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}});
  Header h;
  h.at(252, short(1)).at(76, -1.f).at(256, 0.9748643636703491f).at(260, -0.15950316190719604f);
  h.at(264, -0.08007533103227615f).at(268, 4.f).at(272, 5.f).at(276, 6.f);
  const Volume q = volume(h + counting<float>(24));
  const Volume::World want = {{{0.9362933654033564, -0.579258889402639, 0.5960081106603837, 4},
                               {-0.33234634904294985, -1.8270903447772933, 0.7034416113288842, 5},
                               {-0.1135809763097619, 0.5711392221425639, 2.8548107172767274, 6}}};
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 4; ++b) CHECK(q.world[a][b] == doctest::Approx(want[a][b]).epsilon(1e-6));
  // A half turn leaves nothing for the quaternion's first part, and rounding less than nothing.
  const Volume half = volume(Header().at(252, short(1)).at(256, 1.0000001f) + counting<float>(24));
  CHECK(half.world == Volume::World{{{1, 0, 0, 0}, {0, -2, 0, 0}, {0, 0, -3, 0}}});
}

TEST_CASE("nifti: files of nibabel, the seeds of the fuzz target") {
  for (const char* name : {"f4", "u1", "gz", "big-endian"}) {
    CAPTURE(name);
    const Volume v = read_nifti(cat(TENZO_SOURCE_DIR "/tests/fuzz/corpus/data_nifti/", name));
    REQUIRE(v.voxels.shape() == Shape{4, 3, 2});
    for (std::int64_t i = 0; i < 24; ++i) {  // number 12 x + 4 y + z was put at (x, y, z)
      const std::int64_t x = i % 2, y = i / 2 % 3, z = i / 6;
      const std::int64_t n = 12 * x + 4 * y + z;
      CHECK(v.voxels(i) == float(Text(name) == "big-endian" ? 2 * n - 3 : n));
    }
    if (Text(name) != "big-endian") {
      CHECK(v.spacing == std::array<double, 3>{2.5, 2, 1.5});
      CHECK(v.world == Volume::World{{{-1.5, 0, 0, 10}, {0, 0, 2.5, -20}, {0, -2, 0, 30}}});
    }
  }
}

TEST_CASE("nifti: the fetched volumes") {
  const char* data = std::getenv("TENZO_DATA");
  const Text folder = Text(data ? data : TENZO_SOURCE_DIR "/data") + "/mri/";
  struct Known {
    const char* name;
    Shape shape;
    double spacing;
    float inner, outer;  // voxels (x, y, z) = (90, 100, 80) and (30, 60, 50)
    double sum;
  };
  for (const Known& k :
       {Known{"ch2", {181, 217, 181}, 1, 37, 22, 317151210}, Known{"ch2bet", {181, 217, 181}, 1, 37, 0, 158526435},
        Known{"ch2better", {316, 370, 301}, 0.5, 86, 0, 1222013263},
        Known{"inia19-t1-brain", {128, 206, 168}, 0.5, 104.02945f, 62.69129f, 75356682.64319038}}) {
    const Text path = folder + k.name + ".nii.gz";
    if (!std::filesystem::exists(path)) {
      MESSAGE("skipped: ", path, " is not there (scripts/fetch brings it)");
      continue;
    }
    const Volume v = read_nifti(path);
    REQUIRE(v.voxels.shape() == k.shape);
    for (const double mm : v.spacing) CHECK(mm == k.spacing);
    const auto at = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
      return v.voxels((z * k.shape[1] + y) * k.shape[2] + x);
    };
    CHECK(at(90, 100, 80) == doctest::Approx(k.inner).epsilon(1e-7));
    CHECK(at(30, 60, 50) == doctest::Approx(k.outer).epsilon(1e-7));
    double sum = 0;
    for (const float x : v.voxels.values()) sum += double(x);
    CHECK(sum == doctest::Approx(k.sum).epsilon(1e-12));
  }
}
