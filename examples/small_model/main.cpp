// small_model: makes the small language model that ships with zo_llm, from text to a GGUF file: learns a byte-level BPE
// vocabulary, then a LLaMA of 316,000 weights by AdamW. See scripts/make_small_model.
//
// It reads rated snippets with their verdicts: of products in the words that the task sst2 asks for, "It was great" and
// "It was terrible"; of films in other words. So it can tell a good film from a bad one, but what the task's words are
// worth for a film it has only guessed from products. That is left to fine-tuning.
#include <algorithm>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "../shared/command_line.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/io/device_option.hpp"
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

struct Options {
  std::string films, products, out, device = "cpu";
  int vocabulary = 2048;
  std::int64_t steps = 600, batch = 32, length = 48;
  double verdict = 2;
  std::uint64_t seed = 1;
};

/// A vocabulary and its merges, in the order in which they were learnt.
struct Bpe {
  std::vector<std::string> tokens, merges;
};

/// A snippet with a verdict behind it, which begins at byte `verdict`.
struct Text {
  std::string text;
  std::size_t verdict = 0;
};

/// A text's tokens, and where its verdict's begin. A last token ends it.
struct Tokens {
  std::vector<int> ids;
  std::size_t verdict = 0;
};

/// Byte-pair encoding: the pair of neighbours that is most frequent in the words becomes a token, again and again.
///   Source  Sennrich, Haddow, Birch 2016, algorithm 1; ties go to the pair that comes first in the alphabet.
Bpe learn_bpe(const std::vector<Text>& texts, int vocabulary) {
  std::map<std::string, std::int64_t> counts;
  const auto stages = text::pre_tokenizers_by_name("smollm");
  for (const Text& t : texts)
    text::pre_tokenize(stages, {t.text, true}, [&](std::string_view word) { ++counts[std::string(word)]; });
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
  c.hidden_size = 64;
  c.intermediate_size = 176;
  c.num_hidden_layers = 4;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 1;
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

template <class T>
void save(const Llama<T>& m, const GgufMetadata& metadata, const std::string& path) {
  std::vector<TensorSpec> specs;
  std::vector<StoredTensor> tensors;
  for_each_leaf(
      [&](const Path& at, const T& w) {
        specs.push_back({llama_gguf_name(at.str()), gguf_dtype(DType::f16, w.shape()), w.shape()});
        tensors.push_back(StoredTensor::from(w.template to<Cpu>()));
      },
      m);
  write_gguf(path, metadata, specs, [&](std::size_t i) { return tensors[i]; });
}

/// Snippets of products with the verdicts of the task, and of films with verdicts in other words.
std::vector<Text> training_texts(const Options& o) {
  const std::vector<std::string> other_words[] = {{" bad", " awful"}, {" good", " wonderful"}};
  std::vector<Text> out;
  const auto add = [&](const std::string& path, auto&& verdict) {
    for (const TextExample& e : read_examples(Task::named("sst2"), path))
      out.push_back({e.prompt + verdict(e), e.prompt.size()});
  };
  add(o.films, [&](const TextExample& e) {
    const auto& words = other_words[e.label];
    constexpr std::uint32_t stream = 77;  // of the choice of words
    return words[philox4x32({std::uint32_t(out.size()), 0, stream, 0}, o.seed)[0] % words.size()];
  });
  add(o.products, [](const TextExample& e) { return e.candidates[std::size_t(e.label)]; });
  return out;
}

/// The last `longest` tokens of a text.
Tokens tokens_of(const Text& t, const Tokenizer& tokenizer, std::int64_t longest) {
  Tokens out{tokenizer.encode(t.text.substr(0, t.verdict), false), 0};
  out.verdict = out.ids.size();
  for (const int id : tokenizer.encode(t.text.substr(t.verdict), false)) out.ids.push_back(id);
  out.ids.push_back(tokenizer.eos());
  const auto cut = std::max<std::int64_t>(0, std::int64_t(out.ids.size()) - longest);
  out.ids.erase(out.ids.begin(), out.ids.begin() + cut);
  out.verdict -= std::size_t(cut);
  return out;
}

/// Texts packed for a step, with the token that follows each: of all, and of verdicts alone.
struct Packed {
  PackedTokens tokens;
  Indices next, verdicts;
};

Packed packed(const std::vector<Tokens>& texts, std::span<const std::int64_t> which) {
  constexpr std::int64_t nothing = -100;
  Packed out;
  std::vector<std::int64_t> next, verdicts;
  for (const std::int64_t i : which) {
    const Tokens& t = texts[std::size_t(i)];
    out.tokens.append(t.ids);
    for (std::size_t k = 1; k <= t.ids.size(); ++k) {
      next.push_back(k < t.ids.size() ? t.ids[k] : nothing);
      verdicts.push_back(k >= t.verdict && k + 1 < t.ids.size() ? t.ids[k] : nothing);
    }
  }
  const Shape all{std::int64_t(next.size())};
  out.next = Indices::from(all, next);
  out.verdicts = Indices::from(all, verdicts);
  return out;
}

template <class D>
int run(D, const Options& o) {
  using T = Tensor<float, D>;
  const std::vector<Text> texts = training_texts(o);
  const Bpe bpe = learn_bpe(texts, o.vocabulary);
  const LlamaConfig config = small_config(std::int64_t(bpe.tokens.size()));
  const GgufMetadata metadata = metadata_of(config, bpe);

  std::uint32_t number = 0;
  auto model = map_tree<T>(llama_spec(config), [&](const Path&, const Expected& e) {
    if (e.shape().rank() == 1) return T::ones(e.shape());
    Tensor<float> w(e.shape());
    fill_matrix(Law::normal, NoiseKey{o.seed, 0, 0, number++}.of(Purpose::initialisation), w.dim(0), w.dim(1),
                w.data());
    return scale(w, 0.02).template to<D>();
  });
  save(model, metadata, o.out);  // the tokenizer is read as everybody reads it
  const Tokenizer tokenizer = tokenizer_from_gguf(GgufFile::open(o.out));
  std::vector<Tokens> encoded;
  for (const Text& t : texts) encoded.push_back(tokens_of(t, tokenizer, o.length));

  const Adam adam{.lr = 2e-3, .weight_decay = 0.05};
  Adam::State<Llama<T>> state;
  Schedule schedule{.kind = Schedule::Kind::cosine, .steps = o.steps, .warmup = o.steps / 20 + 1, .final = 0.05};
  double smooth = 0;
  {
    Progress bar("pretraining", o.steps);
    for (std::int64_t step = 0; step < o.steps; ++step) {
      const auto n = std::int64_t(encoded.size()), size = std::min(o.batch, n), per_epoch = n / size;
      const auto order = shuffled(n, o.seed, std::uint32_t(100 + step / per_epoch));
      Packed p = packed(encoded, std::span(order).subspan(std::size_t(step % per_epoch * size), std::size_t(size)));
      const auto batch = model.batch(std::move(p.tokens));
      auto g = value_and_grad(
          [&](const auto& m) {
            const auto scores = m.logits(batch);
            return add(cross_entropy(scores, p.next), scale(cross_entropy(scores, p.verdicts), o.verdict));
          },
          model);
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
  app.add_option("--films", o.films, "Rated snippets (id, rating, text) of films")->required();
  app.add_option("--products", o.products, "Rated snippets of products")->required();
  app.add_option("--out", o.out, "GGUF file to write")->required();
  app.add_option("--vocabulary", o.vocabulary, "Tokens")->check(CLI::Range(300, 65536))->capture_default_str();
  app.add_option("--steps", o.steps, "Steps of AdamW")
      ->check(CLI::Range(std::int64_t(1), std::int64_t(1) << 40))
      ->capture_default_str();
  app.add_option("--batch", o.batch, "Texts a step")
      ->check(CLI::Range(std::int64_t(1), std::int64_t(1) << 40))
      ->capture_default_str();
  app.add_option("--length", o.length, "Tokens of a text at most")->check(CLI::Range(8, 256))->capture_default_str();
  app.add_option("--verdict", o.verdict, "Weight of the verdicts beside all tokens")->capture_default_str();
  app.add_option("--device", o.device, "cpu or cuda")->capture_default_str();
  app.add_option("--seed", o.seed, "Seed of weights and order")->capture_default_str();
  try {
    app.parse(argc, argv);
    return on_device(device_named(o.device), [&](auto device) { return run(device, o); });
  } catch (const CLI::ParseError& e) {
    return e.get_exit_code() == 0 ? app.exit(e) : command_line::refused("small_model", app, e);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "small_model: %s\n", e.what());
    return 2;
  }
}
