#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "files.hpp"
#include "tenzo/io/progress.hpp"
#include "zo_run.hpp"

namespace zo_llm {

using namespace tenzo;
using namespace tenzo::zo;

namespace {

volatile std::sig_atomic_t interrupted = 0;

double number_or(const std::string& s, const char* option) {
  double x = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), x);
  require(error == std::errc() && end == s.data() + s.size() && x > 0, option, " is '", s, "'; want auto or a positive number");
  return x;
}

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
    require(s.adapters.first_layer < s.adapters.last_layer && s.adapters.last_layer <= base.model.depth(), "--layers ", o.layers,
            " of a model with ", base.model.depth(), " blocks");
  }
  s.format = weight_format(o.dtype);
  s.probe.law = direction_law(o.directions);
  s.probe.queries = o.queries;
  s.probe.two_sided = !o.one_sided;
  s.probe.rank = o.rank;
  s.update.momentum = o.momentum;
  s.update.weight_decay = o.weight_decay;
  s.schedule.kind = Schedule::kind_of(o.schedule);
  s.schedule.steps = o.steps;
  s.seed = o.seed;
  s.base = base.hash;
  return s;
}

/// The examples of a step: an epoch's permutation, cut into batches, decided by seed and step alone.
std::vector<const EncodedExample*> batch_of(const std::vector<EncodedExample>& train, std::uint64_t seed, std::int64_t step,
                                            std::int64_t batch) {
  const auto n = std::int64_t(train.size()), size = std::min(batch, n), per_epoch = n / size;
  const auto order = shuffled(n, seed, std::uint32_t(0x20000000 + step / per_epoch));
  std::vector<const EncodedExample*> out;
  for (std::int64_t i = 0; i < size; ++i) out.push_back(&train[std::size_t(order[std::size_t(step % per_epoch * size + i)])]);
  return out;
}

struct DevPoint {
  std::int64_t step = 0;
  double loss = 0, accuracy = 0, auc = 0;
};

}  // namespace

int finetune(const Finetune& o) {
  const auto start = std::chrono::steady_clock::now();
  apply_machine_options(o);
  require(o.steps > 0 && o.batch > 0, "--steps ", o.steps, ", --batch ", o.batch, "; want positive numbers");
  require(!o.resume || !o.checkpoint.empty(), "--resume wants --checkpoint DIR");
  check_save(o.save, o.save_type);
  LanguageModel base = load_language_model(o.model, weight_format(o.dtype));
  const EncodedTask task = load_task(o, base, {o.train, o.dev, o.test});

  const ScoreSummary before = score_examples(base.model, task.test).summary();
  ZoRun run(base.model, settings_of(o, base));

  const std::filesystem::path folder(o.checkpoint);
  std::string live = !o.checkpoint.empty() ? (folder / "run.zolog").string() : o.log.empty() ? std::string() : o.log + ".part";
  std::optional<Log> old;
  if (!o.checkpoint.empty()) {
    std::filesystem::create_directories(folder);
    if (o.resume && std::filesystem::exists(live)) old = Log::read(live);
  }
  const bool lr_auto = o.lr == "auto", eps_auto = o.eps == "auto";
  if (!lr_auto) run.settings().update.lr = number_or(o.lr, "--lr");
  if (!eps_auto) run.settings().probe.eps = number_or(o.eps, "--eps");
  if (old) {
    const ZoSettings s = ZoSettings::from_header(old->header, base.hash, live);
    run.settings().probe.eps = s.probe.eps;
    run.settings().update.lr = s.update.lr;
    if (Log::header_text(run.settings().header()) != Log::header_text(old->header))
      throw FileError(live, 12, "was made with other options; --resume wants the same ones");
  } else if (lr_auto || eps_auto) {
    std::vector<std::vector<const EncodedExample*>> batches;
    for (std::int64_t i = 0; i < 8; ++i) batches.push_back(batch_of(task.train, o.seed, i, o.batch));
    choose_rates(run, batches, task.loss, base.model, eps_auto, lr_auto);
    std::printf("%s: eps %.3g, lr %.3g (auto)\n", o.method.c_str(), run.settings().probe.eps, run.settings().update.lr);
  }

  LogWriter log;
  if (old) {
    for (const LogStep& s : old->steps) run.apply(s);
    log.resume(live, *old);
  } else if (!live.empty()) {
    log.create(live, run.settings().header());
  }
  if (o.resume) std::printf("resumed at step %u\n", run.step());
  std::fflush(stdout);

  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::vector<DevPoint> dev;
  const auto judge = [&](std::int64_t step) {
    const ScoreSummary s = score_examples(base.model, task.dev).summary();
    dev.push_back({step, s.loss, s.accuracy, s.auc});
  };
  double recent = NAN;
  int skips = 0;
  {
    Progress bar("fine-tuning", o.steps, run.step());
    while (run.step() < o.steps && !interrupted) {
      const auto out = run.estimate(batch_of(task.train, o.seed, run.step(), o.batch), task.loss);
      if (log.is_open()) log.append(out.record);
      run.apply(out.record);
      if (out.skipped) {
        std::fprintf(stderr, "\nstep %u: the loss is not finite; the update is skipped\n", out.record.step);
        require(++skips < o.max_skips, "stopped: ", skips, " steps in a row without a finite loss");
      } else {
        skips = 0;
        recent = std::isnan(recent) ? out.loss : 0.95 * recent + 0.05 * out.loss;
      }
      if (run.step() % o.checkpoint_every == 0) log.sync();
      if (run.step() % o.eval_every == 0 || run.step() == o.steps) judge(run.step());
      char note[64];
      std::snprintf(note, sizeof note, "loss %.4f%s", recent, dev.empty() ? "" : cat(", dev ", dev.back().accuracy).c_str());
      bar.update(run.step(), note);
    }
  }
  log.sync();
  if (interrupted) {
    std::fprintf(stderr, "interrupted at step %u%s\n", run.step(),
                 o.checkpoint.empty() ? "" : "; --resume goes on from here");
    return 130;
  }
  const ScoreSummary after = score_examples(base.model, task.test).summary();
  merge_adapters(base.model);
  if (!o.save.empty()) save_model(base, base.model, o.save, o.save_type);
  if (!o.log.empty() && live != o.log) {
    if (o.checkpoint.empty()) std::filesystem::rename(live, o.log);
    else std::filesystem::copy_file(live, o.log, std::filesystem::copy_options::overwrite_existing);
  }
  for (const DevPoint& d : dev)
    std::printf("step %lld: dev loss %.4f accuracy %.3f auc %.3f\n", static_cast<long long>(d.step), d.loss, d.accuracy, d.auc);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("accuracy %.3f -> %.3f, auc %.3f -> %.3f, peak %.0f MB, seconds %.0f\n", before.accuracy, after.accuracy, before.auc,
              after.auc, double(peak_memory()) / 1e6, seconds);
  return 0;
}

}  // namespace zo_llm
