// config.json: any bytes end in FileError or in a configuration whose model's shapes can be written down.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "one_line.hpp"
#include "tenzo/models/configs.hpp"
#include "tenzo/models/llama_config.hpp"

using namespace tenzo;

namespace {

/// The leaves of a model, unless they are very many: then it is enough that it was made.
template <class M>
void check(const M& model, std::int64_t layers) {
  if (layers > 64) return;
  std::int64_t leaves = 0;
  for_each_leaf(
      [&](const Path& at, const Expected& e) {
        if (e.defined() && (e.shape().numel() <= 0 || at.str().empty())) std::abort();
        leaves += e.defined();
      },
      model);
  if (leaves < 2 * layers) std::abort();
}

void read(const JsonObject& j) {
  const std::string type = j.text("model_type");
  if (type == "opt") {
    const OptConfig c = opt_config(j);
    return check(opt_spec(c), c.num_hidden_layers);
  }
  if (type == "gpt2") {
    const Gpt2Config c = gpt2_config(j);
    return check(gpt2_spec(c), c.n_layer);
  }
  if (type == "bert" || type == "roberta") {
    const BertConfig c = bert_config(j);
    if (c.first_position < 0 || c.first_position >= c.max_position_embeddings) std::abort();
    return check(roberta_spec(c), c.num_hidden_layers);
  }
  if (type != "t5") {
    const LlamaConfig c = llama_config(j);
    return check(llama_spec(c), c.num_hidden_layers);
  }
  const T5Config c = t5_config(j);
  if (c.decoder_start_token_id < 0 || c.decoder_start_token_id >= c.vocab_size) std::abort();
  for (const bool both : {false, true})
    for (std::int64_t far = 1; far < (std::int64_t(1) << 31); far *= 2)
      for (const std::int64_t relative : {-far, far - 1, far}) {
        const std::int64_t b = t5_bucket(relative, both, c.buckets, c.max_distance);
        if (b < 0 || b >= c.buckets) std::abort();
      }
  check(t5_spec(c), std::max(c.num_layers, c.num_decoder_layers));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    read(JsonObject::parse({reinterpret_cast<const char*>(data), size}, "input"));
  } catch (const FileError& e) {
    check_one_line(e);
  }
  return 0;
}
