// Reading HDF5 files by the HDF5 library. Only for programs that are linked with it: see mri/fastmri.hpp.
#pragma once

#if __has_include(<hdf5.h>)

#include <hdf5.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/shape.hpp"
#include "tenzo/io/mapped_file.hpp"

namespace tenzo::mri::detail {

/// One of the library's handles, closed at the end.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& o) noexcept : id_(std::exchange(o.id_, -1)), close_(o.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& o) noexcept {
    std::swap(id_, o.id_);
    std::swap(close_, o.close_);
    return *this;
  }
  ~Hdf5Handle() {
    if (id_ >= 0) close_(id_);
  }

  explicit operator bool() const { return id_ >= 0; }
  operator hid_t() const { return id_; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

/// The library prints its errors unless it is told not to: it is quiet as long as this lives.
class Hdf5Quiet {
 public:
  Hdf5Quiet() {
    ::H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
    ::H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Hdf5Quiet() {
    ::H5Eclear2(H5E_DEFAULT);
    ::H5Eset_auto2(H5E_DEFAULT, print_, data_);
  }
  Hdf5Quiet(const Hdf5Quiet&) = delete;
  Hdf5Quiet& operator=(const Hdf5Quiet&) = delete;

  /// What the library says of the error that came last: where it began.
  static std::string reason() {
    std::string text;
    const auto first = [](unsigned n, const H5E_error2_t* e, void* to) -> herr_t {
      if (n == 0 && e->desc) *static_cast<std::string*>(to) = e->desc;
      return 0;
    };
    ::H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first, &text);
    return text.empty() ? "the HDF5 library does not say why" : text;
  }

 private:
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

/// A data set of a file: its name, shape and handles.
struct Hdf5Set {
  std::string name;
  Shape shape;
  Hdf5Handle set, type;
};

/// A file open for reading.
class Hdf5File {
 public:
  explicit Hdf5File(const std::string& path) : path_(path) {
    size_ = MappedFile::open(path)->bytes().size();  // says more clearly what can not be opened
    const Hdf5Quiet quiet;
    file_ = {::H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), ::H5Fclose};
    if (!file_) fail("is no HDF5 file that can be read: ", Hdf5Quiet::reason());
  }

  const std::string& path() const { return path_; }
  bool has(const char* name) const {
    const Hdf5Quiet quiet;
    return ::H5Lexists(file_, name, H5P_DEFAULT) > 0;
  }
  bool has_attribute(const char* name) const {
    const Hdf5Quiet quiet;
    return ::H5Aexists(file_, name) > 0;
  }

  /// A set of this file: no link to another one, of numbers that are stored here, packed at most as deflate does.
  Hdf5Set set(const char* name) const {
    const Hdf5Quiet quiet;
    H5L_info_t link{};
    if (::H5Lexists(file_, name, H5P_DEFAULT) <= 0) fail("holds no set ", name);
    if (::H5Lget_info(file_, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
      fail(name, " is a link; want a set");
    Hdf5Set s{name, {}, {::H5Dopen2(file_, name, H5P_DEFAULT), ::H5Dclose}, {}};
    if (!s.set) fail(name, " can not be opened as a set: ", Hdf5Quiet::reason());
    s.type = {::H5Dget_type(s.set), ::H5Tclose};
    const Hdf5Handle space(::H5Dget_space(s.set), ::H5Sclose);
    const int rank = space ? ::H5Sget_simple_extent_ndims(space) : -1;
    if (!s.type || rank < 0 || rank > Shape::max_rank) fail(name, " has ", rank, " axes; want 0 to ", Shape::max_rank);
    hsize_t sizes[Shape::max_rank];
    ::H5Sget_simple_extent_dims(space, sizes, nullptr);
    std::uint64_t bytes = std::max<std::size_t>(1, ::H5Tget_size(s.type));
    std::vector<std::int64_t> dims;
    for (const hsize_t n : std::span(sizes, std::size_t(rank))) {
      if (n > 0 && bytes > (std::uint64_t(1) << 62) / n) fail(name, " has more bytes than 62 bits count");
      bytes *= n;
      dims.push_back(std::int64_t(n));
    }
    const Hdf5Handle how(::H5Dget_create_plist(s.set), ::H5Pclose);
    const H5D_layout_t layout = how ? ::H5Pget_layout(how) : H5D_VIRTUAL;
    if (layout == H5D_LAYOUT_ERROR || layout == H5D_VIRTUAL || ::H5Pget_external_count(how) != 0)
      fail(name, " is kept in other files");
    const std::uint64_t stored = std::min<std::uint64_t>(::H5Dget_storage_size(s.set), size_);
    if (bytes / (::H5Pget_nfilters(how) > 0 ? 1032 : 1) > stored)
      fail(name, " claims ", bytes, " bytes; the file stores ", stored);
    s.shape = Shape(dims);
    return s;
  }

  /// A text: of an attribute, or of a set with one element.
  std::string attribute_text(const char* name) const {
    const Hdf5Quiet quiet;
    const Hdf5Handle at = attribute(name);
    const Hdf5Handle type(::H5Aget_type(at), ::H5Tclose), space(::H5Aget_space(at), ::H5Sclose);
    return text(name, type, space, [&](hid_t memory, void* to) { return ::H5Aread(at, memory, to); });
  }
  std::string set_text(const Hdf5Set& s) const {
    const Hdf5Quiet quiet;
    const Hdf5Handle space(::H5Dget_space(s.set), ::H5Sclose);
    return text(s.name.c_str(), s.type, space,
                [&](hid_t memory, void* to) { return ::H5Dread(s.set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, to); });
  }
  double attribute_number(const char* name) const {
    const Hdf5Quiet quiet;
    const Hdf5Handle at = attribute(name);
    const Hdf5Handle type(::H5Aget_type(at), ::H5Tclose), space(::H5Aget_space(at), ::H5Sclose);
    const H5T_class_t kind = ::H5Tget_class(type);
    if ((kind != H5T_FLOAT && kind != H5T_INTEGER) || ::H5Sget_simple_extent_npoints(space) != 1)
      fail("the attribute ", name, " is no number");
    double x = 0;
    if (::H5Aread(at, H5T_NATIVE_DOUBLE, &x) < 0) fail("the attribute ", name, ": ", Hdf5Quiet::reason());
    return x;
  }

  /// Element `i` of the set's first axis, or all of it where i < 0, as `memory`'s type.
  void read(const Hdf5Set& s, std::int64_t i, hid_t memory, void* to) const {
    const Hdf5Quiet quiet;
    const Hdf5Handle space(::H5Dget_space(s.set), ::H5Sclose);
    Hdf5Handle part;
    if (i >= 0) {
      hsize_t begin[Shape::max_rank] = {}, count[Shape::max_rank] = {};
      for (int axis = 0; axis < s.shape.rank(); ++axis) count[axis] = hsize_t(s.shape[axis]);
      begin[0] = hsize_t(i), count[0] = 1;
      ::H5Sselect_hyperslab(space, H5S_SELECT_SET, begin, nullptr, count, nullptr);
      part = {::H5Screate_simple(s.shape.rank(), count, nullptr), ::H5Sclose};
    }
    if (::H5Dread(s.set, memory, part ? hid_t(part) : H5S_ALL, part ? hid_t(space) : H5S_ALL, H5P_DEFAULT, to) < 0)
      fail(s.name, " can not be read: ", Hdf5Quiet::reason());
  }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... reason) const {
    throw FileError(path_, -1, cat(reason...));
  }

 private:
  Hdf5Handle attribute(const char* name) const {
    Hdf5Handle at(::H5Aopen(file_, name, H5P_DEFAULT), ::H5Aclose);
    if (!at) fail("has no attribute ", name);
    return at;
  }

  template <class Read>
  std::string text(const char* name, hid_t type, hid_t space, Read&& read) const {
    if (::H5Tget_class(type) != H5T_STRING || ::H5Sget_simple_extent_npoints(space) != 1) fail(name, " is no text");
    const Hdf5Handle memory(::H5Tcopy(type), ::H5Tclose);
    std::string out;
    if (::H5Tis_variable_str(type) > 0) {
      char* chars = nullptr;
      if (read(memory, &chars) < 0) fail(name, " can not be read: ", Hdf5Quiet::reason());
      if (chars) out = chars;
      ::H5Dvlen_reclaim(memory, space, H5P_DEFAULT, &chars);
    } else {
      const std::size_t size = ::H5Tget_size(type);
      if (size > size_) fail(name, " claims ", size, " bytes; the file has ", size_);
      out.resize(size);
      if (read(memory, out.data()) < 0) fail(name, " can not be read: ", Hdf5Quiet::reason());
      out.resize(std::min(out.size(), out.find('\0')));
    }
    return out;
  }

  std::string path_;
  Hdf5Handle file_;
  std::uint64_t size_ = 0;
};

}  // namespace tenzo::mri::detail

#endif
