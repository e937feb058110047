#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numeric>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "files.hpp"
#include "fo_run.hpp"
#include "history.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/models/peft_export.hpp"
#include "zo_run.hpp"

namespace zo_llm {

using namespace tenzo;
using namespace tenzo::zo;

namespace {

volatile std::sig_atomic_t interrupted = 0;

double number_or(const std::string& s, const char* option) {
  double x = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), x);
  require(error == std::errc() && end == s.data() + s.size() && x > 0, option, " is '", s,
          "'; want auto or a positive number");
  return x;
}

bool is_first_order(const Finetune& o) { return o.method == "sgd" || o.method == "adam" || o.method == "hybrid"; }

ZoSettings settings_of(const Finetune& o, const LanguageModel& base) {
  ZoSettings s;
  s.method = o.method;
  s.adapters.scheme = scheme_named(o.scheme);
  s.adapters.rank = o.lora_rank;
  s.adapters.alpha = o.lora_alpha;
  s.adapters.prefix = o.prefix;
  s.adapters.prompt = o.prompt;
  if (!o.layers.empty()) {
    const std::size_t colon = o.layers.find(':');
    require(colon != std::string::npos, "--layers is '", o.layers, "'; want A:B");
    try {
      s.adapters.first_layer = std::stoul(o.layers.substr(0, colon));
      s.adapters.last_layer = std::stoul(o.layers.substr(colon + 1));
    } catch (const std::logic_error&) {
      require(false, "--layers is '", o.layers, "'; want A:B");
    }
    require(s.adapters.first_layer < s.adapters.last_layer && s.adapters.last_layer <= base.model.depth(), "--layers ",
            o.layers, " of a model with ", base.model.depth(), " blocks");
  }
  s.format = weight_format(o.dtype);
  s.probe.law = direction_law(o.directions);
  s.probe.queries = o.queries;
  s.probe.two_sided = !o.one_sided;
  s.probe.rank = o.rank;
  if (!o.mask.empty()) s.mask = MaskRule::parse(o.mask);
  s.order = block_order(o.order);
  s.update.momentum = o.momentum;
  s.update.weight_decay = o.weight_decay;
  s.schedule.kind = Schedule::kind_of(o.schedule);
  s.schedule.steps = o.steps;
  s.seed = o.seed;
  s.base = base.hash;
  return s;
}

/// The examples of a step: an epoch's permutation, cut into batches, decided by seed and step alone.
Batch batch_of(const std::vector<EncodedExample>& train, std::uint64_t seed, std::int64_t step, std::int64_t batch) {
  const auto n = std::int64_t(train.size()), size = std::min(batch, n), per_epoch = n / size;
  const auto order = shuffled(n, seed, std::uint32_t(0x20000000 + step / per_epoch));
  Batch out;
  for (std::int64_t i = 0; i < size; ++i)
    out.push_back(&train[std::size_t(order[std::size_t(step % per_epoch * size + i)])]);
  return out;
}

/// Ranges of leaves from --blocks: `layers` makes one of each transformer block and one of the rest, a number K makes K
/// of about equal size. Only trained leaves count.
std::vector<LeafRange> blocks_of(const Finetune& o, const ZoRun& run, const Model& model) {
  std::vector<LeafRange> out;
  if (o.blocks.empty()) return out;
  struct Leaf {
    std::uint32_t number;
    std::int64_t size;
    std::string block;
  };
  std::vector<Leaf> leaves;
  std::uint32_t n = 0;
  double total = 0;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        const std::uint32_t number = n++;
        if (!run.trained()[number]) return;
        const std::string name = at.str();
        leaves.push_back({number, w.size(), name.substr(0, name.find('.', std::string_view("model.layers.").size()))});
        total += double(w.size());
      },
      model);
  if (o.blocks == "layers") {
    for (std::size_t i = 0; i < leaves.size(); ++i)
      if (i == 0 || leaves[i].block != leaves[i - 1].block) out.push_back({leaves[i].number, leaves[i].number + 1});
      else out.back().last = leaves[i].number + 1;
    return out;
  }
  std::int64_t k = 0;
  const auto [end, error] = std::from_chars(o.blocks.data(), o.blocks.data() + o.blocks.size(), k);
  require(error == std::errc() && end == o.blocks.data() + o.blocks.size() && k > 0 && k <= std::int64_t(leaves.size()),
          "--blocks is '", o.blocks, "'; want layers or a number from 1 to ", leaves.size());
  double done = 0;
  for (const Leaf& leaf : leaves) {
    const auto block = std::size_t(std::min(double(k - 1), done / total * double(k)));
    if (out.size() <= block) out.push_back({leaf.number, leaf.number + 1});
    else out.back().last = leaf.number + 1;
    done += double(leaf.size);
  }
  return out;
}

