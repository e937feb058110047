// zo_llm: zeroth-order fine-tuning of language models (Zhang et al. 2024), from a real model file to a real model file.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include "../shared/command_line.hpp"
#include "claims.hpp"
#include "commands.hpp"
#include "files.hpp"
#include "memory.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/version.hpp"

namespace {

using command_line::a_path, command_line::at_least, command_line::between;

void add_common(CLI::App& app, zo_llm::Common& o, bool with_task) {
  app.add_option("--model", o.model,
                 "Base model: a .gguf file, or a folder with config.json, safetensors and tokenizer.json")
      ->check(a_path)
      ->required();
  if (with_task) {
    app.add_option("--task", o.task, "sst2, sst2-plain, rte, cb, wsc, wic, boolq, multirc, copa, winogrande")
        ->capture_default_str();
    app.add_option("--data", o.data, "The task's file or folder; for sst2 also rated snippets (id, rating, text)")
        ->check(a_path)
        ->required();
  }
  app.add_option("--threads", o.threads, "Threads; 0 takes all")->check(CLI::Range(0, 1024))->capture_default_str();
  app.add_option("--device", o.device, "cpu or cuda")->capture_default_str();
  app.add_option("--dtype", o.dtype, "Weights in memory: f32, bf16, or file (as stored)")->capture_default_str();
}

/// Throws ValueError for an option that was given where nothing asks for it.
void check_effects(const CLI::App& app, const zo_llm::Finetune& o) {
  struct Use {
    const char* option;
    bool holds;
    const char* with;
  };
  const bool probes = o.method != "sgd" && o.method != "adam", differences = probes && o.method != "forward-grad";
  const char *any = "a zeroth-order --method", *hybrid = "--method hybrid";
  for (const Use& use : {Use{"--queries", probes, any}, Use{"--directions", probes, any}, Use{"--rank", probes, any},
                         Use{"--eps", differences, "a --method of differences"},
                         Use{"--one-sided", differences, "a --method of differences"},
                         Use{"--momentum", o.method == "zo-mmt", "--method zo-mmt"},
                         Use{"--hybrid", o.method == "hybrid", hybrid}, Use{"--zo-lr", o.method == "hybrid", hybrid},
                         Use{"--layers", o.scheme != "prompt" && o.scheme != "head", "--scheme full, lora or prefix"},
                         Use{"--lora-rank", o.scheme == "lora", "--scheme lora"},
                         Use{"--lora-alpha", o.scheme == "lora", "--scheme lora"},
                         Use{"--prefix", o.scheme == "prefix", "--scheme prefix"},
                         Use{"--prompt-tokens", o.scheme == "prompt", "--scheme prompt"},
                         Use{"--checkpoint-every", !o.checkpoint.empty(), "--checkpoint"},
                         Use{"--save-type", !o.save.empty(), "--save"}})
    if (!use.holds && app.get_option(use.option)->count() > 0)
      throw tenzo::ValueError(tenzo::cat(use.option, " goes with ", use.with, " only"));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Fine-tunes language models by zeroth-order optimization, in the memory of inference.");
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", "zo_llm of tenzo " TENZO_VERSION);

  zo_llm::Claims claims;
  claims.model = zo_llm::fetched_model();
  claims.data = zo_llm::fetched_reviews();
  bool quick = false;
  auto* quick_flag = app.add_flag("--quick", quick, "Show the paper's claims in two minutes (the default)");
  app.add_flag("--full", claims.full, "Show them in half an hour, with more seeds")->excludes(quick_flag);
  app.add_option("--seed", claims.seed, "First seed")->check(at_least(0))->capture_default_str();
  app.add_option("--seeds", claims.seeds, "Seeds; 0: one in quick, three in full")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  app.add_option("--out", claims.out, "Folder for metrics.json and report.html")->check(a_path)->capture_default_str();
  app.add_option("--model", claims.model, "Model; by default the one that the set-up fetched")->check(a_path);
  app.add_option("--data", claims.data, "Rated reviews, or a folder of the task's original files")->check(a_path);
  app.add_option("--task", claims.task, "Task of the data")->capture_default_str();
  app.add_option("--device", claims.device, "cpu or cuda")->capture_default_str();
  app.add_option("--threads", claims.threads, "Threads; 0 takes all")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_flag("--resume", claims.resume, "Go on with what an interrupted run has finished");

  zo_llm::Finetune finetune;
  CLI::App* f = app.add_subcommand("finetune", "Fine-tune a model on a task");
  add_common(*f, finetune, true);
  f->add_option("--method", finetune.method,
                "zo-sgd, zo-mmt, zo-cons, zo-sign, zo-adam, forward-grad, hybrid, sgd, adam")
      ->check(
          CLI::IsMember({"zo-sgd", "zo-mmt", "zo-cons", "zo-sign", "zo-adam", "forward-grad", "hybrid", "sgd", "adam"}))
      ->capture_default_str();
  f->add_option("--scheme", finetune.scheme, "full, lora, prefix, prompt or head")->capture_default_str();
  f->add_option("--layers", finetune.layers, "Adapt blocks A:B only (B excluded)");
  f->add_option("--steps", finetune.steps, "Steps")
      ->check(CLI::Range(std::int64_t(1), std::int64_t(0xffffffff)))
      ->capture_default_str();
  f->add_option("--batch", finetune.batch, "Examples a step")->check(at_least(1))->capture_default_str();
  f->add_option("--lr", finetune.lr, "Step size, or auto")->capture_default_str();
  f->add_option("--zo-lr", finetune.zo_lr, "Of --method hybrid: step size of the zeroth-order blocks, or auto")
      ->capture_default_str();
  f->add_option("--eps", finetune.eps, "Perturbation radius, or auto")->capture_default_str();
  f->add_option("--queries", finetune.queries, "Directions a step")->check(CLI::Range(1, 65536))->capture_default_str();
  f->add_flag("--one-sided", finetune.one_sided, "One-sided differences");
  f->add_option("--directions", finetune.directions, "gaussian, rademacher or sphere")->capture_default_str();
  f->add_option("--blocks", finetune.blocks, "Probe block by block: layers, or a number of blocks of about equal size");
  f->add_option(
       "--order", finetune.order,
       "Of --blocks: jacobi moves all blocks at the end of a step, gauss-seidel each before the next is probed")
      ->check(CLI::IsMember({"jacobi", "gauss-seidel"}))
      ->capture_default_str();
  f->add_option(
      "--mask", finetune.mask,
      "random:S or magnitude:S: leave a share S of each tensor's weights alone, drawn at random or the largest "
      "ones; takes one byte a trained weight");
  f->add_option("--hybrid", finetune.hybrid, "Of --method hybrid: last blocks trained by back-propagation; 0: a third")
      ->check(at_least(0))
      ->capture_default_str();
  f->add_option("--rank", finetune.rank, "Rank of low-rank directions; 0: full")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  f->add_option("--seed", finetune.seed, "Seed of directions, data order and adapters")
      ->check(at_least(0))
      ->capture_default_str();
  f->add_option("--schedule", finetune.schedule, "constant, linear, cosine or inverse-sqrt")->capture_default_str();
  f->add_option("--momentum", finetune.momentum, "Momentum of zo-mmt")->check(between(0, 1))->capture_default_str();
  f->add_option("--weight-decay", finetune.weight_decay, "Decoupled weight decay")
      ->check(between(0, 1e6))
      ->capture_default_str();
  f->add_option("--lora-rank", finetune.lora_rank, "Rank of the adapters")->check(at_least(1))->capture_default_str();
  f->add_option("--lora-alpha", finetune.lora_alpha, "Their scale is alpha / rank")
      ->check(between(1e-3, 1e6))
      ->capture_default_str();
  f->add_option("--prefix", finetune.prefix, "Positions of prefix tuning")->check(at_least(1))->capture_default_str();
  f->add_option("--prompt-tokens", finetune.prompt, "Virtual tokens of prompt tuning")
      ->check(at_least(1))
      ->capture_default_str();
  f->add_option("--train", finetune.train, "Examples to train on")->check(at_least(1))->capture_default_str();
  f->add_option("--dev", finetune.dev, "Examples to choose the checkpoint by")
      ->check(at_least(1))
      ->capture_default_str();
  f->add_option("--test", finetune.test, "Examples to judge by")->check(at_least(1))->capture_default_str();
  f->add_option("--eval-every", finetune.eval_every, "Steps between judgements on dev")
      ->check(at_least(1))
      ->capture_default_str();
  f->add_option("--max-skips", finetune.max_skips, "Steps in a row without a finite loss before the run stops")
      ->check(at_least(1))
      ->capture_default_str();
  f->add_option("--log", finetune.log, "Replay log to write")->check(a_path);
  f->add_option("--checkpoint", finetune.checkpoint, "Folder that a killed run is resumed from")->check(a_path);
  f->add_option("--checkpoint-every", finetune.checkpoint_every, "Steps between checkpoints")
      ->check(at_least(1))
      ->capture_default_str();
  f->add_flag("--resume", finetune.resume, "Go on from the checkpoint, if there is one");
  f->add_option("--save", finetune.save, "Tuned model: OUT.gguf, OUT.safetensors or a folder")->check(a_path);
  f->add_option("--save-type", finetune.save_type, "f16, f32, bf16, q8_0, q4_0 or q4_1")->capture_default_str();
  f->add_option("--save-adapter", finetune.save_adapter,
                "Folder for what --scheme lora, prefix or prompt has trained, as peft loads it")
      ->check(a_path);
  f->add_option("--out", finetune.out, "Folder for metrics.json and report.html")->check(a_path);

  zo_llm::Evaluate evaluate;
  CLI::App* e = app.add_subcommand("evaluate", "Accuracy, calibrated accuracy, AUC and loss of a model on a task");
  add_common(*e, evaluate, true);
  e->add_option("--train", evaluate.train,
                "Examples that were trained on, as in finetune: those of dev and test follow them")
      ->check(at_least(0))
      ->capture_default_str();
  e->add_option("--dev", evaluate.dev, "Examples of dev, as in finetune")->check(at_least(0))->capture_default_str();
  e->add_option("--split", evaluate.split, "train, dev or test")->capture_default_str();
  e->add_option("--json", evaluate.json, "File for the figures")->check(a_path);
  e->add_option("--test", evaluate.test, "Examples to judge by")->check(at_least(1))->capture_default_str();

  zo_llm::Replay replay;
  CLI::App* r = app.add_subcommand("replay", "Rebuild a tuned model from its base and the log of the run");
  add_common(*r, replay, false);
  r->get_option("--dtype")->description("Weights in memory: those of the run, as its log says");
  r->add_option("--log", replay.log, "The run's log")->check(a_path)->required();
  r->add_flag("--unfinished", replay.unfinished, "Replay a log without an end, of a run that was stopped");
  r->add_option("--save", replay.save, "Tuned model: OUT.gguf, OUT.safetensors or a folder")->check(a_path);
  r->add_option("--save-adapter", replay.save_adapter, "Folder for the adapter alone, as peft loads it")->check(a_path);
  r->add_option("--save-type", replay.save_type, "f16, f32, bf16, q8_0, q4_0 or q4_1")->capture_default_str();

  zo_llm::Score score;
  CLI::App* s = app.add_subcommand("score", "Log-probabilities of texts, one a line");
  add_common(*s, score, false);
  s->add_option("--text", score.text, "File of texts")->check(a_path)->required();
  s->add_option("--json", score.json, "File for ids, log-probabilities and top-5")->check(a_path);

  zo_llm::Generate generate;
  CLI::App* g = app.add_subcommand("generate", "Continue a text");
  add_common(*g, generate, false);
  g->add_option("--prompt", generate.prompt, "The text")->required();
  g->add_option("--tokens", generate.tokens, "Tokens at most")->capture_default_str();
  g->add_option("--temperature", generate.temperature, "0: the most likely token")
      ->check(at_least(0))
      ->capture_default_str();
  g->add_option("--top-k", generate.top_k, "Keep the k most likely tokens; 0: all")
      ->check(at_least(0))
      ->capture_default_str();
  g->add_option("--top-p", generate.top_p, "Keep the most likely tokens of this probability")->capture_default_str();
  g->add_option("--seed", generate.seed, "Seed of the draws")->check(at_least(0))->capture_default_str();

  zo_llm::Memory memory;
  CLI::App* m = app.add_subcommand("memory", "Peak memory of a step by method and scheme, predicted and measured");
  add_common(*m, memory, false);
  m->add_option("--batch", memory.batch, "Examples a step")->check(at_least(1))->capture_default_str();
  m->add_option("--length", memory.length, "Tokens an example")->check(at_least(1))->capture_default_str();
  m->add_flag("--no-measure", memory.no_measure, "Predict only");
  m->add_option("--json", memory.json, "File for the figures")->check(a_path);

  zo_llm::MemoryStep memory_step;  // the process that is measured
  CLI::App* ms = app.add_subcommand("memory-step", "")->group("");
  add_common(*ms, memory_step, false);
  ms->add_option("--method", memory_step.what.method);
  ms->add_option("--scheme", memory_step.what.scheme);
  ms->add_option("--batch", memory_step.what.batch);
  ms->add_option("--length", memory_step.what.length);

  return command_line::run("zo_llm", app, argc, argv, [&] {
    if (app.get_subcommands().empty()) return zo_llm::claims(claims);
    if (*f) {
      check_effects(*f, finetune);
      return zo_llm::finetune(finetune);
    }
    if (*e) return zo_llm::evaluate(evaluate);
    if (*r) return zo_llm::replay(replay);
    if (*s) return zo_llm::score(score);
    if (*m) return zo_llm::memory(memory);
    if (*ms) return zo_llm::memory_step(memory_step);
    if (*g) return zo_llm::generate(generate);
    return 0;
  });
}
