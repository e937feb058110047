// Data sets of images by name: where their files are, how they are read, and how they are divided.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/data/celeba.hpp"
#include "tenzo/data/cifar.hpp"
#include "tenzo/data/csv.hpp"
#include "tenzo/data/idx.hpp"
#include "tenzo/data/image_folder.hpp"
#include "tenzo/data/npy.hpp"
#include "tenzo/data/stratified.hpp"

namespace tenzo {

/// Images (n, channels, h, w) with pixels in [0, 1], to train on and to judge by.
struct DataSet {
  std::string name;
  Samples<float> train, test;        // with the same number of classes
  std::vector<std::string> classes;  // their names
};

struct DataSetOptions {
  std::uint64_t seed = 1;  // of the split, where the set has none of its own, and of what is left out
  std::int64_t test = -1;  // samples to judge by, where the set has no split; −1: as usual
  std::int64_t most_train = 0, most_test = 0;  // a random part of at most so many; 0: all
  ImageSize image = {};                        // another size of the images; 0 x 0: their own
  std::string attribute = "Blond_Hair";        // of CelebA, the label
};

/// The names that `load_data_set` knows.
///   mnist5k        5,000 digits of MNIST, 4,000 to train on, a random split           mnist_5k.csv.gz (scripts/fetch)
///   digits         1,797 digits of 8 x 8 pixels, 1,437 to train on, likewise          digits.csv.gz (scripts/fetch)
///   faces          100 patches without a face, 100 with, 160 to train on, likewise    lfw_subset.npy (scripts/fetch)
///   idx            MNIST and its relatives, whole                 a folder of train-images-idx3-ubyte and its like
///   cifar10        data_batch_1.bin to 5, test_batch.bin          a folder of them, or the one around it
///   cifar100       train.bin, test.bin                            likewise
///   tiny-imagenet  train, and val with val_annotations.txt        its folder
///   celeba         one attribute of the faces                     a folder of its tables and img_align_celeba
///   folder         PNG and JPEG files, a folder a class           train and test (or val) in it, or the classes: a
///                                                                 fifth of each to judge by
inline const std::vector<std::string>& data_set_names() {
  static const std::vector<std::string> names = {"mnist5k",  "digits",        "faces",  "idx",   "cifar10",
                                                 "cifar100", "tiny-imagenet", "celeba", "folder"};
  return names;
}

namespace detail {

namespace fs = std::filesystem;

/// `path` itself where it is a file, else the first of the names that is there in it.
inline std::string file_in(const std::string& path, const std::vector<std::string>& names) {
  if (!is_folder(path)) return path;
  std::error_code ignored;
  for (const std::string& name : names)
    if (fs::is_regular_file(fs::path(path) / name, ignored)) return (fs::path(path) / name).string();
  throw FileError(path, -1, cat("holds no ", names.front()));
}

inline std::vector<std::string> numbers(std::int64_t n) {
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(std::to_string(i));
  return out;
}

/// Both parts say the same number of classes.
inline DataSet named_set(std::string name, Samples<float> train, Samples<float> test,
                         std::vector<std::string> classes = {}) {
  const std::int64_t n = std::max({train.classes, test.classes, std::int64_t(classes.size())});
  train.classes = test.classes = n;
  if (classes.empty()) classes = numbers(n);
  return {std::move(name), std::move(train), std::move(test), std::move(classes)};
}

inline DataSet split_set(std::string name, const Samples<float>& all, std::int64_t usual_test, const DataSetOptions& o,
                         std::vector<std::string> classes = {}) {
  auto [train, test] = stratified_split(all, o.test >= 0 ? o.test : std::min(usual_test, all.size()), o.seed);
  return named_set(std::move(name), std::move(train), std::move(test), std::move(classes));
}

inline DataSet digits_table(const std::string& name, const std::string& file, const Shape& image, float white,
                            std::int64_t usual_test, const DataSetOptions& o) {
  const FileBytes content = FileBytes::open(file);
  return split_set(name, csv_samples(parse_csv(content.text(), file), image, white, file), usual_test, o);
}

/// The first half are faces, the others are not.
inline DataSet faces_set(const std::string& file, const DataSetOptions& o) {
  const FileBytes content = FileBytes::open(file);
  const NpyArray a = parse_npy(content.bytes(), file);
  if (a.shape.rank() != 3 || a.shape[0] % 2 != 0)
    throw FileError(file, -1, cat("an array ", a.shape, "; want as many faces as other patches, (n, h, w)"));
  const std::int64_t n = a.shape[0];
  Samples<float> s{a.as<float>().reshaped(Shape{n, 1, a.shape[1], a.shape[2]}), Tensor<std::int64_t>(Shape{n}), 2};
  for (const float v : s.x.values())
    if (!(v >= 0 && v <= 1)) throw FileError(file, -1, cat("a pixel is ", v, "; want 0 to 1"));
  for (std::int64_t i = 0; i < n; ++i) s.labels(i) = i < n / 2;
  return split_set("faces", s, n / 5, o, {"other", "face"});
}

inline DataSet idx_set(const std::string& path, const DataSetOptions&) {
  const auto part = [&](const std::string& begin) {
    const auto file = [&](const std::string& what, int axes) {
      const std::string end = cat("idx", axes, "-ubyte"), dash = begin + "-" + what + "-" + end,
                        dot = begin + "-" + what + "." + end;
      return file_in(path, {dash, dash + ".gz", dot, dot + ".gz"});
    };
    return read_idx(file("images", 3), file("labels", 1));
  };
  if (!is_folder(path)) throw FileError(path, -1, "is no folder; want one of four IDX files");
  return named_set("idx", part("train"), part("t10k"));
}

inline DataSet cifar_set(const std::string& name, const std::string& path, const DataSetOptions&) {
  const bool ten = name == "cifar10";
  const fs::path inner = fs::path(path) / (ten ? "cifar-10-batches-bin" : "cifar-100-binary");
  const fs::path folder = is_folder(inner) ? inner : fs::path(path);
  std::vector<std::string> train;
  if (ten)
    for (int i = 1; i <= 5; ++i) train.push_back((folder / cat("data_batch_", i, ".bin")).string());
  else train.push_back((folder / "train.bin").string());
  const Cifar set = ten ? Cifar::ten() : Cifar::hundred();
  return named_set(name, read_cifar(set, train),
                   read_cifar(set, {(folder / (ten ? "test_batch.bin" : "test.bin")).string()}));
}

/// The files of two parts as samples. Here the size is chosen before pictures are read: others need not fit in memory.
inline DataSet files_set(const std::string& name, const std::vector<LabelledFile>& train,
                         const std::vector<LabelledFile>& test, std::vector<std::string> classes,
                         const DataSetOptions& o) {
  const auto n = std::int64_t(classes.size());
  return named_set(name, read_images(some_of(train, o.most_train, o.seed), n, o.image),
                   read_images(some_of(test, o.most_test, o.seed), n, o.image), std::move(classes));
}

inline DataSet tiny_imagenet_set(const std::string& path, const DataSetOptions& o) {
  const fs::path root(path);
  const std::string train = (root / "train").string(), table = (root / "val" / "val_annotations.txt").string();
  const auto names = class_names(train);
  const auto test =
      tiny_imagenet_files(FileBytes::open(table).text(), table, (root / "val" / "images").string(), names);
  return files_set("tiny-imagenet", class_files(train, names, "images"), test, names, o);
}

inline DataSet folder_set(const std::string& path, const DataSetOptions& o) {
  const fs::path root(path);
  if (is_folder(root / "train")) {
    const std::string train = (root / "train").string(),
                      test = (root / (is_folder(root / "test") ? "test" : "val")).string();
    const auto names = class_names(train);
    return files_set("folder", class_files(train, names), class_files(test, names), names, o);
  }
  const auto names = class_names(path);
  const auto files = class_files(path, names);
  const auto n = std::int64_t(files.size());
  Tensor<std::int64_t> labels(Shape{n});
  for (std::int64_t i = 0; i < n; ++i) labels(i) = files[std::size_t(i)].label;
  const auto [train, test] = stratified_rows(labels, std::int64_t(names.size()), o.test >= 0 ? o.test : n / 5, o.seed);
  const auto at = [&](const Rows& rows) {
    std::vector<LabelledFile> out;
    for (const std::int64_t i : rows) out.push_back(files[std::size_t(i)]);
    return out;
  };
  return files_set("folder", at(train), at(test), names, o);
}

/// At most so many samples, and of another size.
inline void shorten_(Samples<float>& s, std::int64_t most, const DataSetOptions& o) {
  if (most > 0 && most < s.size()) s = s.at(stratified_rows(s.labels, s.classes, most, o.seed).second);
  const std::int64_t h = o.image.height, w = o.image.width;
  if ((h != 0 || w != 0) && (s.x.dim(-2) != h || s.x.dim(-1) != w)) s.x = resized(s.x, h, w);
}

}  // namespace detail

/// What to say of a name that is not among data_set_names().
inline std::string unknown_data_set(const std::string& name) {
  return cat("unknown data set ", printable(name), "; known are ", listed(data_set_names()));
}

/// Where `scripts/fetch` leaves a set: its folder in $TENZO_DATA, or in data/ here.
inline std::string fetched_data_set(const std::string& name) {
  const char* data = std::getenv("TENZO_DATA");
  return std::string(data ? data : "data") + "/" + name;
}

/// The set of a name, read from its file or folder; without a path from where `scripts/fetch` leaves it.
///   Throws ValueError for a name that it does not know, FileError where something is missing or damaged.
///   Bits    a function of the files and the options.
inline DataSet load_data_set(const std::string& name, const std::string& path = "", const DataSetOptions& o = {}) {
  const std::string at = path.empty() ? fetched_data_set(name) : path;
  DataSet set;
  if (name == "mnist5k")
    set = detail::digits_table(name, detail::file_in(at, {"mnist_5k.csv.gz"}), {1, 28, 28}, 255, 1000, o);
  else if (name == "digits")
    set = detail::digits_table(name, detail::file_in(at, {"digits.csv.gz"}), {1, 8, 8}, 16, 360, o);
  else if (name == "faces") set = detail::faces_set(detail::file_in(at, {"lfw_subset.npy"}), o);
  else if (name == "idx") set = detail::idx_set(at, o);
  else if (name == "cifar10" || name == "cifar100") set = detail::cifar_set(name, at, o);
  else if (name == "tiny-imagenet") set = detail::tiny_imagenet_set(at, o);
  else if (name == "celeba") {
    const CelebaFiles files = celeba_files(at, o.attribute);
    set = detail::files_set(name, files.train, files.test, {"not " + o.attribute, o.attribute}, o);
  } else if (name == "folder") set = detail::folder_set(at, o);
  else throw ValueError(unknown_data_set(name));
  detail::shorten_(set.train, o.most_train, o);
  detail::shorten_(set.test, o.most_test, o);
  return set;
}

}  // namespace tenzo
