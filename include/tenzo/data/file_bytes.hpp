// The bytes of a file of data, also where it is compressed by gzip. Needs zlib.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/mapped_file.hpp"

namespace tenzo {

/// Whether these are the first bytes of a gzip file.
inline bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte(0x1f) && bytes[1] == std::byte(0x8b);
}

/// What a gzip file's bytes hold, all of its members one after another.
///   most  bytes that are allowed: some kilobytes can hold gigabytes of zeros
///   Throws FileError with the offset in the compressed bytes where they are damaged, cut, or hold more than `most`.
inline std::vector<std::byte> inflated(std::span<const std::byte> bytes, const std::string& path, std::uint64_t most) {
  struct Stream : z_stream {
    Stream() : z_stream{} {}
    ~Stream() { ::inflateEnd(this); }
  } z;
  constexpr int gzip_only = 16 + 15;
  if (::inflateInit2(&z, gzip_only) != Z_OK) throw FileError(path, -1, "zlib can not start");
  std::vector<std::byte> out;
  std::uint64_t size = 0, at = 0;
  const auto fail = [&](std::string_view why) { throw FileError(path, std::int64_t(at - z.avail_in), why); };
  for (;;) {
    if (z.avail_in == 0 && at < bytes.size()) {
      const auto some = std::min<std::uint64_t>(bytes.size() - at, 1u << 30);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data() + at));
      z.avail_in = uInt(some);
      at += some;
    }
    if (size == out.size()) out.resize(std::min(most + 1, std::max<std::uint64_t>(1 << 14, 2 * size)));
    const auto room = std::min<std::uint64_t>(out.size() - size, 1u << 30);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + size);
    z.avail_out = uInt(room);
    const int status = ::inflate(&z, Z_NO_FLUSH);
    size += room - z.avail_out;
    if (size > most) fail(cat("holds more than ", most, " bytes"));
    if (status == Z_STREAM_END) {
      if (z.avail_in == 0 && at == bytes.size()) break;
      if (::inflateReset(&z) != Z_OK) fail("zlib can not go on");
    } else if (status == Z_BUF_ERROR && z.avail_in == 0 && at == bytes.size()) {
      fail("the compressed data end too early");
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      fail(cat("the compressed data are damaged (", z.msg ? z.msg : "zlib", ')'));
    }
  }
  out.resize(size);
  return out;
}

/// The content of a file, decompressed where it is gzip's. Offsets in what is read from it count its bytes then.
class FileBytes {
 public:
  /// Throws FileError where the file can not be read.
  static FileBytes open(const std::string& path, std::uint64_t most = std::uint64_t(1) << 33) {
    FileBytes f;
    f.file_ = MappedFile::open(path);
    f.bytes_ = f.file_->bytes();
    if (is_gzip(f.bytes_)) {
      f.inflated_ = std::make_shared<const std::vector<std::byte>>(inflated(f.bytes_, path, most));
      f.bytes_ = *f.inflated_;
    }
    return f;
  }

  const std::string& path() const { return file_->path(); }
  std::span<const std::byte> bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::shared_ptr<const std::vector<std::byte>> inflated_;
  std::span<const std::byte> bytes_;
};

}  // namespace tenzo
