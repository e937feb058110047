// smug: robust MRI reconstruction by smoothed unrolling (Li et al. 2023; Liang et al. 2025), and certified digit
// classifiers by randomized smoothing (Cohen et al. 2019).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "../shared/claims.hpp"
#include "../shared/command_line.hpp"
#include "certify.hpp"
#include "commands.hpp"
#include "kept_metrics.hpp"
#include "report.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/io/stages.hpp"
#include "tenzo/version.hpp"

namespace smug {

using namespace tenzo;

namespace {

/// A network's file: kept, so that an interrupted run need not train it again.
std::string weights_file(const Options& o, std::uint64_t seed, const std::string& method) {
  std::string name = method;
  for (const auto& [from, to] : {std::pair<std::string, std::string>{", ", "-"}, {" ", "-"}, {"σ-", "sigma-"}})
    for (std::size_t at; (at = name.find(from)) != std::string::npos;) name.replace(at, from.size(), to);
  return (std::filesystem::path(o.out) / "networks" / cat("seed", seed, "-", name, ".safetensors")).string();
}

int claims(const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  check_folder(o.out, {"stages.json", "metrics.json", "report.html"});
  check_kept_metrics((std::filesystem::path(o.out) / "metrics.json").string());
  const Sizes s = Sizes::of(o.full);
  const auto lab = make_lab(o.denoiser, o.device, s);
  const auto scans = load_scans(o, s);
  std::filesystem::create_directories(std::filesystem::path(o.out) / "networks");
  const int seeds = o.seeds > 0 ? o.seeds : 3;
  Stages stages((std::filesystem::path(o.out) / "stages.json").string(),
                {{"mode", o.full ? "full" : "quick"},
                 {"mask", mri::name_of(o.mask)},
                 {"data", file_record(place_of_scans(o))},
                 {"denoiser", o.denoiser},
                 {"channels", s.channels},
                 {"training steps", cat(s.base_steps, " and ", s.tuning_steps)},
                 {"device", name_of(o.device)},
                 {"seed", o.seed},
                 {"version", TENZO_VERSION}},
                o.resume);
  Results r;
  r.methods = methods_of(o.full);
  const auto later = std::int64_t(methods_of(o.full, false).size());
  std::printf("%s\n", scans->description(o.seed).c_str());
  Progress bar("claims", std::int64_t(r.methods.size()) + (seeds - 1) * later + 2 * seeds + 3);
  stages.watch([&, done = std::int64_t(0)](const std::string& name) mutable { bar.update(++done, name); });

  r.operators = stages("operators", operator_errors);
  for (int i = 0; i < seeds; ++i) {
    const std::uint64_t seed = o.seed + std::uint64_t(i);
    r.seeds.push_back(seed);
    lab->clear();
    const auto ready = [&](const std::string& method) {
      if (!lab->has(method)) lab->load(method, weights_file(o, seed, method));
    };
    for (const std::string& name : methods_of(o.full, i == 0)) {
      const Method m = method_named(name);
      const Judgement j = stages(cat("seed ", seed, ", ", name), [&] {
        if (m.from != "fresh") ready(m.from);
        const Training t = lab->train(m, *scans, seed);
        lab->save(name, weights_file(o, seed, name));
        Judgement made = m.loss == Loss::denoiser ? Judgement{.method = name, .seed = seed}
                                                  : judge(*lab, *scans, m, s, seed, o.full, i == 0);
        made.training = t;
        return made;
      });
      r.judged.push_back(j);
    }
    const auto below = stages(cat("floors of seed ", seed), [&] { return floors(*scans, s, seed, o.full); });
    r.floors.insert(r.floors.end(), below.begin(), below.end());
    const auto pair = stages(cat("theorem of seed ", seed), [&] {
      ready("SMUG"), ready("vanilla");
      const Acquisition a = scans->judged(seed, s.acceleration);
      std::vector<Amplified> found{amplified(*lab, *scans, method_named("SMUG"), s, seed, a.truth.dim(0))};
      if (o.full) found.push_back(amplified(*lab, *scans, method_named("vanilla"), s, seed, a.truth.dim(0)));
      return std::pair(found, lab->identities("SMUG", how_of(method_named("SMUG"), s), a));
    });
    r.amplified.insert(r.amplified.end(), pair.first.begin(), pair.first.end());
    r.identities.push_back(pair.second);
    if (i > 0) continue;
    r.pictures = stages("pictures", [&] {
      std::vector<std::string> shown = methods_of(false);
      if (o.full) shown.insert(shown.end(), {"SMUG, stability", "weighted SMUG", "jittering", "adversarial"});
      for (const std::string& name : shown) ready(name);
      return pictures(*lab, *scans, shown, s, seed);
    });
    r.intervals = stages("intervals", [&] {
      const std::string method = o.full ? "RS-E2E, k-space" : "RS-E2E";
      ready(method);
      return intervals(*lab, *scans, method, s, seed, o.full);
    });
  }
  bar.finish();
  const std::vector<Claim> verdicts = judge_claims(r, s);
  for (const Claim& c : verdicts) program_claims::print(c);
  write_report(o, s, scans->description(o.seed), lab->weights(), r, verdicts,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  stages.clear();
  std::printf("report: %s\n", (std::filesystem::path(o.out) / "report.html").c_str());
  return 0;
}

}  // namespace

}  // namespace smug

namespace {

using command_line::a_path, command_line::at_least, command_line::between;

void add_common(CLI::App& app, smug::Options& o) {
  app.add_option("--data", o.data,
                 "Folder of NIfTI volumes, of fastMRI's HDF5 files, or of the authors' .npz slices; empty: what "
                 "scripts/fetch brings")
      ->check(a_path);
  app.add_option("--denoiser", o.denoiser, "cnn, unet, didn or dncnn")->capture_default_str();
  app.add_option_function<std::string>(
         "--mask", [&o](const std::string& name) { o.mask = tenzo::mri::mask_kind(name); },
         "Which lines are sampled: variable-density, uniform, random or equispaced")
      ->default_str("variable-density");
  app.add_option("--seed", o.seed, "Seed of training, noise, phases and attacks")
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option("--threads", o.threads, "Threads; 0 takes all")->check(CLI::Range(0, 1024))->capture_default_str();
  command_line::add_device(app, o.device);
}

void add_network(CLI::App& app, smug::Train& o) {
  app.add_option("--method", o.method, "Its name in the report's tables, as \"SMUG\" or \"RS-E2E\"")
      ->capture_default_str();
  app.add_option("-R,--acceleration", o.acceleration, "How many times fewer lines than all are sampled")
      ->check(between(1, 64))
      ->capture_default_str();
  app.add_option("--sigma", o.sigma, "Size of the smoothing noise, the largest magnitude being one")
      ->check(between(0, 1))
      ->capture_default_str();
  app.add_option("--samples", o.samples, "Samples of the mean over noise")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--steps", o.steps, "Unrolled steps")->check(CLI::Range(1, 80))->capture_default_str();
  app.add_option("--width", o.width, "Pixels along an edge of the slices of volumes")
      ->check(CLI::Range(16, 512))
      ->capture_default_str();
  app.add_option("--coils", o.coils, "Coils that are simulated for volumes")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--channels", o.channels, "Channels of the denoiser")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Robust MRI reconstruction by smoothed unrolling. Without a subcommand: the paper's claims.");
  app.set_version_flag("--version", TENZO_VERSION);
  app.require_subcommand(0, 1);
  smug::Options claims;
  add_common(app, claims);
  bool quick = false;
  auto* const q = app.add_flag("--quick", quick, "A small study: three methods on 64 x 64 slices (the default)");
  app.add_flag("--full", claims.full,
               "All: fifteen networks of the first seed, nine of others, on 96 x 96 slices, attacks of three sizes")
      ->excludes(q);
  app.add_option("--seeds", claims.seeds, "Seeds to judge the claims on; 0: three")
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option("--out", claims.out, "Folder for metrics.json, report.html and the networks")
      ->check(a_path)
      ->capture_default_str();
  app.add_flag("--resume", claims.resume, "Go on with what an interrupted run has finished");

