// Tables of text, line by line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tenzo::detail {

/// Calls f(line, offset) for the lines of a text, without their ends.
template <class F>
void for_each_line(std::string_view text, F&& f) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    f(line, std::int64_t(at));
    at = end + 1;
  }
}

inline std::vector<std::string_view> split_at(std::string_view line, char mark) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0;;) {
    const std::size_t end = line.find(mark, at);
    parts.push_back(line.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

}  // namespace tenzo::detail
