// What every error about a file has to be: one printable line of bounded length, whatever the file holds.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tenzo/core/error.hpp"

inline void check_one_line(const tenzo::FileError& e) {
  const std::string text = e.what();
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c != '\n' && c != '\r' && c; });
  if (!printable || text.size() > 1000) std::abort();
}