  smug::Train train;
  CLI::App* const t = app.add_subcommand("train", "Train a network, and write it to a file");
  add_common(*t, train);
  add_network(*t, train);
  t->add_option("--iterations", train.iterations, "Training steps of the vanilla network")
      ->check(at_least(1))
      ->capture_default_str();
  t->add_option("--tuning", train.tuning, "Training steps from there on")->check(at_least(1))->capture_default_str();
  t->add_option("--lr", train.lr, "Step size of Adam for the vanilla network; it falls to 0 over the second half")
      ->check(between(0, 1))
      ->capture_default_str();
  t->add_option("--tuning-lr", train.tuning_lr, "Step size of the training from there on, which falls likewise")
      ->check(between(0, 1))
      ->capture_default_str();
  t->add_option("--save", train.save, "File for the network")->check(a_path)->capture_default_str();

  smug::Attack attack;
  CLI::App* const a = app.add_subcommand("attack", "Attack a network from a file");
  add_common(*a, attack);
  add_network(*a, attack);
  a->add_option("--model", attack.model, "The network's file, as train has written it")->check(a_path)->required();
  a->add_option("--domain", attack.domain, "What is perturbed: kspace or image")->capture_default_str();
  a->add_option("--norm", attack.norm, "l2 or linf")->capture_default_str();
  a->add_option("--eps", attack.eps, "l2: a share of the norm of what is perturbed; linf: of the largest magnitude")
      ->check(between(0, 10))
      ->capture_default_str();
  a->add_option("--iters", attack.iterations_of_attack, "Steps of the attack")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  a->add_option("--eot", attack.draws, "Draws of noise a gradient")->check(CLI::Range(1, 1000))->capture_default_str();
  a->add_option("--restarts", attack.restarts, "Random starts")->check(CLI::Range(1, 1000))->capture_default_str();
  a->add_flag("--masked", attack.masked,
              "By the network without smoothing and data consistency, instead of adaptively");

  smug::certify::Options certificates;
  CLI::App* const c = app.add_subcommand("certify", "Certified digit classifiers by randomized smoothing");
  smug::certify::add(*c, certificates);

  return command_line::run("smug", app, argc, argv, [&] {
    if (*c) return smug::certify::run(certificates);
    for (const smug::Options* o :
         {static_cast<const smug::Options*>(&claims), static_cast<const smug::Options*>(&train),
          static_cast<const smug::Options*>(&attack)})
      if (o->threads > 0) tenzo::set_threads(o->threads);
    if (*t) return smug::train(train);
    if (*a) {
      for (const CLI::Option* option : a->get_options())
        if (option->count() > 0) attack.given.insert(option->get_name().substr(2));
      return smug::attack(attack);
    }
    return smug::claims(claims);
  });
}
