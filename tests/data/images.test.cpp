// Pictures: decoding, other sizes, folders of them, Tiny-ImageNet's and CelebA's tables.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "../io/files.hpp"
#include "tenzo/data/celeba.hpp"
#include "tenzo/data/image_folder.hpp"
#include "tenzo/io/png.hpp"

using namespace tenzo;
namespace fs = std::filesystem;

namespace {

using Text = std::string;

/// Bytes that change slowly from pixel to pixel: JPEG keeps them nearly.
Image ramp(std::int64_t height, std::int64_t width, int start = 0) {
  Image image{height, width, {}};
  for (std::int64_t i = 0; i < height; ++i)
    for (std::int64_t j = 0; j < width; ++j)
      for (std::int64_t c = 0; c < 3; ++c) image.rgb.push_back(std::uint8_t(start + 3 * i + 2 * j + 20 * c));
  return image;
}
Text png(const Image& m) { return png_encoded(m.rgb, m.width, m.height, 3); }
Image decoded(const Text& s) { return decoded_image(std::as_bytes(std::span(s)), "f"); }

void put(const fs::path& path, const Text& content) {
  fs::create_directories(path.parent_path());
  put_file(path.string(), content);
}

#ifdef TENZO_JPEG
Text jpeg(const Image& m) {
  jpeg_compress_struct j{};
  jpeg_error_mgr errors;
  j.err = ::jpeg_std_error(&errors);
  jpeg_create_compress(&j);
  unsigned char* to = nullptr;
  unsigned long size = 0;
  ::jpeg_mem_dest(&j, &to, &size);
  j.image_width = JDIMENSION(m.width);
  j.image_height = JDIMENSION(m.height);
  j.input_components = 3;
  j.in_color_space = JCS_RGB;
  ::jpeg_set_defaults(&j);
  ::jpeg_set_quality(&j, 98, TRUE);
  ::jpeg_start_compress(&j, TRUE);
  while (j.next_scanline < j.image_height) {
    auto* row = const_cast<std::uint8_t*>(m.rgb.data()) + j.next_scanline * m.width * 3;
    ::jpeg_write_scanlines(&j, &row, 1);
  }
  ::jpeg_finish_compress(&j);
  Text out(reinterpret_cast<const char*>(to), size);
  ::jpeg_destroy_compress(&j);
  std::free(to);
  return out;
}
#endif

}  // namespace

TEST_CASE("image: other bytes are a sentence") {
  CHECK(refusal([] { decoded(""); }) == "f: offset 0: is neither a PNG nor a JPEG file");
  CHECK(refusal([] { decoded("GIF89a"); }) == "f: offset 0: is neither a PNG nor a JPEG file");
  CHECK(refusal([] { decoded("\x89PNG"); }) != "nothing");
  CHECK(refusal([] { decoded("\xff\xd8\xff"); }) != "nothing");
#ifndef TENZO_PNG
  CHECK(refusal([] { decoded(png(ramp(3, 4))); }) == "f: is a PNG file; this program is built without libpng");
#endif
#ifndef TENZO_JPEG
  CHECK(refusal([] { decoded("\xff\xd8\xff"); }) == "f: is a JPEG file; this program is built without libjpeg");
#endif
}

TEST_CASE("resized: the same size, constants, doubling, halving") {
  const auto x = Tensor<float>::from({1, 2, 3}, {0, 1, 2, 3, 4, 5});
  const auto same = resized(x, 2, 3);
  for (std::int64_t i = 0; i < 6; ++i) CHECK(same(i) == x(i));
  const auto flat = resized(Tensor<float>::full({2, 5, 7}, 0.5f), 9, 3);
  CHECK(flat.shape() == Shape{2, 9, 3});
  for (const float v : flat.values()) CHECK(v == doctest::Approx(0.5).epsilon(1e-6));
  // Twice as wide: centres at 1/4, 3/4, 5/4, … of a pixel; the ends have one neighbour.
  const auto wide = resized(Tensor<float>::from({1, 1, 2}, {0, 1}), 1, 4);
  const float want[] = {0, 0.25f, 0.75f, 1};
  for (int i = 0; i < 4; ++i) CHECK(wide(i) == doctest::Approx(want[i]).epsilon(1e-6));
  // Half as wide: a triangle of four pixels, 1 : 3 : 3 : 1, cut at the ends.
  const auto narrow = resized(Tensor<float>::from({1, 1, 4}, {1, 2, 4, 8}), 1, 2);
  CHECK(narrow(0) == doctest::Approx((3 * 1 + 3 * 2 + 4) / 7.0).epsilon(1e-6));
  CHECK(narrow(1) == doctest::Approx((2 + 3 * 4 + 3 * 8) / 7.0).epsilon(1e-6));
  CHECK_THROWS_AS(resized(x, 0, 3), ShapeError);
  CHECK_THROWS_AS(resized(Tensor<float>(Shape{1, 0, 3}), 2, 3), ShapeError);
}

