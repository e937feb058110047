// Volumes in NIfTI-1's files: .nii, .nii.gz, and pairs of .hdr and .img. Needs zlib.
//   Format  a header of 348 bytes: its length at 0, the sizes at 40, the kind of the voxels at 70, mm a voxel at 76,
//           where the voxels begin at 108, a scale and an offset at 112, the place in the body from 252 on, "n+1" at
//           344. Then the voxels, x fastest. Little- or big-endian: the header's length tells which.
//   Own     since the reference library, libnifti, takes a cut file's missing voxels as zeros and NaN as zero, says so
//           on stderr alone, and takes memory as the header claims, whatever the file's size; here these are errors.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "tenzo/data/file_bytes.hpp"
#include "tenzo/data/volume.hpp"
#include "tenzo/io/byte_reader.hpp"

namespace tenzo {

/// What a NIfTI-1 header says of the voxels.
struct NiftiHeader {
  std::array<std::int64_t, 3> sizes = {};     // of x, y, z, at least 1
  int datatype = 0;                           // the format's number: 2 is uint8, 16 float32, …
  bool swapped = false;                       // whether numbers are big-endian
  bool pair = false;                          // whether the voxels are in a file of their own, .img
  std::uint64_t begin = 0;                    // byte of the first voxel
  double slope = 1, inter = 0;                // a voxel is slope · number + inter
  std::array<double, 3> spacing = {1, 1, 1};  // mm, of z, y, x as in Volume
  Volume::World world = {};

  std::int64_t count() const { return sizes[0] * sizes[1] * sizes[2]; }
};

namespace detail {

/// Calls f(U()) with the type of NIfTI's number, or returns false.
template <class F>
bool with_nifti_type(int datatype, F&& f) {
  switch (datatype) {
    case 2: return f(std::uint8_t()), true;
    case 4: return f(std::int16_t()), true;
    case 8: return f(std::int32_t()), true;
    case 16: return f(float()), true;
    case 64: return f(double()), true;
    case 256: return f(std::int8_t()), true;
    case 512: return f(std::uint16_t()), true;
    case 768: return f(std::uint32_t()), true;
    case 1024: return f(std::int64_t()), true;
    case 1280: return f(std::uint64_t()), true;
    default: return false;
  }
}

template <class T>
T nifti_number(const std::byte* at, bool swapped) {
  std::byte bytes[sizeof(T)];
  std::memcpy(bytes, at, sizeof(T));
  if (swapped) std::reverse(bytes, bytes + sizeof(T));
  T x;
  std::memcpy(&x, bytes, sizeof(T));
  return x;
}

/// Reads numbers of a header, which is whole, at their places.
struct NiftiFields {
  std::span<const std::byte> bytes;
  bool swapped;

