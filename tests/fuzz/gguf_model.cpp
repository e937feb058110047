// A GGUF file as a model: any bytes end in FileError, or in a tokenizer whose ids are in range and weights that have
// the shapes of their configuration.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string_view>

#include "tenzo/io/tokenizer/gguf.hpp"
#include "tenzo/models/llama_gguf.hpp"
#include "tokenizer.hpp"

using namespace tenzo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::optional<GgufFile> file;
  try {
    file = GgufFile::parse(std::as_bytes(std::span(data, size)), nullptr, "input");
    const Llama<StoredTensor> m = load_llama(*file);
    if (m.depth() != std::size_t(m.config.num_hidden_layers)) std::abort();
  } catch (const FileError& e) {
    check_one_line(e);
  }
  if (!file) return 0;
  check_tokenizer({reinterpret_cast<const char*>(data), size}, [&] { return tokenizer_from_gguf(*file); });
  return 0;
}
