// CIFAR-10 and CIFAR-100 in their binary form.
//   Format  records of one label (CIFAR-10) or a coarse and a fine one (CIFAR-100), and 3 x 32 x 32 bytes: the red
//           plane row by row, then green and blue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenzo/data/file_bytes.hpp"
#include "tenzo/data/pixels.hpp"
#include "tenzo/data/samples.hpp"

namespace tenzo {

/// The two sets. The label of CIFAR-100 is the fine one.
struct Cifar {
  std::int64_t labels, classes;  // labels a record; the last one counts

  static constexpr Cifar ten() { return {1, 10}; }
  static constexpr Cifar hundred() { return {2, 100}; }
  static constexpr std::int64_t pixels = 3 * 32 * 32;
  constexpr std::int64_t record() const { return labels + pixels; }
};

/// The records of a file as samples (n, 3, 32, 32), the pixels in [0, 1].
///   Throws FileError where the file is no whole number of records, or a label is too large.
inline Samples<float> parse_cifar(const Cifar& set, std::span<const std::byte> bytes, const std::string& path) {
  const std::int64_t record = set.record(), n = std::int64_t(bytes.size()) / record;
  if (std::int64_t(bytes.size()) % record != 0)
    throw FileError(path, n * record, cat("the file ends within a record of ", record, " bytes"));
  Samples<float> s{Tensor<float>(Shape{n, 3, 32, 32}), Tensor<std::int64_t>(Shape{n}), set.classes};
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = bytes.subspan(std::size_t(i * record), std::size_t(record));
    const auto label = std::to_integer<std::int64_t>(at[std::size_t(set.labels - 1)]);
    if (label >= set.classes)
      throw FileError(path, i * record + set.labels - 1, cat("label ", label, " of ", set.classes, " classes"));
    s.labels(i) = label;
    write_pixels(at.subspan(std::size_t(set.labels)), s.x.data() + i * Cifar::pixels);
  }
  return s;
}

/// The records of files, one file behind the other. Throws FileError where one can not be read, too.
inline Samples<float> read_cifar(const Cifar& set, const std::vector<std::string>& paths) {
  Samples<float> all{Tensor<float>(Shape{0, 3, 32, 32}), Tensor<std::int64_t>(Shape{0}), set.classes};
  for (const std::string& path : paths) all = joined(all, parse_cifar(set, FileBytes::open(path).bytes(), path));
  return all;
}

}  // namespace tenzo
