#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "../shared/pictures.hpp"
#include "../shared/text.hpp"
#include "tenzo/io/metrics.hpp"
#include "tenzo/io/process.hpp"
#include "tenzo/io/report.hpp"
#include "tenzo/prompt/visual_prompt.hpp"

namespace vpns {

using namespace tenzo;
using program_text::fixed;

namespace {

std::string spread(const std::vector<double>& x, int digits = 1) { return program_text::spread(x, digits); }

std::vector<std::string> names_of(const std::vector<Outcome>& all) {
  std::vector<std::string> names;
  for (const Outcome& o : all)
    if (std::find(names.begin(), names.end(), o.arm) == names.end()) names.push_back(o.arm);
  return names;
}
std::vector<double> densities_of(const std::vector<Outcome>& all) {
  std::vector<double> d;
  for (const Outcome& o : all)
    if (o.density < 1 && std::find(d.begin(), d.end(), o.density) == d.end()) d.push_back(o.density);
  std::sort(d.rbegin(), d.rend());
  return d;
}
bool is_dense(const std::string& name) { return name.starts_with("dense"); }
std::string sparsity(double density) { return cat(100 - 100 * density, " %"); }

const Outcome* first_of(const std::vector<Outcome>& all, const std::string& arm, double density) {
  for (const Outcome& o : all)
    if (o.arm == arm && o.density == density) return &o;
  return nullptr;
}

/// "400", or "200 to 400", of experiments; of those of one name where it is given.
std::string updates_of(const std::vector<Outcome>& all, const std::string& arm = "") {
  std::int64_t low = -1, high = -1;
  for (const Outcome& o : all) {
    if (!arm.empty() && o.arm != arm) continue;
    low = low < 0 ? o.updates : std::min(low, o.updates), high = std::max(high, o.updates);
  }
  return low < 0 ? "–" : low == high ? cat(low) : cat(low, " to ", high);
}

/// Accuracy against sparsity.
plot::Lines curves(const Results& r, const std::string& title, const std::vector<std::string>& arms) {
  plot::Lines lines{.title = title, .x = {"sparsity", "%"}, .y = {"test accuracy", "%"}};
  for (const std::string& arm : arms) {
    plot::Series s{.name = arm, .style = plot::Series::Style::both};
    for (const double d : densities_of(r.curves)) {
      const Measured m = mean_interval(figures(r.curves, arm, d));
      if (std::isnan(m.value)) continue;
      s.x.push_back(100 - 100 * d), s.y.push_back(m.value);
    }
    if (s.x.empty()) continue;
    s.dashed = arm == "HYDRA-2×";
    lines.series.push_back(std::move(s));
  }
  const auto dense = figures(r.curves, "dense", 1);
  if (!dense.empty())
    lines.references.push_back({mean_of(dense), cat("dense, ", updates_of(r.curves, "dense"), " updates")});
  return lines;
}

/// Means with intervals of some experiments, as bars.
plot::Bars bars_of(const std::string& title, const std::vector<Outcome>& all, const std::vector<std::string>& arms,
                   double Outcome::*figure = &Outcome::accuracy) {
  plot::Bars bars{.title = title, .value = {"test accuracy", "%"}};
  plot::BarSeries s{.name = "accuracy"};
  for (const std::string& arm : arms) {
    const Measured m = mean_interval(figures(all, arm, 0, figure));
    bars.categories.push_back(arm);
    s.value.push_back(m.value);
    s.low.push_back(std::isnan(m.low) ? m.value : std::max(0.0, m.low));
    s.high.push_back(std::isnan(m.high) ? m.value : std::min(100.0, m.high));
  }
  bars.series = {std::move(s)};
  return bars;
}

/// An experiment at 98 % of the main study beside those of an ablation, on the ablation's seeds.
std::vector<Outcome> with_main(const Results& r, const std::string& claim, const std::vector<std::string>& main) {
  std::vector<Outcome> all;
  const auto& more = r.ablations.at(claim);
  const auto on_seed = [&](std::uint64_t seed) {
    return std::any_of(more.begin(), more.end(), [&](const Outcome& o) { return o.seed == seed; });
  };
  for (const std::string& arm : main)
    for (const Outcome& o : r.curves)
      if (o.arm == arm && o.density == sparse && on_seed(o.seed)) all.push_back(o);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

void add_ablation_table(Report& page, const std::vector<Outcome>& all, const std::string& caption) {
  std::vector<TableRow> rows;
  for (const std::string& arm : names_of(all)) {
    const auto updates = std::find_if(all.begin(), all.end(), [&](const Outcome& o) { return o.arm == arm; })->updates;
    rows.push_back({arm, cat(updates), spread(figures(all, arm, 0, &Outcome::found)), spread(figures(all, arm)),
                    spread(figures(all, arm, 0, &Outcome::with_prompt)),
                    spread(figures(all, arm, 0, &Outcome::without_prompt)),
                    spread(figures(all, arm, 0, &Outcome::ece))});
  }
  page.table({"", "updates", "as found", "tuned", "with the prompt", "without", "ECE"}, rows, {.caption = caption});
}

void add_methods_table(Report& page, const Results& r) {
  const std::vector<double> all = densities_of(r.curves);
  std::vector<std::string> head = {"method", "updates"};
  for (const double d : all) head.push_back(sparsity(d));
  head.push_back("as found, " + sparsity(sparse));
  head.push_back("ECE, " + sparsity(sparse));
  std::vector<TableRow> rows;
  std::vector<std::int64_t> emphasised, unranked;
  std::vector<Best> best(head.size(), Best::none);
  for (std::size_t i = 2; i < 2 + all.size(); ++i) best[i] = Best::highest;
  for (const std::string& arm : names_of(r.curves)) {
    if (is_dense(arm)) continue;
    if (arm.starts_with("VPNs")) emphasised.push_back(std::int64_t(rows.size()));
    const Outcome* one = first_of(r.curves, arm, sparse);
    TableRow row = {arm, one ? cat(one->updates) : "–"};
    for (const double d : all) row.push_back(spread(figures(r.curves, arm, d)));
    row.push_back(spread(figures(r.curves, arm, sparse, &Outcome::found)));
    row.push_back(spread(figures(r.curves, arm, sparse, &Outcome::ece)));
    rows.push_back(std::move(row));
  }
  for (const char* arm : {"dense", "dense-2×"}) {
    if (figures(r.curves, arm, 1).empty()) continue;
    unranked.push_back(std::int64_t(rows.size()));
    TableRow row = {arm, cat(first_of(r.curves, arm, 1)->updates)};
    for (std::size_t i = 0; i < all.size(); ++i) row.push_back(spread(figures(r.curves, arm, 1)));
    row.push_back("–");
    row.push_back(spread(figures(r.curves, arm, 1, &Outcome::ece)));
    rows.push_back(std::move(row));
  }
  page.table(
      head, rows,
      {.caption =
           cat("Test accuracy in percent after the last update, mean and standard deviation over ", r.seeds.size(),
               " seeds",
               all.front() > 0.05 ? cat(" (below 95 %, ", std::min<std::size_t>(r.seeds.size(), few_seeds), ")") : "",
               ", and how many updates of scores or weights each method has taken (at 98 %; IMP's "
               "depend on the sparsity). No result chooses an epoch by the test set."),
       .footnote = cat("ECE: expected calibration error in percent. BiP trains mask and weights at once, with steps of "
                       "its own (",
                       Rates{}.bip_net, " for the weights, tuned like the others)."),
       .best = best,
       .unranked = unranked,
       .emphasised = emphasised});
}

/// An earlier measurement of the same set-up, which is what can stand beside: the paper's tables were not to be had.
void add_side_by_side(Report& page, const Results& r) {
  struct Row {
    const char *arm, *at95, *at98, *found;
  };
  constexpr Row known[] = {{"OMP", "80.8", "58.7", "13 / 10"},
                           {"SNIP", "91.6", "83.4", "10 / 8"},
                           {"HYDRA", "94.7", "87.8", "90.5 / 74.6"},
                           {"HYDRA-2×", "97.0", "92.8", "94.7 / 80.2"},
                           {"VPNs (code)", "96.3", "93.1", "92.8 / 83.7"},
                           {"VPNs (text)", "96.6", "93.9", "94.3 / 85.0"}};
  std::vector<TableRow> rows;
  for (const Row& k : known) {
    const auto found = [&](double d) {
      const auto x = figures(r.curves, k.arm, d, &Outcome::found);
      return x.empty() ? "–" : fixed(mean_of(x), 1);
    };
    rows.push_back({k.arm, spread(figures(r.curves, k.arm, 0.05)), k.at95, spread(figures(r.curves, k.arm, 0.02)),
                    k.at98, cat(found(0.05), " / ", found(0.02)), k.found});
  }
  page.table({"method", "here", "earlier", "here", "earlier", "here", "earlier"}, rows,
             {.caption = cat("Beside an earlier run with PyTorch (three seeds; OMP and SNIP with 100 updates there, ",
                             updates_of(r.curves, "OMP"), " here)."),
              .groups = {{"", 1}, {"95 % sparsity", 2}, {"98 % sparsity", 2}, {"as found, 95 % / 98 %", 2}}});
}

void add_paper(Report& page, const Results& r) {
  const auto at98 = [&](const std::string& arm) { return figures(r.curves, arm, sparse); };
  std::vector<TableRow> rows;
  std::string best = "–";
  double top = -1;
  for (const std::string& arm : names_of(r.curves))
    if (!arm.starts_with("VPNs") && !is_dense(arm) && !at98(arm).empty() && mean_of(at98(arm)) > top)
      top = mean_of(at98(arm)), best = arm;
  const double vpns = std::max(mean_of(at98("VPNs (code)")), mean_of(at98("VPNs (text)")));
  rows.push_back({"VPNs beats every baseline (ResNet-18, ResNet-50, VGG-16; eight data sets; 40 to 90 %)",
                  cat("98 %: VPNs ", fixed(vpns, 1), ", best other ", best, " ", fixed(top, 1))});
  if (r.ablations.count("C4"))
    rows.push_back({"a prompt after pruning helps little once the sub-network is tuned",
                    cat("HYDRA ", spread(figures(r.ablations.at("C4"), "HYDRA, tuned")), ", with a prompt ",
                        spread(figures(r.ablations.at("C4"), "HYDRA, tuned with a prompt")))});
  if (r.ablations.count("C7"))
    rows.push_back({"pad is the best form, and accuracy falls with the input's size (figure 10)",
                    cat("pad ", spread(figures(with_main(r, "C7", {"VPNs (text)"}), "VPNs (text)")), ", fix ",
                        spread(figures(r.ablations.at("C7"), "fix:21")), ", i = 1/2 O ",
                        spread(figures(r.ablations.at("C7"), "pad:4, i = 1/2 O")))});
  page.table({"the paper", "here"}, rows,
             {.caption = "What the paper says beside what this run measured; its exact figures were not available."});
}

void add_prompts(Report& page, const Shown& shown, const Results& r) {
  page.section("Prompts");
  std::vector<Figure> maps;
  std::vector<const Outcome*> prompts;
  for (const Outcome& o : r.curves)
    if (!o.prompt.empty()) prompts.push_back(&o);
  for (const Outcome* o : prompts) {
    if (o->density != 0.05 && o->density != sparse && o->density != 0.5) continue;
    const std::int64_t n = shown.image;
    plot::HeatMap map{.title = cat(o->arm, ", ", sparsity(o->density)), .rows = n, .columns = n};
    for (std::int64_t p = 0; p < n * n; ++p) {
      double sum = 0;
      for (std::int64_t c = 0; c < shown.channels; ++c) sum += o->prompt[std::size_t(c * n * n + p)];
      map.values.push_back(sum / double(shown.channels));
    }
    map.diverging = true;
    maps.push_back({map, cat("Added to every image before it is cut to [0, 1]; ", fixed(100 * o->dead, 1),
                             " % of its pixels are dead: below 0 or above 1 with all images.")});
  }
  page.text(
      "M ⊙ φ(δ) at the end of the second stage, for the first seed. The frame lies on top of the image's border, not "
      "around it.");
  page.figures(maps);
  ImageGrid grid{.columns = std::int64_t(shown.samples.size()), .size = 96};
  const auto add_row = [&](const std::string& name, const std::vector<float>* prompt) {
    grid.row_names.push_back(name);
    for (std::vector<float> x : shown.samples) {
      if (prompt)
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += (*prompt)[i];
      grid.png.push_back(program_pictures::picture(x.data(), shown.channels, shown.image, shown.image));
    }
  };
  add_row("as it is", nullptr);
  for (const Outcome* o : prompts)
    if (o->density == sparse) add_row(o->arm, &o->prompt);
  page.image_grid(grid, "Samples as the network sees them, without and with the prompts of 98 % sparsity.");
}

void add_masks(Report& page, const Results& r) {
  page.section("Masks");
  plot::Bars layers{.title = "Density of each layer at 98 % sparsity", .value = {"density", "%"}, .numbers = false};
  for (const Outcome& o : r.curves) {
    if (o.density != sparse || o.seed != r.seeds.front()) continue;
    plot::BarSeries s{.name = o.arm};
    if (layers.series.empty())
      for (const Layer& l : o.layers) layers.categories.push_back(l.name.substr(0, l.name.rfind('.')));
    for (const Layer& l : o.layers) s.value.push_back(100 * double(l.kept) / double(l.total));
    layers.series.push_back(std::move(s));
  }
  page.figure(layers, "What is left of each layer, first seed.");
  const auto n = std::int64_t(r.overlaps.size());
  plot::HeatMap overlap{
      .title = "Overlap of masks", .rows = n, .columns = n, .value_title = "Jaccard", .numbers = true};
  for (const auto& [name, row] : r.overlaps) {
    overlap.row_names.push_back(name), overlap.column_names.push_back(name);
    overlap.values.insert(overlap.values.end(), row.begin(), row.end());
  }
  overlap.low = 0, overlap.high = 1;
  if (n > 0)
    page.figure(overlap,
                cat("Weights that both keep over weights that either keeps, at 98 % sparsity, first seed; two random "
                    "masks share ",
                    fixed(100 * sparse / (2 - sparse), 1), " %."));
  std::vector<TableRow> rows;
  for (const std::string& arm : names_of(r.curves))
    if (const Outcome* o = first_of(r.curves, arm, sparse))
      rows.push_back({arm, cat(o->kept), cat(o->total), fixed(100 - 100 * double(o->kept) / double(o->total), 2) + " %",
                      fixed(100 - 100 * double(o->read_kept) / double(o->read_total), 2) + " %"});
  page.table({"method", "kept", "of", "sparsity", "of the weights that are read"}, rows,
             {.caption = "Rows of the head that no class of the target reads count in the sparsity that was asked for, "
                         "but not in the last column."});
}

void add_mapping(Report& page, const Shown& shown, const Results& r) {
  page.section("Label mapping");
  const Source& s = r.sources.front();
  plot::HeatMap k{.title = "What the dense network takes the target's classes for",
                  .x = {"class of the target"},
                  .y = {"class of the source"},
                  .rows = s.classes,
                  .columns = s.targets,
                  .value_title = "samples",
                  .numbers = s.classes * s.targets <= 400};
  for (const std::int64_t v : s.counts) k.values.push_back(double(v));
  if (s.classes <= 40)
    for (std::int64_t i = 0; i < s.classes; ++i) k.row_names.push_back(shown.source_classes[std::size_t(i)]);
  if (s.targets <= 40)
    for (std::int64_t t = 0; t < s.targets; ++t) k.column_names.push_back(shown.target_classes.at(std::size_t(t)));
  for (std::string& name : k.row_names)
    if (name.empty()) name = "?";
  page.figure(k,
              "Frequency mapping takes the largest entry, then the largest outside of its row and column, and so on.");
  std::string text = "π of the first seed:";
  if (!r.curves.empty())
    for (std::size_t t = 0; t < r.curves.front().mapping.size() && t < 40; ++t)
      text += cat(t ? ", " : " ", shown.target_classes.at(t), " → ",
                  shown.source_classes.at(std::size_t(r.curves.front().mapping[t])));
  page.text(text);
}

void add_ablations(Report& page, const Shown& shown, const Results& r) {
  page.section("Ablations at 98 % sparsity");
  const auto named = [](const std::vector<Outcome>& all) { return names_of(all); };
  const auto c4 = r.ablations.at("C4");
  page.figure(bars_of("A prompt after pruning", c4, named(c4)), "Sub-networks that stand still, and that are tuned.");
  const auto c5 = with_main(r, "C5", {"HYDRA-2×", "VPNs (text)"}), c6 = with_main(r, "C6", {"HYDRA-2×", "VPNs (text)"});
  page.figures({{bars_of("The prompt's stages", c5, named(c5)), cat(updates_of(c5), " updates each.")},
                {bars_of("Controls", c6, named(c6)), cat(updates_of(c6), " updates each: is it the prompt?")}});
  const auto c7 = with_main(r, "C7", {"VPNs (text)"});
  page.figure(bars_of("Forms, widths and input sizes", c7, named(c7)),
              cat(updates_of(c7), " updates each; pad:4 has ",
                  prompt::parameter_count({.size = 4, .channels = shown.channels, .image = shown.image}),
                  " parameters, a square of side 21 ",
                  prompt::parameter_count({.form = prompt::Form::fix, .size = 21, .channels = shown.channels}), "."));
  const auto c8 = r.ablations.at("C8");
  page.figures({{bars_of("Label mappings, behind stage 1", c8, named(c8), &Outcome::found),
                 "HYDRA, before its weights are tuned."},
                {bars_of("Label mappings, tuned", c8, named(c8)), cat("HYDRA, ", updates_of(c8), " updates.")}});
  add_ablation_table(page, r.ablations.at("larger steps"),
                     "The methods with steps of the weights of 0.1, ten times the paper's.");
  add_ablation_table(page, c4, "A prompt after pruning: mean and standard deviation, in percent.");
  add_ablation_table(page, c5, "In which stage the prompt is learnt.");
  add_ablation_table(page, c6, "Controls. The noise has the norm of the learnt prompt.");
  add_ablation_table(page, c7, "Forms. The sigmoid begins as a grey patch of 1/2, the identity as nothing.");
  add_ablation_table(
      page, c8,
      "Label mappings: by the dense network (flm), by the masked one before training (masked), at random "
      "(rlm), anew in each epoch (ilm), anew behind stage 1 (remap).");
}

void add_more(Report& page, const Results& r) {
  if (!r.transfers.empty()) {
    page.section("Transfer");
    std::vector<Figure> plots;
    for (const auto& [target, all] : r.transfers)
      plots.push_back(
          {bars_of(target, all, names_of(all)), "Masks of 98 % sparsity, tuned by 20 epochs on the target."});
    page.figures(plots);
  }
  if (!r.structured.empty()) {
    page.section("Whole channels");
    std::vector<TableRow> rows;
    for (const Compact& c : r.compacts) {
      if (c.seed != r.seeds.front()) continue;
      std::string widths;
      for (const std::int64_t w : c.widths) widths += cat(widths.empty() ? "" : ", ", w);
      rows.push_back({c.arm, cat(100 * c.share, " %"), spread(figures(r.structured, c.arm, c.share)), widths,
                      cat(c.weights), fixed(double(c.dense_operations) / double(c.operations), 1) + "×",
                      fixed(c.dense_ms / c.ms, 1) + "×", fixed(c.difference * 1e6, 2) + "e-6"});
    }
    page.table({"method", "channels kept", "accuracy", "channels", "weights", "fewer operations", "faster",
                "difference of outputs"},
               rows,
               {.caption = "The same share of every convolution's channels is kept; they are then taken out, and the "
                           "small network is compared with the masked one. Times are of 64 images."});
  }
  if (!r.queries.empty()) {
    page.section("A prompt of a black box");
    std::vector<TableRow> rows;
    std::vector<std::string> ways;
    std::int64_t steps = 0;  // back-propagation takes one forward pass each
    for (const Queries& q : r.queries)
      if (q.way == "back-propagation") steps = q.forwards;
    for (const Queries& q : r.queries)
      if (std::find(ways.begin(), ways.end(), q.way) == ways.end()) ways.push_back(q.way);
    for (const std::string& way : ways) {
      std::vector<double> accuracy, loss;
      std::int64_t forwards = 0;
      for (const Queries& q : r.queries)
        if (q.way == way) accuracy.push_back(q.accuracy), loss.push_back(q.loss), forwards = q.forwards;
      rows.push_back({way, cat(forwards), spread(accuracy), spread(loss, 3)});
    }
    page.table({"how the prompt is trained", "forward passes of a batch", "accuracy", "training loss"}, rows,
               {.caption = cat(
                    "HYDRA's sub-network at 98 % stands still and only gives losses: zeroth-order estimates "
                    "along random directions and along coordinates, eight a step, ",
                    steps, " steps, beside back-propagation (which takes a backward pass with each forward one).")});
  }
  page.section("Latency");
  std::vector<TableRow> rows;
  for (const Latency& l : r.latencies)
    rows.push_back({sparsity(l.density), cat(l.batch), fixed(l.dense_ms, 3), fixed(l.sparse_ms, 3),
                    fixed(l.dense_ms / l.sparse_ms, 2) + "×"});
  page.table({"sparsity", "images", "dense, ms", "sparse, ms", "faster"}, rows,
             {.caption = "A forward pass on this machine's CPU: zeros multiplied, and weights kept as compressed rows. "
                         "The least of repeated times."});
}

}  // namespace

void write_report(const Options& o, const Shown& shown, const Results& r, const std::vector<Claim>& verdicts,
                  double seconds) {
  const std::filesystem::path out(o.out);
  Metrics m;
  m.example = "vpns";
  m.mode = o.full ? "full" : "quick";
  m.seed = o.seed;
  m.wall_seconds = seconds;
  m.peak_rss_bytes = peak_memory();
  m.claims = verdicts;
  const auto set_all = [&](const std::string& group, const std::vector<Outcome>& all) {
    for (const Outcome& each : all) {
      const std::string at = cat(group, "/", each.arm, "/", each.density, "/seed", each.seed, "/");
      m.set(at + "accuracy", each.accuracy), m.set(at + "found", each.found), m.set(at + "ece", each.ece);
      m.set(at + "with_prompt", each.with_prompt), m.set(at + "without_prompt", each.without_prompt);
      m.set(at + "updates", double(each.updates)), m.set(at + "kept", double(each.kept));
    }
  };
  for (const Source& s : r.sources) m.set(cat("source/seed", s.seed, "/accuracy"), s.accuracy);
  set_all("methods", r.curves);
  for (const auto& [claim, all] : r.ablations) set_all(claim, all);
  for (const auto& [target, all] : r.transfers) set_all("transfer/" + target, all);
  set_all("channels", r.structured);
  for (const Queries& q : r.queries) {
    m.set(cat("queries/", q.way, "/seed", q.seed, "/accuracy"), q.accuracy);
    m.set(cat("queries/", q.way, "/seed", q.seed, "/forwards"), double(q.forwards));
  }
  for (const Latency& l : r.latencies) {
    m.set(cat("latency/", l.density, "/", l.batch, "/dense_ms"), l.dense_ms);
    m.set(cat("latency/", l.density, "/", l.batch, "/sparse_ms"), l.sparse_ms);
  }
  m.write((out / "metrics.json").string());

  Report page(
      "Visual prompts for network sparsification",
      cat("a network of ", shown.weights, " weights, pretrained on ", shown.source, ", pruned for ", shown.target));
  const auto tile = [&](const std::string& arm) { return fixed(mean_of(figures(r.curves, arm, sparse)), 1) + " %"; };
  page.tiles(
      {{"HYDRA at 98 % sparsity", tile("HYDRA"), cat(updates_of(r.curves, "HYDRA"), " updates")},
       {"VPNs (code)", tile("VPNs (code)"), cat("equal epochs: ", updates_of(r.curves, "VPNs (code)"), " updates")},
       {"HYDRA-2×", tile("HYDRA-2×"), cat(updates_of(r.curves, "HYDRA-2×"), " updates, no prompt")},
       {"this report", fixed(seconds, 0) + " s",
        cat(o.full ? "full" : "quick", ", seeds ", r.seeds.front(), " to ", r.seeds.back())}});
  std::string met;
  for (const std::uint64_t seed : r.seeds)
    if (std::find(tuning_seeds.begin(), tuning_seeds.end(), seed) != tuning_seeds.end())
      met += cat(met.empty() ? "" : ", ", seed);
  page.section("Claims").claims(verdicts);
  page.text(cat("Intervals are Student's, over seeds; a seed is another split of the target",
                o.full ? ", another pretrained network" : "", " and another order of all data",
                o.full ? cat("; ablations, and sparsities below 95 %, have ", few_seeds, " seeds")
                       : std::string("; the pretrained network is one"),
                ". Step sizes were tuned on digits, seeds ", tuning_seeds.front(), " to ", tuning_seeds.back(),
                " (`vpns tune`)",
                met.empty() ? ", on which no claim is judged"
                            : "; this run judges claims on seeds that they were tuned on: " + met,
                "; that of the weights is the paper's, ", Rates{}.net, "."));
  page.section("Accuracy against sparsity");
  std::vector<std::string> all = names_of(r.curves), learnt, others;
  for (const std::string& name : all)
    if (!is_dense(name))
      (name.starts_with("HYDRA") || name.starts_with("VPNs") || name == "BiP" ? learnt : others).push_back(name);
  page.figures({{curves(r, "Masks that are learnt", learnt), "Means over seeds."},
                {curves(r, "Other masks", others), "Means over seeds; the axes differ."}});
  add_methods_table(page, r);
  if (o.data == "digits" && o.source == "mnist5k" && o.arch == "cnn" && o.model.empty()) add_side_by_side(page, r);
  add_paper(page, r);
  add_prompts(page, shown, r);
  add_masks(page, r);
  add_mapping(page, shown, r);
  if (!r.ablations.empty()) add_ablations(page, shown, r);
  add_more(page, r);
  page.footer(cat("vpns ", o.full ? "--full" : "--quick", " --data ", o.data, " --arch ", o.arch, " --seed ", o.seed));
  page.write((out / "report.html").string());
}

}  // namespace vpns
