// Splits by class, and data sets by name: those that are fetched, and small ones in their formats.
#include "tenzo/data/data_set.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "../io/files.hpp"
#include "../io/real_models.hpp"
#include "tenzo/io/png.hpp"

using namespace tenzo;
namespace fs = std::filesystem;

namespace {

std::vector<std::int64_t> counts(const Samples<float>& s) {
  std::vector<std::int64_t> n(std::size_t(s.classes), 0);
  for (const std::int64_t label : s.labels.values()) ++n[std::size_t(label)];
  return n;
}

bool same(const Samples<float>& a, const Samples<float>& b) {
  return a.x.shape() == b.x.shape() && std::equal(a.x.data(), a.x.data() + a.x.size(), b.x.data()) &&
         std::equal(a.labels.data(), a.labels.data() + a.size(), b.labels.data());
}

void put(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  put_file(path.string(), content);
}

void check_pixels(const Samples<float>& s) {
  const auto [least, most] = std::minmax_element(s.x.data(), s.x.data() + s.x.size());
  CHECK(*least == 0);
  CHECK(*most <= 1);
  CHECK(*most > 0.9f);
}

}  // namespace

TEST_CASE("stratified: every class its share, to the last sample") {
  CHECK(class_shares({10, 20, 30}, 6) == std::vector<std::int64_t>{1, 2, 3});
  CHECK(class_shares({10, 20, 30}, 7) == std::vector<std::int64_t>{1, 2, 4});
  CHECK(class_shares({3, 3, 3}, 4) == std::vector<std::int64_t>{2, 1, 1});
  CHECK(class_shares({5, 0, 1}, 6) == std::vector<std::int64_t>{5, 0, 1});
  CHECK(class_shares({}, 0).empty());
  CHECK_THROWS_WITH_AS(class_shares({1, 2}, 4), "stratified: 4 of 3 samples", ValueError);
  CHECK_THROWS_AS(class_shares({1, 2}, -1), ValueError);
}

TEST_CASE("stratified: both parts are all samples once, in an order of the seed's") {
  Tensor<std::int64_t> labels(Shape{100});
  for (std::int64_t i = 0; i < 100; ++i) labels(i) = i < 70 ? 0 : 1;
  const auto [first, second] = stratified_rows(labels, 2, 20, 5);
  CHECK(second.size() == 20);
  CHECK(std::count_if(second.begin(), second.end(), [](auto r) { return r < 70; }) == 14);
  Rows all = first;
  all.insert(all.end(), second.begin(), second.end());
  CHECK(!std::is_sorted(first.begin(), first.end()));
  std::sort(all.begin(), all.end());
  for (std::int64_t i = 0; i < 100; ++i) CHECK(all[std::size_t(i)] == i);
  CHECK(stratified_rows(labels, 2, 20, 5).first == first);
  CHECK(stratified_rows(labels, 2, 20, 6).first != first);
  CHECK_THROWS_WITH_AS(stratified_rows(labels, 1, 20, 5), "stratified: label 1 of 1 classes", ValueError);
}

TEST_CASE("data set: mnist5k as it is fetched") {
  const std::string file = model_file("TENZO_MNIST5K", "mnist5k/mnist_5k.csv.gz");
  if (file.empty()) return;
  const DataSet set = load_data_set("mnist5k", file);
  CHECK(set.train.x.shape() == Shape{4000, 1, 28, 28});
  CHECK(set.test.x.shape() == Shape{1000, 1, 28, 28});
  CHECK(set.classes.size() == 10);
  CHECK(counts(set.train) == std::vector<std::int64_t>(10, 400));
  CHECK(counts(set.test) == std::vector<std::int64_t>(10, 100));
  check_pixels(set.train);
  CHECK(same(set.test, load_data_set("mnist5k", fs::path(file).parent_path().string()).test));
  const DataSet part = load_data_set("mnist5k", file, {.seed = 2, .test = 500, .most_train = 100, .most_test = 50});
  CHECK(counts(part.train) == std::vector<std::int64_t>(10, 10));
  CHECK(part.test.size() == 50);
}

TEST_CASE("data set: digits as they are fetched, also larger") {
  const std::string file = model_file("TENZO_DIGITS", "digits/digits.csv.gz");
  if (file.empty()) return;
  const DataSet set = load_data_set("digits", file);
  CHECK(set.train.x.shape() == Shape{1437, 1, 8, 8});
  CHECK(set.test.size() == 360);
  const auto n = counts(set.test);
  CHECK(*std::min_element(n.begin(), n.end()) >= 34);
  CHECK(*std::max_element(n.begin(), n.end()) <= 37);
  check_pixels(set.train);
  const DataSet large = load_data_set("digits", file, {.test = 1497, .image = {32, 32}});
  CHECK(large.train.x.shape() == Shape{300, 1, 32, 32});
  CHECK(large.test.x.shape() == Shape{1497, 1, 32, 32});
}

TEST_CASE("data set: faces as they are fetched") {
  const std::string file = model_file("TENZO_FACES", "faces/lfw_subset.npy");
  if (file.empty()) return;
  const DataSet set = load_data_set("faces", file);
  CHECK(set.train.x.shape() == Shape{160, 1, 25, 25});
  CHECK(counts(set.test) == std::vector<std::int64_t>{20, 20});
  CHECK(set.classes == std::vector<std::string>{"other", "face"});
  check_pixels(set.train);
}

