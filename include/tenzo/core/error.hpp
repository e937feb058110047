// Errors: what a caller's mistake looks like. Nothing in the library prints or exits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "tenzo/core/compiled.hpp"

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

/// At most `most` bytes of `text` on one line: control characters as \xNN, what is left out as "...".
inline std::string one_line(std::string_view text, std::size_t most) {
  constexpr char digits[] = "0123456789abcdef";
  std::string r;
  for (const char c : text.substr(0, most)) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u != 0x7f) r += c;
    else (r += "\\x") += {digits[u >> 4], digits[u & 15]};
  }
  return text.size() > most ? r + "..." : r;
}

/// In quotes, on one line and shortened: what a file or a user says, for the text of an error.
inline std::string printable(std::string_view text) { return "'" + one_line(text, 60) + "'"; }

/// The names one after another with commas between them.
template <class Names>
std::string listed(const Names& names) {
  std::string r;
  for (const auto& name : names) (r += r.empty() ? "" : ", ") += name;
  return r;
}

/// A file that can not be read or written, or that holds something else than it says.
///   The text is "path: offset N: reason", without the offset where it says nothing. The reason is one line, whatever
///   the file holds.
struct FileError : Error {
  std::string path;
  std::int64_t offset = -1;  // byte, or -1
  std::string reason;

  TENZO_COMPILED FileError(std::string file, std::int64_t at, std::string_view why);

 private:
  struct Checked {};
  FileError(std::string file, std::int64_t at, std::string why, Checked)
      : Error(at < 0 ? cat(file, ": ", why) : cat(file, ": offset ", at, ": ", why)),
        path(std::move(file)),
        offset(at),
        reason(std::move(why)) {}
};

#if TENZO_DEFINES(core)
TENZO_COMPILED FileError::FileError(std::string file, std::int64_t at, std::string_view why)
    : FileError(std::move(file), at, one_line(why, 600), {}) {}
#endif

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
