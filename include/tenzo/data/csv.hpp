// Tables of numbers with commas between them, and tables whose rows are labelled images.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tenzo/core/tensor.hpp"
#include "tenzo/data/samples.hpp"

namespace tenzo {

/// A table of numbers: (rows, columns). Spaces around numbers and empty lines do not count.
///   Throws FileError with the offset of what is no finite number, and of a row that is longer or shorter than the
///   first.
inline Tensor<float> parse_csv(std::string_view text, const std::string& path) {
  std::vector<float> values;
  std::int64_t rows = 0, columns = 0;
  const char* const begin = text.data();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t line_end = std::min(text.find('\n', at), text.size()), line = at;
    const auto skip_spaces = [&] {
      while (at < line_end && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r')) ++at;
    };
    skip_spaces();
    std::int64_t count = 0;
    while (at < line_end || count > 0) {
      skip_spaces();
      double x = 0;
      const auto [end, error] = std::from_chars(begin + at, begin + line_end, x);
      if (error != std::errc() || !std::isfinite(float(x)))
        throw FileError(path, std::int64_t(at),
                        cat("is no finite number: ", printable(text.substr(at, line_end - at))));
      values.push_back(float(x));
      ++count;
      at = std::size_t(end - begin);
      skip_spaces();
      if (at == line_end) break;
      if (text[at] != ',') throw FileError(path, std::int64_t(at), "want a comma between two numbers");
      ++at;
    }
    at = line_end + 1;
    if (count == 0) continue;
    if (rows == 0) columns = count;
    if (count != columns)
      throw FileError(path, std::int64_t(line), cat("a row of ", count, " numbers; the first has ", columns));
    ++rows;
  }
  return Tensor<float>::from(Shape{rows, columns}, values);
}

/// A table whose rows are the pixels of an image (channels, h, w) and its label, as samples (n, channels, h, w).
///   white  the number that becomes 1
///   Throws FileError where a row is not as long, a label is no whole number in [0, 2^20), or a pixel is outside
///   [0, white].
inline Samples<float> csv_samples(const Tensor<float>& table, const Shape& image, float white,
                                  const std::string& path) {
  const std::int64_t n = table.shape()[0], pixels = image.numel();
  if (n > 0 && table.shape()[1] != pixels + 1)
    throw FileError(path, -1, cat("rows of ", table.shape()[1], " numbers; want ", pixels, " pixels and a label"));
  Shape all{n};
  for (const std::int64_t size : image) all.push_back(size);
  Samples<float> s{Tensor<float>(all), Tensor<std::int64_t>(Shape{n}), 0};
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = table.data() + i * (pixels + 1);
    for (std::int64_t j = 0; j < pixels; ++j) {
      if (row[j] < 0 || row[j] > white)
        throw FileError(path, -1, cat("row ", i, ": pixel ", j, " is ", row[j], "; want 0 to ", white));
      s.x(i * pixels + j) = row[j] / white;
    }
    const float label = row[pixels];
    if (label < 0 || label >= float(1 << 20) || label != std::floor(label))
      throw FileError(path, -1, cat("row ", i, ": the label is ", label, "; want a whole number from 0"));
    s.labels(i) = std::int64_t(label);
    s.classes = std::max(s.classes, s.labels(i) + 1);
  }
  return s;
}

}  // namespace tenzo