std::unique_ptr<Run> make_run(const Finetune& o, LanguageModel& base, const EncodedTask& task,
                              const std::string& live) {
  const bool lr_auto = o.lr == "auto", eps_auto = o.eps == "auto";
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < 8; ++i) batches.push_back(batch_of(task.train, o.seed, i, o.batch));
  ZoSettings zo = settings_of(o, base);
  if (!lr_auto) zo.update.lr = number_or(o.lr, "--lr");
  if (!eps_auto) zo.probe.eps = number_or(o.eps, "--eps");
  const bool fresh = !(o.resume && std::filesystem::exists(live));
  const auto announce = [&](const std::string& text) {
    if (fresh && (lr_auto || eps_auto)) std::printf("%s (auto)\n", text.c_str());
  };

  if (is_first_order(o)) {
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
      if (eps_auto) s.zo.probe.eps = 1e-3;
    }
    auto run = std::make_unique<FoRun>(base.model, s, o.checkpoint.empty() ? std::string() : live);
    if (lr_auto) {
      // A step of Adam moves each weight by about lr; one of SGD by lr times the gradient. Both by 2e-4 of the weights'
      // norm.
      const auto [norm, gradient] = run->scales(batches[0], task.loss);
      const double move = 2e-4 * norm / std::sqrt(double(run->trained_weights()));
      run->settings().adam.lr = move;
      run->settings().sgd.lr = move / std::max(gradient, 1e-12);
    } else {
      run->settings().adam.lr = run->settings().sgd.lr = number_or(o.lr, "--lr");
    }
    announce(cat(o.method, ": lr ", o.method == "sgd" ? run->settings().sgd.lr : run->settings().adam.lr));
    return run;
  }

  const WeightFormat format = zo.format;
  auto run = std::make_unique<ZoRun>(
      base.model, zo, [path = base.path, format] { return load_language_model(path, format).model; }, live);
  run->settings().blocks = blocks_of(o, *run, base.model);
  if (fresh && (lr_auto || eps_auto)) choose_rates(*run, batches, task.loss, base.model, eps_auto, lr_auto);
  announce(cat(o.method, ": eps ", run->settings().probe.eps, ", lr ", run->settings().update.lr));
  return run;
}

