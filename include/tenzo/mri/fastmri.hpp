// The files of fastMRI: k-space of one scan, with the images that were reconstructed from all of it.
//
// They are in HDF5, which needs its library. A program says that it is linked with it by TENZO_HDF5, which CMake's
// target tenzo::mri defines where it finds it; without, such a file is a FileError that says so.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/tensor.hpp"
#include "tenzo/mri/ismrmrd_header.hpp"

#ifdef TENZO_HDF5
#include "tenzo/mri/detail/hdf5.hpp"
#endif

namespace tenzo::mri {

/// What a file says of itself.
struct FastMriInfo {
  std::int64_t slices = 0, coils = 0;  // one coil in single-coil files
  std::int64_t rows = 0, columns = 0;  // readout, phase encoding
  bool single_coil = false;
  std::string target;  // "reconstruction_rss", "reconstruction_esc", or empty: none
  std::int64_t target_rows = 0, target_columns = 0;
  std::string acquisition;       // "CORPD_FBK", "AXT2", …
  std::string patient;           // patient_id; "" where it is missing
  double max = NAN, norm = NAN;  // of the target's volume; NaN where they are missing
  IsmrmrdHeader header;
  std::vector<float> mask;  // of test files: 1 where a column was sampled; empty: all were
};

/// A file, of which slices are read when they are asked for. Not for two threads at once: the library is not.
///   Sets        kspace (slices, coils, rows, columns) or (slices, rows, columns), complex as a compound of r and i;
///               reconstruction_rss or _esc (slices, h, w); ismrmrd_header; mask (columns), of numbers or truth values
///   Attributes  acquisition; patient_id, max, norm
///   Throws      FileError with the path, the set's or attribute's name and the reason. What a file claims to hold is
///               held against what it stores before memory is taken.
class FastMriFile {
 public:
  static FastMriFile open(const std::string& path);

  const FastMriInfo& info() const { return info_; }
  const std::string& path() const { return path_; }

  /// (coils, rows, columns, 2). Throws FileError also where a number is not finite.
  Tensor<float> kspace(std::int64_t slice) const;
  /// (target_rows, target_columns), likewise.
  Tensor<float> target(std::int64_t slice) const;

 private:
  FastMriFile() = default;

  void expect_slice(std::int64_t slice) const {
    require(slice >= 0 && slice < info_.slices, "fastMRI: slice ", slice, " of ", info_.slices);
  }

  std::string path_;
  FastMriInfo info_;
#ifdef TENZO_HDF5
  void read_kspace();
  void read_target();
  void read_mask();
  void expect_finite(const detail::Hdf5Set& set, std::int64_t slice, const Tensor<float>& x) const;

