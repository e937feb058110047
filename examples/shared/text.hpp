// Numbers as the programs write them.
#pragma once

#include <cstdio>
#include <string>

namespace program_text {

/// With so many digits behind the point.
inline std::string fixed(double x, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, x);
  return text;
}

}  // namespace program_text
