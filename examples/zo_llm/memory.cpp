#include "memory.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include <nlohmann/json.hpp>

#include "files.hpp"
#include "fo_run.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "zo_run.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

/// All of the model is trained by back-propagation.
bool is_first_order(const std::string& method) { return back_propagates(method) && method != "hybrid"; }

/// Numbers of a scheme's trained weights.
double trained_count(const LlamaConfig& c, const Model& m, const std::string& scheme) {
  const double layers = double(c.num_hidden_layers), kv = double(c.num_key_value_heads * c.head_dim);
  const double q = double(c.num_attention_heads * c.head_dim), h = double(c.hidden_size);
  if (scheme == "lora") return layers * 8 * (h + q + h + kv);
  if (scheme == "prefix") return layers * 2 * 5 * kv;
  if (scheme == "prompt") return 10 * h;
  if (scheme == "head") return double(c.vocab_size) * h;
  return double(count_elements(m));
}

}  // namespace

MemoryEstimate predict_memory(const Model& m, const std::string& dtype, const MemoryCase& k) {
  const LlamaConfig& c = m.config;
  const double h = double(c.hidden_size), f = double(c.intermediate_size),
               q = double(c.num_attention_heads * c.head_dim);
  const double kv = double(c.num_key_value_heads * c.head_dim), layers = double(c.num_hidden_layers);
  const double tokens = double(k.batch * (k.length + (k.scheme == "prompt" ? 10 : 0)));
  const double trained = trained_count(c, m, k.scheme), all = double(count_elements(m));
  MemoryEstimate e;
  for_each_leaf([&](const Path&, const StoredTensor& w) { e.weights += double(w.nbytes()); }, m);
  if (dtype == "f32") e.weights = 4 * all;
  if (dtype == "bf16") e.weights = 2 * all;
  if (k.scheme != "full") e.weights += 4 * trained;
  if (is_first_order(k.method)) {
    const double per_token = 4 * h + 2 * q + 2 * kv + 3 * f;
    e.gradients = 4 * trained;
    e.state = k.method == "adam" ? 8 * trained : 0;
    e.kept = 4 * tokens * (k.scheme == "head" ? 2 * h + 3 * f : layers * per_token);
    if (k.scheme == "full") e.table = 4 * double(c.vocab_size) * h;
  } else {
    e.state = k.method == "zo-mmt"         ? 4 * trained
              : k.method == "zo-adam"      ? 8 * trained
              : k.method == "forward-grad" ? 4 * trained
                                           : 0;
    // Dual numbers want floats.
    if (k.method == "forward-grad" && dtype != "f32") e.state += 4 * all;
    const double sides = k.method == "inference" ? 1 : 2;  // two points, or value and tangent
    e.passing = 4 * tokens * sides * (2 * h + 2 * f);
  }
  return e;
}