  std::shared_ptr<const detail::Hdf5File> file_;
  std::shared_ptr<const detail::Hdf5Set> kspace_, target_;
#endif
};

#ifdef TENZO_HDF5

inline void FastMriFile::read_kspace() {
  const detail::Hdf5File& f = *file_;
  kspace_ = std::make_shared<const detail::Hdf5Set>(f.set("kspace"));
  const Shape& shape = kspace_->shape;
  const detail::Hdf5Quiet quiet;
  const hid_t type = kspace_->type;
  const int r = ::H5Tget_class(type) == H5T_COMPOUND ? ::H5Tget_member_index(type, "r") : -1,
            i = r < 0 ? -1 : ::H5Tget_member_index(type, "i");
  if (r < 0 || i < 0 || ::H5Tget_nmembers(type) != 2 || ::H5Tget_member_class(type, unsigned(r)) != H5T_FLOAT ||
      ::H5Tget_member_class(type, unsigned(i)) != H5T_FLOAT)
    f.fail("kspace: want complex numbers, a compound of two real numbers r and i");
  if ((shape.rank() != 3 && shape.rank() != 4) || shape.numel() == 0)
    f.fail("kspace is ", shape, "; want (slices, coils, rows, columns) or (slices, rows, columns)");
  info_.single_coil = shape.rank() == 3;
  info_.slices = shape[0];
  info_.coils = info_.single_coil ? 1 : shape[1];
  info_.rows = shape.dim(-2);
  info_.columns = shape.dim(-1);
}

inline void FastMriFile::read_target() {
  for (const char* name : {"reconstruction_rss", "reconstruction_esc"})
    if (info_.target.empty() && file_->has(name)) info_.target = name;
  if (info_.target.empty()) return;
  target_ = std::make_shared<const detail::Hdf5Set>(file_->set(info_.target.c_str()));
  const Shape& shape = target_->shape;
  if (shape.rank() != 3 || shape[0] != info_.slices || shape.numel() == 0 || ::H5Tget_class(target_->type) != H5T_FLOAT)
    file_->fail(info_.target, " is ", shape, "; want real numbers (", info_.slices, ", h, w)");
  info_.target_rows = shape[1];
  info_.target_columns = shape[2];
}

inline void FastMriFile::read_mask() {
  if (!file_->has("mask")) return;
  const detail::Hdf5Set mask = file_->set("mask");
  if (mask.shape != Shape{info_.columns}) file_->fail("mask is ", mask.shape, "; want (", info_.columns, ") of kspace");
  info_.mask.resize(std::size_t(info_.columns));
  if (::H5Tget_class(mask.type) == H5T_ENUM) {  // h5py's truth values: an enumeration of bytes
    if (::H5Tget_size(mask.type) != 1) file_->fail("mask: want numbers or truth values");
    std::vector<std::int8_t> values(info_.mask.size());
    file_->read(mask, -1, mask.type, values.data());
    for (std::size_t k = 0; k < values.size(); ++k) info_.mask[k] = values[k];
  } else {
    file_->read(mask, -1, H5T_NATIVE_FLOAT, info_.mask.data());
  }
  for (const float m : info_.mask)
    if (m != 0 && m != 1) file_->fail("mask holds ", m, "; want 0 and 1");
}

inline FastMriFile FastMriFile::open(const std::string& path) {
  FastMriFile f;
  f.path_ = path;
  f.file_ = std::make_shared<const detail::Hdf5File>(path);
  f.read_kspace();
  f.read_target();
  f.read_mask();
  f.info_.header = parse_ismrmrd_header(f.file_->set_text(f.file_->set("ismrmrd_header")), path);
  f.info_.acquisition = f.file_->attribute_text("acquisition");
  if (f.file_->has_attribute("patient_id")) f.info_.patient = f.file_->attribute_text("patient_id");
  if (f.file_->has_attribute("max")) f.info_.max = f.file_->attribute_number("max");
  if (f.file_->has_attribute("norm")) f.info_.norm = f.file_->attribute_number("norm");
  return f;
}

inline void FastMriFile::expect_finite(const detail::Hdf5Set& set, std::int64_t slice, const Tensor<float>& x) const {
  for (const float v : x.values())
    if (!std::isfinite(v)) file_->fail(set.name, ": slice ", slice, " holds ", v, "; want finite numbers");
}

inline Tensor<float> FastMriFile::kspace(std::int64_t slice) const {
  expect_slice(slice);
  const detail::Hdf5Handle complex(::H5Tcreate(H5T_COMPOUND, 2 * sizeof(float)), ::H5Tclose);
  ::H5Tinsert(complex, "r", 0, H5T_NATIVE_FLOAT);
  ::H5Tinsert(complex, "i", sizeof(float), H5T_NATIVE_FLOAT);
  Tensor<float> out(Shape{info_.coils, info_.rows, info_.columns, 2});
  file_->read(*kspace_, slice, complex, out.data());
  expect_finite(*kspace_, slice, out);
  return out;
}

inline Tensor<float> FastMriFile::target(std::int64_t slice) const {
  expect_slice(slice);
  if (!target_) file_->fail("holds no reconstruction_rss or reconstruction_esc");
  Tensor<float> out(Shape{info_.target_rows, info_.target_columns});
  file_->read(*target_, slice, H5T_NATIVE_FLOAT, out.data());
  expect_finite(*target_, slice, out);
  return out;
}

#else

inline FastMriFile FastMriFile::open(const std::string& path) {
  throw FileError(path, -1, "is to be read as HDF5; this program is built without the HDF5 library");
}
inline Tensor<float> FastMriFile::kspace(std::int64_t slice) const {
  expect_slice(slice);
  return {};
}
inline Tensor<float> FastMriFile::target(std::int64_t slice) const {
  expect_slice(slice);
  return {};
}

#endif

}  // namespace tenzo::mri
