#include <algorithm>
#include <cmath>
#include <filesystem>

#include "../shared/text.hpp"
#include "certify_networks.hpp"
#include "kept_metrics.hpp"
#include "tenzo/io/metrics.hpp"
#include "tenzo/io/process.hpp"
#include "tenzo/io/report.hpp"
#include "tenzo/io/tokenizer/base64.hpp"
#include "tenzo/smoothing/split_noise.hpp"
#include "tenzo/stats/interval.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;
using program_text::fixed, program_text::spread;

namespace {

using Runs = std::vector<Certified>;

/// Certified accuracy against radius, the mean over seeds with its spread, as far as any certificate can go.
plot::Series curve(const std::string& name, const Runs& runs, double cap) {
  plot::Series s{.name = name};
  for (int i = 0; i <= 60; ++i) {
    const double r = cap * 1.02 * i / 60;
    const auto x = percent_at(runs, r);
    s.x.push_back(r), s.y.push_back(mean_of(x));
    if (x.size() > 1) {
      s.low.push_back(*std::min_element(x.begin(), x.end()));
      s.high.push_back(*std::max_element(x.begin(), x.end()));
    }
  }
  return s;
}

/// Trainings and noise levels that there are runs of, in the order of the table.
std::vector<std::pair<std::string, double>> trainings(const Runs& all) {
  std::vector<std::pair<std::string, double>> out;
  for (const double sigma : {0.25, 0.5, 1.0})
    for (const std::string& m : methods)
      if (!runs_of(all, m, sigma).empty()) out.push_back({m, sigma});
  return out;
}

void add_curves(Report& page, const std::string& title, const Runs& all, std::int64_t samples) {
  const double cap = radius_cap(base_sigma, samples, alpha);
  plot::Lines lines{.title = title, .x = {"l2 radius"}, .y = {"certified accuracy", "%"}};
  for (const auto& [m, sigma] : trainings(all))
    if (sigma == base_sigma) {
      lines.series.push_back(curve(m, runs_of(all, m, sigma), cap));
      lines.series.back().muted = m == "no noise";
    }
  lines.references.push_back({.value = cap, .label = "cap", .vertical = true});
  page.figure(lines, cat("Right, not abstained and certified at a radius; the band is the range over seeds. ", samples,
                         " copies at α = ", alpha, " an image cap radii at σ Φ⁻¹(α^(1/n)) = ", fixed(cap, 3), "."));
}

void add_noise_levels(Report& page, const Setup& setup, const Results& r) {
  plot::Lines by_sigma{.title = "Gaussian training", .x = {"l2 radius"}, .y = {"certified accuracy", "%"}};
  const double farthest = radius_cap(setup.sizes.sigmas.back(), setup.sizes.samples, alpha);
  std::vector<CertificateLog> logs;
  for (const double sigma : setup.sizes.sigmas) {
    const Runs runs = r.of("Gaussian", sigma);
    by_sigma.series.push_back(curve(cat("σ = ", sigma), runs, farthest));
    by_sigma.references.push_back(
        {.value = radius_cap(sigma, setup.sizes.samples, alpha), .label = cat("cap ", sigma), .vertical = true});
    CertificateLog joined;
    for (const Certified& c : runs) joined.insert(joined.end(), c.log.begin(), c.log.end());
    logs.push_back(std::move(joined));
  }
  plot::Series best{.name = "envelope", .dashed = true, .muted = true};
  for (int i = 0; i <= 60; ++i) {
    best.x.push_back(farthest * 1.02 * i / 60);
    best.y.push_back(100 * envelope(logs, best.x.back()));
  }
  by_sigma.series.push_back(std::move(best));
  page.figure(by_sigma, "More noise costs accuracy and buys radius: curves cross, and each ends at its cap.");
}

void add_radii(Report& page, const Setup& setup, const Results& r) {
  plot::Bars bars{.title = "Average certified radius"};
  plot::BarSeries series{.name = "ACR"};
  for (const auto& [m, sigma] : trainings(r.certified)) {
    const Measured v = mean_interval(average_radii(r.of(m, sigma)));
    bars.categories.push_back(setup.full ? cat(m, ", σ ", sigma) : m);
    series.value.push_back(v.value);
    series.low.push_back(std::isnan(v.low) ? NAN : std::max(0.0, v.low));  // NaN: none, of one seed
    series.high.push_back(v.high);
  }
  bars.series = {std::move(series)};
  page.figure(bars, cat("Wrong classes and abstentions count 0; intervals over seeds where there are several. All by ",
                        setup.sizes.samples, " copies: with other numbers radii do not compare."));
}

/// The published rows of LeNet on all of MNIST: 60,000 samples, 100,000 copies at α = 0.001, five seeds.
struct Published {
  const char* method;
  double sigma, acr;
  std::vector<double> at;  // 0, 0.25, 0.5, … percent
};
const std::vector<Published>& published() {
  static const std::vector<Published> rows = {
      {"Gaussian", 0.25, 0.911, {99.2, 98.5, 96.8, 93.1, 0}},
      {"Stability", 0.25, 0.915, {99.3, 98.6, 97.1, 93.8, 0}},
      {"MACER", 0.25, 0.920, {99.3, 98.7, 97.3, 94.7, 0}},
      {"Consistency", 0.25, 0.928, {99.5, 98.9, 97.9, 96.0, 0}},
      {"SmoothAdv", 0.25, 0.932, {99.4, 99.0, 98.2, 96.8, 0}},
      {"Gaussian", 0.5, 1.558, {99.2, 98.3, 96.9, 94.3, 89.8, 82.0, 67.8}},
      {"Stability", 0.5, 1.572, {99.2, 98.5, 97.3, 94.9, 90.8, 83.1, 69.1}},
      {"MACER", 0.5, 1.590, {98.7, 97.8, 96.3, 93.9, 90.1, 83.5, 72.1}},
      {"Consistency", 0.5, 1.655, {99.1, 98.5, 97.5, 95.8, 92.9, 87.7, 78.3}},
      {"SmoothAdv", 0.5, 1.687, {99.0, 98.4, 97.3, 95.7, 92.9, 88.5, 81.1}},
      {"SmoothAdv + Consistency", 0.5, 1.696, {98.6, 98.0, 97.0, 95.3, 92.5, 88.4, 82.0}},
      {"Gaussian", 1, 1.618, {96.3, 94.4, 91.4, 86.8, 79.8, 71.0, 59.5}},
      {"Stability", 1, 1.634, {96.4, 94.5, 91.6, 87.1, 80.5, 71.8, 60.5}},
      {"MACER", 1, 1.595, {91.6, 88.1, 83.4, 77.8, 71.1, 63.8, 55.7}},
      {"Consistency", 1, 1.738, {95.0, 93.0, 89.7, 85.4, 79.7, 72.8, 63.6}},
      {"SmoothAdv", 1, 1.779, {95.8, 93.8, 90.7, 86.5, 80.8, 73.6, 64.4}},
      {"SmoothAdv + Consistency", 1, 1.816, {94.2, 92.0, 88.7, 84.3, 79.0, 72.2, 64.0}}};
  return rows;
}

void add_table(Report& page, const Runs& all, std::int64_t samples) {
  std::vector<double> at{0, 0.5, 1};
  double farthest = 0;  // that these copies can certify
  for (const Certified& c : all) farthest = std::max(farthest, radius_cap(c.sigma, samples, alpha));
  if (farthest > 1.5) at.push_back(1.5);
  TableRow head{"σ", "training", "ACR"};
  for (const double x : at) head.push_back(cat(x));
  head.push_back("abstained"), head.push_back("seeds"), head.push_back("ACR");
  for (const double x : at) head.push_back(cat(x));
  std::vector<TableRow> rows;
  std::vector<std::int64_t> ruled;
  double last = 0;
  for (const auto& [m, sigma] : trainings(all)) {
    const Runs runs = runs_of(all, m, sigma);
    if (last != sigma && !rows.empty()) ruled.push_back(std::int64_t(rows.size()));
    last = sigma;
    TableRow row{cat(sigma), m, spread(average_radii(runs), 3)};
    for (const double x : at) row.push_back(spread(percent_at(runs, x), 1));
    row.push_back(spread(each(runs, [](const Certified& c) { return 100 * abstentions(c.log); }), 1));
    row.push_back(cat(runs.size()));
    const auto paper = std::find_if(published().begin(), published().end(),
                                    [&](const Published& p) { return m == p.method && sigma == p.sigma; });
    row.push_back(paper == published().end() ? "–" : fixed(paper->acr, 3));
    for (const double x : at) {
      const auto i = std::size_t(std::lround(4 * x));
      row.push_back(paper == published().end() || i >= paper->at.size() ? "–" : fixed(paper->at[i], 1));
    }
    rows.push_back(std::move(row));
  }
  page.table(
      head, rows,
      {.caption = cat("Certified accuracy in percent by radius, mean and deviation over seeds, of ",
                      all.front().log.size(), " images by ", samples,
                      " copies; beside LeNet on all of MNIST by 100,000 copies (Jeong and Shin 2020, their logs), "
                      "whose radii go farther."),
       .ruled = ruled,
       .groups = {{"", 2}, {"here", int(at.size()) + 3}, {"published", int(at.size()) + 1}}});
}

void add_noise(Report& page, const Results& r) {
  plot::Lines lines{.title = "The base networks in noise", .x = {"deviation of the noise"}, .y = {"accuracy", "%"}};
  for (const auto& [m, sigma] : trainings(r.certified)) {
    if (sigma != base_sigma) continue;
    plot::Series s{.name = m, .x = noise_levels, .style = plot::Series::Style::both, .muted = m == "no noise"};
    for (std::size_t i = 0; i < noise_levels.size(); ++i) s.y.push_back(mean_of(percent_in_noise(r.of(m, sigma), i)));
    lines.series.push_back(std::move(s));
  }
  page.figure(
      lines, cat("One draw of noise an image, images that are not certified; trained for σ = ", base_sigma,
                 ". Where the network that saw no noise stays right in it, training with noise has little to add: this "
                 "is what claim R2 measures."));
}

void add_attacks(Report& page, const Setup& setup, const Results& r) {
  page.section("Attacks on certified images");
  std::vector<TableRow> rows;
  for (const bool inside : {true, false}) {
    std::int64_t same = 0, none = 0, other = 0;
    for (const Attacked& a : r.attacked) {
      const std::int64_t says = inside ? a.inside : a.outside;
      ++(says == a.label ? same : says == abstain ? none : other);
    }
    rows.push_back(
        {cat(inside ? attack_inside : attack_outside, " R"), cat(r.attacked.size()), cat(same), cat(none), cat(other)});
  }
  page.table(
      {"within", "images", "class kept", "abstained", "another class"}, rows,
      {.caption = cat("PGD in l2 of ", setup.sizes.attack_steps, " steps on the smoothed network, ", attack_draws,
                      " draws a gradient, the best iterate by ", attack_judges,
                      " others; judged by prediction with fresh noise. The images are spread evenly over the certified "
                      "radii, Gaussian training at σ = ",
                      base_sigma, "; what an attack does not find is no certificate.")});
  plot::Histogram outcomes{
      .title = cat("Attacked within ", attack_outside, " R"), .x = {"certified radius"}, .bins = 8};
  outcomes.series = {{"class kept"}, {"abstained"}, {"another class"}};
  for (const Attacked& a : r.attacked)
    outcomes.series[a.outside == a.label ? 0 : a.outside == abstain ? 1 : 2].values.push_back(a.radius);
  page.figure(outcomes, "The attacked images by their certified radius, and what is predicted after the attack.");
}

void add_statistics(Report& page, const Results& r) {
  page.section("Statistics");
  plot::Lines rates{.title = "Certificates that go too far",
                    .x = {.title = "α", .log = true},
                    .y = {.title = "share of runs", .log = true}};
  for (const Calibration& c : r.calibrations)
    rates.series.push_back({.name = c.family, .x = c.alphas, .y = c.rates, .style = plot::Series::Style::both});
  rates.series.push_back(
      {.name = "α", .x = calibration_alphas, .y = calibration_alphas, .dashed = true, .muted = true});
  plot::Lines cosine{.title = "Cosine with a network's gradient",
                     .x = {.title = "directions q", .log = true},
                     .y = {.title = "cosine", .log = true}};
  const ZeroOrder& z = r.zero_order;
  cosine.series.push_back(
      {.name = "measured", .x = z.cosine_queries, .y = z.cosine, .style = plot::Series::Style::both});
  cosine.series.push_back(
      {.name = "√(q / (q + d + 1))", .x = z.cosine_queries, .y = z.expected_cosine, .dashed = true, .muted = true});
  page.figures(
      {{rates, cat("Thresholds whose distance is known, ", r.calibrations.front().runs, " runs of ", calibration_copies,
                   " copies each: the share must not be above α. Votes are whole numbers, so that it can be "
                   "well below.")},
       {cosine,
        cat("Two-sided random estimates of the gradient of the loss by the image, ", cosine_images,
            " images that the network is least sure of: a cosine near zero is what so many dimensions leave.")}});
  plot::Lines by_q{
      .title = "Variance by queries", .x = {.title = "q", .log = true}, .y = {.title = "E ‖ĝ − ∇f‖²", .log = true}};
  by_q.series = {{.name = "measured", .x = z.queries, .y = z.query_variance, .style = plot::Series::Style::both}};
  plot::Series theory{.name = "(d + 1) / q", .x = z.queries, .dashed = true, .muted = true};
  for (const double q : z.queries) theory.y.push_back(double(variance_dimensions + 1) / q);
  by_q.series.push_back(theory);
  plot::Lines by_d{
      .title = "Variance by dimensions", .x = {.title = "d", .log = true}, .y = {.title = "E ‖ĝ − ∇f‖²", .log = true}};
  by_d.series = {
      {.name = "measured", .x = z.dimensions, .y = z.dimension_variance, .style = plot::Series::Style::both}};
  theory = {.name = "(d + 1) / q", .x = z.dimensions, .dashed = true, .muted = true};
  for (const double d : z.dimensions) theory.y.push_back((d + 1) / variance_queries);
  by_d.series.push_back(theory);
  page.figures({{by_q, cat("A linear function in ", variance_dimensions, " dimensions, two-sided estimates.")},
                {by_d, cat("The same with ", variance_queries, " directions.")}});
}

void add_regression(Report& page, const Results& r) {
  page.section("Median smoothing");
  std::vector<TableRow> rows;
  for (const Regressed& g : r.regressed)
    rows.push_back({cat(g.seed), cat(g.image), fixed(g.low, 2), fixed(g.least, 2), fixed(g.value, 2), fixed(g.most, 2),
                    fixed(g.high, 2)});
  page.table(
      {"seed", "image", "lower bound", "least reached", "median", "most reached", "upper bound"}, rows,
      {.caption = cat("The score of an image's class as a regression under Gaussian noise of σ = ", regression_sigma,
                      ": its median, the interval that holds for ‖δ‖₂ ≤ ", regression_eps, ", and what PGD reaches.")});
  page.text(cat("Of sinh(3x), whose values under noise have a heavy tail, the mean's interval is ",
                fixed(mean_of(r.heavy_tail.ratio), 1), " times as wide as the median's (",
                fixed(mean_of(r.heavy_tail.mean_width), 1), " and ", fixed(mean_of(r.heavy_tail.median_width), 1),
                "): it needs the function's range, here cut at ±", heavy_tail_range, '.'));
}

void add_digits(Report& page, const Setup& setup, const Results& r) {
  if (r.digits.empty()) return;
  page.section("Digits in noise");
  ImageGrid g{.columns = std::int64_t(digit_columns), .size = 84};
  for (const std::string& png : r.digits) g.png.push_back(png.empty() ? "" : text::base64_decoded(png));
  g.row_names.push_back("clean");
  for (const double sigma : digit_sigmas) g.row_names.push_back(cat("σ = ", sigma)), g.row_names.push_back("denoised");
  page.image_grid(
      g, cat("What the networks see, and what a DnCNN of ", denoiser_depth, " layers makes of it that was trained for ",
             setup.sizes.picture_steps,
             " steps on the mean squared error. Pictures are cut to [0, 1]; the networks' inputs are not."));
}

void add_denoisers(Report& page, const Setup& setup, const Results& r) {
  if (r.denoised.empty()) return;
  page.section("Denoised smoothing");
  std::vector<std::string> names;
  for (const DenoisedRun& d : r.denoised)
    if (std::find(names.begin(), names.end(), d.denoiser) == names.end()) names.push_back(d.denoiser);
  std::vector<TableRow> rows;
  for (const std::string& name : names) {
    Runs runs;
    std::int64_t queries = 0;
    for (const DenoisedRun& d : r.denoised)
      if (d.denoiser == name) runs.push_back(d.certified), queries = d.queries;
    TableRow row{name, queries > 0 ? cat(queries) : "–",
                 spread(each(runs, [](const Certified& c) { return 100 * c.clean; }), 1)};
    for (const double x : {0.0, 0.25, 0.5, 0.75}) row.push_back(spread(percent_at(runs, x), 1));
    rows.push_back(std::move(row));
  }
  page.table(
      {"denoiser", "queries", "clean", "0", "0.25", "0.5", "0.75"}, rows,
      {.caption =
           cat("A network trained without noise behind denoisers, σ = ", base_sigma,
               ": certified accuracy in percent by radius, ", r.denoised.front().certified.log.size(), " images by ",
               setup.sizes.denoised_samples, " copies, mean and deviation over seeds. All are trained for ",
               setup.sizes.denoiser_steps, " steps on the same batches of ", setup.sizes.denoiser_batch,
               "; queries are those of a step for each sample."),
       .footnote = "On CIFAR-10 at σ = 0.25 Zhang et al. 2022 certify at 0: ZO-DS with 192 queries 44.8, ZO-AE-DS "
                   "with 20, 100, 192 directions 42.7, 58.6, 63.1, by coordinates 72.2 %."});
}

void add_l1(Report& page, const Results& r) {
  if (r.l1.empty()) return;
  page.section("l1 certificates");
  plot::Lines lines{
      .title = cat("Noise of deviation ", l1_sigma), .x = {"l1 radius"}, .y = {"certified accuracy", "%"}};
  for (const char* name : {"Laplace", "uniform"}) {
    Runs runs;
    for (const Certified& c : r.l1)
      if (c.method == name) runs.push_back(c);
    lines.series.push_back(curve(name, runs, 3));
  }
  for (const double radius : {l1_from, l1_to}) lines.references.push_back({.value = radius, .vertical = true});
  page.figure(lines,
              "Uniform noise certifies evenly up to λ = √3 σ and no farther; Laplace noise has no such end. Claim "
              "R8 is judged between the marks.");
  std::vector<double> right, radius;
  for (const Splitting& s : r.splitting) right.push_back(100 * s.accuracy), radius.push_back(s.mean_radius);
  page.text(cat("Splitting noise with all of its ", r.splitting.front().shifts, " shifts is exact: λ = ",
                splitting_lambda, " is right on ", spread(right, 1), " % with an average l1 radius of ",
                spread(radius, 3), ", certain for perturbed images on ", DeterministicSplit{}.levels + 1, " levels."));
}

void set_metrics(Metrics& m, const Results& r) {
  for (const Certified& c : r.certified) {
    const std::string at = cat("certify/", c.method, "/sigma", c.sigma, "/seed", c.seed, "/");
    m.set(at + "acr", average_certified_radius(c.log));
    for (const double x : {0.0, 0.25, 0.5, 1.0, 1.5}) m.set(cat(at, "certified", x), percent_at(c, x) / 100);
    m.set(at + "abstained", abstentions(c.log)), m.set(at + "clean", c.clean);
    for (std::size_t i = 0; i < noise_levels.size(); ++i) m.set(cat(at, "in_noise", noise_levels[i]), c.in_noise[i]);
  }
  for (const Certified& c : r.by_many)
    m.set(cat("certify/", c.method, "/sigma", c.sigma, "/seed", c.seed, "/acr_by_many"),
          average_certified_radius(c.log));
  for (const DenoisedRun& d : r.denoised) {
    const std::string at = cat("certify/denoised/", d.denoiser, "/seed", d.certified.seed, "/");
    m.set(at + "clean", d.certified.clean);
    for (const double x : {0.0, 0.5}) m.set(cat(at, "certified", x), certified_accuracy(d.certified.log, x));
  }
  for (const Certified& c : r.l1)
    m.set(cat("certify/l1/", c.method, "/seed", c.seed, "/certified1"), certified_accuracy(c.log, 1));
  for (const Calibration& c : r.calibrations)
    for (std::size_t i = 0; i < c.alphas.size(); ++i)
      m.set(cat("certify/violations/", c.family, "/alpha", c.alphas[i]), c.rates[i]);
}

}  // namespace

