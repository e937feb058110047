#include "finetune_setup.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>

#include "fo_run.hpp"
#include "zo_run.hpp"

namespace zo_llm {

using namespace tenzo;
using namespace tenzo::zo;

void check_directions(const Finetune& o) {
  require(o.directions != "coordinate", "--directions coordinate: one element a step of millions; want gaussian, ",
          "rademacher or sphere");
  require(!back_propagates(o.method) || (o.blocks.empty() && o.mask.empty()), "--method ", o.method,
          " takes neither --blocks nor --mask");
  require(o.blocks.empty() || o.queries == 1, "--blocks takes one direction a block, not --queries ", o.queries);
  require(block_order(o.order) == BlockOrder::jacobi || !o.blocks.empty(), "--order ", o.order, " wants --blocks");
  require(o.order == "jacobi" || o.method != "forward-grad", "--order ", o.order, " wants differences: --method ",
          o.method, " has none");
  if (o.mask.empty()) return;
  const MaskRule mask = MaskRule::parse(o.mask);
  require(mask.kind != MaskRule::Kind::magnitude || o.scheme != "lora",
          "--mask magnitude: the adapters of --scheme lora begin at zero; want --mask random:SHARE");
  require(o.weight_decay == 0, "--mask with --weight-decay: it would shrink the weights that the mask leaves alone");
}

AdapterOptions adapter_options(const Finetune& o, std::size_t depth) {
  AdapterOptions a;
  a.seed = o.seed;
  a.scheme = scheme_named(o.scheme);
  a.rank = o.lora_rank;
  a.alpha = o.lora_alpha;
  a.prefix = o.prefix;
  a.prompt = o.prompt;
  if (!o.layers.empty()) {
    const char *from = o.layers.data(), *end = from + o.layers.size();
    const auto first = std::from_chars(from, end, a.first_layer);
    const bool colon = first.ec == std::errc() && first.ptr != end && *first.ptr == ':';
    const auto last = std::from_chars(colon ? first.ptr + 1 : end, end, a.last_layer);
    require(colon && last.ec == std::errc() && last.ptr == end, "--layers is '", o.layers, "'; want A:B");
    require(a.first_layer < a.last_layer && a.last_layer <= depth, "--layers ", o.layers, " of a model with ", depth,
            " blocks");
  }
  return a;
}

Batch batch_of(const std::vector<EncodedExample>& train, std::uint64_t seed, std::int64_t step, std::int64_t batch) {
  const auto n = std::int64_t(train.size()), size = std::min(batch, n), per_epoch = n / size;
  const auto order = shuffled(n, seed, std::uint32_t(0x20000000 + step / per_epoch));
  Batch out;
  for (std::int64_t i = 0; i < size; ++i)
    out.push_back(&train[std::size_t(order[std::size_t(step % per_epoch * size + i)])]);
  return out;
}

namespace {

/// A rate as an option says it; NaN for one that is to be chosen.
double rate(const std::string& s, const char* option) {
  if (s == "auto") return NAN;
  double x = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), x);
  require(error == std::errc() && end == s.data() + s.size() && x > 0 && std::isfinite(x), option, " is '", s,
          "'; want auto or a positive number");
  return x;
}

ZoSettings settings_of(const Finetune& o, const LanguageModel& base, const EncodedTask& task) {
  ZoSettings s;
  s.method = o.method;
  s.adapters = adapter_options(o, base.model.depth());
  s.format = weight_format(o.dtype);
  s.probe.law = direction_law(o.directions);
  s.probe.queries = o.queries;
  s.probe.two_sided = !o.one_sided;
  s.probe.rank = o.rank;
  if (!o.mask.empty()) s.mask = MaskRule::parse(o.mask);
  s.order = block_order(o.order);
  s.update.lr = rate(back_propagates(o.method) ? o.zo_lr : o.lr, back_propagates(o.method) ? "--zo-lr" : "--lr");
  s.probe.eps = rate(o.eps, "--eps");
  s.update.momentum = o.momentum;
  s.update.weight_decay = o.weight_decay;
  s.schedule.kind = Schedule::kind_of(o.schedule);
  if (s.schedule.decays()) s.schedule.steps = o.steps;  // else a resumed run may be longer
  s.seed = o.seed;
  s.base = base.hash;
  s.data = {{"task", o.task}, {"batch", cat(o.batch)}, {"examples", cat(fingerprint(task))}};
  return s;
}

