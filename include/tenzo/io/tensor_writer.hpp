// What the writers of model files share: tensors that are named first and given one at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/shape.hpp"
#include "tenzo/core/stored.hpp"
#include "tenzo/io/atomic_file.hpp"

namespace tenzo {

/// A tensor of a file to be written.
struct TensorSpec {
  std::string name;
  DType dtype;  // in the file
  Shape shape;
};

/// Gives the i-th tensor of the specs when its turn comes: of the same shape, in any format. It is let go of before the
/// next one is asked for, so that a model is never in memory twice.
using TensorSource = std::function<StoredTensor(std::size_t i)>;

namespace detail {

/// Writes a tensor in the spec's format; converts a megabyte or so at a time.
inline void write_tensor(AtomicFile& file, const TensorSpec& spec, const StoredTensor& t) {
  require(t.defined(), "write: the tensor ", spec.name, " is undefined");
  expect(t.shape() == spec.shape, "write: the tensor ", spec.name, " has shape ", t.shape(), "; want ", spec.shape);
  if (t.dtype() == spec.dtype || t.size() == 0) return file.write(t.bytes());
  require(is_encodable(spec.dtype), "write: the tensor ", spec.name, " is ", t.dtype(), ", and ", spec.dtype,
          " is not written");
  const std::int64_t cols = t.cols(), most = std::max<std::int64_t>(1, 262144 / std::max<std::int64_t>(1, cols));
  std::vector<float> values(static_cast<std::size_t>(std::min(most, t.rows()) * cols));
  for (std::int64_t row = 0; row < t.rows(); row += most) {
    const std::int64_t n = std::min(most, t.rows() - row);
    StoredTensor part(spec.dtype, {n, cols});
    parallel_for(n, std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, cols)),
                 [&](std::int64_t begin, std::int64_t end) {
                   float* v = values.data() + begin * cols;
                   t.decode(row + begin, end - begin, 0, cols, v, cols);
                   part.encode(begin, end - begin, 0, cols, v, cols);
                 });
    file.write(part.bytes());
  }
}

}  // namespace detail

}  // namespace tenzo
