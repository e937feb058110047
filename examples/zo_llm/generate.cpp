#include <cstdio>
#include <string_view>

#include "commands.hpp"
#include "files.hpp"
#include "tenzo/models/generation.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

/// Bytes of a text without the character at its end that is not whole yet: a token may be a part of one.
std::size_t whole_characters(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  std::size_t lead = text.size();
  while (lead > 0 && text.size() - lead < 3 && (byte(lead - 1) & 0xc0) == 0x80) --lead;
  if (lead == 0) return text.size();
  const unsigned char b = byte(lead - 1);
  const std::size_t length = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : 1;
  return text.size() - (lead - 1) < length ? lead - 1 : text.size();
}

}  // namespace

int generate(const Generate& o) {
  apply_machine_options(o);
  require(o.tokens > 0, "--tokens is ", o.tokens, "; want a positive number");
  require(o.top_p > 0 && o.top_p <= 1, "--top-p is ", o.top_p, "; want above 0, at most 1");
  LanguageModel m = load_language_model(o.model, weight_format(o.dtype));
  const std::vector<int> prompt = m.tokenizer.encode(o.prompt, true);
  require(!prompt.empty(), "--prompt is empty");
  require(std::int64_t(prompt.size()) < m.model.config.max_position_embeddings, "--prompt has ", prompt.size(),
          " tokens; the context has ", m.model.config.max_position_embeddings);
  std::vector<int> all = prompt;
  std::size_t shown = 0;
  const auto show = [&](bool last = false) {
    const std::string text = m.tokenizer.decode(all);
    const std::size_t end = last ? text.size() : whole_characters(text);
    if (end > shown) std::fwrite(text.data() + shown, 1, end - shown, stdout);
    shown = std::max(shown, end);
    std::fflush(stdout);
  };
  show();
  Placed(m.model, device_named(o.device)).visit([&](const auto& model) {
    tenzo::generate(
        detail::as_probes(model), prompt, o.tokens,
        SamplingOptions{.temperature = o.temperature, .top_k = o.top_k, .top_p = o.top_p, .seed = o.seed},
        [&](const auto& y) {
          const Tensor<float> logits = y.read(0).template to<Cpu>();
          check_finite(o.model, logits.values());
          return logits;
        },
        [&](int token) {
          if (token == m.tokenizer.eos()) return false;
          all.push_back(token);
          show();
          return true;
        });
  });
  show(true);
  std::printf("\n");
  return 0;
}

}  // namespace zo_llm
