// vpns: visual prompts for network sparsification (Jin et al. 2025): a prompt and a mask that are learnt together,
// beside the ways in which networks are pruned without one.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "../shared/claims.hpp"
#include "../shared/command_line.hpp"
#include "../shared/data.hpp"
#include "claims.hpp"
#include "commands.hpp"
#include "report.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/io/stages.hpp"
#include "tenzo/version.hpp"

namespace vpns {

using namespace tenzo;

namespace {

/// A laboratory whose network is that of --model, or is to be pretrained on the source.
std::unique_ptr<Lab> lab_of(const Options& o) {
  NetOptions net{.arch = o.arch, .image = o.image, .device = o.device};
  if (!o.model.empty()) {
    net = net_of_file(o.model, o);
  } else {
    const DataSet source = source_of(o, o.seed);
    net.channels = source.train.x.shape()[1], net.classes = source.train.classes;
  }
  auto lab = make_lab(net);
  if (!o.model.empty()) lab->load(o.model);
  return lab;
}

Shown shown_of(const Options& o, const Lab& lab, const DataSet& source, const DataSet& target) {
  Rows first;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(8, target.test.size()); ++i) first.push_back(i);
  const Tensor<float> x = lab.seen(target.test.at(first));
  Shown s{.channels = x.shape()[1], .image = o.image, .weights = lab.weights()};
  s.source_classes = source.classes, s.target_classes = target.classes;
  s.source_classes.resize(std::size_t(lab.classes()), "");
  s.source = o.model.empty() ? source.name : o.model, s.target = target.name;
  for (std::int64_t i = 0; i < x.shape()[0]; ++i) {
    const Tensor<float> one = x.rows(i, i + 1);
    s.samples.emplace_back(one.values().begin(), one.values().end());
  }
  return s;
}

int claims(const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  check_folder(o.out, {"stages.json", "metrics.json", "report.html"});
  const auto lab = lab_of(o);
  DataSet source = source_of(o, o.seed), target = target_of(o, o.seed);
  require(target.train.classes <= lab->classes(), "--data ", o.data, " has ", target.train.classes,
          " classes; the network has ", lab->classes());
  std::filesystem::create_directories(o.out);
  const int seeds = o.seeds > 0 ? o.seeds : 3;
  Stages stages((std::filesystem::path(o.out) / "stages.json").string(),
                {{"mode", o.full ? "full" : "quick"},
                 {"data", o.data},
                 {"path", file_record(program_data::place_of(o.data, o.path))},
                 {"samples", target.train.size()},
                 {"source", o.source},
                 {"source path",
                  o.model.empty() ? file_record(program_data::place_of(o.source, o.source_path)) : nlohmann::json()},
                 {"arch", o.arch},
                 {"device", name_of(o.device)},
                 {"model", file_record(o.model)},
                 {"faces", o.full ? file_record(program_data::place_of("faces", "")) : nlohmann::json()},
                 {"image", o.image},
                 {"seed", o.seed},
                 {"version", TENZO_VERSION}},
                o.resume);
  const std::vector<double> densities = vpns::densities(o.full);
  const std::int64_t of_each = 3, of_few = o.full ? std::int64_t(densities.size()) - 2 + 10 : 0;
  Progress bar("claims", 1 + seeds * of_each + std::min(seeds, few_seeds) * of_few);
  stages.watch([&, done = std::int64_t(0)](const std::string& name) mutable { bar.update(++done, name); });

  const Rates rates;
  Results r;
  const Shown shown = shown_of(o, *lab, source, target);
  for (int s = 0; s < seeds; ++s) {
    const std::uint64_t seed = o.seed + std::uint64_t(s);
    r.seeds.push_back(seed);
    bool trained = false;
    const auto ready = [&] {
      if (trained) return;
      if (seed != o.seed) target = target_of(o, seed);
      // The quick study has one network, the full one a network a seed.
      if (o.model.empty() && (o.full || !lab->trained())) {
        const std::uint64_t its = o.full ? seed : o.seed;
        if (its != o.seed) source = source_of(o, its);
        lab->pretrain(source.train, its);
      }
      trained = true;
    };
    const auto stage = [&](const std::string& what, auto&& make) {
      return stages(cat("seed ", seed, ", ", what), [&] {
        ready();
        return make();
      });
    };
    const auto run_all = [&](const std::vector<Arm>& arms, const DataSet& on) {
      std::vector<Outcome> out;
      for (const Arm& arm : arms) out.push_back(lab->run(arm, on, rates, seed));
      return out;
    };
    const auto append = [](std::vector<Outcome>& to, const std::vector<Outcome>& more) {
      to.insert(to.end(), more.begin(), more.end());
    };

    r.sources.push_back(stage("the network", [&] {
      Source known{
          .seed = seed, .accuracy = NAN, .counts = {}, .classes = lab->classes(), .targets = target.train.classes};
      if (o.model.empty()) known.accuracy = lab->accuracy(source.test);
      const auto k = lab->counts(target.train);
      known.counts.assign(k.values().begin(), k.values().end());
      return known;
    }));
    for (const double density : densities) {
      if (density > 0.05 && s >= few_seeds) continue;
      append(r.curves, stage(cat(100 - 100 * density, " %"), [&] {
               std::vector<Arm> arms = methods_at(density, o.full, s == 0);
               if (density == 0.05) {
                 arms.push_back({.name = "dense", .method = "dense", .density = 1, .tune_epochs = 20});
                 if (o.full) arms.push_back({.name = "dense-2×", .method = "dense", .density = 1, .tune_epochs = 40});
               }
               return run_all(arms, target);
             }));
    }
    if (!o.full || s >= few_seeds) continue;
    const BySeed norms = by_seed(r.curves, "VPNs (text)", sparse, &Outcome::prompt_norm);
    for (const auto& [claim, arms] : ablations(o.image, norms.at(seed)))
      append(r.ablations[claim], stage(claim, [&] { return run_all(arms, target); }));
    if (o.model.empty() && o.source == "mnist5k") {
      append(r.transfers["faces"],
             stage("faces", [&] { return transfer(*lab, part_of(source, 300, seed), faces_of(seed), rates, seed); }));
      append(r.transfers["inverted digits, turned"], stage("inverted", [&] {
               return transfer(*lab, part_of(source, 300, seed), inverted_of(source, seed), rates, seed);
             }));
    }
    if (o.arch == "cnn") {
      const auto [outcomes, compacts] = stage("channels", [&] {
        std::pair<std::vector<Outcome>, std::vector<Compact>> out;
        for (const Arm& arm : structured_arms()) {
          out.first.push_back(lab->run(arm, target, rates, seed));
          out.second.push_back(lab->compact(target));
          out.second.back().arm = arm.name, out.second.back().seed = seed;
          out.second.back().share = arm.density;
        }
        return out;
      });
      append(r.structured, outcomes);
      r.compacts.insert(r.compacts.end(), compacts.begin(), compacts.end());
    }
    const auto queries = stage("queries", [&] { return lab->by_queries(target, sparse, "pad:4", rates, seed); });
    r.queries.insert(r.queries.end(), queries.begin(), queries.end());
  }
  r.latencies = stages("latency", [&] {
    if (o.model.empty() && !lab->trained()) lab->pretrain(part_of(source_of(o, o.seed), 300, o.seed).train, o.seed);
    return lab->latencies(o.full ? std::vector<double>{0.5, 0.2, 0.1, 0.05, 0.02} : std::vector<double>{0.1, 0.02});
  });
  std::vector<const Outcome*> masks;
  for (const Outcome& each : r.curves)
    if (!each.mask.empty()) masks.push_back(&each);
  for (const Outcome* a : masks) {
    r.overlaps.push_back({a->arm, {}});
    for (const Outcome* b : masks) r.overlaps.back().second.push_back(overlap(a->mask, b->mask));
  }
  bar.finish();
  const std::vector<Claim> verdicts = judge(r);
  for (const Claim& c : verdicts) program_claims::print(c);
  write_report(o, shown, r, verdicts, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  stages.clear();
  std::printf("report: %s\n", (std::filesystem::path(o.out) / "report.html").c_str());
  return 0;
}

int tune(const Options& o) {
  const Rates r = tuned(o, [&] { return lab_of(o); });
  std::printf("scores %g, prompt %g and %g, weights %g, prompt alone %g, BiP %g and %g\n", r.scores, r.prompt,
              r.prompt_tune, r.net, r.prompt_alone, r.bip_scores, r.bip_net);
  return 0;
}

}  // namespace

}  // namespace vpns