std::int64_t measure_memory(const std::string& model, const std::string& dtype, int threads, const MemoryCase& c) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw Error("memory: no pipe for a process");
  const std::vector<std::string> words = {"zo_llm",    "memory-step", "--model",  model,        "--dtype",  dtype,
                                          "--threads", cat(threads),  "--method", c.method,     "--scheme", c.scheme,
                                          "--batch",   cat(c.batch),  "--length", cat(c.length)};
  std::vector<char*> arguments;
  for (const std::string& w : words) arguments.push_back(const_cast<char*>(w.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw Error("memory: no process could be started");
  if (child == 0) {
    ::dup2(ends[1], 1);
    ::close(ends[0]);
    ::execv("/proc/self/exe", arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string text;
  std::array<char, 256> part{};
  for (ssize_t n; (n = ::read(ends[0], part.data(), part.size())) > 0;) text.append(part.data(), std::size_t(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw Error(cat("memory: the step of ", c.method, ", ", c.scheme, " failed"));
  return std::strtoll(text.c_str(), nullptr, 10);
}

int memory_step(const MemoryStep& o) {
  apply_machine_options(o);
  LanguageModel base = load_language_model(o.model, weight_format(o.dtype));
  const MemoryCase& c = o.what;
  std::vector<EncodedExample> examples(static_cast<std::size_t>(c.batch));
  for (std::int64_t i = 0; i < c.batch; ++i) {
    EncodedExample& e = examples[std::size_t(i)];
    e.prompt = tenzo::detail::random_tokens(1, std::uint32_t(i), c.length, base.model.config.vocab_size);
    for (const int answer : {1, 2}) {
      e.full.push_back(e.prompt);
      e.full.back().push_back(answer);
      e.option_length.push_back(1);
    }
    e.label = int(i % 2);
  }
  Batch batch;
  for (const EncodedExample& e : examples) batch.push_back(&e);
  Placed model(base.model, device_named(o.device));
  std::unique_ptr<Run> run;
  if (c.method == "inference") {
    const auto scored = scoring_batch(base.model, batch);
    model.visit([&](const auto& m) {
      const auto probes = tenzo::detail::as_probes(m);
      for (int i = 0; i < 2; ++i) scoring_loss(probes, scored, TaskLoss::classification);
    });
  } else if (is_first_order(c.method)) {
    FoSettings s;
    s.method = c.method;
    s.adapters.scheme = scheme_named(c.scheme);
    s.sgd.lr = s.adam.lr = 1e-9;
    run = std::make_unique<FoRun>(model, s);
  } else {
    ZoSettings s;
    s.method = c.method;
    s.adapters.scheme = scheme_named(c.scheme);
    s.format = weight_format(o.dtype);
    s.update.lr = 1e-9;
    run = std::make_unique<ZoRun>(model, s);
  }
  for (int i = 0; run && i < 2; ++i) run->step(batch, TaskLoss::classification);
  std::printf("%lld\n", static_cast<long long>(peak_memory()));
  return 0;
}

int memory(const Memory& o) {
  apply_machine_options(o);
  require(o.device == "cpu", "memory: what is measured is the memory of a process on the CPU; want --device cpu");
  check_outputs({o.model}, {o.json});
  check_file(o.json);
  weight_format(o.dtype);  // refuses an unknown one
  const LanguageModel m = load_language_model(o.model, WeightFormat::file);
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  std::printf("batch %lld x length %lld, --dtype %s\n%-13s %-7s %12s %12s\n", static_cast<long long>(o.batch),
              static_cast<long long>(o.length), o.dtype.c_str(), "method", "scheme", "predicted MB", "measured MB");
  for (const char* scheme : {"full", "lora", "prefix", "prompt", "head"})
    for (const char* method : {"zo-sgd", "zo-sign", "zo-cons", "zo-mmt", "zo-adam", "forward-grad", "sgd", "adam"}) {
      const MemoryCase c{method, scheme, o.batch, o.length};
      if (o.dtype != "f32" && is_first_order(method)) continue;
      if (o.dtype == "file" && std::string(scheme) == "full") continue;
      const MemoryEstimate e = predict_memory(m.model, o.dtype, c);
      std::optional<std::int64_t> measured;
      if (!o.no_measure) measured = measure_memory(o.model, o.dtype, o.threads, c);
      std::printf("%-13s %-7s %12.0f %12s\n", method, scheme, e.total() / 1e6,
                  measured ? cat(*measured / 1000000).c_str() : "-");
      std::fflush(stdout);
      out.push_back({{"method", method},
                     {"scheme", scheme},
                     {"weights", e.weights},
                     {"state", e.state},
                     {"gradients", e.all_gradients()},
                     {"activations", e.activations()},
                     {"predicted", e.total()}});
      if (measured) out.back()["measured"] = *measured;
    }
  if (!o.json.empty()) write_file(o.json, out.dump(1) + "\n");
  return 0;
}

}  // namespace zo_llm
