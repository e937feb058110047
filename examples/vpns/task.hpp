// The data of the study: what networks are pretrained on, and what they are pruned for.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "tenzo/data/data_set.hpp"
#include "tenzo/io/device_option.hpp"

namespace vpns {

struct Options {
  bool full = false, resume = false;
  std::string data = "digits", path;            // the target
  std::string source = "mnist5k", source_path;  // what the network is pretrained on
  std::string arch = "cnn", model, out = "vpns-out";
  std::int64_t image = 32;
  std::uint64_t seed = 1;
  int seeds = 0;  // 0: three
  int threads = 0;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;
};

/// As program_data::set_of, and with samples to judge by.
tenzo::DataSet set_of(const std::string& name, const std::string& path, const tenzo::DataSetOptions& o,
                      const std::string& option = "--data");

/// The set to pretrain on. MNIST-5k has its transposed images as ten more classes, so that there are more classes than
/// a target has.
tenzo::DataSet source_of(const Options& o, std::uint64_t seed);

/// The target of a seed: at most 300 samples to train on, and others to judge by.
tenzo::DataSet target_of(const Options& o, std::uint64_t seed);

/// Two more targets, for transfer: faces and other patches; inverted digits of MNIST, turned by a quarter, that the
/// source has not seen.
tenzo::DataSet faces_of(std::uint64_t seed);
tenzo::DataSet inverted_of(const tenzo::DataSet& source, std::uint64_t seed);
/// The source itself as a target, with at most so many samples.
tenzo::DataSet part_of(const tenzo::DataSet& source, std::int64_t samples, std::uint64_t seed);

}  // namespace vpns