  template <class T>
  T at(std::size_t place) const {
    return nifti_number<T>(bytes.data() + place, swapped);
  }
};

/// The world of a quaternion (the format's "method 2"): b, c, d at 256, the origin at 268, qfac at 76.
inline Volume::World nifti_quaternion_world(const NiftiFields& f, const std::array<double, 3>& mm, double unit) {
  double b = f.at<float>(256), c = f.at<float>(260), d = f.at<float>(264);
  const double rest = 1 - (b * b + c * c + d * d);
  double a = 0;
  if (rest >= 1e-7) a = std::sqrt(rest);
  else {  // a turn by 180 degrees, up to rounding
    const double length = std::sqrt(b * b + c * c + d * d);
    b /= length, c /= length, d /= length;
  }
  const double flip = f.at<float>(76) < 0 ? -1 : 1;
  const double x = mm[2], y = mm[1], z = flip * mm[0];
  return {
      {{(a * a + b * b - c * c - d * d) * x, 2 * (b * c - a * d) * y, 2 * (b * d + a * c) * z, unit * f.at<float>(268)},
       {2 * (b * c + a * d) * x, (a * a + c * c - b * b - d * d) * y, 2 * (c * d - a * b) * z, unit * f.at<float>(272)},
       {2 * (b * d - a * c) * x, 2 * (c * d + a * b) * y, (a * a + d * d - b * b - c * c) * z,
        unit * f.at<float>(276)}}};
}

}  // namespace detail

/// The header of a .nii or .hdr file's bytes.
///   Throws FileError where it is no NIfTI-1 header, not of one volume, or of voxels that are not real numbers.
inline NiftiHeader parse_nifti_header(std::span<const std::byte> bytes, const std::string& path) {
  ByteReader file(bytes, path);
  detail::NiftiFields f{file.take(4, "the header"), false};
  if (f.at<std::int32_t>(0) != 348) f.swapped = true;
  if (const auto length = f.at<std::int32_t>(0); length != 348) {
    if (length == 540 || detail::nifti_number<std::int32_t>(bytes.data(), false) == 540)
      file.fail(0, "is a NIfTI-2 file; want NIfTI-1");
    file.fail(0, "is no NIfTI-1 file: it begins with other bytes");
  }
  file.take(344, "the header");
  f.bytes = bytes;
  NiftiHeader h;
  h.swapped = f.swapped;
  const std::string_view magic(reinterpret_cast<const char*>(bytes.data()) + 344, 4);
  h.pair = magic == std::string_view("ni1\0", 4);
  if (!h.pair && magic != std::string_view("n+1\0", 4))
    file.fail(344, "is no NIfTI-1 file: want 'n+1' or 'ni1' here, not ", printable(magic));

  const int rank = f.at<std::int16_t>(40);
  if (rank < 3 || rank > 7) file.fail(40, rank, " axes; want a volume, 3");
  std::uint64_t count = 1;
  for (int axis = 0; axis < rank; ++axis) {
    const auto place = std::size_t(42 + 2 * axis);
    const int n = f.at<std::int16_t>(place);
    if (n < 1) file.fail(place, n, " voxels along axis ", axis + 1, "; want at least 1");
    if (axis >= 3 && n != 1) file.fail(place, n, " volumes along axis ", axis + 1, "; want one volume");
    if (axis < 3) h.sizes[std::size_t(axis)] = n;
    count *= std::uint64_t(n);  // three sizes of 15 bits
  }
  h.datatype = f.at<std::int16_t>(70);
  std::uint64_t width = 0;
  if (!detail::with_nifti_type(h.datatype, [&](auto x) { width = sizeof(x); }))
    file.fail(70, "voxels of type ", h.datatype, "; want real numbers: 2, 4, 8, 16, 64, 256, 512, 768, 1024 or 1280");

  const float begin = f.at<float>(108);  // a float: whole up to 2^24, else a multiple of more
  const float least = h.pair ? 0 : 348;
  if (!(begin >= least && begin < 0x1p62f) || begin != std::floor(begin))
    file.fail(108, "the voxels begin at byte ", begin, "; want a whole number from ", least);
  h.begin = std::uint64_t(begin);
  if (const std::uint64_t size = bytes.size(); !h.pair && (h.begin > size || count * width > size - h.begin))
    file.fail(size, "the file ends within the voxels: ", count * width, " bytes from ", h.begin, " on wanted");

  const double slope = f.at<float>(112), inter = f.at<float>(116);
  if (slope != 0 && std::isfinite(slope)) {  // else the file says that nothing is scaled
    if (!std::isfinite(inter)) file.fail(116, "voxels are scaled by ", slope, " and ", inter, "; want finite numbers");
    h.slope = slope, h.inter = inter;
  }

  const int units = int(f.bytes[123]) & 7;  // 1 metre, 2 mm, 3 micrometre, 0 not said
  const double unit = units == 1 ? 1000 : units == 3 ? 0.001 : 1;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double mm = std::abs(double(f.at<float>(80 + 4 * axis))) * unit;
    if (!std::isfinite(mm)) file.fail(80 + 4 * axis, "voxels of ", mm, " mm; want a finite number");
    h.spacing[2 - axis] = mm > 0 ? mm : 1;  // zero: not said
  }
  if (f.at<std::int16_t>(254) > 0) {
    for (std::size_t r = 0; r < 3; ++r)
      for (std::size_t k = 0; k < 4; ++k) h.world[r][k] = unit * f.at<float>(280 + 16 * r + 4 * k);
  } else if (f.at<std::int16_t>(252) > 0) {
    h.world = detail::nifti_quaternion_world(f, h.spacing, unit);
  } else {
    for (std::size_t r = 0; r < 3; ++r) h.world[r][r] = h.spacing[2 - r];
  }
  for (const auto& row : h.world)
    for (const double x : row)
      if (!std::isfinite(x)) file.fail(252, "the volume's place in the body is not finite");
  return h;
}

