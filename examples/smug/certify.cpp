#include "certify.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <tuple>

#include "../shared/claims.hpp"
#include "../shared/command_line.hpp"
#include "../shared/data.hpp"
#include "certify_file.hpp"
#include "certify_measure.hpp"
#include "kept_metrics.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/data/stratified.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/io/stages.hpp"
#include "tenzo/io/tokenizer/base64.hpp"
#include "tenzo/version.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

namespace fs = std::filesystem;

Setup setup_of(const Options& o) {
  Setup s;
  s.sizes = Sizes::of(o.full), s.full = o.full, s.device = o.device;
  const DataSet data = certifiable(o);
  s.train = data.train;
  if (s.sizes.train < data.train.size()) {
    const Rows rows = stratified_rows(data.train.labels, data.train.classes, s.sizes.train, 1).second;
    s.train = data.train.at(rows);
  }
  // the same images for all seeds: seeds differ in training and noise
  const std::int64_t judged = std::min(s.sizes.judged, data.test.size() / 2);
  require(judged > 0, "--data ", o.data, " has ", data.test.size(), " samples to judge by; want two or more");
  std::tie(s.held_out, s.judged) = stratified_split(data.test, judged, 1);
  const Shape& image = data.train.x.shape();
  s.config = {.channels = image[1], .image = {image[2], image[3]}, .classes = data.train.classes};
  return s;
}

/// One network of the study: a training, and how many seeds have it.
struct Plan {
  std::string method;
  double sigma;
  int seeds;
};
std::vector<Plan> plans(const Setup& setup, int seeds) {
  if (!setup.full)
    return {{"no noise", base_sigma, seeds}, {"Gaussian", base_sigma, seeds}, {"Consistency", base_sigma, 1}};
  std::vector<Plan> out;
  for (const std::string& method : methods) {
    const bool judged = method == "no noise" || std::find(ranked.begin(), ranked.end(), method) != ranked.end();
    out.push_back({method, base_sigma, judged ? seeds : 1});
  }
  for (const double sigma : setup.sizes.sigmas)
    if (sigma != base_sigma) out.push_back({"Gaussian", sigma, seeds});
  return out;
}

