#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "commands.hpp"
#include "files.hpp"
#include "finetune_report.hpp"
#include "finetune_setup.hpp"
#include "fo_run.hpp"
#include "history.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/json.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/models/peft_export.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

volatile std::sig_atomic_t interrupted = 0;

}  // namespace

int finetune(const Finetune& asked) {
  Finetune o = asked;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  apply_machine_options(o);
  const double program = double(peak_memory());
  require(o.steps > 0 && o.batch > 0, "--steps ", o.steps, ", --batch ", o.batch, "; want positive numbers");
  require(!o.resume || !o.checkpoint.empty(), "--resume wants --checkpoint DIR");
  check_directions(o);
  check_folder(o.checkpoint, {"run.zolog", "state.safetensors", "history.jsonl"});
  check_save(o.model, o.save, o.save_type);
  check_folder(o.save_adapter, adapter_files);
  check_folder(o.out, {"metrics.json", "report.html"});
  check_log(o.log);
  check_outputs({o.model, o.data}, {o.save, o.log, o.save_adapter, o.checkpoint});
  if (!o.save.empty()) check_merges(scheme_named(o.scheme));
  LanguageModel base = load_language_model(o.model, weight_format(o.dtype));
  if (!o.save_adapter.empty()) check_peft(adapter_options(o, base.model.depth()), base.model.depth());
  const EncodedTask task = load_task(o, base, {o.train, o.dev, o.test});
  if (const auto all = std::int64_t(task.train.size()); o.batch > all) {
    std::fprintf(stderr, "--batch %lld: there are %lld examples to train on; each step takes all\n",
                 static_cast<long long>(o.batch), static_cast<long long>(all));
    o.batch = all;
  }

  const std::filesystem::path folder(o.checkpoint);
  const bool first_order = back_propagates(o.method);
  require(!first_order || o.log.empty(), "--log: only zeroth-order runs are their slopes; --method ", o.method,
          " is not");
  std::string live;
  if (!o.checkpoint.empty()) {
    std::filesystem::create_directories(folder);
    live = (folder / (first_order ? "state.safetensors" : "run.zolog")).string();
    const std::string other = (folder / (first_order ? "run.zolog" : "state.safetensors")).string();
    if (std::filesystem::exists(other) || (!o.resume && std::filesystem::exists(live)))
      throw FileError(o.checkpoint, -1,
                      cat("holds a run", std::filesystem::exists(other) ? " of another method" : "",
                          ": --resume with its options goes on with it, another folder begins anew"));
  } else if (!o.log.empty()) {
    live = unfinished_log(o.log);
  }

  Placed model(base.model, device_named(o.device));
  const Scores zero_shot = score_examples(model, task.test);
  check_finite(o.model, zero_shot.values);
  const std::unique_ptr<Run> run = make_run(o, base, model, task, live);
  History history(o.checkpoint.empty() ? std::string() : (folder / "history.jsonl").string());
  if (o.resume) {
    run->resume();
    history.load(run->step_number());
    // The log is written first: of a step that it alone has, all but the loss is known.
    for (auto p = history.points().empty() ? HistoryPoint{} : history.points().back(); p.step > 0;) {
      const std::int64_t a_step = p.forwards / p.step;
      if (++p.step > run->step_number()) break;
      p.forwards += a_step;
      p.loss = NAN;
      history.add(p);
    }
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
    const ScoreSummary s = score_examples(model, task.dev).summary();
    const DevPoint point{step, s.loss, s.accuracy, s.auc};
    // Marked first: after a crash in between, the step is judged and marked again.
    if (point.better_than(history.best())) run->mark_best();
    history.add(point);
  };
  if (history.best()) run->mark_best_at(std::uint32_t(history.best()->step));
  judge();

  std::signal(SIGINT, [](int) { interrupted = 1; });
  double recent = NAN;
  int skips = 0;  // steps in a row
  const auto tell_skips = [&](std::int64_t step) {
    if (skips > 0)
      std::fprintf(stderr, "steps %lld to %lld: the loss was not finite; these updates were skipped\n",
                   static_cast<long long>(step - skips + 1), static_cast<long long>(step));
    skips = 0;
  };
  std::int64_t longest = 0;  // tokens of a batch
  {
    Progress bar("fine-tuning", o.steps, run->step_number());
    while (run->step_number() < o.steps && !interrupted) {
      const std::int64_t step = run->step_number();
      const Batch batch = batch_of(task.train, o.seed, step, o.batch);
      longest = std::max(longest, tokens_of(batch));
      const StepReport r = run->step(batch, task.loss);
      forwards += r.forwards;
      if (r.skipped) {
        require(++skips < o.max_skips, "stopped at step ", step + 1, ": ", skips,
                " steps in a row without a finite loss; --lr may be too large");
      } else {
        tell_skips(step);
        recent = std::isnan(recent) ? r.loss : 0.95 * recent + 0.05 * r.loss;
      }
      history.add(HistoryPoint{step + 1, forwards, earlier + seconds(), r.loss});
      if ((step + 1) % o.checkpoint_every == 0) run->checkpoint();
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
    std::string next = "; with --checkpoint DIR it could go on";
    if (!o.checkpoint.empty()) next = "; --resume goes on";
    else if (!o.log.empty()) next += cat("; replay --unfinished takes its steps from ", live);
    std::fprintf(stderr, "interrupted at step %u%s\n", run->step_number(), next.c_str());
    return 130;
  }
  require(history.best(), "stopped at step ", run->step_number(),
          ": the loss on dev was never finite; --lr may be too large");
  tell_skips(run->step_number());
  if (o.steps % o.checkpoint_every != 0) run->checkpoint();  // a longer run goes on from here
  run->return_to_best();
  const Scores tuned = score_examples(model, task.test);
  if (!o.save_adapter.empty())
    write_peft_adapter(o.save_adapter, base.model, adapter_options(o, base.model.depth()), base.path);
  if (!o.save.empty()) {
    merge_adapters(base.model);
    save_model(base, base.model, o.save, o.save_type);
  }
  if (!o.log.empty()) {
    if (o.checkpoint.empty()) std::filesystem::rename(live, o.log);
    else write_file(o.log, tenzo::detail::read_text(live));
  }
  if (!o.out.empty()) {
    const auto [lr, eps, trained] = run->rates();
    write_finetune_report({o, task, history, zero_shot, tuned, lr, eps, trained,
                           predicted_memory(o, base.model, task, *run, longest, o.method),
                           predicted_memory(o, base.model, task, *run, longest, "adam"), program, earlier + seconds(),
                           double(peak_memory())});
  }
  const ScoreSummary before = zero_shot.summary(), after = tuned.summary();
  for (const DevPoint& d : history.dev())
    std::printf("step %lld: dev loss %.4f, accuracy %.3f, auc %.3f%s\n", static_cast<long long>(d.step), d.loss,
                d.accuracy, d.auc, &d == history.best() ? "  (chosen)" : "");
  std::printf("accuracy %.3f -> %.3f, auc %.3f -> %.3f, peak %.0f MB, seconds %.0f\n", before.accuracy, after.accuracy,
              before.auc, after.auc, double(peak_memory()) / 1e6, earlier + seconds());
  if (!o.out.empty()) std::printf("report: %s\n", (std::filesystem::path(o.out) / "report.html").c_str());
  return 0;
}

}  // namespace zo_llm
