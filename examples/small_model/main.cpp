// small_model: makes the small language model that ships with zo_llm, from text to a GGUF file: learns a byte-level BPE
// vocabulary, then a LLaMA of about a million weights by AdamW. See scripts/make_small_model.
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/io/gguf_writer.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/io/task_split.hpp"
#include "tenzo/io/tokenizer/gguf.hpp"
#include "tenzo/models/language_model.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/optim/schedule.hpp"

namespace {

using namespace tenzo;
using T = Tensor<float>;

struct Options {
  std::vector<std::string> texts;
  std::string out;
  int vocabulary = 2048;
  std::int64_t steps = 1500, batch = 32, length = 48;
  std::uint64_t seed = 1;
};

/// A vocabulary and its merges, in the order in which they were learnt.
struct Bpe {
  std::vector<std::string> tokens, merges;
};

/// Byte-pair encoding: the pair of neighbours that is most frequent in the words becomes a token, again and again.
///   Source  Sennrich, Haddow, Birch 2016, algorithm 1; ties go to the pair that comes first in the alphabet.
Bpe learn_bpe(const std::vector<std::string>& texts, int vocabulary) {
  std::map<std::string, std::int64_t> counts;
  const auto stages = text::pre_tokenizers_by_name("smollm");
  for (const std::string& t : texts)
    text::pre_tokenize(stages, {t, true}, [&](std::string_view word) { ++counts[std::string(word)]; });
  Bpe bpe;
  bpe.tokens = {"<|end|>"};
  std::string one;
  for (int b = 0; b < 256; ++b) {
    one.clear();
    const char c = char(b);
    text::append_in_byte_alphabet(one, std::string_view(&c, 1));
    bpe.tokens.push_back(one);
  }
  struct Word {
    std::vector<std::string> parts;
    std::int64_t count;
  };
  std::vector<Word> words;
  for (const auto& [word, count] : counts) {
    Word w{{}, count};
    for (const char c : word) {
      one.clear();
      text::append_in_byte_alphabet(one, std::string_view(&c, 1));
      w.parts.push_back(one);
    }
    words.push_back(std::move(w));
  }
  while (int(bpe.tokens.size()) < vocabulary) {
    std::map<std::pair<std::string, std::string>, std::int64_t> pairs;
    for (const Word& w : words)
      for (std::size_t i = 0; i + 1 < w.parts.size(); ++i) pairs[{w.parts[i], w.parts[i + 1]}] += w.count;
    if (pairs.empty()) break;
    const auto best =
        std::max_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best->second < 2) break;
    const auto [left, right] = best->first;
    bpe.merges.push_back(left + " " + right);
    bpe.tokens.push_back(left + right);
    for (Word& w : words)
      for (std::size_t i = 0; i + 1 < w.parts.size(); ++i)
        if (w.parts[i] == left && w.parts[i + 1] == right) {
          w.parts[i] += right;
          w.parts.erase(w.parts.begin() + std::ptrdiff_t(i) + 1);
        }
  }
  return bpe;
}

LlamaConfig small_config(std::int64_t vocabulary) {
  LlamaConfig c;
  c.vocab_size = vocabulary;
  c.hidden_size = 128;
  c.intermediate_size = 352;
  c.num_hidden_layers = 4;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 32;
  c.max_position_embeddings = 256;
  c.rms_norm_eps = 1e-5;
  c.tie_word_embeddings = true;
  c.rope_layout = RopeLayout::interleaved;
  return c;
}

GgufMetadata metadata_of(const LlamaConfig& c, const Bpe& bpe) {
  GgufMetadata m;
  const auto size = [](std::int64_t n) { return GgufValue(std::uint32_t(n)); };
  m.append("general.architecture", "llama");
  m.append("general.name", "tenzo small reviews");
  m.append("llama.vocab_size", size(c.vocab_size));
  m.append("llama.context_length", size(c.max_position_embeddings));
  m.append("llama.embedding_length", size(c.hidden_size));
  m.append("llama.block_count", size(c.num_hidden_layers));
  m.append("llama.feed_forward_length", size(c.intermediate_size));
  m.append("llama.rope.dimension_count", size(c.head_dim));
  m.append("llama.attention.head_count", size(c.num_attention_heads));
  m.append("llama.attention.head_count_kv", size(c.num_key_value_heads));
  m.append("llama.attention.layer_norm_rms_epsilon", GgufValue(float(c.rms_norm_eps)));
  m.append("llama.rope.freq_base", GgufValue(float(c.rope_theta)));
  m.append("general.file_type", GgufValue(gguf_file_type(DType::f16)));
  m.append("tokenizer.ggml.model", "gpt2");
  m.append("tokenizer.ggml.pre", "smollm");
  std::vector<std::int32_t> types(bpe.tokens.size(), 1);
  types[0] = 3;
  m.append("tokenizer.ggml.tokens", GgufValue::array(bpe.tokens));
  m.append("tokenizer.ggml.token_type", GgufValue::array(types));
  m.append("tokenizer.ggml.merges", GgufValue::array(bpe.merges));
  m.append("tokenizer.ggml.bos_token_id", size(0));
  m.append("tokenizer.ggml.eos_token_id", size(0));
  m.append("tokenizer.ggml.add_bos_token", GgufValue(false));
  return m;
}