/// Throws ValueError where options of the directions do not go together, before any work is done.
void check_directions(const Finetune& o) {
  require(!is_first_order(o) || (o.blocks.empty() && o.mask.empty()), "--method ", o.method,
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

}  // namespace

int finetune(const Finetune& o) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  apply_machine_options(o);
  require(o.steps > 0 && o.batch > 0, "--steps ", o.steps, ", --batch ", o.batch, "; want positive numbers");
  require(!o.resume || !o.checkpoint.empty(), "--resume wants --checkpoint DIR");
  check_directions(o);
  check_save(o.save, o.save_type);
  check_folder(o.save_adapter);
  if (!o.save.empty()) check_merges(scheme_named(o.scheme));
  LanguageModel base = load_language_model(o.model, weight_format(o.dtype));
  if (!o.save_adapter.empty()) check_peft(settings_of(o, base).adapters, base.model.depth());
  const EncodedTask task = load_task(o, base, {o.train, o.dev, o.test});

  const std::filesystem::path folder(o.checkpoint);
  const bool first_order = is_first_order(o);
  require(!first_order || o.log.empty(), "--log: only zeroth-order runs are their slopes; --method ", o.method,
          " is not");
  std::string live;
  if (!o.checkpoint.empty()) {
    std::filesystem::create_directories(folder);
    live = (folder / (first_order ? "state.safetensors" : "run.zolog")).string();
  } else if (!o.log.empty()) {
    live = o.log + ".part";
  }

  const Scores zero_shot = score_examples(base.model, task.test);
  const std::unique_ptr<Run> run = make_run(o, base, task, live);
  History history(o.checkpoint.empty() ? std::string() : (folder / "history.jsonl").string());
  if (o.resume) {
    run->resume();
    history.load(run->step_number());
    std::printf("resumed at step %u\n", run->step_number());
  } else if (!o.checkpoint.empty()) {
    history.load(-1);
  }
  std::fflush(stdout);

  std::int64_t forwards = history.points().empty() ? 0 : history.points().back().forwards;
  const double earlier = history.points().empty() ? 0 : history.points().back().seconds;
  const auto judge = [&] {
    const std::int64_t step = run->step_number();
    if (step == 0 || (step % o.eval_every != 0 && step != o.steps)) return;
    if (!history.dev().empty() && history.dev().back().step == step) return;
    const ScoreSummary s = score_examples(base.model, task.dev).summary();
    history.add(DevPoint{step, s.loss, s.accuracy, s.auc});
    if (history.best()->step == step) run->mark_best();
  };
  if (history.best()) run->mark_best_at(std::uint32_t(history.best()->step));
  judge();

  std::signal(SIGINT, [](int) { interrupted = 1; });
  double recent = NAN;
  int skips = 0;
  {
    Progress bar("fine-tuning", o.steps, run->step_number());
    while (run->step_number() < o.steps && !interrupted) {
      const std::int64_t step = run->step_number();
      const StepReport r = run->step(batch_of(task.train, o.seed, step, o.batch), task.loss);
      forwards += r.forwards;
      if (r.skipped) {
        std::fprintf(stderr, "step %lld: the loss is not finite; the update is skipped\n",
                     static_cast<long long>(step));
        require(++skips < o.max_skips, "stopped: ", skips, " steps in a row without a finite loss");
      } else {
        skips = 0;
        recent = std::isnan(recent) ? r.loss : 0.95 * recent + 0.05 * r.loss;
      }
      history.add(HistoryPoint{step + 1, forwards, earlier + seconds(), r.loss});
      if ((step + 1) % o.checkpoint_every == 0) {
        run->checkpoint();
        history.flush();
      }
      judge();
      char note[96];
      std::snprintf(note, sizeof note, "loss %.4f", recent);
      std::string text = note;
      if (!history.dev().empty()) text += cat(", dev accuracy ", history.dev().back().accuracy);
      bar.update(run->step_number(), text);
    }
  }
  if (interrupted) {
    run->checkpoint();
    history.flush();
    std::fprintf(stderr, "interrupted at step %u%s\n", run->step_number(),
                 o.checkpoint.empty() ? "" : "; --resume goes on");
    return 130;
  }
  run->return_to_best();
  const Scores tuned = score_examples(base.model, task.test);
  if (!o.save_adapter.empty()) write_peft_adapter(o.save_adapter, base.model, settings_of(o, base).adapters, base.path);
  if (!o.save.empty()) {
    merge_adapters(base.model);
    save_model(base, base.model, o.save, o.save_type);
  }
  if (!o.log.empty()) {
    if (o.checkpoint.empty()) std::filesystem::rename(live, o.log);
    else write_file(o.log, tenzo::detail::read_text(live));
  }
  const ScoreSummary before = zero_shot.summary(), after = tuned.summary();
  for (const DevPoint& d : history.dev())
    std::printf("step %lld: dev loss %.4f, accuracy %.3f, auc %.3f%s\n", static_cast<long long>(d.step), d.loss,
                d.accuracy, d.auc, &d == history.best() ? "  (chosen)" : "");
  std::printf("accuracy %.3f -> %.3f, auc %.3f -> %.3f, peak %.0f MB, seconds %.0f\n", before.accuracy, after.accuracy,
              before.auc, after.auc, double(peak_memory()) / 1e6, earlier + seconds());
  return 0;
}

}  // namespace zo_llm
