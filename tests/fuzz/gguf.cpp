// Any bytes are a GGUF file that can be read to its last value, or a FileError.
#include "tenzo/io/gguf.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

using namespace tenzo;

namespace {

std::int64_t read_all(const GgufValue& v) {
  std::int64_t n = 1;
  if (v.type() == GgufType::array) v.for_each([&](const GgufValue& item) { n += read_all(item); });
  else if (v.type() == GgufType::text) n += std::int64_t(v.text().size());
  else if (v.type() == GgufType::boolean) n += v.boolean();
  else if (v.type() != GgufType::u64) n += v.number() > 0;
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = GgufFile::parse(std::as_bytes(std::span(data, size)), nullptr, "fuzz");
    for (const auto& [key, value] : file.metadata()) read_all(value);
    for (const auto& [name, tensor] : file.tensors()) {
      std::vector<float> row(std::size_t(tensor.cols()));
      for (std::int64_t i = 0; i < tensor.rows(); ++i) tensor.decode(i, 1, 0, tensor.cols(), row.data(), tensor.cols());
      if (file.tensors().find(name) != &tensor) __builtin_trap();
    }
  } catch (const FileError&) {}
  return 0;
}
