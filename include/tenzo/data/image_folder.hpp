// Folders of pictures as samples: a folder a class, and Tiny-ImageNet.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tenzo/core/parallel.hpp"
#include "tenzo/data/file_bytes.hpp"
#include "tenzo/data/lines.hpp"
#include "tenzo/data/resize.hpp"
#include "tenzo/data/samples.hpp"

namespace tenzo {

/// Pixels of images; 0 x 0 where the files say it.
struct ImageSize {
  std::int64_t height = 0, width = 0;
};

/// A picture's file and its class.
struct LabelledFile {
  std::string path;
  std::int64_t label = 0;
};

/// A random part of at most `most` files, in their order; 0: all.
inline std::vector<LabelledFile> some_of(const std::vector<LabelledFile>& files, std::int64_t most,
                                         std::uint64_t seed) {
  const auto n = std::int64_t(files.size());
  if (most <= 0 || most >= n) return files;
  Rows rows = permutation(n, NoiseKey{.seed = seed, .step = 0, .query = 3}.of(Purpose::data_order));
  rows.resize(std::size_t(most));
  std::sort(rows.begin(), rows.end());
  std::vector<LabelledFile> out;
  for (const std::int64_t i : rows) out.push_back(files[std::size_t(i)]);
  return out;
}

/// The pictures of files as samples (n, 3, height, width), pixels in [0, 1], each fitted to the size. Without a size
/// all must have that of the first.
///   Memory  12 bytes a pixel, as for all samples.
///   Throws  FileError where a file can not be read as a picture.
inline Samples<float> read_images(const std::vector<LabelledFile>& files, std::int64_t classes, ImageSize size = {}) {
  const auto n = std::int64_t(files.size());
  const bool as_they_are = size.height == 0 && size.width == 0;
  require(as_they_are || (size.height > 0 && size.width > 0), "read_images: a size of ", size.height, " x ",
          size.width);
  if (as_they_are && n > 0) {
    const Image first = read_image(files[0].path);
    size = {first.height, first.width};
  }
  Samples<float> s{Tensor<float>(Shape{n, 3, size.height, size.width}), Tensor<std::int64_t>(Shape{n}), classes};
  const std::int64_t pixels = 3 * size.height * size.width;
  float* const to = s.x.data();
  parallel_for(n, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const LabelledFile& file = files[std::size_t(i)];
      const Image image = read_image(file.path);
      if (as_they_are && (image.height != size.height || image.width != size.width))
        throw FileError(file.path, -1,
                        cat("is ", image.width, " x ", image.height, " pixels, ", files[0].path, " is ", size.width,
                            " x ", size.height, "; choose a size for all"));
      const Tensor<float> x = fitted(image, size.height, size.width);
      std::copy_n(x.data(), pixels, to + i * pixels);
    }
  });
  for (std::int64_t i = 0; i < n; ++i) {
    s.labels(i) = files[std::size_t(i)].label;
    require(s.labels(i) >= 0 && s.labels(i) < classes, "read_images: label ", s.labels(i), " of ", classes, " classes");
  }
  return s;
}

namespace detail {

/// The names in a folder, sorted by their bytes: of folders, or of pictures.
inline std::vector<std::string> names_in(const std::filesystem::path& folder, bool of_folders) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::string ending = it->path().extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return char(std::tolower(c)); });
    std::error_code ignored;
    const bool picture = ending == ".png" || ending == ".jpg" || ending == ".jpeg";
    if (of_folders ? it->is_directory(ignored) && name[0] != '.' : picture && it->is_regular_file(ignored))
      names.push_back(name);
  }
  if (error) throw FileError(folder.string(), -1, cat("can not be read as a folder (", error.message(), ')'));
  std::sort(names.begin(), names.end());
  return names;
}

inline bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

/// Throws FileError unless a list's file name stays within its folder.
inline void expect_plain_name(std::string_view name, const std::string& path, std::int64_t offset) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos)
    throw FileError(path, offset, cat("want the name of a picture, not ", printable(name)));
}

/// The place of a name in a sorted list, or −1.
inline std::int64_t place_of(const std::vector<std::string>& sorted, std::string_view name) {
  const auto it = std::lower_bound(sorted.begin(), sorted.end(), name);
  return it != sorted.end() && *it == name ? it - sorted.begin() : -1;
}

}  // namespace detail

/// The names of a folder's classes, its folders, sorted. Throws FileError where there are none.
inline std::vector<std::string> class_names(const std::string& folder) {
  const auto names = detail::names_in(folder, true);
  if (names.empty()) throw FileError(folder, -1, "holds no folders; want one of pictures for each class");
  return names;
}

/// The pictures in the folders of the classes, or in a folder `inner` of each; class i is names[i] of a sorted list.
///   Throws FileError for a folder that is no class.
inline std::vector<LabelledFile> class_files(const std::string& folder, const std::vector<std::string>& names,
                                             const std::string& inner = "") {
  std::vector<LabelledFile> files;
  for (const std::string& name : class_names(folder)) {
    const std::int64_t label = detail::place_of(names, name);
    if (label < 0) throw FileError(folder, -1, cat("has a folder ", printable(name), " that is no class"));
    const auto of_class = std::filesystem::path(folder) / name / inner;
    for (const std::string& file : detail::names_in(of_class, false))
      files.push_back({(of_class / file).string(), label});
  }
  return files;
}

/// The pictures that a table of Tiny-ImageNet names: rows of file, class and four numbers with tabs between them.
///   Throws FileError with the offset of the row that is wrong.
inline std::vector<LabelledFile> tiny_imagenet_files(std::string_view table, const std::string& path,
                                                     const std::string& folder, const std::vector<std::string>& names) {
  std::vector<LabelledFile> files;
  detail::for_each_line(table, [&](std::string_view line, std::int64_t offset) {
    if (line.empty()) return;
    const auto parts = detail::split_at(line, '\t');
    if (parts.size() < 2) throw FileError(path, offset, "want a row of file and class with a tab between them");
    detail::expect_plain_name(parts[0], path, offset);
    const std::int64_t label = detail::place_of(names, parts[1]);
    if (label < 0) throw FileError(path, offset, cat("the class ", printable(parts[1]), " has no folder in train"));
    files.push_back({(std::filesystem::path(folder) / parts[0]).string(), label});
  });
  return files;
}

}  // namespace tenzo
