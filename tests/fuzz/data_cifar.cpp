// Any bytes are records of CIFAR-10 or CIFAR-100 (the first byte says which) or a FileError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "one_line.hpp"
#include "tenzo/data/cifar.hpp"

using namespace tenzo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Cifar set = data[0] % 2 ? Cifar::hundred() : Cifar::ten();
  try {
    const Samples<float> s = parse_cifar(set, std::as_bytes(std::span(data + 1, size - 1)), "input");
    if (s.size() * set.record() != std::int64_t(size) - 1) std::abort();
    for (const std::int64_t label : s.labels.values())
      if (label < 0 || label >= s.classes) std::abort();
  } catch (const FileError& e) {
    check_one_line(e);
  }
  return 0;
}
