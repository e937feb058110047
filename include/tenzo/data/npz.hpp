// Named arrays in NumPy's archives, .npz: a zip file of .npy files, stored or deflated. Needs zlib.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/data/npy.hpp"
#include "tenzo/data/zip.hpp"

namespace tenzo {

/// The arrays of an archive. None is unpacked before it is asked for.
class NpzFile {
 public:
  static NpzFile open(const std::string& path) { return NpzFile(ZipFile::open(path)); }
  /// The archive in these bytes, which the caller keeps.
  static NpzFile parse(std::span<const std::byte> bytes, const std::string& path) {
    return NpzFile(ZipFile::parse(bytes, path));
  }

  const std::string& path() const { return zip_.path(); }

  /// The names of the arrays, in the archive's order.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const ZipMember& m : zip_.members())
      if (m.name.ends_with(ending)) out.push_back(m.name.substr(0, m.name.size() - ending.size()));
    return out;
  }
  bool has(std::string_view name) const { return zip_.find(cat(name, ending)) != nullptr; }

  /// f(array) with the array of that name, which lives as long as the call.
  ///   Throws FileError where there is none, or it is damaged: with an offset in the archive, or, where the array
  ///   itself is wrong, the path "archive:name" and an offset in the array's file.
  template <class F>
  decltype(auto) with(std::string_view name, F&& f) const {
    const ZipMember* m = zip_.find(cat(name, ending));
    if (!m) throw FileError(path(), -1, cat("holds no array ", printable(name)));
    const ZipContent content = zip_.read(*m);
    return f(parse_npy(content.bytes(), cat(path(), ':', one_line(name, 60))));
  }
  template <Real T>
  Tensor<T> as(std::string_view name) const {
    return with(name, [](const NpyArray& a) { return a.as<T>(); });
  }

 private:
  static constexpr std::string_view ending = ".npy";

  explicit NpzFile(ZipFile zip) : zip_(std::move(zip)) {}

  ZipFile zip_;
};

}  // namespace tenzo
