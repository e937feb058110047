// Arrays in NumPy's files, .npy.
//   Format  "\x93NUMPY", a version, the length of the header (16 bits in version 1, 32 later), the header, the
//   elements.
//           The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/tensor.hpp"
#include "tenzo/io/byte_reader.hpp"

namespace tenzo {

/// An array as it lies in a file.
struct NpyArray {
  Shape shape;
  std::string type;  // "f4", "f8", "u1", "b1", "i1", "u2", "i2", "i4", "i8"
  std::span<const std::byte> bytes;

  /// The elements as T: whole numbers as they are, truth values ("b1") as 0 and 1.
  template <Real T>
  Tensor<T> as() const {
    Tensor<T> out(shape);
    const auto convert = [&]<class U>(U) {
      for (std::int64_t i = 0; i < out.size(); ++i) {
        U x;
        std::memcpy(&x, bytes.data() + i * std::int64_t(sizeof(U)), sizeof(U));
        out(i) = T(x);
      }
    };
    if (type == "f4") convert(float());
    else if (type == "f8") convert(double());
    else if (type == "u1" || type == "b1") convert(std::uint8_t());
    else if (type == "i1") convert(std::int8_t());
    else if (type == "u2") convert(std::uint16_t());
    else if (type == "i2") convert(std::int16_t());
    else if (type == "i4") convert(std::int32_t());
    else convert(std::int64_t());
    return out;
  }
};

namespace detail {

/// What the header's text says, read from left to right.
class NpyHeader {
 public:
  NpyHeader(std::string_view text, const ByteReader& file, std::uint64_t at) : text_(text), file_(file), at_(at) {}

  std::string_view type;  // as written, "<f4"
  std::vector<std::int64_t> sizes;

  void parse() {
    bool has_type = false, has_order = false, has_shape = false;
    want('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      want(':');
      if (key == "descr" && !has_type) has_type = true, type = quoted();
      else if (key == "fortran_order" && !has_order) has_order = true, order();
      else if (key == "shape" && !has_shape) has_shape = true, shape();
      else fail(cat("an unknown entry ", printable(key)));
      if (!take(',') && peek() != '}') fail("want ',' or '}'");
    }
    skip();
    if (i_ < text_.size()) fail("text behind the dictionary");
    if (!has_type || !has_order || !has_shape) fail("want descr, fortran_order and shape");
  }

 private:
  void skip() {
    while (i_ < text_.size() && (text_[i_] == ' ' || text_[i_] == '\n')) ++i_;
  }
  char peek() {
    skip();
    return i_ < text_.size() ? text_[i_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++i_;
    return true;
  }
  void want(char c) {
    if (!take(c)) fail(cat("want '", c, "'"));
  }
  std::string_view quoted() {
    const char mark = peek();
    if (mark != '\'' && mark != '"') fail("want a text in quotes");
    const std::size_t end = text_.find(mark, i_ + 1);
    if (end == std::string_view::npos) fail("a text without its end");
    const std::string_view s = text_.substr(i_ + 1, end - i_ - 1);
    i_ = end + 1;
    return s;
  }
  void order() {
    skip();
    if (text_.substr(i_).starts_with("True")) fail("columns before rows (fortran_order); want rows first");
    if (!text_.substr(i_).starts_with("False")) fail("want True or False");
    i_ += 5;
  }
  void shape() {
    want('(');
    while (!take(')')) {
      skip();
      std::int64_t n = -1;
      const auto [end, error] = std::from_chars(text_.data() + i_, text_.data() + text_.size(), n);
      if (error != std::errc() || n < 0) fail("want a size");
      if (sizes.size() == std::size_t(Shape::max_rank)) fail(cat("more than ", Shape::max_rank, " axes"));
      sizes.push_back(n);
      i_ = std::size_t(end - text_.data());
      if (!take(',') && peek() != ')') fail("want ',' or ')'");
    }
  }
  [[noreturn]] void fail(std::string_view why) const { file_.fail(at_ + i_, "the header: ", why); }

  std::string_view text_;
  const ByteReader& file_;
  std::uint64_t at_;
  std::size_t i_ = 0;
};

}  // namespace detail

/// The array of a file; its elements stay where they are.
///   Throws FileError where the file is no whole array of one of NpyArray's types, little-endian, rows first.
inline NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& path) {
  ByteReader file(bytes, path);
  const auto magic = file.take(6, "the magic number");
  if (std::memcmp(magic.data(), "\x93NUMPY", 6) != 0) file.fail(0, "is no .npy file: it begins with other bytes");
  const int version = file.number<std::uint8_t>("the version");
  file.take(1, "the version");
  if (version < 1 || version > 3) file.fail(6, "version ", version, "; want 1 to 3");
  const std::uint64_t length = version == 1 ? file.number<std::uint16_t>("the length of the header")
                                            : file.number<std::uint32_t>("the length of the header");
  const std::uint64_t at = file.position();
  const auto text = file.take(length, "the header");
  detail::NpyHeader header({reinterpret_cast<const char*>(text.data()), text.size()}, file, at);
  header.parse();

  const std::string_view type = header.type;
  constexpr std::string_view known[] = {"<f4", "<f8", "|u1", "|b1", "|i1", "<u2", "<i2", "<i4", "<i8"};
  if (std::find(std::begin(known), std::end(known), type) == std::end(known))
    file.fail(at, "elements ", printable(type), "; want <f4, <f8, |u1, |b1, |i1, <u2, <i2, <i4 or <i8");
  std::uint64_t size = std::uint64_t(type[2] - '0');
  for (const std::int64_t n : header.sizes) {
    if (n > 0 && size > (std::uint64_t(1) << 62) / std::uint64_t(n)) file.fail(at, "more bytes than 62 bits count");
    size *= std::uint64_t(n);
  }
  const auto values = file.take(size, "the elements");
  if (file.remaining() > 0) file.fail(file.position(), file.remaining(), " bytes behind the last element");
  return {Shape(header.sizes), std::string(type.substr(1)), values};
}

}  // namespace tenzo
