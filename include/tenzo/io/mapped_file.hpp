// A file mapped read-only into memory.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo {

/// The bytes of a file, read by the system page by page when they are touched. Shared by handles that keep it alive.
///   The file must not be cut short while it is mapped: the system then ends the program that reads the lost pages.
class MappedFile {
 public:
  /// Throws FileError where the path is no regular file that can be read.
  static std::shared_ptr<const MappedFile> open(const std::string& path) {
    return std::shared_ptr<const MappedFile>(new MappedFile(path));
  }

  ~MappedFile() {
    if (data_) ::munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

  /// Lets go of the pages that hold a part of the file: they no longer count as memory of this process and are read
  /// again when touched. The bytes stay valid. Does nothing outside the file.
  void advise_dont_need(std::span<const std::byte> part) const {
    // The system maps pages around the one that is touched, by default 64 KiB of them, those already let go among them.
    constexpr std::uintptr_t around = 1 << 16;
    const auto base = reinterpret_cast<std::uintptr_t>(data_), begin = reinterpret_cast<std::uintptr_t>(part.data());
    if (!data_ || part.empty() || begin < base || begin - base > size_ || part.size() > size_ - (begin - base)) return;
    const std::uintptr_t from = std::max(base, begin / around * around);
    const std::uintptr_t to = std::min(base + size_, (begin + part.size() + around - 1) / around * around);
    ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  }

 private:
  TENZO_COMPILED explicit MappedFile(std::string path);

  [[noreturn]] void fail(const char* what, int file = -1) const {
    const int code = errno;
    if (file >= 0) ::close(file);
    throw FileError(path_, -1, cat(what, " (", std::strerror(code), ')'));
  }

  std::string path_;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

#if TENZO_DEFINES(files)
TENZO_COMPILED MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block
  if (file < 0) fail("can not be opened");
  struct stat status;
  if (::fstat(file, &status) != 0) fail("can not be examined", file);
  if (!S_ISREG(status.st_mode)) {
    ::close(file);
    throw FileError(path_, -1, S_ISDIR(status.st_mode) ? "is a folder; want a file" : "is not a regular file");
  }
  size_ = std::size_t(status.st_size);
  if (size_ > 0) {
    void* p = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    if (p == MAP_FAILED) fail("can not be mapped into memory", file);
    data_ = p;
  }
  ::close(file);
}
#endif

}  // namespace tenzo