TEST_CASE("fitted: the centre in the proportions wanted") {
  const Image faces = ramp(218, 178);
  const auto square = fitted(faces, 178, 178);  // CelebA's: rows 20 to 197
  CHECK(square.shape() == Shape{3, 178, 178});
  CHECK(square(0) == float(faces.rgb[20 * 178 * 3]) / 255.f);
  CHECK(square(178 * 178 - 1) == float(faces.rgb[(198 * 178 - 1) * 3]) / 255.f);
  CHECK(fitted(ramp(3, 100), 8, 8).shape() == Shape{3, 8, 8});
  CHECK(fitted(ramp(1, 100), 64, 2).shape() == Shape{3, 64, 2});
  CHECK_THROWS_AS(fitted(faces, 0, 8), ShapeError);
  CHECK_THROWS_AS(cropped(faces, 200, 0, 19, 5), ShapeError);
}

TEST_CASE("class folders: names, order, what is no picture") {
  TestFolder folder;
  const fs::path root = folder / "set";
  for (const char* file : {"dog/b.PNG", "dog/a.jpg", "cat/x.jpeg", "cat/notes.txt", ".hidden/y.png"})
    put(root / file, "");
  const auto names = class_names(root.string());
  CHECK(names == std::vector<std::string>{"cat", "dog"});
  const auto files = class_files(root.string(), names);
  REQUIRE(files.size() == 3);
  CHECK(files[0].path == (root / "cat/x.jpeg").string());
  CHECK(files[1].path == (root / "dog/a.jpg").string());
  CHECK(files[2].label == 1);
  CHECK(some_of(files, 0, 1).size() == 3);
  const auto two = some_of(files, 2, 1);
  REQUIRE(two.size() == 2);
  CHECK(two[0].path < two[1].path);
  CHECK(refusal([&] { class_files(root.string(), {"cat"}); }).ends_with("has a folder 'dog' that is no class"));
  CHECK(refusal([&] {
          class_names((root / "dog").string());
        }).ends_with("holds no folders; want one of pictures for each class"));
  CHECK(refusal([&] { class_names((root / "none").string()); }).find("can not be read as a folder") != Text::npos);
}

TEST_CASE("tiny-imagenet: its table") {
  const std::vector<std::string> names = {"n01", "n02"};
  const auto parse = [&](const Text& s) { return tiny_imagenet_files(s, "t", "val", names); };
  const auto files = parse("val_0.JPEG\tn02\t0\t0\t62\t62\nval_1.JPEG\tn01\t1\t2\t3\t4\n");
  REQUIRE(files.size() == 2);
  CHECK(files[0].path == "val/val_0.JPEG");
  CHECK(files[0].label == 1);
  CHECK(refusal([&] { parse("a.JPEG\n"); }) == "t: offset 0: want a row of file and class with a tab between them");
  CHECK(refusal([&] { parse("a\tn01\nb\tn03\n"); }) == "t: offset 6: the class 'n03' has no folder in train");
  CHECK(refusal([&] { parse("../a\tn01\n"); }) == "t: offset 0: want the name of a picture, not '../a'");
}

TEST_CASE("celeba: its tables") {
  const auto parts = parse_celeba_parts("image_id,partition\n1.jpg,0\n2.jpg,1\n3.jpg,2\n", "p");
  const auto parse = [&](const Text& s, const Text& attribute = "Blond_Hair") {
    return parse_celeba(s, "t", attribute, parts, "d");
  };
  const Text head = "image_id,Bald,Blond_Hair,Male\r\n";
  const auto files = parse(head + "1.jpg,-1,1,-1\r\n2.jpg,1,1,1\r\n3.jpg,1,-1,1\r\n4.jpg,1,-1,1\r\n");
  REQUIRE(files.train.size() == 1);
  REQUIRE(files.test.size() == 1);
  CHECK(files.train[0].path == "d/1.jpg");
  CHECK(files.train[0].label == 1);
  CHECK(files.test[0].label == 0);
  CHECK(parse(head + "1.jpg,-1,1,-1\r\n", "Male").train[0].label == 0);
  CHECK(refusal([&] { parse(head, "Green_Hair"); }) == "t: offset 0: has no attribute 'Green_Hair'");
  CHECK(refusal([&] { parse(head, "image_id"); }) == "t: offset 0: has no attribute 'image_id'");
  CHECK(refusal([&] { parse(head + "1.jpg,1\r\n"); }) == "t: offset 31: 2 columns; the header row has 4");
  CHECK(refusal([&] { parse(head + "1.jpg,1,0,1\r\n"); }) == "t: offset 31: Blond_Hair is '0'; want 1 or -1");
  CHECK(refusal([&] { parse(head + "/etc/x,1,1,1\r\n"); }) == "t: offset 31: want the name of a picture, not '/etc/x'");
  CHECK(refusal([] { parse_celeba_parts("h\n1.jpg,3\n", "p"); }) ==
        "p: offset 2: want a row of a picture and 0, 1 or 2 with a comma between them");
}

