// Slices as SMUG's authors keep them: k-space and coil maps in 16 bits, a slice a file, .npz; masks in .npy. Needs
// zlib.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "tenzo/core/tensor.hpp"
#include "tenzo/data/file_bytes.hpp"
#include "tenzo/data/npz.hpp"

namespace tenzo::mri {

/// A slice with its coil maps.
struct CachedSlice {
  Tensor<float> kspace, maps;  // (coils, rows, columns, 2)
};

/// The slice of an archive of k_r, k_i, s_r, s_i (coils, rows, columns), each of 16-bit numbers that stand for
/// themselves over 32767.
///   Throws  FileError where one is missing, of other numbers, or of another shape.
inline CachedSlice cached_slice(const NpzFile& file) {
  Shape shape;
  const auto complex = [&](std::string_view kind) {
    Tensor<float> out;
    for (const int part : {0, 1}) {
      const std::string name = cat(kind, part == 0 ? "_r" : "_i");
      file.with(name, [&](const NpyArray& a) {
        const auto fail = [&](const auto& want) {
          throw FileError(file.path(), -1, cat(name, " is ", a.shape, " of ", a.type, "; want ", want));
        };
        if (a.type != "i2" || a.shape.rank() != 3 || a.shape.numel() == 0) fail("(coils, rows, columns) of i2");
        if (shape.rank() == 0) shape = a.shape;
        if (a.shape != shape) fail(shape);
        if (part == 0) out = Tensor<float>(Shape{shape[0], shape[1], shape[2], 2});
        const Tensor<float> x = a.as<float>();
        for (std::int64_t i = 0; i < x.size(); ++i) out(2 * i + part) = x(i) / 32767;
      });
    }
    return out;
  };
  CachedSlice s;
  s.kspace = complex("k");
  s.maps = complex("s");
  return s;
}

inline CachedSlice read_cached_slice(const std::string& path) { return cached_slice(NpzFile::open(path)); }

/// The sampled lines of an array of 0 and 1 (columns), or (rows, columns) with all rows alike: (columns), or, where
/// more `columns` are wanted, these in the middle of lines that are not sampled.
///   Throws  FileError where it is another array, or does not fit into the middle.
inline Tensor<float> sampled_lines(const NpyArray& a, const std::string& path, std::int64_t columns = 0) {
  const auto fail = [&](const auto&... why) { throw FileError(path, -1, cat("the mask ", why...)); };
  if ((a.shape.rank() != 1 && a.shape.rank() != 2) || a.shape.numel() == 0)
    fail("is ", a.shape, "; want (rows, columns) or (columns)");
  const Tensor<float> x = a.as<float>();
  const std::int64_t w = x.dim(-1), more = columns > 0 ? columns - w : 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (x(i) != 0 && x(i) != 1) fail("holds ", x(i), "; want 0 and 1");
    if (x(i) != x(i % w)) fail("differs between rows 0 and ", i / w, "; want lines along the readout");
  }
  if (more < 0 || more % 2 != 0) fail("has ", w, " columns, k-space ", columns);
  Tensor<float> out = Tensor<float>::zeros({w + more});
  std::copy_n(x.data(), w, out.data() + more / 2);
  return out;
}
inline Tensor<float> read_sampled_lines(const std::string& path, std::int64_t columns = 0) {
  const FileBytes file = FileBytes::open(path);
  return sampled_lines(parse_npy(file.bytes(), path), path, columns);
}

}  // namespace tenzo::mri
