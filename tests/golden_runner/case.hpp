// Cases of golden values: what a folder of them holds.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "tenzo/core/tensor.hpp"
#include "tenzo/ops/value.hpp"
#ifdef TENZO_TEST_CUDA
#include "tenzo/cuda.hpp"
#endif

namespace golden {

using Json = nlohmann::json;

/// The device that the runner is built for; golden values are read on the host.
#ifdef TENZO_TEST_CUDA
using Device = tenzo::Cuda;
#else
using Device = tenzo::Cpu;
#endif
/// The most exact numbers that values are computed in: on a GPU, where tenzo::cuda is the library, floats.
#ifdef TENZO_TEST_FLOAT
using Exact = float;
#else
using Exact = double;
#endif
inline constexpr bool in_double = std::is_same_v<Exact, double>;
template <class T>
using OnDevice = tenzo::Tensor<T, Device>;

using Double = tenzo::Tensor<double>;
using Integers = tenzo::Tensor<std::int64_t>;

/// A folder that can not be read as golden values.
struct Damaged : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The operation has a name that the runner does not know.
struct Unknown : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One file of tensors.
struct Tensors {
  std::map<std::string, Double> real;
  std::map<std::string, Integers> integer;
};

struct Case {
  std::string name, op;
  Json attrs;
  std::vector<Double> inputs, gradients, tangents;
  std::vector<Integers> fixed;
  Double output, cotangent, jvp;
  bool complex = false;
};

Tensors read_tensors(const std::string& path);
std::vector<Case> read_cases(const std::string& folder);

/// The case's operation on values of any kind: defined in ops_*.cpp for those that the runner needs.
template <class V>
V run_op(const Case& c, const std::vector<V>& x);

struct Tally {
  int passed = 0, failed = 0;
};

void run_ops(const std::string& folder, Tally& tally);
void run_model(const std::string& folder, Tally& tally);

}  // namespace golden
