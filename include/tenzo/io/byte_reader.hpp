// Reading a file's bytes one after another, each read checked against the end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tenzo/core/error.hpp"

namespace tenzo {

static_assert(std::endian::native == std::endian::little, "the readers take files as they lie: little-endian");

/// A position in the bytes of a file. Every read past the end throws FileError with the position and what was read.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t size() const { return bytes_.size(); }
  std::uint64_t remaining() const { return bytes_.size() - position_; }
  const std::string& path() const { return path_; }

  std::span<const std::byte> take(std::uint64_t n, std::string_view what) {
    if (n > remaining())
      fail(position_, "the file ends within ", what, ": ", n, " bytes wanted, ", remaining(), " are left");
    const auto part = bytes_.subspan(position_, n);
    position_ += n;
    return part;
  }

  template <class T>
  requires std::is_arithmetic_v<T> T number(std::string_view what) {
    T x;
    std::memcpy(&x, take(sizeof(T), what).data(), sizeof(T));
    return x;
  }

  /// Text with its 64-bit length before it; points into the file.
  std::string_view text(std::string_view what) {
    const auto n = number<std::uint64_t>(what);
    const auto part = take(n, what);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  /// The bytes from `begin` up to here.
  std::span<const std::byte> since(std::uint64_t begin) const { return bytes_.subspan(begin, position_ - begin); }

  template <class... Parts>
  [[noreturn]] void fail(std::uint64_t offset, const Parts&... reason) const {
    throw FileError(path_, std::int64_t(offset), cat(reason...));
  }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t position_ = 0;
  std::string path_;
};

}  // namespace tenzo
