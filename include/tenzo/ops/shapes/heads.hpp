// Where the heads of the tokens lie in memory.
#pragma once

#include <cstdint>

namespace tenzo {

/// Element d of a head of a token is at token · strides.token + head · strides.head + d.
///   Packed tokens (tokens, heads, dim): {heads · dim, dim}. A batch (batch, heads, time, dim) is one such array a
///   sequence: {dim, time · dim}.
struct HeadStrides {
  std::int64_t token, head;
};

}  // namespace tenzo
