// Results of a long run, stage by stage, on disk as soon as each is there: what an interrupted run has finished is not
// done again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>

#include <nlohmann/json.hpp>

#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/json.hpp"

namespace tenzo {

/// What tells a file or folder from another one, and from itself when it has changed: the full path, how many files
/// there are, their bytes, and their times of writing. Null where the path is empty.
inline nlohmann::json file_record(const std::string& path) {
  namespace fs = std::filesystem;
  if (path.empty()) return nullptr;
  std::error_code ignored;
  std::uint64_t files = 0, bytes = 0, written = 0;
  const auto add = [&](const fs::path& file) {
    if (!fs::is_regular_file(file, ignored)) return;
    ++files, bytes += fs::file_size(file, ignored);
    // Their sum, whatever the order: any file that is written anew changes it.
    written += std::uint64_t(fs::last_write_time(file, ignored).time_since_epoch().count());
  };
  add(path);
  if (fs::is_directory(path, ignored))
    for (const auto& entry : fs::recursive_directory_iterator(path)) add(entry.path());
  return {
      {"path", fs::weakly_canonical(path, ignored).string()}, {"files", files}, {"bytes", bytes}, {"written", written}};
}

/// Results by name in one JSON file. `what` says of which run they are, key by key.
class Stages {
 public:
  /// Begins with what the file holds where `resume` says so.
  ///   Throws  FileError where there is a file although nothing is to be resumed, and where it is no record, or that of
  ///           another run: the first key that differs is named.
  Stages(std::string path, nlohmann::json what, bool resume) : path_(std::move(path)), what_(std::move(what)) {
    if (!std::filesystem::exists(path_)) return;
    if (!resume)
      throw FileError(path_, -1,
                      "is the record of an interrupted run: --resume goes on with it, another --out begins anew");
    const nlohmann::json all = JsonObject::open(path_).value();
    if (!all.contains("run") || !all["run"].is_object() || !all.contains("stages") || !all["stages"].is_object())
      throw FileError(path_, -1, "is not the record of a run");
    for (const auto& [key, value] : what_.items()) {
      const nlohmann::json had = all["run"].value(key, nlohmann::json());
      if (had != value && had.is_object() && value.is_object())
        throw FileError(path_, -1, cat("is the record of a run with another ", key, ", or before that was changed"));
      if (had != value)
        throw FileError(path_, -1, cat("is the record of a run with ", key, ' ', had.dump(), ", not ", value.dump()));
    }
    done_ = all["stages"];
  }

  /// Called with the name of each stage that is there.
  void watch(std::function<void(const std::string&)> f) { watch_ = std::move(f); }

  /// The stage's result: from the file, or made and put there.
  template <class F>
  auto operator()(const std::string& name, F&& make) -> decltype(make()) {
    using R = decltype(make());
    if (done_.contains(name)) {
      try {
        R r = done_.at(name).template get<R>();
        if (watch_) watch_(name);
        return r;
      } catch (const nlohmann::json::exception& e) {
        throw FileError(path_, -1, cat("stage '", name, "': ", e.what()));
      }
    }
    R r = make();
    done_[name] = r;
    write_file(path_, nlohmann::json{{"run", what_}, {"stages", done_}}.dump());
    if (watch_) watch_(name);
    return r;
  }

  std::size_t finished() const { return done_.size(); }
  /// Removes the file: the run has ended.
  void clear() const {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

 private:
  std::string path_;
  std::function<void(const std::string&)> watch_;
  nlohmann::json what_, done_ = nlohmann::json::object();
};

}  // namespace tenzo