int study(const Options& o) {
  const auto begin = std::chrono::steady_clock::now();
  const fs::path folder(o.out);
  check_folder(o.out, {"certify-stages.json", "metrics.json", "certify.html"});
  check_kept_metrics((folder / "metrics.json").string());
  const Setup setup = setup_of(o);
  fs::create_directories(folder / "networks");
  const int seeds = o.seeds > 0 ? o.seeds : 3;
  Stages stages((folder / "certify-stages.json").string(),
                {{"seeds", seeds},
                 {"mode", o.full ? "full" : "quick"},
                 {"data", o.data},
                 {"device", name_of(o.device)},
                 {"path", file_record(program_data::place_of(o.data, o.path))},
                 {"seed", o.seed},
                 {"version", TENZO_VERSION}},
                o.resume);
  const std::vector<Plan> all = plans(setup, seeds);
  std::int64_t steps = 5 + 2 * seeds + (o.full ? (7 + std::int64_t(ranked.size())) * seeds : 0);
  for (const Plan& p : all) steps += 2 * p.seeds;
  Progress bar("certify", steps);
  stages.watch([&, done = std::int64_t(0)](const std::string& name) mutable { bar.update(++done, name); });
  Networks networks(setup, stages, (folder / "networks").string());
  Results r;
  r.seeds = seeds;
  r.exactness = stages("exactness", [&] { return exactness(setup, o.seed, seeds); });
  r.calibrations = stages("calibration", [&] { return calibration(setup, o.seed); });
  r.heavy_tail = stages(cat("heavy tail, ", seeds, " seeds"), [&] { return heavy_tail(o.seed, seeds); });
  for (const Plan& p : all)
    for (int s = 0; s < p.seeds; ++s) {
      const std::uint64_t seed = o.seed + std::uint64_t(s);
      const Network& network = networks(p.method, p.sigma, seed);
      r.certified.push_back(stages(cat("certificates of ", p.method, ' ', p.sigma, ", seed ", seed), [&] {
        return certified(setup, network, p.method, {Family::gaussian, p.sigma}, setup.sizes.judged, setup.sizes.samples,
                         seed);
      }));
      if (!o.full || p.sigma != base_sigma || std::find(ranked.begin(), ranked.end(), p.method) == ranked.end())
        continue;
      r.by_many.push_back(stages(cat("certificates of ", p.method, " by many copies, seed ", seed), [&] {
        return certified(setup, network, p.method, {Family::gaussian, p.sigma}, setup.sizes.few_judged,
                         setup.sizes.many_samples, seed);
      }));
    }
  r.zero_order = stages("zeroth order",
                        [&] { return zero_order(setup, networks("Gaussian", base_sigma, o.seed), o.seed, seeds); });
  r.digits = stages("digits", [&] {
    std::vector<std::string> out;
    for (const std::string& png : digits(setup, networks("Gaussian", base_sigma, o.seed), o.seed))
      out.push_back(text::base64_encoded(png));
    return out;
  });
  for (int s = 0; s < seeds; ++s) {
    const std::uint64_t seed = o.seed + std::uint64_t(s);
    const Network& gaussian = networks("Gaussian", base_sigma, seed);
    const Certified& c = *std::find_if(r.certified.begin(), r.certified.end(), [&](const Certified& each) {
      return each.method == "Gaussian" && each.sigma == base_sigma && each.seed == seed;
    });
    for (const Attacked& a :
         stages(cat("attacks of seed ", seed), [&] { return attacked(setup, gaussian, c, setup.sizes.attacked); }))
      r.attacked.push_back(a);
    for (const Regressed& each :
         stages(cat("regressions of seed ", seed), [&] { return regressed(setup, gaussian, seed); }))
      r.regressed.push_back(each);
    if (!o.full) continue;
    for (const DenoisedRun& d : stages(cat("denoisers of seed ", seed),
                                       [&] { return denoised(setup, networks("no noise", base_sigma, seed), seed); }))
      r.denoised.push_back(d);
    for (const auto& [name, family] : {std::pair("Laplace", Family::laplace), std::pair("uniform", Family::uniform)}) {
      const AdditiveNoise noise{family, l1_sigma};
      const Network& network =
          networks(cat(name, ' ', l1_sigma, ", seed ", seed), [&] { return trained_with(setup, noise, seed); });
      r.l1.push_back(stages(cat("certificates of ", name, ", seed ", seed), [&] {
        return certified(setup, network, name, noise, setup.sizes.judged, setup.sizes.l1_samples, seed);
      }));
    }
    const Network& split = networks(cat("splitting, seed ", seed), [&] { return trained_with_splitting(setup, seed); });
    r.splitting.push_back(stages(cat("splitting of seed ", seed), [&] { return splitting(setup, split, seed); }));
  }
  bar.finish();
  const std::vector<Claim> verdicts = judge(setup, r);
  for (const Claim& c : verdicts) program_claims::print(c);
  write_report(o, setup, r, verdicts, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  stages.clear();
  std::printf("report: %s\n", (folder / "certify.html").c_str());
  return 0;
}

}  // namespace

DataSet certifiable(const Options& o) {
  DataSet data = program_data::set_of(o.data, o.path);
  const Shape image = data.train.x.shape();
  if (image[2] >= 16 && image[3] >= 16) return data;
  // too small for LeNet; radii are of the enlarged images
  return program_data::set_of(o.data, o.path,
                              {.image = {std::max<std::int64_t>(16, image[2]), std::max<std::int64_t>(16, image[3])}});
}

