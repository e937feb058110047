// JSON files read with care: a value that is missing or of another type is an error that names file and key.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo {

/// Levels of a JSON text that are read. Deeper ones would exhaust the stack where a value is copied or printed.
inline constexpr int deepest_json = 100;

/// The value of a JSON text; `path` is its name in errors.
///   Throws FileError where it is no JSON (with the offset), holds a number that no double can, or is nested too deep.
TENZO_COMPILED nlohmann::json parse_json(std::string_view text, const std::string& path);

#if TENZO_DEFINES(json)
TENZO_COMPILED nlohmann::json parse_json(std::string_view text, const std::string& path) {
  const auto shallow = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > deepest_json) throw FileError(path, -1, cat("is nested deeper than ", deepest_json, " levels"));
    return true;
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), shallow);
  } catch (const nlohmann::json::parse_error& e) {
    throw FileError(path, std::int64_t(e.byte), "is no valid JSON");
  } catch (const nlohmann::json::exception&) {
    throw FileError(path, -1, "holds a number out of range");
  }
}
#endif

/// An object of a JSON file.
class JsonObject {
 public:
  JsonObject(nlohmann::json value, std::string path) : value_(std::move(value)), path_(std::move(path)) {}

  /// Reads a file that holds one object. Throws FileError, with the offset where it is no JSON.
  static JsonObject open(const std::string& path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) throw FileError(path, -1, "is a folder; want a file");
    std::ifstream file(path, std::ios::binary);
    if (!file) throw FileError(path, -1, "can not be opened");
    return parse(std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()), path);
  }

  /// The same of a text; `path` is its name in errors.
  static JsonObject parse(std::string_view text, const std::string& path) {
    nlohmann::json j = parse_json(text, path);
    if (!j.is_object()) throw FileError(path, 0, "is no JSON object");
    return {std::move(j), path};
  }

  const std::string& path() const { return path_; }
  bool has(std::string_view key) const {
    const auto it = value_.find(key);
    return it != value_.end() && !it->is_null();
  }

  std::int64_t integer(std::string_view key, std::optional<std::int64_t> fallback = {}) const {
    return get<std::int64_t>(key, fallback, "an integer", [](const nlohmann::json& j) {
      return j.is_number_integer() && (!j.is_number_unsigned() || j.get<std::uint64_t>() <= INT64_MAX);
    });
  }
  double number(std::string_view key, std::optional<double> fallback = {}) const {
    return get<double>(key, fallback, "a number", [](const nlohmann::json& j) { return j.is_number(); });
  }
  bool boolean(std::string_view key, std::optional<bool> fallback = {}) const {
    return get<bool>(key, fallback, "true or false", [](const nlohmann::json& j) { return j.is_boolean(); });
  }
  std::string text(std::string_view key, std::optional<std::string> fallback = {}) const {
    return get<std::string>(key, fallback, "a text", [](const nlohmann::json& j) { return j.is_string(); });
  }
  /// An object inside; empty where the key is missing.
  JsonObject object(std::string_view key) const {
    if (!has(key)) return {nlohmann::json::object(), path_};
    const nlohmann::json& j = *value_.find(key);
    if (!j.is_object()) throw FileError(path_, -1, cat("key '", key, "' is no object"));
    return {j, path_};
  }
  const nlohmann::json& value() const { return value_; }

 private:
  template <class T, class Is>
  T get(std::string_view key, const std::optional<T>& fallback, std::string_view want, Is&& is) const {
    if (!has(key)) {
      if (fallback) return *fallback;
      throw FileError(path_, -1, cat("has no key '", key, "'"));
    }
    const nlohmann::json& j = *value_.find(key);
    if (!is(j)) throw FileError(path_, -1, cat("key '", key, "' is no ", want.substr(want.find(' ') + 1)));
    return j.get<T>();
  }

  nlohmann::json value_;
  std::string path_;
};

}  // namespace tenzo
