// The data sets of the programs' command lines: --data and --path.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/data/data_set.hpp"

namespace program_data {

/// Whether scripts/fetch brings a set of this name.
inline bool is_fetched(const std::string& name) { return name == "mnist5k" || name == "digits" || name == "faces"; }

/// Where a set is read from: its path; without one where scripts/fetch leaves it, in $TENZO_DATA or in data/ of the
/// source tree.
inline std::string place_of(const std::string& name, const std::string& path) {
  if (!path.empty()) return path;
  return std::getenv("TENZO_DATA") ? tenzo::fetched_data_set(name) : TENZO_SOURCE_DIR "/data/" + name;
}

/// The set of that name at that place.   Throws  also where it has one class, or no sample to train on of some class.
///   option  that names the set
inline tenzo::DataSet set_of(const std::string& name, const std::string& path, const tenzo::DataSetOptions& o = {},
                             const std::string& option = "--data") {
  using namespace tenzo;
  const auto& known = data_set_names();
  require(std::find(known.begin(), known.end(), name) != known.end(), option, ": ", unknown_data_set(name));
  require(!path.empty() || is_fetched(name), option, " ", name, " wants the place of its files, ",
          option == "--data" ? "--path" : option + "-path");
  DataSet data = load_data_set(name, place_of(name, path), o);
  std::vector<std::int64_t> members(std::size_t(data.train.classes), 0);
  for (const std::int64_t label : data.train.labels.values()) ++members[std::size_t(label)];
  require(members.size() >= 2, option, " ", name, " has ", members.size(), " class; want two or more");
  for (std::size_t c = 0; c < members.size(); ++c)
    require(members[c] > 0, option, " ", name, " (", place_of(name, path), "): no sample to train on is of class ",
            data.classes.at(c));
  return data;
}

}  // namespace program_data
