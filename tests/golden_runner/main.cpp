// golden_runner DIR...: runs folders of golden values and ends with `N passed, N failed`.
//   A folder with ops.json holds operations, one with config.json a model.
//   Status 0: all passed. 1: a case failed. 2: a folder that can not be read.
#include <filesystem>
#include <iostream>
#include <string_view>

#include "case.hpp"

int main(int argc, char** argv) {
  const bool asked = argc > 1 && std::string_view(argv[1]) == "--help";
  if (argc < 2 || asked) {
    (asked ? std::cout : std::cerr) << "usage: golden_runner DIR...\n";
    return asked ? 0 : 2;
  }
  golden::Tally tally;
  for (int i = 1; i < argc; ++i) {
    const std::string folder = argv[i];
    try {
      if (std::filesystem::exists(folder + "/ops.json")) golden::run_ops(folder, tally);
      else if (std::filesystem::exists(folder + "/config.json")) golden::run_model(folder, tally);
      else throw golden::Damaged(folder + ": holds neither ops.json nor config.json");
    } catch (const std::exception& e) {
      std::cerr << "golden_runner: " << e.what() << '\n';
      return 2;
    }
  }
  std::cout << tally.passed << " passed, " << tally.failed << " failed\n";
  return tally.failed ? 1 : 0;
}
