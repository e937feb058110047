// The subcommand `smug certify`: certified digit classifiers by randomized smoothing, the claims R1 to R10 about them,
// certification of a user's own network, and what logs of certification say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tenzo/io/device_option.hpp"

namespace smug::certify {

struct Options {
  bool full = false, resume = false;
  std::string data = "mnist5k", path, out = "smug-out";
  std::uint64_t seed = 1;
  int seeds = 0;  // 0: three
  int threads = 0;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;

  std::string model, log = "certify.tsv";  // a network of one's own, and where its log goes; empty: the claims
  double sigma = 0.5, alpha = 1e-3;
  std::int64_t selection = 100, samples = 10000, skip = 1;

  std::vector<std::string> logs;  // to be analysed; empty: none
};

/// Declares the options of the subcommand.
void add(CLI::App& sub, Options& o);

/// Does what they ask for; the status to end with.
///   Throws  ValueError, FileError.
int run(const Options& o);

}  // namespace smug::certify
