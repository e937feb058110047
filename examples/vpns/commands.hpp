// The subcommands: pretrain a network, find a sub-network of it, judge that.
#pragma once

#include <cstdint>
#include <string>

#include "lab.hpp"
#include "task.hpp"

namespace vpns {

/// The channels and classes of a network in a file. Throws FileError where it lacks its first or last layer.
NetOptions net_of_file(const std::string& path, const Options& o);

struct Pretrain : Options {
  std::int64_t epochs = 4;
  std::string save = "network.safetensors";
};
int pretrain(const Pretrain& o);

struct Sparsify : Options {
  Arm arm{.name = "sparsify", .method = "vpns", .density = 0.1, .prompt = "pad:4", .strict = true};
  std::string protocol = "text", mask;
  std::int64_t epochs = 10, train = 300;
  Files files;
};
int sparsify(const Sparsify& o);

struct Evaluate : Options {
  Files files;
};
int evaluate(const Evaluate& o);

}  // namespace vpns
