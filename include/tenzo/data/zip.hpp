// The members of a zip archive. Needs zlib.
//   Format  members, each behind a header of its own; then the directory, 46 bytes and a name for each member; then its
//           end, "PK\5\6", which says where the directory is. Members are stored as they are or deflated.
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

#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/mapped_file.hpp"

namespace tenzo {

/// A file in an archive, as the directory tells of it.
struct ZipMember {
  std::string name;
  std::uint64_t at = 0;      // byte of its header
  std::uint64_t packed = 0;  // bytes in the archive
  std::uint64_t size = 0;    // bytes of the content
  std::uint32_t crc = 0;
  bool deflated = false;
};

/// The bytes of a member: in the archive where they are stored, else made.
class ZipContent {
 public:
  explicit ZipContent(std::span<const std::byte> stored) : bytes_(stored) {}
  explicit ZipContent(std::vector<std::byte> made)
      : made_(std::make_shared<const std::vector<std::byte>>(std::move(made))), bytes_(*made_) {}

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::shared_ptr<const std::vector<std::byte>> made_;
  std::span<const std::byte> bytes_;
};

/// An archive of less than 4 GB. Members that are encrypted, in parts, or packed by other methods are refused when
/// the archive is opened.
class ZipFile {
 public:
  static ZipFile open(const std::string& path) {
    auto file = MappedFile::open(path);
    ZipFile zip(file->bytes(), path);
    zip.file_ = std::move(file);
    return zip;
  }
  /// The archive in these bytes, which the caller keeps.
  static ZipFile parse(std::span<const std::byte> bytes, const std::string& path) { return ZipFile(bytes, path); }

  const std::string& path() const { return path_; }
  const std::vector<ZipMember>& members() const { return members_; }

  /// The member of that name, or nullptr.
  const ZipMember* find(std::string_view name) const {
    const auto it = std::find_if(members_.begin(), members_.end(), [&](const ZipMember& m) { return m.name == name; });
    return it == members_.end() ? nullptr : &*it;
  }

  /// The content of a member of this archive; its checksum is right.
  ///   Throws FileError with an offset in the archive.
  ZipContent read(const ZipMember& m) const {
    ByteReader file(bytes_, path_);
    file.take(m.at, "the members");
    const auto header = file.take(30, "the header of a member");
    if (word(header, 0) != 0x04034b50) file.fail(m.at, "want the header of ", printable(m.name), " here");
    file.take(std::uint64_t(half(header, 26)) + half(header, 28), "the header of a member");
    const std::uint64_t begin = file.position();
    const auto packed = file.take(m.packed, "a member");
    ZipContent content = m.deflated ? ZipContent(inflated(m, packed, begin)) : ZipContent(packed);
    const auto bytes = content.bytes();
    const auto crc = ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    if (crc != m.crc) file.fail(begin, printable(m.name), " is damaged: its checksum is another");
    return content;
  }

 private:
  static std::uint32_t half(std::span<const std::byte> b, std::size_t at) {
    return std::to_integer<std::uint32_t>(b[at]) | std::to_integer<std::uint32_t>(b[at + 1]) << 8;
  }
  static std::uint32_t word(std::span<const std::byte> b, std::size_t at) {
    return half(b, at) | half(b, at + 2) << 16;
  }

  ZipFile(std::span<const std::byte> bytes, const std::string& path) : path_(path), bytes_(bytes) {
    ByteReader file(bytes, path);
    const std::size_t end = end_record(file);
    const auto record = bytes.subspan(end, 22);
    const std::uint64_t count = half(record, 10), size = word(record, 12), at = word(record, 16);
    if (count == 0xffff || size == 0xffffffff || at == 0xffffffff)
      file.fail(end, "a zip archive of more than 4 GB or 65534 members");
    if (half(record, 4) != 0 || half(record, 6) != 0 || half(record, 8) != count)
      file.fail(end, "a zip archive in several parts");
    if (at > end || size > end - at) file.fail(end, "the directory is not before its end");
    ByteReader directory(bytes.first(at + size), path);
    directory.take(at, "the members");
    for (std::uint64_t i = 0; i < count; ++i) members_.push_back(member(directory));
  }

  /// Where the end of the directory begins: behind it there is a comment of at most 65,535 bytes.
  std::size_t end_record(const ByteReader& file) const {
    constexpr std::size_t length = 22;
    const std::size_t size = bytes_.size();
    if (size < length) file.fail(0, "is no zip archive: it has ", size, " bytes");
    for (std::size_t comment = 0; comment <= std::min<std::size_t>(0xffff, size - length); ++comment) {
      const std::size_t at = size - length - comment;
      if (word(bytes_, at) == 0x06054b50 && half(bytes_, at + 20) == comment) return at;
    }
    file.fail(size, "is no zip archive, or its end is missing");
  }

  static ZipMember member(ByteReader& directory) {
    const std::uint64_t at = directory.position();
    const auto entry = directory.take(46, "the directory");
    if (word(entry, 0) != 0x02014b50) directory.fail(at, "want a member of the directory here");
    const std::uint32_t method = half(entry, 10);
    ZipMember m;
    m.crc = word(entry, 16);
    m.packed = word(entry, 20);
    m.size = word(entry, 24);
    m.at = word(entry, 42);
    m.deflated = method == 8;
    const auto name = directory.take(half(entry, 28), "a name");
    m.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    directory.take(std::uint64_t(half(entry, 30)) + half(entry, 32), "the directory");
    if ((half(entry, 8) & 1) != 0) directory.fail(at, printable(m.name), " is encrypted");
    if (method != 0 && method != 8)
      directory.fail(at, printable(m.name), " is packed by method ", method, "; want 0 (stored) or 8 (deflated)");
    if (m.packed == 0xffffffff || m.size == 0xffffffff || m.at == 0xffffffff)
      directory.fail(at, printable(m.name), " has more than 4 GB");
    if (!m.deflated && m.packed != m.size)
      directory.fail(at, printable(m.name), " is stored in ", m.packed, " bytes but has ", m.size);
    // Deflate makes of a byte at most 1032; what claims more is not worth its memory.
    if (m.size > 1032 * m.packed + 1032)
      directory.fail(at, printable(m.name), " claims ", m.size, " bytes in ", m.packed);
    return m;
  }

  std::vector<std::byte> inflated(const ZipMember& m, std::span<const std::byte> packed, std::uint64_t begin) const {
    struct Stream : z_stream {
      Stream() : z_stream{} {}
      ~Stream() { ::inflateEnd(this); }
    } z;
    if (::inflateInit2(&z, -15) != Z_OK) throw FileError(path_, -1, "zlib can not start");  // no header of zlib's
    std::vector<std::byte> out(std::size_t(m.size) + 1);                                    // a byte more is an error
    z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    z.avail_in = uInt(packed.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = uInt(out.size());
    const int status = ::inflate(&z, Z_FINISH);
    if (status != Z_STREAM_END || z.total_out != m.size || z.avail_in != 0)
      throw FileError(path_, std::int64_t(begin + z.total_in),
                      cat(printable(m.name), " is damaged: its compressed data are not of ", m.size, " bytes"));
    out.resize(std::size_t(m.size));
    return out;
  }

  std::shared_ptr<const MappedFile> file_;
  std::string path_;
  std::span<const std::byte> bytes_;
  std::vector<ZipMember> members_;
};

}  // namespace tenzo