void write_report(const Options& o, const Setup& setup, const Results& r, const std::vector<Claim>& claims,
                  double seconds) {
  const std::filesystem::path out(o.out);
  Metrics m;
  m.example = "smug";
  m.mode = o.full ? "full" : "quick";
  m.seed = o.seed;
  m.wall_seconds = seconds;
  m.peak_rss_bytes = std::int64_t(peak_memory());
  m.claims = claims;
  m.set("certify/wall_seconds", seconds);
  set_metrics(m, r);
  keep_others(m, (out / "metrics.json").string(), 'R');
  m.write((out / "metrics.json").string());

  Report page("Certified digits", cat(o.data, ", LeNet: classes that no perturbation of a radius can change"));
  const auto at = [&](const char* method, double radius) {
    return mean_of(percent_at(r.of(method, base_sigma), radius));
  };
  double copies = 0, time = 0;
  for (const Certified& c : r.certified)
    for (const CertifiedImage& i : c.log) copies += double(selection + setup.sizes.samples), time += i.seconds;
  page.tiles({{"certified at 0.5", fixed(at("Gaussian", 0.5), 1) + " %", cat("Gaussian training, σ = ", base_sigma)},
              {"without noise", fixed(at("no noise", 0.5), 1) + " %", "the same network trained on clean digits"},
              {"noisy copies", fixed(copies / time, 0) + " /s", cat("LeNet, ", threads(), " threads")},
              {"this report", fixed(seconds, 0) + " s",
               cat(m.mode, ", seeds ", o.seed, " to ", o.seed + std::uint64_t(r.seeds) - 1)}});
  page.section("Claims").claims(claims);
  if (!setup.full) page.text("Claims R3, R4 and R6 to R8 need more noise levels and trainings: `smug certify --full`.");
  page.text(
      cat("A certificate is wrong with probability α = ", alpha,
          " at most, for each image; abstentions count as errors. Noise is added to pixels in [0, 1] and is not cut. "
          "Seeds differ in training and in noise; the images are the same."));
  page.section("Certified accuracy");
  add_curves(page, cat("Trainings at σ = ", base_sigma), r.certified, setup.sizes.samples);
  if (setup.full) add_noise_levels(page, setup, r);
  add_radii(page, setup, r);
  add_table(page, r.certified, setup.sizes.samples);
  if (!r.by_many.empty()) {
    add_curves(page, "Farther, by more copies", r.by_many, setup.sizes.many_samples);
    add_table(page, r.by_many, setup.sizes.many_samples);
  }
  add_noise(page, r);
  add_attacks(page, setup, r);
  add_denoisers(page, setup, r);
  add_l1(page, r);
  add_regression(page, r);
  add_statistics(page, r);
  add_digits(page, setup, r);
  page.footer(cat("smug certify ", o.full ? "--full" : "--quick", " --data ", o.data, " --seed ", o.seed));
  page.write((out / "certify.html").string());
}

}  // namespace smug::certify