/// Ranges of leaves from --blocks: `layers` makes one of each transformer block and one of the rest, a number K makes K
/// of about equal size. Only trained leaves count.
std::vector<LeafRange> blocks_of(const Finetune& o, const ZoRun& run, const Model& model) {
  std::vector<LeafRange> out;
  if (o.blocks.empty()) return out;
  std::vector<std::uint32_t> numbers;  // of the trained leaves
  std::vector<std::int64_t> sizes;
  std::vector<std::string> blocks;
  std::uint32_t n = 0;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        const std::uint32_t number = n++;
        if (!run.trained()[number]) return;
        const std::string name = at.str();
        numbers.push_back(number);
        sizes.push_back(w.size());
        blocks.push_back(name.substr(0, name.find('.', std::string_view("model.layers.").size())));
      },
      model);
  if (o.blocks == "layers") {
    for (std::size_t i = 0; i < blocks.size(); ++i)
      if (i == 0 || blocks[i] != blocks[i - 1]) out.push_back({numbers[i], numbers[i] + 1});
      else out.back().last = numbers[i] + 1;
    return out;
  }
  std::int64_t k = 0;
  const auto [end, error] = std::from_chars(o.blocks.data(), o.blocks.data() + o.blocks.size(), k);
  require(error == std::errc() && end == o.blocks.data() + o.blocks.size() && k > 0 && k <= std::int64_t(sizes.size()),
          "--blocks is '", o.blocks, "'; want layers or a number from 1 to ", sizes.size());
  for (const LeafRange& r : equal_blocks(sizes, std::size_t(k)))
    out.push_back({numbers[r.first], numbers[r.last - 1] + 1});
  return out;
}

}  // namespace

std::unique_ptr<Run> make_run(const Finetune& o, const LanguageModel& base, Placed& model, const EncodedTask& task,
                              const std::string& live) {
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < 16; ++i) batches.push_back(batch_of(task.train, o.seed, i, o.batch));
  ZoSettings zo = settings_of(o, base, task);
  const bool fresh = !(o.resume && std::filesystem::exists(live));
  const auto announce = [&](const std::string& text) {
    const bool lr = o.lr == "auto", eps = o.eps == "auto", zo_lr = o.zo_lr == "auto";
    if (fresh && (lr || (eps && o.method != "sgd" && o.method != "adam") || (zo_lr && o.method == "hybrid")))
      std::printf("%s: %s (auto)\n", o.method.c_str(), text.c_str());
  };

  if (back_propagates(o.method)) {
    FoSettings s;
    s.method = o.method;
    s.adapters = zo.adapters;
    s.adapters.seed = s.seed = o.seed;
    s.base = base.hash;
    s.schedule = zo.schedule;
    s.sgd.weight_decay = s.adam.weight_decay = o.weight_decay;
    s.zo = zo;
    if (o.method == "hybrid") {
      require(o.scheme == "full", "--method hybrid wants --scheme full");
      s.suffix = base.model.depth() - std::size_t(o.hybrid > 0 ? o.hybrid : std::int64_t(base.model.depth()) / 3);
    }
    auto run = std::make_unique<FoRun>(model, s, o.checkpoint.empty() ? std::string() : live);
    if (o.lr == "auto") run->choose_rate(batches[0], task.loss);
    else run->settings().adam.lr = run->settings().sgd.lr = rate(o.lr, "--lr");
    if (o.method == "hybrid") run->choose_zo_rates(batches, task.loss);
    announce(o.method == "hybrid" ? cat("lr ", run->rates().lr, ", zo-lr ", run->zo_lr(), ", eps ", run->rates().eps)
                                  : cat("lr ", run->rates().lr));
    return run;
  }

  const WeightFormat format = zo.format;
  auto run = std::make_unique<ZoRun>(
      model, zo, [path = base.path, format] { return load_language_model(path, format).model; }, live);
  run->settings().blocks = blocks_of(o, *run, model.host());
  if (fresh) choose_rates(*run, batches, task.loss, model.host());
  announce(cat("eps ", run->settings().probe.eps, ", lr ", run->settings().update.lr));
  return run;
}

std::int64_t tokens_of(const Batch& batch) {
  std::int64_t n = 0;
  for (const EncodedExample* e : batch)
    if (e->single_token()) n += std::int64_t(e->prompt.size());
    else
      for (const auto& f : e->full) n += std::int64_t(f.size());
  return n;
}

MemoryEstimate predicted_memory(const Finetune& o, const Model& model, const EncodedTask& task, const Run& run,
                                std::int64_t longest, const std::string& method) {
  const std::int64_t tokens = std::max<std::int64_t>(longest, 256);
  const MemoryCase c{method, o.scheme, o.batch, (tokens + o.batch - 1) / o.batch};
  MemoryEstimate e = predict_memory(model, o.dtype, c);
  const bool some = !o.layers.empty() && o.scheme == "full";
  const double share = some ? double(run.rates().trained_weights) / double(count_elements(model)) : 1;
  e.state *= share;
  e.gradients *= share;
  if (some) e.table = 0;
  if (method == "hybrid") {
    MemoryCase full = c;
    full.method = "adam";
    const MemoryEstimate adam = predict_memory(model, o.dtype, full);
    const double depth = double(model.depth()),
                 part = (o.hybrid > 0 ? double(o.hybrid) : std::floor(depth / 3)) / depth;
    e.state += part * adam.state;
    e.gradients += part * adam.gradients;
    e.kept += part * adam.kept;
  }
  if (!o.mask.empty() && method == o.method)
    e.state += double(run.rates().trained_weights) / (1 - MaskRule::parse(o.mask).share);
  if (some && !o.layers.starts_with("0:") && method != "hybrid") {
    // Hidden states before the first trained block are kept.
    double kept = 0;
    for (const EncodedExample& x : task.train) kept += double(x.prompt.size());
    e.state += 4 * kept * double(model.config.hidden_size);
  }
  return e;
}

}  // namespace zo_llm
