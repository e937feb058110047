// Pictures in memory, decoded from PNG and JPEG files.
//
// PNG needs libpng, JPEG libjpeg. A program says that it is linked with them by TENZO_PNG and TENZO_JPEG, which CMake's
// target tenzo::images defines where it finds them; without, such a file is a FileError that says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/mapped_file.hpp"

#ifdef TENZO_PNG
#include <png.h>
#endif
#ifdef TENZO_JPEG
#include "tenzo/data/detail/jpeg_decoder.hpp"
#endif

namespace tenzo {

/// A picture: red, green and blue bytes, (height, width, 3), row by row from the top. Grey ones have the three equal.
struct Image {
  std::int64_t height = 0, width = 0;
  std::vector<std::uint8_t> rgb;

  /// More pixels than this are refused: a small file can claim any number.
  static constexpr std::int64_t most_pixels = std::int64_t(1) << 26;
};

namespace detail {

/// An empty picture of a size that a file claims, or FileError.
inline Image sized_image(std::int64_t height, std::int64_t width, const std::string& path) {
  if (height <= 0 || width <= 0 || height > Image::most_pixels / width)
    throw FileError(path, -1, cat("a picture of ", width, " x ", height, " pixels; want 1 to ", Image::most_pixels));
  return {height, width, std::vector<std::uint8_t>(std::size_t(height * width * 3))};
}

#ifdef TENZO_PNG
inline Image decoded_png(std::span<const std::byte> bytes, const std::string& path) {
  struct Png : png_image {
    Png() : png_image{} { version = PNG_IMAGE_VERSION; }
    ~Png() { ::png_image_free(this); }
  } png;
  const auto fail = [&] { throw FileError(path, -1, cat("is no PNG file that can be read: ", png.message)); };
  if (!::png_image_begin_read_from_memory(&png, bytes.data(), bytes.size())) fail();
  png.format = PNG_FORMAT_RGB;
  Image image = sized_image(png.height, png.width, path);
  if (!::png_image_finish_read(&png, nullptr, image.rgb.data(), 0, nullptr)) fail();  // what is clear becomes black
  return image;
}
#else
inline Image decoded_png(std::span<const std::byte>, const std::string& path) {
  throw FileError(path, -1, "is a PNG file; this program is built without libpng");
}
#endif

#ifdef TENZO_JPEG
inline Image decoded_jpeg(std::span<const std::byte> bytes, const std::string& path) {
  JpegDecoder jpeg;
  const auto fail = [&] { throw FileError(path, -1, cat("is no JPEG file that can be read: ", jpeg.message())); };
  if (!jpeg.read_header(bytes)) fail();
  Image image = sized_image(jpeg.height(), jpeg.width(), path);
  if (!jpeg.read_pixels(image.rgb.data())) fail();
  return image;
}
#else
inline Image decoded_jpeg(std::span<const std::byte>, const std::string& path) {
  throw FileError(path, -1, "is a JPEG file; this program is built without libjpeg");
}
#endif

}  // namespace detail

/// The picture in a PNG or JPEG file's bytes; which of them, the bytes say themselves.
///   Throws FileError where they are neither, are damaged or cut, or the program is built without the library.
inline Image decoded_image(std::span<const std::byte> bytes, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\x89PNG")) return detail::decoded_png(bytes, path);
  if (text.starts_with("\xff\xd8\xff")) return detail::decoded_jpeg(bytes, path);
  throw FileError(path, 0, "is neither a PNG nor a JPEG file");
}

inline Image read_image(const std::string& path) { return decoded_image(MappedFile::open(path)->bytes(), path); }

}  // namespace tenzo
