#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "../shared/pictures.hpp"
#include "../shared/text.hpp"
#include "tenzo/io/metrics.hpp"
#include "tenzo/io/process.hpp"
#include "tenzo/io/report.hpp"
#include "transfer.hpp"

namespace worst_case {

using namespace tenzo;
using program_text::fixed;

namespace {

std::string spread(const std::vector<double>& x) { return program_text::spread(x, 2); }

/// A sample as an image: in colours where it has three channels, else its first.
std::string picture(const Samples<float>& s, std::int64_t row) {
  const Shape& shape = s.x.shape();
  return program_pictures::picture(s.x.data() + row * shape.inner(0), shape[1] == 3 ? 3 : 1, shape[2], shape[3]);
}

ImageGrid grid_of(const DataSet& data, const Rows& rows, const std::vector<double>& score, std::size_t count) {
  ImageGrid g{.columns = 8, .size = 72};
  for (std::size_t i = 0; i < std::min(count, rows.size()); ++i) {
    g.png.push_back(picture(data.train, rows[i]));
    const auto label = std::size_t(data.train.labels(rows[i]));
    g.notes.push_back(cat(label < data.classes.size() ? data.classes[label] : cat(label), " · ",
                          fixed(score[std::size_t(rows[i])], 2)));
  }
  return g;
}

/// A figure of the retrained model on all kinds of sets, with intervals.
plot::Bars retrained_bars(const Results& r, const std::string& title, double Evaluation::*figure) {
  plot::Bars bars{.title = title};
  plot::BarSeries series{.name = "retrained"};
  for (const std::string& kind : kinds) {
    const auto x =
        of_kind(r.trials, r.ratios.front(), kind, [&](const Trial& t) { return t.methods.at("retrain").*figure; });
    const Measured m = mean_interval(x);
    bars.categories.push_back(kind);
    series.value.push_back(m.value);
    series.low.push_back(std::isnan(m.low) ? m.value : std::max(0.0, m.low));
    series.high.push_back(std::isnan(m.high) ? m.value : std::min(100.0, m.high));
  }
  bars.series = {std::move(series)};
  return bars;
}

plot::Bars gap_bars(const Results& r) {
  plot::Bars bars{.title = "Average gap to retraining, in points"};
  for (const char* kind : {"random", "worst"}) {
    plot::BarSeries series{.name = cat(kind, " sets")};
    for (const std::string& name : r.methods) {
      if (name == "retrain") continue;
      const Measured m =
          mean_interval(of_kind(r.trials, r.ratios.front(), kind, [&](const Trial& t) { return gap(t, name); }));
      series.value.push_back(m.value);
      series.low.push_back(std::isnan(m.low) ? m.value : std::max(0.0, m.low));
      series.high.push_back(std::isnan(m.high) ? m.value : m.high);
    }
    bars.series.push_back(std::move(series));
  }
  for (const std::string& name : r.methods)
    if (name != "retrain") bars.categories.push_back(name);
  return bars;
}

void add_figures_table(Report& page, const Results& r, double ratio) {
  std::vector<TableRow> rows;
  std::vector<std::int64_t> ruled;
  for (const char* kind : {"random", "worst"}) {
    if (!rows.empty()) ruled.push_back(std::int64_t(rows.size()));
    for (const std::string& name : r.methods) {
      const auto cell = [&](double Evaluation::*figure) {
        return spread(of_kind(r.trials, ratio, kind, [&](const Trial& t) { return t.methods.at(name).*figure; }));
      };
      rows.push_back({kind, name, cell(&Evaluation::ua), cell(&Evaluation::mia), cell(&Evaluation::ra),
                      cell(&Evaluation::ta),
                      spread(of_kind(r.trials, ratio, kind, [&](const Trial& t) { return gap(t, name); }))});
    }
  }
  page.table({"forget set", "method", "UA", "MIA", "RA", "TA", "average gap"}, rows,
             {.caption = cat(
                  "Figures in percent, mean and standard deviation over ", r.originals.size(), " seeds, ", 100 * ratio,
                  " % forgotten. UA is the error on the forget set, MIA the share of it that an attacker takes for "
                  "samples never seen. Near to `retrain` on the same set is good; large or small is not."),
              .ruled = ruled});
}

/// The gaps beside those of the paper.
void add_published(Report& page, const Results& r) {
  struct Gap {
    const char *method, *random, *worst;
  };
  std::vector<TableRow> rows;
  for (const Gap& g : {Gap{"ft", "2.00", "1.37"},
                       {"cf-k", "4.36", "0.08"},
                       {"scrub", "9.91", "0.82"},
                       {"rl", "4.38", "24.88"},
                       {"bs", "6.84", "37.22"},
                       {"be", "4.28", "34.70"},
                       {"salun", "1.89", "24.51"}}) {
    if (std::find(r.methods.begin(), r.methods.end(), g.method) == r.methods.end()) continue;
    const auto here = [&](const char* kind) {
      return spread(of_kind(r.trials, r.ratios.front(), kind, [&](const Trial& t) { return gap(t, g.method); }));
    };
    rows.push_back({g.method, here("random"), g.random, here("worst"), g.worst});
  }
  page.table({"method", "random, here", "the paper", "worst, here", "the paper"}, rows,
             {.caption = "Average gaps to retraining beside the paper's: CIFAR-10 with ResNet-18, 10 % forgotten."});
}

/// The methods' step sizes, by the share that is forgotten.
void add_step_sizes(Report& page, const Results& r) {
  std::vector<std::string> head{"forgotten"};
  std::vector<TableRow> rows;
  bool beyond = false;
  for (const auto& [name, unused] : r.rates.at(r.ratios.front())) head.push_back(name);
  for (const double ratio : r.ratios) {
    TableRow row{cat(100 * ratio, " %")};
    const auto& rates = r.rates.at(ratio);
    for (std::size_t i = 1; i < head.size(); ++i) {
      const auto step = rates.find(head[i]);
      const bool within = step == rates.end() || step->second.within_limits;
      row.push_back(step == rates.end() ? std::string("–") : cat(step->second.lr, within ? "" : " *"));
      beyond |= !within;
    }
    rows.push_back(std::move(row));
  }
  page.table(
      head, rows,
      {.caption = cat("Step sizes.", beyond ? " *: no step tried is within the limits; least gap of all." : "")});
}

void add_residual(Report& page, const Results& r) {
  std::vector<TableRow> rows;
  std::vector<std::int64_t> ruled;
  for (const Trial& t : r.residual) {
    if (!rows.empty()) ruled.push_back(std::int64_t(rows.size()));
    for (const auto& [name, e] : t.methods)
      rows.push_back(
          {t.kind, name, fixed(e.ua, 2), fixed(e.mia, 2), fixed(e.ra, 2), fixed(e.ta, 2), fixed(gap(t, name), 2)});
  }
  page.section("A ResNet-18");
  page.table(
      {"forget set", "method", "UA", "MIA", "RA", "TA", "gap"}, rows,
      {.caption = cat("The sets of seed ", r.residual.front().seed,
                      ", which were found on the study's network, on a ResNet-18 with pooling in its first layer: ",
                      beside.epochs, " epochs of training, ", beside.relabelling_epochs,
                      " of each method, by steps of the same shares of training's own as on that network. Last, exact "
                      "unlearning of a set that was found on the ResNet itself, by ",
                      steps_beside, " upper steps, ", epochs_beside, " epoch of the lower level in each."),
       .ruled = ruled});
}

}  // namespace

void write_report(const Options& o, const DataSet& data, const Recipe& recipe, std::int64_t size, const Results& r,
                  const std::vector<Claim>& verdicts, double seconds) {
  const std::filesystem::path out(o.out);
  Metrics m;
  m.example = "worst_case_forget";
  m.mode = o.full ? "full" : "quick";
  m.seed = o.seed;
  m.wall_seconds = seconds;
  m.peak_rss_bytes = std::int64_t(peak_memory());
  m.claims = verdicts;
  for (const auto& [share, rates] : r.rates)
    for (const auto& [name, rate] : rates) m.set(cat("lr/", share, '/', name), rate.lr);
  const auto note = [&](const std::string& group, const std::vector<Trial>& trials) {
    for (const Trial& t : trials)
      for (const auto& [name, e] : t.methods) {
        const std::string at = cat(group, t.kind, "/", t.ratio, "/seed", t.seed, "/", name, "/");
        m.set(at + "ua", e.ua), m.set(at + "mia", e.mia), m.set(at + "ra", e.ra), m.set(at + "ta", e.ta);
      }
  };
  note("", r.trials);
  note("resnet18/", r.residual);
  for (const Lira& l : r.lira) {
    m.set(cat("lira/", l.kind, '/', l.method, "/efficacy"), l.efficacy);
    m.set(cat("lira/", l.kind, '/', l.method, "/auc"), l.auc);
  }
  m.write((out / "metrics.json").string());

  const double ratio = r.ratios.front();
  const auto mean_ua = [&](const char* kind) {
    return mean_of(of_kind(r.trials, ratio, kind, [](const Trial& t) { return t.methods.at("retrain").ua; }));
  };
  Report page("Worst-case forget sets",
              cat(data.name, ", ", o.arch, " of ", size,
                  " weights: which samples are hardest to unlearn, and what methods make of them"));
  page.tiles({{"UA of a random set", fixed(mean_ua("random"), 2) + " %", "retrained without it"},
              {"UA of the worst set", fixed(mean_ua("worst"), 2) + " %", "retrained without it: not forgotten"},
              {"UA of the easiest set", fixed(mean_ua("easiest"), 1) + " %", "the other end of the score"},
              {"this report", fixed(seconds, 0) + " s",
               cat(o.full ? "full" : "quick", ", seeds ", o.seed, " to ", o.seed + r.originals.size() - 1)}});
  page.section("Claims").claims(verdicts);

  page.section("Exact unlearning");
  page.text(cat("Retraining without a set is exact unlearning. It errs on a random set as on any unseen samples: on ",
                fixed(mean_ua("random"), 2), " %. Without the worst set it errs on ", fixed(mean_ua("worst"), 2),
                " % of that: what was taken out is implied by what stayed."));
  page.figures(
      {{retrained_bars(r, "UA after retraining, %", &Evaluation::ua), "Error on the forget set; intervals over seeds."},
       {retrained_bars(r, "MIA after retraining, %", &Evaluation::mia), "Share of the forget set that looks unseen."}});
  page.table(
      {"", "UA random", "UA worst", "MIA random", "MIA worst", "TA random", "TA worst"},
      {{"here", spread(of_kind(r.trials, ratio, "random", [](const Trial& t) { return t.methods.at("retrain").ua; })),
        spread(of_kind(r.trials, ratio, "worst", [](const Trial& t) { return t.methods.at("retrain").ua; })),
        spread(of_kind(r.trials, ratio, "random", [](const Trial& t) { return t.methods.at("retrain").mia; })),
        spread(of_kind(r.trials, ratio, "worst", [](const Trial& t) { return t.methods.at("retrain").mia; })),
        spread(of_kind(r.trials, ratio, "random", [](const Trial& t) { return t.methods.at("retrain").ta; })),
        spread(of_kind(r.trials, ratio, "worst", [](const Trial& t) { return t.methods.at("retrain").ta; }))},
       {"the paper", "5.28 ± 0.33", "0.00 ± 0.00", "12.86 ± 0.61", "0.00 ± 0.00", "94.38 ± 0.15", "94.66 ± 0.09"}},
      {.caption = "Beside the paper's table: CIFAR-10 with ResNet-18, 10 % forgotten."});

  page.section("Approximate unlearning");
  page.figure(
      gap_bars(r),
      cat("Step sizes are those of the least gap on random sets of other seeds: of methods that relabel among those at "
          "which they forget as much as retraining, of others among those that keep the accuracy on what is "
          "retained within half a point; they stay for the worst sets. Methods take ",
          recipe.unlearning_epochs, " epochs at most, those that relabel ", recipe.relabelling_epochs, ", training ",
          recipe.epochs, "."));
  add_step_sizes(page, r);
  add_published(page, r);
  for (const double each : r.ratios) add_figures_table(page, r, each);

  if (!r.residual.empty()) add_residual(page, r);

  if (!r.lira.empty()) {
    page.section("A likelihood-ratio attack");
    std::vector<TableRow> rows;
    for (const char* kind : {"random", "worst"})
      for (const Lira& l : r.lira)
        if (l.kind == kind) rows.push_back({l.kind, l.method, fixed(l.efficacy, 1) + " %", fixed(l.auc, 3)});
    page.table(
        {"forget set", "method", "taken for unseen", "AUC against retrain"}, rows,
        {.caption =
             cat("LiRA with ", r.shadow_models, " shadow models, each trained on half of the samples; seed ",
                 r.originals.front().seed, ", ", 100 * ratio,
                 " % forgotten. Each sample is judged by what models say that have seen it and models that "
                 "have not. An AUC of 0.5 is a set that looks as after retraining; above, it is still "
                 "remembered; below, the method has left a trace of its own. Shadow models have seen half as much and "
                 "are less sure: the share taken for unseen is to be compared with that of retrain."),
         .ruled = {std::int64_t(rows.size() / 2)}});
  }

  page.section("The sets");
  const Original& first = r.originals.front();
  page.text(
      "The weight w of the search is a score of how hard a sample is to forget. Without an implicit term it follows "
      "the "
      "sample losses; what the plain list of the lowest losses does is claim C10.");
  const auto drawn = [&](const char* kind) {
    return *std::find_if(r.trials.begin(), r.trials.end(),
                         [&](const Trial& t) { return t.kind == kind && t.seed == first.seed; });
  };
  const Trial worst = drawn("worst"), random = drawn("random"), easiest = drawn("easiest");
  page.image_grid(grid_of(data, worst.set, first.losses, 16),
                  cat("Hardest to forget, seed ", first.seed, ": label and loss under the original model."));
  page.image_grid(grid_of(data, random.set, first.losses, 16), "Some of a random set.");
  page.image_grid(grid_of(data, easiest.set, first.losses, 16),
                  "Easiest to forget: ambiguous, or labelled otherwise than they look.");
  plot::Bars classes{.title = "Classes of the sets", .numbers = false};
  for (std::int64_t c = 0; c < data.train.classes; ++c)
    classes.categories.push_back(std::size_t(c) < data.classes.size() ? data.classes[std::size_t(c)] : cat(c));
  for (const Trial* t : {&worst, &random, &easiest}) {
    plot::BarSeries series{.name = t->kind, .value = std::vector<double>(std::size_t(data.train.classes), 0)};
    for (const std::int64_t row : t->set) series.value[std::size_t(data.train.labels(row))] += 1;
    classes.series.push_back(std::move(series));
  }
  plot::Lines tenths{.title = "UA after retraining", .x = {"tenth of the samples, by rising loss"}, .y = {"UA", "%"}};
  for (std::size_t i = 0; i < r.deciles.size(); ++i) {
    plot::Series line{.name = cat("seed ", r.originals[i].seed), .y = r.deciles[i]};
    for (int d = 1; d <= 10; ++d) line.x.push_back(d);
    tenths.series.push_back(std::move(line));
  }
  plot::HeatMap weights{.title = "Weights of the search",
                        .rows = 10,
                        .columns = std::int64_t(first.weights.size()),
                        .value_title = "log10 (1 + samples)"};
  for (int bin = 9; bin >= 0; --bin) {
    weights.row_names.push_back(cat(fixed(bin / 10.0, 1), " to ", fixed((bin + 1) / 10.0, 1)));
    for (const auto& counts : first.weights) weights.values.push_back(std::log10(1 + counts[std::size_t(bin)]));
  }
  for (std::size_t i = 1; i <= first.weights.size(); ++i) weights.column_names.push_back(cat(i));
  plot::Lines search{.title = "The search", .x = {"upper iteration"}, .y = {"members exchanged"}};
  for (const Original& each : r.originals)
    search.series.push_back({.name = cat("seed ", each.seed), .y = each.changed});
  page.figures({{classes, "Samples of each class; the search does not ask for balance."},
                {search, "Members of the set that an iteration has changed."}});
  page.figures(
      {{tenths, "A tenth of the samples left out at a time, by their losses: they order what unlearning can erase."},
       {weights, "Where the weights w lie after each upper iteration; the first seed."}});

  if (!r.classes.empty()) {
    page.section("Classes");
    std::vector<std::string> head{"class", "weight w", "mean loss"};
    for (const auto& [name, unused] : r.classes.front().methods)
      for (const char* figure : {"UA", "TA"}) head.push_back(cat(name, " ", figure));
    std::vector<TableRow> rows;
    for (const ClassTrial& c : r.classes) {
      const auto at = std::size_t(c.label);
      TableRow row{at < data.classes.size() ? data.classes[at] : cat(c.label), fixed(c.weight, 3), fixed(c.loss, 4)};
      for (const auto& [name, e] : c.methods) row.push_back(fixed(e.ua, 1)), row.push_back(fixed(e.ta, 1));
      rows.push_back(std::move(row));
    }
    page.table(
        head, rows,
        {.caption = "One class forgotten whole, the hardest on top by the search among classes. A model that has "
                    "never seen a class errs on all of it; methods that leave UA below 100 have not erased it."});
  }

  if (!r.coresets.empty()) {
    page.section("The complement as a coreset");
    plot::Lines lines{.title = "Test accuracy", .x = {"share of the samples kept"}, .y = {"accuracy", "%"}};
    for (const auto& [name, unused] : r.coresets.front().accuracy) {
      plot::Series s{.name = name};
      std::map<double, std::vector<double>> by;
      for (const Coreset& c : r.coresets) by[c.kept].push_back(c.accuracy.at(name));
      for (const auto& [kept, x] : by) {
        const Measured v = mean_interval(x);
        s.x.push_back(kept), s.y.push_back(v.value);
        s.low.push_back(std::isnan(v.low) ? v.value : v.low), s.high.push_back(std::isnan(v.high) ? v.value : v.high);
      }
      lines.series.push_back(std::move(s));
    }
    page.figure(lines,
                "Models trained on a part of the samples alone, with as many steps as on all; intervals over seeds.");
  }
  if (!r.starts.empty()) {
    page.section("Steps and starts");
    std::vector<TableRow> rows;
    for (const bool binary : {true, false})
      for (const double rate : {1e-3, 1e-1, 10.0, 1e4, 0.0}) {
        std::vector<double> ua, moved;
        for (const Start& s : r.starts)
          if (s.binary == binary && s.rate == rate) ua.push_back(s.ua), moved.push_back(100 * s.moved);
        rows.push_back({rate == 0 ? "normalised" : cat(rate), binary ? "binary" : "uniform", spread(ua),
                        program_text::spread(moved, 1) + " %"});
      }
    page.table(
        {"upper step α", "start", "UA of the set", "exchanged"}, rows,
        {.caption = "From a binary start with small steps the projection takes back what a step has gained: where "
                    "nothing is exchanged, the set that comes out is the random one that went in."});
  }
  if (!r.derivatives.empty()) {
    page.section("Three derivatives of the lower level");
    std::vector<TableRow> rows;
    for (std::size_t i = 0; i < r.derivatives.front().size(); ++i) {
      std::vector<double> cosine, time, memory;
      for (const auto& seed : r.derivatives)
        cosine.push_back(seed[i].cosine), time.push_back(seed[i].seconds), memory.push_back(seed[i].megabytes);
      rows.push_back({r.derivatives.front()[i].name, program_text::spread(cosine, 3), spread(time) + " s",
                      mean_of(memory) > 0 ? spread(memory) + " MB" : std::string("–")});
    }
    page.table(
        {"lower level", "cosine with the losses", "time of an upper gradient", "peak memory beside the model"}, rows,
        {.caption =
             "The sign has no derivative, so that the upper gradient is the losses; unrolled gradient steps and the "
             "implicit function add what the set's weight does to the model."});
  }
  page.footer(cat("worst_case_forget ", o.full ? "--full" : "--quick", " --data ", o.data,
                  o.path.empty() ? "" : " --path " + o.path, " --arch ", o.arch, " --seed ", o.seed, " --seeds ",
                  r.originals.size(), " --device ", name_of(o.device)));
  page.write((out / "report.html").string());
}

}  // namespace worst_case