namespace {

using command_line::a_path, command_line::at_least, command_line::between;

void add_common(CLI::App& app, vpns::Options& o) {
  app.add_option("--data", o.data,
                 "Target: mnist5k, digits, faces, idx, cifar10, cifar100, tiny-imagenet, celeba, folder")
      ->capture_default_str();
  app.add_option("--path", o.path, "Its file or folder; empty: where scripts/fetch leaves it, or in $TENZO_DATA")
      ->check(a_path);
  app.add_option("--arch", o.arch, "cnn, resnet18, resnet50 or vgg16")->capture_default_str();
  app.add_option("--image", o.image, "Pixels of a side of what the network sees")
      ->check(at_least(1))
      ->check(between(8, 1024))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "Seed of splits, training and masks")->check(at_least(0))->capture_default_str();
  app.add_option("--threads", o.threads, "Threads; 0 takes all")->check(CLI::Range(0, 1024))->capture_default_str();
  command_line::add_device(app, o.device);
}
void add_source(CLI::App& app, vpns::Options& o) {
  app.add_option("--source", o.source, "What the network is pretrained on, a name as of --data")->capture_default_str();
  app.add_option("--source-path", o.source_path, "Its file or folder")->check(a_path);
}
void add_model(CLI::App& app, vpns::Options& o) {
  app.add_option("--model", o.model, "A pretrained network (safetensors, names as in torchvision) to take instead")
      ->check(a_path);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Visual prompts for network sparsification. Without a subcommand: the paper's claims.");
  app.set_version_flag("--version", TENZO_VERSION);
  app.require_subcommand(0, 1);
  vpns::Options claims;
  add_common(app, claims);
  add_source(app, claims);
  add_model(app, claims);
  bool quick = false;
  auto* const q =
      app.add_flag("--quick", quick, "A small study: three seeds, two sparsities, six methods (the default)");
  app.add_flag(
         "--full", claims.full,
         "All: a network a seed, six sparsities, eleven methods, prompt forms, mappings, transfer, channels, queries")
      ->excludes(q);
  app.add_option("--seeds", claims.seeds, "Seeds to judge the claims on; 0: three")
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option("--out", claims.out, "Folder for metrics.json and report.html")->check(a_path)->capture_default_str();
  app.add_flag("--resume", claims.resume, "Go on with what an interrupted run has finished");

  vpns::Pretrain pretrain;
  CLI::App* const p = app.add_subcommand("pretrain", "Train a network on the source, and write it");
  add_common(*p, pretrain);
  add_source(*p, pretrain);
  p->add_option("--epochs", pretrain.epochs, "Epochs")->check(at_least(1))->capture_default_str();
  p->add_option("--save", pretrain.save, "File for the network")->check(a_path)->capture_default_str();

  vpns::Sparsify sparsify;
  CLI::App* const s = app.add_subcommand("sparsify", "Find a sub-network of a pretrained network, and tune it");
  add_common(*s, sparsify);
  add_model(*s, sparsify);
  s->get_option("--model")->required();
  s->add_option("--method", sparsify.arm.method, "vpns, hydra, random, omp, imp, snip, grasp, synflow, bip, dense")
      ->capture_default_str();
  s->add_option(
       "--density", sparsify.arm.density,
       "Share of the weights that is kept; with --structured of each layer's channels; not with --mask or dense")
      ->check(between(1e-9, 1))
      ->capture_default_str();
  s->add_option("--protocol", sparsify.protocol,
                "text: one prompted batch an update, the prompt stays; code: a "
                "prompted and a plain batch in turn, no prompt at judgement")
      ->capture_default_str();
  s->add_option(
       "--prompt", sparsify.arm.prompt,
       "Of vpns, or with --save-prompt of what is tuned: pad:P, fix:S, random:S, lowrank:R, affine, expansive (with an "
       "--input below --image); behind it ,identity ,sigmoid ,noclip")
      ->capture_default_str();
  s->add_option("--input", sparsify.arm.input, "Pixels of a side that images are resized to; 0: all")
      ->check(at_least(0))
      ->capture_default_str();
  s->add_option("--mapping", sparsify.arm.mapping, "flm, masked, remap, ilm or rlm")->capture_default_str();
  s->add_option("--epochs", sparsify.epochs, "Epochs of each stage")->check(at_least(1))->capture_default_str();
  s->add_option("--train", sparsify.train, "Samples to train on, at most; 0: all")
      ->check(at_least(0))
      ->capture_default_str();
  s->add_flag("--augment", sparsify.arm.augment, "Crop batches without a prompt at random");
  s->add_flag("--structured", sparsify.arm.structured, "Prune whole output channels");
  s->add_option("--mask", sparsify.mask, "A mask that was found before, instead of a method")->check(a_path);
  s->add_option("--save-mask", sparsify.files.mask, "File for the mask (safetensors, a bit a weight)")->check(a_path);
  s->add_option("--save-prompt", sparsify.files.prompt, "File for the prompt (safetensors, float32)")->check(a_path);
  s->add_option("--save-mapping", sparsify.files.mapping, "File for the label mapping (JSON)")->check(a_path);
  s->add_option("--save-model", sparsify.files.net, "File for the tuned network (safetensors)")->check(a_path);

  vpns::Evaluate evaluate;
  CLI::App* const e = app.add_subcommand("evaluate", "Judge a sub-network that sparsify has written");
  add_common(*e, evaluate);
  e->add_option("--model", evaluate.files.net, "The network")->check(a_path)->required();
  e->add_option("--mapping", evaluate.files.mapping, "The label mapping")->check(a_path)->required();
  e->add_option("--mask", evaluate.files.mask, "The mask; without, all weights are taken")->check(a_path);
  e->add_option("--prompt", evaluate.files.prompt, "The prompt; without, none")->check(a_path);

  vpns::Options tune;
  CLI::App* const t = app.add_subcommand("tune", "The step sizes of the study, on seeds that no claim is judged on");
  add_common(*t, tune);
  add_source(*t, tune);
  add_model(*t, tune);

  return command_line::run("vpns", app, argc, argv, [&] {
    for (const vpns::Options* o :
         {&claims, static_cast<vpns::Options*>(&pretrain), static_cast<vpns::Options*>(&sparsify),
          static_cast<vpns::Options*>(&evaluate), &tune})
      if (o->threads > 0) tenzo::set_threads(o->threads);
    if (app.get_subcommands().empty()) return vpns::claims(claims);
    if (*p) return vpns::pretrain(pretrain);
    if (*s) return vpns::sparsify(sparsify);
    if (*e) return vpns::evaluate(evaluate);
    if (*t) return vpns::tune(tune);
    return 0;
  });
}
