// Where a source calls something.
#pragma once

#include <cstring>
#include <ostream>
#include <string_view>

#if !defined(__clang__)
#include <source_location>
#endif

namespace tenzo::emulation {

/// A place in a source. The column matters: two barriers on one line are two places.
struct Site {
  const char* file = "";
  unsigned line = 0, column = 0;

  /// As a default argument: the place of the call.
#if defined(__clang__)  // std::source_location needs clang 16
  static constexpr Site current(const char* f = __builtin_FILE(), unsigned l = __builtin_LINE(),
                                unsigned c = __builtin_COLUMN()) {
    return {f, l, c};
  }
#else
  static constexpr Site current(std::source_location s = std::source_location::current()) {
    return {s.file_name(), s.line(), s.column()};
  }
#endif

  friend bool operator==(const Site& a, const Site& b) {
    return a.line == b.line && a.column == b.column && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
  }
  friend std::ostream& operator<<(std::ostream& o, const Site& s) {
    const std::string_view path = s.file;
    return o << path.substr(path.rfind('/') + 1) << ':' << s.line << ':' << s.column;
  }
};

}  // namespace tenzo::emulation
