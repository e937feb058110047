// Results of a long run, stage by stage, on disk as soon as each is there: what an interrupted run has finished is not
// done again.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/json.hpp"

namespace tenzo {

/// Results by name in one JSON file. `what` says of which run they are: those of another are not taken.
class Stages {
 public:
  /// Begins with what the file holds where `resume` says so.
  Stages(std::string path, nlohmann::json what, bool resume) : path_(std::move(path)), what_(std::move(what)) {
    if (!resume || !std::filesystem::exists(path_)) return;
    const nlohmann::json all = JsonObject::open(path_).value();
    if (!all.contains("run") || !all.contains("stages") || !all["stages"].is_object())
      throw FileError(path_, -1, "is not the record of a run");
    if (all["run"] == what_) done_ = all["stages"];
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
