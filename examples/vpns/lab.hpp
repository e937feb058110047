// A pretrained network of one architecture, and experiments on it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arm.hpp"
#include "tenzo/data/data_set.hpp"
#include "tenzo/io/device_option.hpp"

namespace vpns {

/// How a network is pretrained.
struct Recipe {
  std::int64_t epochs = 4, batch = 100;
  double lr = 0.05;
};

/// What to find and where to write it; empty names stand for nothing.
struct Files {
  std::string mask, prompt, mapping, net;
};

/// What a study asks of a network, whatever its type. Images are of any size; they are put on its canvas.
class Lab {
 public:
  virtual ~Lab() = default;

  /// Trains the network from its beginning; the results before are of another one.
  virtual void pretrain(const tenzo::Samples<float>& source, std::uint64_t seed) = 0;
  virtual bool trained() const = 0;
  /// Reads it from a safetensors file. Throws FileError where that is of another network.
  virtual void load(const std::string& path) = 0;
  virtual void save(const std::string& path) const = 0;
  /// In percent, with all of its classes.
  virtual double accuracy(const tenzo::Samples<float>& samples) const = 0;
  /// How many prunable weights it has, and classes.
  virtual std::int64_t weights() const = 0;
  virtual std::int64_t classes() const = 0;
  virtual std::int64_t image() const = 0;  // pixels of a side

  /// Images as the network sees them without a prompt: (n, its channels, image, image).
  virtual tenzo::Tensor<float> seen(const tenzo::Samples<float>& samples) const = 0;

  /// An experiment. The network is as before behind it.
  ///   given   with method "given": the bits of a mask
  virtual Outcome run(const Arm& arm, const tenzo::DataSet& target, const Rates& rates, std::uint64_t seed,
                      const std::string& given = {}) = 0;
  /// The counts K of the label mapping of the network as it is.
  virtual tenzo::Tensor<std::int64_t> counts(const tenzo::Samples<float>& samples) const = 0;

  /// Of the CPU, dense and sparse.
  virtual std::vector<Latency> latencies(const std::vector<double>& densities) const = 0;
  virtual std::vector<Queries> by_queries(const tenzo::DataSet& target, double density, const std::string& prompt,
                                          const Rates& rates, std::uint64_t seed) = 0;
  /// Of the last run with `structured`; throws ValueError for architectures with branches.
  virtual Compact compact(const tenzo::DataSet& target) const = 0;

  /// The mask, prompt, mapping and network of the last run, in files; and judgement of what is read from them.
  virtual void write(const Files& files, const Arm& arm) const = 0;
  virtual Outcome judge(const Files& files, const tenzo::DataSet& target) = 0;
  /// The bits of a mask in a file. Throws FileError where it is of another network.
  virtual std::string read_mask(const std::string& path) const = 0;
};

/// Networks: cnn (three blocks of 16, 32, 64 channels), resnet18, resnet50, vgg16.
struct NetOptions {
  std::string arch = "cnn";
  std::int64_t channels = 1, classes = 20, image = 32;
  Recipe recipe = {};
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;  // where networks are trained and called
};
std::unique_ptr<Lab> make_lab(const NetOptions& o);

/// Of one architecture; lab_….device.cpp are compiled once for each device.
template <class Device>
std::unique_ptr<Lab> cnn_lab(const NetOptions& o);
template <class Device>
std::unique_ptr<Lab> resnet_lab(const NetOptions& o);
template <class Device>
std::unique_ptr<Lab> vgg_lab(const NetOptions& o);

}  // namespace vpns