void save(const Llama<T>& m, const GgufMetadata& metadata, const std::string& path) {
  std::vector<TensorSpec> specs;
  std::vector<StoredTensor> tensors;
  for_each_leaf(
      [&](const Path& at, const T& w) {
        specs.push_back({llama_gguf_name(at.str()), gguf_dtype(DType::f16, w.shape()), w.shape()});
        tensors.push_back(StoredTensor::from(w));
      },
      m);
  write_gguf(path, metadata, specs, [&](std::size_t i) { return tensors[i]; });
}

/// Texts of rated snippets; half of them carry the verdict that the task asks for.
std::vector<std::string> training_texts(const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    std::size_t i = 0;
    for (const TextExample& e : read_examples(Task::named("sst2"), path))
      out.push_back(i++ % 2 == 0 ? e.prompt + e.candidates[std::size_t(e.label)] : e.text);
  }
  return out;
}

int run(const Options& o) {
  const std::vector<std::string> texts = training_texts(o.texts);
  const Bpe bpe = learn_bpe(texts, o.vocabulary);
  const LlamaConfig config = small_config(std::int64_t(bpe.tokens.size()));
  const GgufMetadata metadata = metadata_of(config, bpe);

  std::uint32_t number = 0;
  auto model = map_tree<T>(llama_spec(config), [&](const Path&, const Expected& e) {
    if (e.shape().rank() == 1) return T::ones(e.shape());
    T w(e.shape());
    fill_matrix(Law::normal, NoiseKey{o.seed, 0, 0, number++}.of(Purpose::initialisation), w.dim(0), w.dim(1),
                w.data());
    return scale(w, 0.02);
  });
  save(model, metadata, o.out);  // the tokenizer is read as everybody reads it
  const Tokenizer tokenizer = tokenizer_from_gguf(GgufFile::open(o.out));
  std::vector<std::vector<int>> encoded;
  for (const std::string& t : texts) {
    encoded.push_back(tokenizer.encode(t, false));
    encoded.back().push_back(tokenizer.eos());
    if (std::int64_t(encoded.back().size()) > o.length) encoded.back().resize(std::size_t(o.length));
  }

  const Adam adam{.lr = 2e-3, .weight_decay = 0.05};
  Adam::State<Llama<T>> state;
  Schedule schedule{.kind = Schedule::Kind::cosine, .steps = o.steps, .warmup = o.steps / 20 + 1, .final = 0.05};
  double smooth = 0;
  {
    Progress bar("pretraining", o.steps);
    for (std::int64_t step = 0; step < o.steps; ++step) {
      PackedTokens packed;
      std::vector<std::int64_t> next;
      const auto n = std::int64_t(encoded.size()), per_epoch = std::max<std::int64_t>(1, n / o.batch);
      const auto order = shuffled(n, o.seed, std::uint32_t(100 + step / per_epoch));
      for (std::int64_t i = 0; i < std::min(o.batch, n); ++i) {
        const auto& ids = encoded[std::size_t(order[std::size_t(step % per_epoch * std::min(o.batch, n) + i)])];
        packed.append(ids);
        for (std::size_t t = 0; t < ids.size(); ++t) next.push_back(t + 1 < ids.size() ? ids[t + 1] : -100);
      }
      const Indices labels = Indices::from(Shape{std::int64_t(next.size())}, next);
      const auto batch = model.batch(std::move(packed));
      auto g = value_and_grad([&](const auto& m) { return cross_entropy(m.logits(batch), labels); }, model);
      clip_norm_(g.grad, 1.0);
      adam.step(state, model, g.grad, schedule(step));
      smooth = step == 0 ? double(g.value.item()) : 0.98 * smooth + 0.02 * double(g.value.item());
      bar.update(step + 1, cat("loss ", smooth));
    }
  }
  save(model, metadata, o.out);
  std::printf("%s: %lld weights, vocabulary %zu, loss %.3f\n", o.out.c_str(),
              static_cast<long long>(count_elements(model)), bpe.tokens.size(), smooth);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Pretrains the small language model that ships with zo_llm.");
  app.add_option("--texts", o.texts, "Files of rated snippets (id, rating, text)")->required();
  app.add_option("--out", o.out, "GGUF file to write")->required();
  app.add_option("--vocabulary", o.vocabulary, "Tokens")->check(CLI::Range(300, 65536))->capture_default_str();
  app.add_option("--steps", o.steps, "Steps of AdamW")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--batch", o.batch, "Texts a step")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--length", o.length, "Tokens of a text at most")->check(CLI::Range(8, 256))->capture_default_str();
  app.add_option("--seed", o.seed, "Seed of weights and order")->capture_default_str();
  try {
    app.parse(argc, argv);
    return run(o);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "small_model: %s\n", e.what());
    return 2;
  }
}
