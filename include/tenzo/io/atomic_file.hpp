// Writing a file so that a crash at any moment leaves the old file or the new one, never a part.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo {

/// The file that AtomicFile puts in place for a path: the path, or what it links to.
///   Throws FileError where that can not be done: the folder is not there or can not be written to, or the name belongs
///   to a read-only file or to something else than a file.
TENZO_COMPILED std::string writable_file(const std::string& path);

#if TENZO_DEFINES(files)
TENZO_COMPILED std::string writable_file(const std::string& path) {
  std::error_code ignored;
  std::filesystem::path target(path);
  if (std::filesystem::is_symlink(target, ignored)) target = std::filesystem::canonical(target, ignored);
  if (target.empty()) throw FileError(path, -1, "is a link to nothing");
  struct stat old;
  if (::stat(target.c_str(), &old) == 0) {
    if (!S_ISREG(old.st_mode))
      throw FileError(target.string(), -1, S_ISDIR(old.st_mode) ? "is a folder; want a file" : "is not a regular file");
    // A rename would replace it all the same, and root may write to anything: its mode says that it is to be kept.
    if ((old.st_mode & 0222) == 0 || ::access(target.c_str(), W_OK) != 0)
      throw FileError(target.string(), -1, "is read-only");
  }
  const std::filesystem::path parent = target.parent_path(), folder = parent.empty() ? "." : parent;
  if (!std::filesystem::is_directory(folder, ignored)) throw FileError(path, -1, "the folder for it does not exist");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) throw FileError(path, -1, "the folder for it is read-only");
  return target.string();
}
#endif

/// A file that appears under its name only when it is complete.
///   The bytes go to `<path>.tenzo-part` in the same folder; `commit` flushes them to the disk, renames the file to
///   `path`, replacing what was there, and flushes the folder. Without `commit`, an exception say, the destructor
///   removes the part and the old file stays. What a killed program left behind is overwritten by the next writer; a
///   lock keeps two writers apart. A link is followed, the mode of the old file is kept.
///   Every failure throws FileError.
class AtomicFile {
 public:
  TENZO_COMPILED explicit AtomicFile(const std::string& path);

  ~AtomicFile() {
    if (file_ < 0) return;
    ::unlink(part_.c_str());
    ::close(file_);
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::string& path() const { return path_; }
  /// Number of bytes written so far.
  std::uint64_t position() const { return position_; }

  TENZO_COMPILED void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// n times the same byte.
  void fill(std::uint64_t n, std::byte value) {
    std::byte run[64];
    std::fill(std::begin(run), std::end(run), value);
    while (n > 0) {
      const std::size_t k = std::min<std::uint64_t>(n, sizeof run);
      write(std::span<const std::byte>(run, k));
      n -= k;
    }
  }

  /// Puts the file under its name. Nothing may be written afterwards.
  TENZO_COMPILED void commit();

 private:
  static constexpr std::size_t capacity = 1 << 18;

  /// Opens the part and locks it. Between the two another writer may have renamed the file that was opened: then its
  /// name stands for another file, or for none, and the opening is tried again.
  void open_part() {
    for (;;) {
      file_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
      if (file_ < 0) throw FileError(path_, -1, cat("can not be written (", std::strerror(errno), ')'));
      if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        ::close(file_);
        throw FileError(path_, -1, "is being written by another program");
      }
      struct stat opened, named;
      if (::fstat(file_, &opened) == 0 && ::lstat(part_.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
          opened.st_dev == named.st_dev)
        break;
      ::close(file_);
    }
    if (::ftruncate(file_, 0) != 0) {
      const int code = errno;
      ::close(file_);
      throw FileError(path_, -1, cat("can not be written (", std::strerror(code), ')'));
    }
  }

  void flush() {
    const std::size_t n = used_;
    used_ = 0;
    put({buffer_.get(), n});
  }
  void put(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(file_, bytes.data(), bytes.size());
      if (n < 0 && errno != EINTR) fail("can not be written");
      if (n > 0) bytes = bytes.subspan(std::size_t(n));
    }
  }

  void sync_folder() const {
    const std::string folder = std::filesystem::path(path_).parent_path().string();
    const int f = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f < 0) return;  // a folder that can be written but not read: the file is there, its name not yet flushed
    ::fsync(f);
    ::close(f);
  }

  [[noreturn]] void fail(const char* what) const {
    throw FileError(path_, -1, cat(what, " (", std::strerror(errno), ')'));
  }

  std::string path_, part_;
  int file_ = -1;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t used_ = 0;
  std::uint64_t position_ = 0;
};

#if TENZO_DEFINES(files)
TENZO_COMPILED AtomicFile::AtomicFile(const std::string& path)
    : path_(writable_file(path)), part_(path_ + ".tenzo-part"), buffer_(new std::byte[capacity]) {
  open_part();
  struct stat old;
  if (::stat(path_.c_str(), &old) == 0) ::fchmod(file_, old.st_mode & 07777);
}

TENZO_COMPILED void AtomicFile::write(std::span<const std::byte> bytes) {
  position_ += bytes.size();
  if (used_ + bytes.size() > capacity) flush();
  if (bytes.size() >= capacity) return put(bytes);
  std::copy(bytes.begin(), bytes.end(), buffer_.get() + used_);
  used_ += bytes.size();
}

TENZO_COMPILED void AtomicFile::commit() {
  flush();
  if (::fsync(file_) != 0) fail("can not be flushed to the disk");
  if (::rename(part_.c_str(), path_.c_str()) != 0) fail("can not be put in place");
  ::close(file_);
  file_ = -1;
  sync_folder();
}
#endif

/// Replaces a file's content as a whole.
TENZO_COMPILED void write_file(const std::string& path, std::string_view content);

#if TENZO_DEFINES(files)
TENZO_COMPILED void write_file(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}
#endif

}  // namespace tenzo