void to_json(nlohmann::json& j, const Certified& c) {
  nlohmann::json log = nlohmann::json::array();
  for (const CertifiedImage& i : c.log) log.push_back({i.index, i.label, i.predicted, i.radius, i.seconds});
  j = {{"method", c.method}, {"sigma", c.sigma},       {"seed", c.seed},
       {"clean", c.clean},   {"in_noise", c.in_noise}, {"log", log}};
}
void from_json(const nlohmann::json& j, Certified& c) {
  j.at("method").get_to(c.method), j.at("sigma").get_to(c.sigma), j.at("seed").get_to(c.seed);
  j.at("clean").get_to(c.clean), j.at("in_noise").get_to(c.in_noise);
  c.log.clear();
  for (const auto& i : j.at("log"))
    c.log.push_back({.index = i.at(0), .label = i.at(1), .predicted = i.at(2), .radius = i.at(3), .seconds = i.at(4)});
}
void to_json(nlohmann::json& j, const DenoisedRun& d) {
  j = {{"denoiser", d.denoiser}, {"queries", d.queries}, {"certified", d.certified}};
}
void from_json(const nlohmann::json& j, DenoisedRun& d) {
  j.at("denoiser").get_to(d.denoiser), j.at("queries").get_to(d.queries), j.at("certified").get_to(d.certified);
}

void add(CLI::App& sub, Options& o) {
  using command_line::a_path, command_line::at_least, command_line::between;
  auto* const q = sub.add_flag_callback(
      "--quick", [] {}, "A small study: one noise level, three trainings (the default)");
  sub.add_flag("--full", o.full, "All: three noise levels, seven trainings, denoisers, l1 noise")->excludes(q);
  sub.add_option("--data", o.data, "Data set: mnist5k, digits, idx, cifar10, …")->capture_default_str();
  sub.add_option("--path", o.path, "Its file or folder; empty: where scripts/fetch leaves it")->check(a_path);
  sub.add_option("--seed", o.seed, "Seed of training and noise")->check(at_least(0))->capture_default_str();
  sub.add_option("--seeds", o.seeds, "Seeds to judge the claims on; 0: three")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  sub.add_option("--out", o.out, "Folder for metrics.json and certify.html")->check(a_path)->capture_default_str();
  sub.add_option("--threads", o.threads, "Threads; 0 takes all")->check(CLI::Range(0, 1024))->capture_default_str();
  command_line::add_device(sub, o.device);
  sub.get_option("--device")
      ->description("cpu or cuda: where noisy copies are classified for certificates; all else is on the CPU");
  sub.add_flag("--resume", o.resume, "Go on with what an interrupted run has finished");

  const char* const own = "Certify a network";
  auto* const model = sub.add_option("--model", o.model, "A LeNet in a safetensors file: conv1, conv2, fc1, fc2")
                          ->check(a_path)
                          ->group(own);
  sub.add_option("--sigma", o.sigma, "Deviation of the noise, for pixels in [0, 1]")
      ->check(between(1e-6, 1e6))
      ->needs(model)
      ->capture_default_str()
      ->group(own);
  sub.add_option("--n0", o.selection, "Noisy copies that choose the class")
      ->check(CLI::Range(1, 100000000))
      ->needs(model)
      ->capture_default_str()
      ->group(own);
  sub.add_option("--n", o.samples, "Noisy copies that bound its probability")
      ->check(CLI::Range(1, 1000000000))
      ->needs(model)
      ->capture_default_str()
      ->group(own);
  sub.add_option("--alpha", o.alpha, "Probability that a certificate is wrong, for each image")
      ->check(between(1e-12, 0.5))
      ->needs(model)
      ->capture_default_str()
      ->group(own);
  sub.add_option("--skip", o.skip, "Certify each so many-th test image")
      ->check(CLI::Range(1, 1000000000))
      ->needs(model)
      ->capture_default_str()
      ->group(own);
  sub.add_option("--log", o.log, "File for the log: idx, label, predict, radius, correct, time")
      ->check(a_path)
      ->needs(model)
      ->capture_default_str()
      ->group(own);
  sub.add_option("--analyze", o.logs, "Logs of certification: print tables, average radii and their envelope")
      ->check(a_path)
      ->excludes(model)
      ->group("Read logs");
}

int run(const Options& o) {
  if (o.threads > 0) set_threads(o.threads);
  if (!o.logs.empty()) return analyze(o);
  if (!o.model.empty()) return certify_model(o);
  return study(o);
}

}  // namespace smug::certify
