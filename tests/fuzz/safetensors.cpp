// Any bytes are a safetensors file that can be read to its last value, or a FileError; so is an index of shards.
#include "tenzo/io/safetensors.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

using namespace tenzo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    if (size > 0 && data[0] == '{') {
      detail::read_shard_index({reinterpret_cast<const char*>(data), size}, "fuzz");
      return 0;
    }
    const auto file = SafetensorsFile::parse(std::as_bytes(std::span(data, size)), nullptr, "fuzz");
    for (const auto& [name, tensor] : file.tensors()) {
      std::vector<float> all(std::size_t(tensor.size()));
      tensor.decode(all.data());
      if (file.tensors().find(name) != &tensor) __builtin_trap();
    }
  } catch (const FileError&) {}
  return 0;
}
