// Any bytes are a NumPy array that can be read to its last element, or a FileError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "one_line.hpp"
#include "tenzo/data/npy.hpp"

using namespace tenzo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const NpyArray a = parse_npy(std::as_bytes(std::span(data, size)), "input");
    if (a.as<float>().size() != a.shape.numel() || std::int64_t(a.bytes.size()) < a.shape.numel()) std::abort();
  } catch (const FileError& e) {
    check_one_line(e);
  }
  return 0;
}
