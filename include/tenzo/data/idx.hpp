// IDX files, in which MNIST and its relatives come.
//   Format  two zero bytes, the kind of the elements, the number of axes; the sizes of the axes, 32 bits each,
//           big-endian; the elements, row by row.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/shape.hpp"
#include "tenzo/data/file_bytes.hpp"
#include "tenzo/data/pixels.hpp"
#include "tenzo/data/samples.hpp"
#include "tenzo/io/byte_reader.hpp"

namespace tenzo {

/// An array of unsigned bytes as it lies in a file.
struct IdxArray {
  Shape shape;
  std::span<const std::byte> values;
};

/// The array of an IDX file. Throws FileError where it holds anything else than one array of unsigned bytes.
inline IdxArray parse_idx(std::span<const std::byte> bytes, const std::string& path) {
  ByteReader file(bytes, path);
  const auto magic = file.take(4, "the magic number");
  if (magic[0] != std::byte(0) || magic[1] != std::byte(0)) file.fail(0, "is no IDX file: it begins with other bytes");
  const int kind = std::to_integer<int>(magic[2]), rank = std::to_integer<int>(magic[3]);
  if (kind != 8) file.fail(2, "elements of kind ", kind, "; want unsigned bytes, 8");
  if (rank < 1 || rank > Shape::max_rank) file.fail(3, rank, " axes; want 1 to ", Shape::max_rank);
  std::vector<std::int64_t> sizes;
  std::uint64_t count = 1;
  for (int axis = 0; axis < rank; ++axis) {
    std::uint64_t n = 0;
    for (const std::byte b : file.take(4, "the sizes of the axes")) n = n << 8 | std::to_integer<std::uint64_t>(b);
    // Sizes whose product does not fit are more than any file has, unless a later one is zero.
    if (n > 0 && count > (std::uint64_t(1) << 62) / n)
      file.fail(file.position() - 4, "more elements than 62 bits count");
    count *= n;
    sizes.push_back(std::int64_t(n));
  }
  const auto values = file.take(count, "the elements");
  if (file.remaining() > 0) file.fail(file.position(), file.remaining(), " bytes behind the last element");
  return {Shape(sizes), values};
}

/// Images (n, h, w) and labels (n) as samples (n, 1, h, w), the pixels in [0, 1]. There are as many classes as the
/// largest label says.
///   Throws FileError, with the path of the labels, where they are not as many.
inline Samples<float> idx_samples(const IdxArray& images, const std::string& images_path, const IdxArray& labels,
                                  const std::string& labels_path) {
  if (images.shape.rank() != 3)
    throw FileError(images_path, 3, cat("an array ", images.shape, "; want images (n, h, w)"));
  const std::int64_t n = images.shape[0];
  if (labels.shape.rank() != 1 || labels.shape[0] != n)
    throw FileError(labels_path, 3, cat("an array ", labels.shape, "; want labels (", n, ") of as many images"));
  Samples<float> s{Tensor<float>(Shape{n, 1, images.shape[1], images.shape[2]}), Tensor<std::int64_t>(Shape{n}), 0};
  write_pixels(images.values, s.x.data());
  for (std::int64_t i = 0; i < n; ++i) {
    s.labels(i) = std::to_integer<std::int64_t>(labels.values[std::size_t(i)]);
    s.classes = std::max(s.classes, s.labels(i) + 1);
  }
  return s;
}

/// The samples of two files, either of them compressed by gzip or not.
inline Samples<float> read_idx(const std::string& images, const std::string& labels) {
  const FileBytes x = FileBytes::open(images), y = FileBytes::open(labels);
  return idx_samples(parse_idx(x.bytes(), images), images, parse_idx(y.bytes(), labels), labels);
}

}  // namespace tenzo
