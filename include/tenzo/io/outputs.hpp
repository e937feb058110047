// What a program is to write, checked before it begins to work.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "tenzo/io/atomic_file.hpp"

namespace tenzo {

/// Throws FileError where a file or folder to be written is one that is read, a file of a folder that is read, or
/// another that is written. Empty names stand for nothing.
inline void check_outputs(const std::vector<std::string>& inputs, const std::vector<std::string>& outputs) {
  const auto same = [](const std::string& a, const std::string& b) {
    std::error_code ignored;
    return !a.empty() && !b.empty() &&
           std::filesystem::weakly_canonical(a, ignored) == std::filesystem::weakly_canonical(b, ignored);
  };
  // A file of a folder that is read, such as the weights of a model's folder.
  const auto within = [&](const std::string& folder, const std::string& file) {
    std::error_code ignored;
    return std::filesystem::is_directory(folder, ignored) && std::filesystem::is_regular_file(file, ignored) &&
           same(folder, std::filesystem::absolute(file, ignored).parent_path().string());
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const std::string& in : inputs)
      if (same(in, outputs[i]) || within(in, outputs[i]))
        throw FileError(outputs[i], -1, "is read by this run; it can not be written, too");
    for (std::size_t k = 0; k < i; ++k)
      if (same(outputs[k], outputs[i])) throw FileError(outputs[i], -1, "is named twice among what is to be written");
  }
}

/// Throws FileError where a file can not be written.
inline void check_file(const std::string& path) {
  if (!path.empty()) writable_file(path);
}

/// Throws FileError where a folder can not be made or these files not be written in it. Folders above it must be there.
inline void check_folder(const std::string& path, const std::vector<std::string>& files) {
  if (path.empty()) return;
  std::error_code ignored;
  std::filesystem::path p(path);
  if (!p.has_filename()) p = p.parent_path();  // of "out/"
  if (std::filesystem::is_directory(p, ignored)) {
    for (const std::string& file : files) check_file((p / file).string());
  } else if (std::filesystem::exists(p, ignored)) {
    throw FileError(path, -1, "is not a folder");
  } else {
    check_file(p.string());  // what a new folder needs is what a new file needs
  }
}

}  // namespace tenzo
