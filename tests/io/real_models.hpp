// What the tests against real models share: where the models are, and their golden values.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#ifndef TENZO_SOURCE_DIR
#define TENZO_SOURCE_DIR "."
#endif
#ifndef TENZO_MODEL_DIR
#define TENZO_MODEL_DIR TENZO_SOURCE_DIR "/data"
#endif

/// The file that the environment variable names, else the one that the set-up fetched; empty if it is not there.
inline std::string model_file(const char* variable, const std::string& fetched) {
  const char* named = std::getenv(variable);
  const char* data = std::getenv("TENZO_DATA");
  const std::string path = named ? named : (data ? data : TENZO_MODEL_DIR) + ("/" + fetched);
  if (std::filesystem::exists(path)) return path;
  MESSAGE("skipped: ", path, " is not there (scripts/fetch brings it, ", variable, " names another place)");
  return {};
}

inline nlohmann::json golden(const std::string& name) {
  std::ifstream file(std::string(TENZO_SOURCE_DIR) + "/tests/golden/real/" + name);
  return nlohmann::json::parse(file);
}