#ifdef TENZO_PNG
TEST_CASE("png: the pixels, also of grey pictures; cut files are refused") {
  const Image m = ramp(5, 7);
  const Text file = png(m);
  const Image got = decoded(file);
  CHECK(got.height == 5);
  CHECK(got.width == 7);
  CHECK(got.rgb == m.rgb);
  const std::vector<std::uint8_t> grey = {0, 100, 255, 7};
  const Image g = decoded(png_encoded(grey, 2, 2));
  CHECK(g.rgb == std::vector<std::uint8_t>{0, 0, 0, 100, 100, 100, 255, 255, 255, 7, 7, 7});
  for (std::size_t n = 4; n + 12 < file.size(); ++n)  // without IEND's 12 bytes all pixels are there
    CHECK(refusal([&] { decoded(file.substr(0, n)); }) != "nothing");
  Text large = file;
  for (const std::size_t at : {16, 20}) large.replace(at, 4, Text("\0\1\0\0", 4));
  CHECK(refusal([&] { decoded(large); }) != "nothing");
}

TEST_CASE("read_images: a folder of pictures, sizes of their own or a chosen one") {
  TestFolder folder;
  const fs::path root = folder / "set";
  for (int i = 0; i < 20; ++i) put(root / (i % 2 ? "b" : "a") / (std::to_string(i) + ".png"), png(ramp(6, 4, 5 * i)));
  const auto files = class_files(root.string(), class_names(root.string()));
  const auto s = read_images(files, 2);
  CHECK(s.x.shape() == Shape{20, 3, 6, 4});
  CHECK(s.classes == 2);
  CHECK(s.labels(0) == 0);
  CHECK(s.labels(19) == 1);
  CHECK(s.x(6 * 4 + 1) == 22 / 255.f);  // the first picture's second green pixel
  CHECK(read_images(files, 2, {8, 8}).x.shape() == Shape{20, 3, 8, 8});
  CHECK(read_images({}, 2, {8, 8}).x.shape() == Shape{0, 3, 8, 8});
  put(root / "a" / "0.png", png(ramp(4, 4)));
  CHECK(refusal([&] { read_images(files, 2); }).find("choose a size for all") != Text::npos);
  CHECK_NOTHROW(read_images(files, 2, {4, 4}));
  put(root / "a" / "0.png", "");
  CHECK_THROWS_AS(read_images(files, 2, {4, 4}), FileError);
  CHECK_THROWS_AS(read_images(files, 2, {4, 0}), ValueError);
}
#endif

#ifdef TENZO_JPEG
TEST_CASE("jpeg: nearly the pixels; cut and damaged files are refused") {
  const Image m = ramp(19, 26);
  const Text file = jpeg(m);
  const Image got = decoded(file);
  REQUIRE(got.height == 19);
  REQUIRE(got.width == 26);
  for (std::size_t i = 0; i < m.rgb.size(); ++i) CHECK(std::abs(int(got.rgb[i]) - int(m.rgb[i])) <= 6);
  for (std::size_t n = 3; n < file.size() - 2; n += 7) CHECK(refusal([&] { decoded(file.substr(0, n)); }) != "nothing");
  Xorshift random;
  for (int i = 0; i < 300; ++i) {  // any damage: an error or a picture
    Text wrong = file;
    for (int k = 0; k < 4; ++k) wrong[3 + random() % (file.size() - 3)] = char(random());
    refusal([&] {
      const Image image = decoded(wrong);
      CHECK(std::int64_t(image.rgb.size()) == 3 * image.height * image.width);
    });
  }
}
#endif
