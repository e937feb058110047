// What the tests of reports share: whether a text is well-formed markup.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// Empty where every tag is closed in order, every attribute is quoted and named once, every '&' begins an entity, and
/// no id appears twice; else what is wrong.
inline std::string markup_fault(std::string_view s) {
  std::vector<std::string> open;
  std::set<std::string> ids;
  const auto text_fault = [](std::string_view text) -> std::string {
    for (std::size_t at = text.find('&'); at != text.npos; at = text.find('&', at + 1)) {
      bool known = false;
      for (const std::string_view e : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"})
        known = known || text.substr(at, e.size()) == e;
      if (!known) return "a bare & in '" + std::string(text.substr(at, 20)) + "'";
    }
    return "";
  };
  while (!s.empty()) {
    const std::size_t begin = s.find('<');
    if (const std::string fault = text_fault(s.substr(0, begin)); !fault.empty()) return fault;
    if (begin == s.npos) break;
    const std::size_t end = s.find('>', begin);
    if (end == s.npos) return "a tag without end";
    std::string_view tag = s.substr(begin + 1, end - begin - 1);
    s.remove_prefix(end + 1);
    if (tag.empty()) return "an empty tag";
    if (tag.front() == '!') continue;
    if (tag.front() == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "</" + std::string(tag.substr(1)) + "> closes nothing";
      open.pop_back();
      continue;
    }
    const bool single = tag.back() == '/';
    if (single) tag.remove_suffix(1);
    const std::size_t name_end = std::min(tag.find(' '), tag.size());
    const std::string name(tag.substr(0, name_end));
    tag.remove_prefix(name_end);
    std::set<std::string> names;
    while (!tag.empty()) {
      if (tag.front() == ' ' || tag.front() == '\n') {
        tag.remove_prefix(1);
        continue;
      }
      const std::size_t equals = tag.find("=\"");
      const std::size_t close = equals == tag.npos ? equals : tag.find('"', equals + 2);
      if (close == tag.npos) return "an attribute without quotes in <" + name + ">";
      const std::string key(tag.substr(0, equals));
      const std::string_view value = tag.substr(equals + 2, close - equals - 2);
      for (const char c : key)
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != ':') return "attribute '" + key + "'";
      if (!names.insert(key).second) return "attribute '" + key + "' twice in <" + name + ">";
      if (const std::string fault = text_fault(value); !fault.empty()) return fault;
      if (key == "id" && !ids.insert(std::string(value)).second) return "id '" + std::string(value) + "' twice";
      tag.remove_prefix(close + 1);
    }
    if (!single) open.push_back(name);
  }
  return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

inline std::size_t times(std::string_view s, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = s.find(part); at != s.npos; at = s.find(part, at + part.size())) ++n;
  return n;
}
