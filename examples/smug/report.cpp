#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "../shared/text.hpp"
#include "kept_metrics.hpp"
#include "tenzo/io/png.hpp"
#include "tenzo/io/process.hpp"
#include "tenzo/io/report.hpp"
#include "tenzo/stats/interval.hpp"

namespace smug {

using namespace tenzo;
using program_text::fixed, program_text::spread;

namespace {

std::string png(const Picture& p) {
  return p.pixels.empty() ? std::string() : png_encoded(p.pixels, p.width, std::int64_t(p.pixels.size()) / p.width, 1);
}

std::string cell(const Results& r, const std::string& method, const std::string& condition) {
  return spread(over_seeds(r.judged, method, condition), 2);
}

/// The methods that are shown where all would be too many.
std::vector<std::string> chosen(const Results& r) {
  std::vector<std::string> out;
  for (const char* name : {"vanilla", "RS-E2E", "SMUG", "weighted SMUG", "jittering", "adversarial"})
    if (std::find(r.methods.begin(), r.methods.end(), name) != r.methods.end()) out.push_back(name);
  return out;
}

/// What is plotted of a judgement.
struct Figure {
  const char *name, *unit;
  Figures Judgement::*of;
};
constexpr Figure psnr{"PSNR", "dB", &Judgement::psnr}, ssim{"SSIM", "", &Judgement::ssim};

/// A curve of each method: the mean over seeds of the conditions "PREFIX x", with intervals.
template <class X>
plot::Lines curves(const Results& r, const Figure& figure, const std::string& title, const std::string& x_name,
                   const std::string& prefix, const std::vector<X>& at) {
  plot::Lines lines{.title = title, .x = {x_name}, .y = {figure.name, figure.unit}};
  const auto put = [&](const std::vector<Judgement>& all, const std::string& name, bool floor) {
    plot::Series s{.name = name, .dashed = floor, .muted = floor};
    for (const X& x : at) {
      const auto values = over_seeds(all, name, x == X(0) ? "clean" : cat(prefix, ' ', x), figure.of);
      if (values.empty()) continue;
      const Measured m = mean_interval(values);
      s.x.push_back(double(x)), s.y.push_back(m.value);
      s.low.push_back(std::isnan(m.low) ? m.value : m.low), s.high.push_back(std::isnan(m.high) ? m.value : m.high);
    }
    if (!s.x.empty()) lines.series.push_back(std::move(s));
  };
  for (const std::string& name : chosen(r)) put(r.judged, name, false);
  for (const char* name : {"zero-filled", "total variation"}) put(r.floors, name, true);
  return lines;
}

void add_pictures(Report& page, const Results& r) {
  for (const PictureRow& row : r.pictures) {
    ImageGrid grid{.columns = std::int64_t(row.images.size()), .size = 150};
    for (const std::string& note : row.notes) {
      const auto bar = note.find('|');
      grid.column_names.push_back(note.substr(0, bar));
      grid.notes.push_back(bar == std::string::npos ? std::string()
                                                    : fixed(std::stod(note.substr(bar + 1)), 1) + " dB");
    }
    for (const Picture& p : row.images) grid.png.push_back(png(p));
    for (std::size_t i = 0; i < row.errors.size(); ++i) {
      grid.png.push_back(i == 0 ? std::string() : png(row.errors[i]));
      grid.notes.push_back("");
    }
    grid.row_names = {"magnitude", "error × 5"};
    if (!row.perturbations.empty()) {
      for (const Picture& p : row.perturbations) {
        grid.png.push_back(png(p));
        grid.notes.push_back("");
      }
      grid.row_names.push_back("|Aᴴδ| × 5");
    }
    page.image_grid(grid, cat("One slice, ", row.name, ": truth and reconstructions, below them where they err",
                              row.perturbations.empty() ? "." : ", and what was added to the measurements."));
  }
}

void add_table(Report& page, const Results& r, const Sizes& s, bool full) {
  std::vector<std::string> head{"method", "clean", "SSIM"};
  std::vector<std::string> conditions;
  for (const char* kind : {"random", "adaptive", "masked"})
    for (const int percent : strengths(full)) {
      conditions.push_back(cat(kind, ' ', percent));
      head.push_back(cat(kind, ' ', percent, " %"));
    }
  if (full) {
    for (const char* kind : {"adaptive", "masked"}) {
      conditions.insert(conditions.end(), {cat(kind, "50 20"), cat("k-space l∞ ", kind), cat("image l∞ ", kind)});
      head.insert(head.end(), {cat(kind, " 20 %, 50 steps"), cat("k-space l∞, ", kind), cat("image l∞, ", kind)});
    }
  }
  conditions.push_back(cat("steps ", 3 * s.steps));
  head.push_back(cat(3 * s.steps, " steps"));
  conditions.push_back("others");
  head.push_back("other kind");
  std::vector<TableRow> rows;
  for (const Judgement& f : r.floors) {
    if (f.seed != r.seeds.front()) continue;
    TableRow row{f.method, spread(over_seeds(r.floors, f.method, "clean"), 2), ""};
    for (const std::string& c : conditions) row.push_back(spread(over_seeds(r.floors, f.method, c), 2));
    rows.push_back(std::move(row));
  }
  const auto ruled = std::int64_t(rows.size());
  for (const std::string& m : r.methods) {
    if (over_seeds(r.judged, m, "clean").empty()) continue;
    TableRow row{m, cell(r, m, "clean"), spread(over_seeds(r.judged, m, "clean", &Judgement::ssim), 3)};
    for (const std::string& c : conditions) row.push_back(cell(r, m, c));
    rows.push_back(std::move(row));
  }
  page.table(head, rows,
             {.caption = cat("PSNR in dB of complex images, mean over slices, mean and standard deviation over ",
                             r.seeds.size(),
                             " seeds. Perturbations of k-space in percent of its norm: random, by the adaptive attack "
                             "(the gradient of the smoothed reconstruction) and by the masked one (of the network "
                             "without smoothing and data consistency), each judged on the smoothed network. What has "
                             "no deviation is of the first seed alone, a dash was not measured. SMUG "
                             "here has the reconstruction's loss alone; with the papers' stability loss beside it it "
                             "is “SMUG, stability”. Floors have no smoothing to mask; total variation is given what "
                             "is worst for CG-SENSE. The papers' own tables could not be had; their order of methods "
                             "is claims C3 to C6."),
              .ruled = {ruled}});
}

void add_costs(Report& page, const Results& r) {
  std::vector<TableRow> rows;
  for (const std::string& name : r.methods) {
    const Judgement* j = find(r.judged, name, r.seeds.front());
    if (!j) continue;
    rows.push_back({name, cat(j->training.denoiser_calls), fixed(j->training.seconds, 1) + " s",
                    fixed(1e3 * j->seconds_per_image, 1) + " ms"});
  }
  page.table({"method", "denoiser calls of training", "training", "an image"}, rows,
             {.caption = "What each costs, on this machine, of the first seed. Fine-tuned methods begin with vanilla's "
                         "weights, whose training is not counted again."});
}

}  // namespace

void write_report(const Options& o, const Sizes& s, const std::string& data, std::int64_t weights, const Results& r,
                  const std::vector<Claim>& verdicts, double seconds) {
  const std::filesystem::path out(o.out);
  Metrics m;
  m.example = "smug";
  m.mode = o.full ? "full" : "quick";
  m.seed = o.seed;
  m.wall_seconds = seconds;
  m.peak_rss_bytes = std::int64_t(peak_memory());
  m.claims = verdicts;
  for (const std::vector<Judgement>* all : {&r.floors, &r.judged})
    for (const Judgement& j : *all) {
      const std::string at = cat("mri/seed", j.seed, "/", j.method, "/");
      for (const auto& [condition, x] : j.psnr) m.set(cat(at, "psnr/", condition), mean_of(x));
      for (const auto& [condition, x] : j.ssim) m.set(cat(at, "ssim/", condition), mean_of(x));
      for (const auto& [name, x] : j.numbers) m.set(at + name, x);
    }
  if (!r.intervals.median.pixels.empty()) {
    m.set("mri/intervals/share of medians inside", r.intervals.inside);
    m.set("mri/intervals/mean width", r.intervals.mean_width);
  }
  keep_others(m, (out / "metrics.json").string(), 'C');
  m.write((out / "metrics.json").string());

  const auto mean = [&](const std::string& method, const std::string& condition) {
    return fixed(mean_of(over_seeds(r.judged, method, condition)), 1) + " dB";
  };
  Report page("Smoothed unrolling of MRI reconstruction", cat(data, "; ", s.acceleration, "× undersampled, ", s.steps,
                                                              " unrolled steps, a denoiser of ", weights, " weights"));
  page.tiles({{"vanilla, clean", mean("vanilla", "clean"), "as measured"},
              {"vanilla, attacked", mean("vanilla", "adaptive 20"), "the worst 20 % of the measurements"},
              {"SMUG, attacked", mean("SMUG", "adaptive 20"), "the worst for SMUG itself"},
              {"this report", fixed(seconds, 0) + " s",
               cat(o.full ? "full" : "quick", ", seeds ", r.seeds.front(), " to ", r.seeds.back())}});
  page.section("Claims").claims(verdicts);

  page.section("Reconstructions");
  add_pictures(page, r);

  page.section("Methods");
  add_table(page, r, s, o.full);

  page.section("Where they break");
  std::vector<int> with_clean = strengths(o.full);
  with_clean.insert(with_clean.begin(), 0);
  for (const Figure& figure : {psnr, ssim}) {
    page.figures(
        {{curves(r, figure, "By the adaptive attack", "‖δ‖ in % of ‖y‖", "adaptive", with_clean),
          "Gradients of the smoothed reconstruction itself, with fresh noise; seen by the judge's own noise."},
         {curves(r, figure, "By the masked attack", "‖δ‖ in % of ‖y‖", "masked", with_clean),
          "The protocol of the first paper: the network without smoothing, and no gradient by data consistency."}});
    page.figures({{curves(r, figure, "Other numbers of unrolled steps", "steps", "steps", depths(s)),
                   cat("Trained with ", s.steps, ".")},
                  {curves(r, figure, "Other accelerations", "acceleration", "rate", rates()),
                   cat("Trained at ", s.acceleration, " with one mask; ", s.masks, " for each acceleration.")}});
  }
  if (o.full) {
    plot::Lines sigma{.title = "The size of the smoothing noise", .x = {"σ"}, .y = {"PSNR", "dB"}};
    const std::vector<std::pair<double, std::string>> at = {
        {0, "vanilla"}, {0.02, "SMUG, σ 0.02"}, {s.sigma, "SMUG"}, {0.1, "SMUG, σ 0.1"}};
    for (const char* condition : {"clean", "random 20", "masked 20", "adaptive 20"}) {
      plot::Series line{.name = condition};
      for (const auto& [x, method] : at) {
        const Measured v = mean_interval(over_seeds(r.judged, method, condition));
        line.x.push_back(x), line.y.push_back(v.value);
        line.low.push_back(std::isnan(v.low) ? v.value : v.low);
        line.high.push_back(std::isnan(v.high) ? v.value : v.high);
      }
      sigma.series.push_back(std::move(line));
    }
    plot::Lines samples{.title = "Samples of the mean", .x = {"samples"}, .y = {"spread over noise"}};
    samples.x.log = samples.y.log = true;
    for (const Judgement& j : r.judged) {
      if (j.method != "SMUG" || !j.numbers.count("spread 1")) continue;
      plot::Series line{.name = cat("seed ", j.seed)};
      for (const int n : sample_counts) {
        line.x.push_back(n);
        line.y.push_back(j.numbers.at(cat("spread ", n)));
      }
      samples.series.push_back(std::move(line));
    }
    page.figures(
        {{sigma, "σ = 0 is vanilla."}, {samples, "‖x − mean‖ over ‖mean‖ of reconstructions with other noise."}});
  }

  if (!r.intervals.median.pixels.empty()) {
    page.section("Certified pixels");
    page.text(cat("The median over noise σ = ", r.intervals.sigma,
                  " on k-space of whole reconstructions is certified: "
                  "for every ‖δ‖₂ ≤ ",
                  r.intervals.eps,
                  " on the measurements each pixel stays in an interval, all of "
                  "them at once with probability ",
                  1 - r.intervals.alpha, ", from ", r.intervals.samples,
                  " samples. Means in each step, as SMUG has them, have no such certificate."));
    page.image_grid(
        {.png = {png(r.intervals.median), png(r.intervals.width)},
         .columns = 2,
         .column_names = {"median", "width of the interval"},
         .notes = {"", cat("mean ", fixed(r.intervals.mean_width, 4), ", white ", fixed(r.intervals.largest_width, 4))},
         .size = 260},
        cat("After an attack of that length ", fixed(100 * r.intervals.inside, 2),
            " % of the pixels' medians are within their intervals."));
  }

  page.section("The theorem");
  std::vector<TableRow> rows;
  for (const Amplified& a : r.amplified)
    rows.push_back({a.method, cat(a.seed), fixed(mean_of(a.measured), 2),
                    fixed(*std::max_element(a.measured.begin(), a.measured.end()), 2),
                    "10^" + fixed(std::log10(a.tight), 1), "10^" + fixed(std::log10(a.published), 1)});
  page.table({"method", "seed", "measured, mean", "measured, largest", "tight C_N", "published C_N"}, rows,
             {.caption = "Amplification ‖Δx‖ / ‖δ‖ of the measurements by power iteration on the trained networks, and "
                         "what the theorem on smoothed unrolling allows them. Its constants are those of the "
                         "denoiser's layers."});
  page.section("Costs");
  add_costs(page, r);
  page.footer(cat("smug ", o.full ? "--full" : "--quick", o.data.empty() ? "" : " --data " + o.data, " --denoiser ",
                  o.denoiser, " --mask ", mri::name_of(o.mask), " --seed ", o.seed));
  page.write((out / "report.html").string());
}

}  // namespace smug
