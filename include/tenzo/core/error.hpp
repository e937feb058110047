// Errors: what a caller's mistake looks like. Nothing in the library prints or exits.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace tenzo {

/// Base of everything that tenzo throws.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Shapes that do not fit; the text says what came and what was wanted.
struct ShapeError : Error {
  using Error::Error;
};

/// A value outside its domain: a negative size, a probability above one, an unknown name.
struct ValueError : Error {
  using Error::Error;
};

/// The parts written one after another as one string. For texts of errors, not for hot paths.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return std::move(text).str();
}

/// A file that can not be read or written, or that holds something else than it says.
///   The text is "path: offset N: reason", without the offset where it says nothing.
struct FileError : Error {
  std::string path;
  std::int64_t offset = -1;  // byte, or -1
  std::string reason;

  FileError(std::string file, std::int64_t at, std::string why)
      : Error(at < 0 ? cat(file, ": ", why) : cat(file, ": offset ", at, ": ", why)),
        path(std::move(file)),
        offset(at),
        reason(std::move(why)) {}
};

/// Throws ShapeError with the parts as its text unless `holds`.
template <class... Parts>
void expect(bool holds, const Parts&... parts) {
  if (!holds) [[unlikely]]
    throw ShapeError(cat(parts...));
}

/// Throws ValueError with the parts as its text unless `holds`.
template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) [[unlikely]]
    throw ValueError(cat(parts...));
}

}  // namespace tenzo