/// The volume whose voxels lie in these bytes: those of the header's file, or of the .img file where it is a pair.
///   Throws FileError where they are too few, or one is not finite.
inline Volume nifti_volume(const NiftiHeader& h, std::span<const std::byte> bytes, const std::string& path) {
  Volume v;
  v.spacing = h.spacing;
  v.world = h.world;
  detail::with_nifti_type(h.datatype, [&]<class U>(U) {
    const ByteReader file(bytes, path);
    const std::uint64_t wanted = std::uint64_t(h.count()) * sizeof(U);
    if (h.begin > bytes.size() || wanted > bytes.size() - h.begin)
      file.fail(bytes.size(), "the file ends within the voxels: ", wanted, " bytes from ", h.begin, " on wanted");
    v.voxels = Tensor<float>(Shape{h.sizes[2], h.sizes[1], h.sizes[0]});
    float* const to = v.voxels.data();
    const std::byte* const from = bytes.data() + h.begin;
    const bool scaled = h.slope != 1 || h.inter != 0;
    for (std::int64_t i = 0; i < h.count(); ++i) {
      const U x = detail::nifti_number<U>(from + std::size_t(i) * sizeof(U), h.swapped);
      const double y = scaled ? h.slope * double(x) + h.inter : double(x);
      if (!(std::abs(y) <= double(std::numeric_limits<float>::max())))
        file.fail(h.begin + std::uint64_t(i) * sizeof(U), "voxel (", i % h.sizes[0], ", ", i / h.sizes[0] % h.sizes[1],
                  ", ", i / (h.sizes[0] * h.sizes[1]), ") is ", y, "; want finite numbers");
      to[i] = float(y);
    }
  });
  return v;
}

/// The volume in the bytes of a .nii file. Throws FileError.
inline Volume parse_nifti(std::span<const std::byte> bytes, const std::string& path) {
  const NiftiHeader h = parse_nifti_header(bytes, path);
  if (h.pair)
    throw FileError(path, 344, "its voxels are in a file of their own, .img; give both by the name of the .hdr");
  return nifti_volume(h, bytes, path);
}

/// Whether a file's name is one of a volume that read_nifti takes.
inline bool is_nifti_name(std::string_view name) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  return name.ends_with(".nii") || name.ends_with(".hdr");
}

/// The volume of a file, compressed by gzip or not; of a pair by the name of its .hdr, the .img (or .img.gz) beside it.
///   Memory  4 bytes a voxel, and the file's content where it is compressed.
///   Throws  FileError with the path, the offset in the content, and the reason.
inline Volume read_nifti(const std::string& path) {
  const FileBytes file = FileBytes::open(path);
  const NiftiHeader h = parse_nifti_header(file.bytes(), path);
  if (!h.pair) return nifti_volume(h, file.bytes(), path);
  std::string stem = path;
  if (stem.ends_with(".gz")) stem.resize(stem.size() - 3);
  if (!stem.ends_with(".hdr")) throw FileError(path, 344, "is the header of a pair; want a name that ends in .hdr");
  stem.resize(stem.size() - 4);
  std::error_code ignored;
  const std::string plain = stem + ".img", packed = plain + ".gz";
  const std::string& image =
      !std::filesystem::exists(plain, ignored) && std::filesystem::exists(packed, ignored) ? packed : plain;
  return nifti_volume(h, FileBytes::open(image).bytes(), image);
}

}  // namespace tenzo
