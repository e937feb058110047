// The file of the real model, where it is there: what it holds, and that it comes out of our writer byte for byte.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "files.hpp"
#include "real_models.hpp"
#include "tenzo/io/gguf.hpp"
#include "tenzo/io/gguf_writer.hpp"
#include "tenzo/io/model_hash.hpp"

using namespace tenzo;

TEST_CASE("gguf: SmolLM2, read and written") {
  const std::string path = model_file("TENZO_SMOLLM2", "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
  if (path.empty()) return;
  const GgufFile f = GgufFile::open(path);
  CHECK(f.metadata().size() == 33);
  CHECK(f.text("general.architecture") == "llama");
  CHECK(f.integer("llama.block_count") == 30);
  CHECK(f.number("llama.rope.freq_base") == 100000.0);
  CHECK(f.texts("tokenizer.ggml.tokens").size() == 49152);

  REQUIRE(f.tensors().size() == 272);
  CHECK(f.tensor("token_embd.weight").shape() == Shape{49152, 576});
  CHECK(f.tensor("token_embd.weight").dtype() == DType::q8_0);
  CHECK(f.tensor("blk.0.ffn_gate.weight").shape() == Shape{1536, 576});
  CHECK(f.tensor("blk.0.ffn_gate.weight").dtype() == DType::q4_1);
  std::int64_t weights = 0;
  for (const auto& [name, t] : f.tensors()) weights += t.size();
  CHECK(weights == 134515008);
  const auto release = [&](std::span<const std::byte> part) { f.release(part); };
  CHECK(model_hash(f.tensors(), release) == 0x9c6a3488a0159341u);

  const TestFolder folder;
  std::vector<TensorSpec> specs;
  for (const auto& [name, t] : f.tensors()) specs.push_back({name, t.dtype(), t.shape()});
  write_gguf(folder / "copy.gguf", f.metadata(), specs, [&](std::size_t i) { return f.tensors()[i].tensor; });
  const auto a = MappedFile::open(path), b = MappedFile::open(folder / "copy.gguf");
  CHECK(std::ranges::equal(a->bytes(), b->bytes()));
}
