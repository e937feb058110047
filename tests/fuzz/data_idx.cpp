// Any bytes are an IDX array of as many elements as its shape says, or a FileError; so are gzip's. Labels are the first
// axis' own bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "one_line.hpp"
#include "tenzo/data/idx.hpp"

using namespace tenzo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  std::vector<std::byte> content;
  try {
    if (is_gzip(bytes)) bytes = content = inflated(bytes, "input", 1 << 20);
    const IdxArray a = parse_idx(bytes, "input");
    if (std::int64_t(a.values.size()) != a.shape.numel()) std::abort();
    if (a.shape.rank() != 3) return 0;
    const IdxArray labels{Shape{a.shape[0]}, a.values.first(a.values.empty() ? 0 : std::size_t(a.shape[0]))};
    if (std::int64_t(labels.values.size()) != a.shape[0]) return 0;
    const Samples<float> s = idx_samples(a, "input", labels, "input");
    for (const float x : s.x.values())
      if (!(x >= 0 && x <= 1)) std::abort();
    for (const std::int64_t label : s.labels.values())
      if (label < 0 || label >= s.classes) std::abort();
  } catch (const FileError& e) {
    check_one_line(e);
  }
  return 0;
}
