// libjpeg's decoder. Only for programs that are linked with it: see data/image.hpp.
#pragma once

#if __has_include(<jpeglib.h>)

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

// libjpeg's own headers come after cstdio, which they want.
#include <jerror.h>
#include <jpeglib.h>

namespace tenzo::detail {

/// libjpeg reports errors by a function that must not return; here it jumps back to where the decoder was called. So
/// nothing with a destructor lives in the functions that it jumps through.
class JpegDecoder {
 public:
  JpegDecoder() {
    jpeg_.err = ::jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr j) {
      auto& self = of(j);
      self.errors_.format_message(j, self.text_);
      std::longjmp(self.back_, 1);
    };
    // A warning that the data have ended is an error to us; others, as of bytes that belong to nothing, are not.
    errors_.emit_message = [](j_common_ptr j, int level) {
      auto& self = of(j);
      if (level >= 0 || (j->err->msg_code != JWRN_JPEG_EOF && j->err->msg_code != JWRN_HIT_MARKER)) return;
      self.errors_.format_message(j, self.text_);
      self.cut_ = true;
    };
    jpeg_.client_data = this;
    if (setjmp(back_) == 0) {
      jpeg_create_decompress(&jpeg_);
      created_ = true;
    }
  }
  ~JpegDecoder() {
    if (created_) ::jpeg_destroy_decompress(&jpeg_);
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// Whether the header could be read: then the size is known.
  bool read_header(std::span<const std::byte> bytes) {
    if (!created_ || setjmp(back_) != 0) return false;
    ::jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes.data()),
                   static_cast<unsigned long>(bytes.size()));
    ::jpeg_read_header(&jpeg_, TRUE);
    jpeg_.out_color_space = JCS_RGB;
    return true;
  }
  std::int64_t height() const { return jpeg_.image_height; }
  std::int64_t width() const { return jpeg_.image_width; }

  /// Whether all pixels could be read: to (height, width, 3).
  bool read_pixels(std::uint8_t* to) {
    if (setjmp(back_) != 0) return false;
    ::jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = to + std::size_t(jpeg_.output_scanline) * jpeg_.output_width * 3;
      ::jpeg_read_scanlines(&jpeg_, &row, 1);
    }
    ::jpeg_finish_decompress(&jpeg_);
    return !cut_;
  }

  std::string message() const { return text_; }

 private:
  static JpegDecoder& of(j_common_ptr j) { return *static_cast<JpegDecoder*>(j->client_data); }

  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf back_;
  char text_[JMSG_LENGTH_MAX] = "";
  bool created_ = false, cut_ = false;
};

}  // namespace tenzo::detail

#endif
