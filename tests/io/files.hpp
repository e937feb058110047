// What the tests of files share: a folder that is removed at the end, and bytes written by hand.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/error.hpp"

/// A folder of this test's own.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tenzo-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  std::size_t count() const {
    return std::size_t(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void put_file(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

/// Bytes put one after another.
class Bytes {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> Bytes& put(T x) {
    char b[sizeof(T)];
    std::memcpy(b, &x, sizeof(T));
    text_.append(b, sizeof(T));
    return *this;
  }
  Bytes& raw(std::string_view s) {
    text_ += s;
    return *this;
  }
  /// A text with its 64-bit length.
  Bytes& text(std::string_view s) { return put(std::uint64_t(s.size())).raw(s); }
  Bytes& align(std::size_t n) {
    text_.resize((text_.size() + n - 1) / n * n);
    return *this;
  }
  const std::string& str() const { return text_; }

 private:
  std::string text_;
};

/// Parses a copy of exactly these bytes, so that a sanitizer sees a read beyond the end.
template <class File>
File parse(std::string_view content) {
  const std::shared_ptr<std::byte[]> copy(new std::byte[content.size()]);
  std::memcpy(copy.get(), content.data(), content.size());
  return File::parse(std::span<const std::byte>(copy.get(), content.size()), copy, "file");
}

/// What f says of a file that it does not take.
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const tenzo::FileError& e) {
    return e.what();
  }
  return "nothing";
}

/// A generator of test damage.
class Xorshift {
 public:
  std::uint64_t operator()() {
    s_ ^= s_ << 13, s_ ^= s_ >> 7, s_ ^= s_ << 17;
    return s_;
  }

 private:
  std::uint64_t s_ = 88172645463325252u;
};