TEST_CASE("data set: idx and cifar folders") {
  TestFolder folder;
  const auto idx = [](int n, int first_label, bool labels) {
    std::string s{0, 0, 8, char(labels ? 1 : 3), 0, 0, 0, char(n)};
    if (!labels) s += {0, 0, 0, 2, 0, 0, 0, 3};
    for (int i = 0; i < (labels ? n : 6 * n); ++i) s += char(labels ? first_label + i : i);
    return s;
  };
  const fs::path root = folder / "mnist";
  put(root / "train-images-idx3-ubyte", idx(3, 0, false));
  put(root / "train-labels-idx1-ubyte", idx(3, 2, true));
  put(root / "t10k-images.idx3-ubyte", idx(2, 0, false));
  CHECK_THROWS_WITH_AS(load_data_set("idx", root.string()),
                       (root.string() + ": holds no t10k-labels-idx1-ubyte").c_str(), FileError);
  put(root / "t10k-labels.idx1-ubyte", idx(2, 0, true));
  const DataSet set = load_data_set("idx", root.string());
  CHECK(set.train.x.shape() == Shape{3, 1, 2, 3});
  CHECK(set.train.classes == 5);
  CHECK(set.test.classes == 5);
  CHECK(set.classes.size() == 5);

  std::string record(3074, '\1');
  for (int i = 1; i <= 5; ++i)
    put(fs::path(folder / "c") / "cifar-10-batches-bin" / cat("data_batch_", i, ".bin"), record.substr(1));
  put(fs::path(folder / "c") / "cifar-10-batches-bin" / "test_batch.bin", record.substr(1) + record.substr(1));
  const DataSet ten = load_data_set("cifar10", folder / "c");
  CHECK(ten.train.x.shape() == Shape{5, 3, 32, 32});
  CHECK(ten.test.size() == 2);
  CHECK(ten.classes.size() == 10);
  put(fs::path(folder / "h") / "train.bin", record);
  put(fs::path(folder / "h") / "test.bin", "");
  const DataSet hundred = load_data_set("cifar100", folder / "h");
  CHECK(hundred.train.size() == 1);
  CHECK(hundred.test.x.shape() == Shape{0, 3, 32, 32});
  CHECK(hundred.test.classes == 100);
}

TEST_CASE("data set: an unknown name, a missing place") {
  CHECK_THROWS_WITH_AS(load_data_set("mnist"),
                       "unknown data set 'mnist'; known are mnist5k, digits, faces, idx, cifar10, cifar100, "
                       "tiny-imagenet, celeba, folder",
                       ValueError);
  TestFolder folder;
  for (const std::string& name : data_set_names()) CHECK_THROWS_AS(load_data_set(name, folder / "none"), FileError);
}

#ifdef TENZO_PNG
TEST_CASE("data set: folders of pictures, Tiny-ImageNet, CelebA") {
  TestFolder folder;
  const auto picture = [](int grey) {
    return png_encoded(std::vector<std::uint8_t>(std::size_t(20 * 16 * 3), std::uint8_t(grey)), 16, 20, 3);
  };
  const fs::path plain = folder / "plain", divided = folder / "divided", tiny = folder / "tiny",
                 faces = folder / "celeba";
  for (int i = 0; i < 10; ++i) {
    const std::string file = cat(i, ".png"), of_class = i % 2 ? "b" : "a";
    put(plain / of_class / file, picture(i));
    put(divided / (i < 8 ? "train" : "val") / of_class / file, picture(i));
    put(i < 8 ? tiny / "train" / of_class / "images" / file : tiny / "val" / "images" / file, picture(i));
    put(faces / "img_align_celeba" / file, picture(i));
  }
  put(tiny / "val" / "val_annotations.txt", "8.png\ta\t0\t0\t1\t1\n9.png\tb\t0\t0\t1\t1\n");
  put(faces / "list_attr_celeba.csv", "image_id,Blond_Hair\n0.png,1\n1.png,-1\n2.png,1\n3.png,1\n");
  put(faces / "list_eval_partition.csv", "image_id,partition\n0.png,0\n1.png,0\n2.png,1\n3.png,2\n");

  const DataSet a = load_data_set("folder", plain.string()), b = load_data_set("folder", divided.string());
  CHECK(a.train.x.shape() == Shape{8, 3, 20, 16});
  CHECK(counts(a.test) == std::vector<std::int64_t>{1, 1});
  CHECK(a.classes == std::vector<std::string>{"a", "b"});
  CHECK(counts(b.train) == std::vector<std::int64_t>{4, 4});
  CHECK(b.test.x(0) == 8 / 255.f);
  const DataSet t = load_data_set("tiny-imagenet", tiny.string(), {.most_train = 3, .image = {8, 8}});
  CHECK(t.train.x.shape() == Shape{3, 3, 8, 8});
  CHECK(t.test.x(0) == doctest::Approx(8 / 255.0).epsilon(1e-6));
  const DataSet c = load_data_set("celeba", faces.string(), {.image = {16, 16}});
  CHECK(counts(c.train) == std::vector<std::int64_t>{1, 1});
  CHECK(counts(c.test) == std::vector<std::int64_t>{0, 1});
  CHECK(c.classes[1] == "Blond_Hair");
}
#endif
