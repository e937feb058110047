#include "zo_run.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "tenzo/autodiff/dual.hpp"

namespace zo_llm {

using namespace tenzo;
using namespace tenzo::zo;

std::string exact(double x) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

namespace {

double number(const LogHeader& h, const std::string& key, const std::string& path) {
  const auto it = h.find(key);
  double x = 0;
  if (it == h.end()) throw FileError(path, 12, cat("the header does not say '", key, "'"));
  const auto [end, error] = std::from_chars(it->second.data(), it->second.data() + it->second.size(), x);
  if (error != std::errc() || end != it->second.data() + it->second.size())
    throw FileError(path, 12, cat("'", key, "' is ", printable(it->second)));
  return x;
}

std::string text(const LogHeader& h, const std::string& key, const std::string& path) {
  const auto it = h.find(key);
  if (it == h.end()) throw FileError(path, 12, cat("the header does not say '", key, "'"));
  return it->second;
}

std::string hex(std::uint64_t x) {
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(x));
  return out;
}

constexpr std::string_view scheme_names[] = {"full", "lora", "prefix", "prompt", "head"};
constexpr std::string_view law_names[] = {"gaussian", "rademacher", "sphere", "coordinate"};
constexpr std::string_view format_names[] = {"f32", "bf16", "file"};
constexpr std::string_view schedule_names[] = {"constant", "linear", "cosine", "inverse-sqrt"};
constexpr std::string_view order_names[] = {"jacobi", "gauss-seidel"};

UpdateRule rule_of(std::string_view method) {
  if (method == "zo-sign") return UpdateRule::sign;
  if (method == "zo-mmt") return UpdateRule::momentum;
  if (method == "zo-adam") return UpdateRule::adam;
  return UpdateRule::sgd;
}

}  // namespace

LogHeader ZoSettings::header() const {
  LogHeader h;
  h["base"] = hex(base);
  h["method"] = method;
  h["scheme"] = scheme_names[int(adapters.scheme)];
  h["layers"] = cat(adapters.first_layer, ":", adapters.last_layer);
  h["lora_rank"] = cat(adapters.rank);
  h["lora_alpha"] = exact(adapters.alpha);
  h["prefix"] = cat(adapters.prefix);
  h["prompt"] = cat(adapters.prompt);
  h["format"] = format_names[int(format)];
  h["seed"] = cat(seed);
  h["directions"] = law_names[int(probe.law)];
  h["rank"] = cat(probe.rank);
  h["eps"] = exact(probe.eps);
  h["two_sided"] = probe.two_sided ? "1" : "0";
  h["queries"] = cat(probe.queries);
  h["slopes"] = cat(slopes());
  h["lr"] = exact(update.lr);
  h["momentum"] = exact(update.momentum);
  h["weight_decay"] = exact(update.weight_decay);
  h["schedule"] = schedule_names[int(schedule.kind)];
  h["schedule_steps"] = cat(schedule.steps);
  std::string ranges;
  for (const LeafRange& r : blocks) ranges += cat(ranges.empty() ? "" : ",", r.first, ":", r.last);
  h["blocks"] = ranges.empty() ? "-" : ranges;
  h["order"] = order_names[int(order)];
  h["mask"] = mask.text();
  h.insert(data.begin(), data.end());
  return h;
}

ZoSettings ZoSettings::from_header(const LogHeader& h, std::uint64_t base, const std::string& path) {
  const auto name_of = [&](const std::string& key, auto& names) {
    const std::string s = text(h, key, path);
    for (std::size_t i = 0; i < std::size(names); ++i)
      if (s == names[i]) return int(i);
    throw FileError(path, 12, cat("'", key, "' is ", printable(s)));
  };
  const auto whole = [&](std::string_view t) {
    std::uint64_t x = 0;
    const auto [end, error] = std::from_chars(t.data(), t.data() + t.size(), x);
    if (error != std::errc() || end != t.data() + t.size())
      throw FileError(path, 12, cat(printable(t), " is no whole number"));
    return x;
  };
  // No setting of a run that can be is larger than its limit: a log from elsewhere asks for no more memory than that.
  const auto count = [&](const std::string& key, std::int64_t most) {
    const std::uint64_t x = whole(text(h, key, path));
    if (x > std::uint64_t(most)) throw FileError(path, 12, cat("'", key, "' is ", x, "; at most ", most, " can be"));
    return std::int64_t(x);
  };
  const auto pair_of = [&](std::string_view t) {
    const std::size_t colon = std::min(t.find(':'), t.size());
    if (colon == t.size()) throw FileError(path, 12, cat(printable(t), " is no range"));
    return std::pair{whole(t.substr(0, colon)), whole(t.substr(colon + 1))};
  };
  ZoSettings s;
  s.base = base;
  if (text(h, "base", path) != hex(base))
    throw FileError(path, 12,
                    cat("belongs to another base model: its hash is ", text(h, "base", path),
                        ", that of the model given is ", hex(base)));
  s.method = text(h, "method", path);
  s.adapters.scheme = Scheme(name_of("scheme", scheme_names));
  const auto layers = pair_of(text(h, "layers", path));
  s.adapters.first_layer = layers.first;
  s.adapters.last_layer = layers.second;
  s.adapters.rank = count("lora_rank", 1 << 16);
  s.adapters.alpha = number(h, "lora_alpha", path);
  s.adapters.prefix = count("prefix", 1 << 16);
  s.adapters.prompt = count("prompt", 1 << 16);
  s.format = WeightFormat(name_of("format", format_names));
  s.seed = s.adapters.seed = whole(text(h, "seed", path));
  s.probe.law = DirectionLaw(name_of("directions", law_names));
  s.probe.rank = int(count("rank", 4096));
  s.probe.eps = number(h, "eps", path);
  s.probe.two_sided = number(h, "two_sided", path) != 0;
  s.probe.queries = int(count("queries", 65536));
  s.update.rule = rule_of(s.method);
  s.update.lr = number(h, "lr", path);
  s.update.momentum = number(h, "momentum", path);
  s.update.weight_decay = number(h, "weight_decay", path);
  s.schedule.kind = Schedule::Kind(name_of("schedule", schedule_names));
  s.schedule.steps = count("schedule_steps", std::int64_t(1) << 40);
  if (const std::string b = text(h, "blocks", path); b != "-")
    for (std::size_t at = 0; at <= b.size();) {
      const std::size_t end = std::min(b.find(',', at), b.size());
      const auto [first, last] = pair_of(std::string_view(b).substr(at, end - at));
      s.blocks.push_back({std::uint32_t(first), std::uint32_t(last)});
      at = end + 1;
    }
  if (count("slopes", 1 << 20) != s.slopes())
    throw FileError(path, 12, cat("'slopes' is ", text(h, "slopes", path), " with ", s.slopes(), " directions a step"));
  s.order = BlockOrder(name_of("order", order_names));
  if (s.order == BlockOrder::gauss_seidel && s.blocks.empty()) throw FileError(path, 12, "an order of no blocks");
  try {
    s.mask = MaskRule::parse(text(h, "mask", path));
  } catch (const ValueError& e) {
    throw FileError(path, 12, e.what());
  }
  return s;
}

void check_same_settings(const LogHeader& was, const LogHeader& now, const std::string& path) {
  const auto value = [](const LogHeader& h, const std::string& key) {
    const auto it = h.find(key);
    return it == h.end() ? std::string("not said") : it->second;
  };
  for (const LogHeader* h : {&was, &now})
    for (const auto& [key, ignored] : *h) {
      const std::string there = value(was, key), here = value(now, key);
      if (there != here)
        throw FileError(path, -1,
                        cat("was made with other options: ", key, " is ", printable(there), " there and ",
                            printable(here), " now; --resume wants the same ones"));
    }
}

void own_trained_leaves(Model& model, const std::vector<std::uint8_t>& trained) {
  std::uint32_t n = 0;
  for_each_leaf(
      [&](const Path& at, StoredTensor& w) {
        if (!trained[n++]) return;
        require(w.dtype() == DType::f32 || w.dtype() == DType::bf16 || w.dtype() == DType::f16, "'", at.str(),
                "' is stored as ", w.dtype(),
                ", which is not trained; give --dtype f32 or bf16, or --scheme lora, prefix, prompt or head");
        if (!w.writable()) w = w.clone();
      },
      model);
}

ZoRun::ZoRun(Placed& model, ZoSettings settings, std::function<Model()> rebuild, std::string log,
             std::shared_ptr<HiddenCache> cache)
    : model_(model),
      settings_(std::move(settings)),
      rebuild_(std::move(rebuild)),
      log_(std::move(log)),
      cache_(cache ? std::move(cache)
                   : std::make_shared<HiddenCache>(first_trained_block(model.host(), settings_.adapters), true)) {
  settings_.update.rule = rule_of(settings_.method);
  settings_.adapters.seed = settings_.seed;
  set_up();
  std::uint32_t n = 0;
  for_each_leaf([&](const Path&,
                    const StoredTensor& w) { trained_weights_ += trained_[n++] ? settings_.mask.kept(w.size()) : 0; },
                std::as_const(model_.host()));
  require(trained_weights_ > 0, "nothing is trained: the scheme and --layers leave no weights");
}

void ZoRun::set_up() {
  Model& model = model_.host();
  add_adapters(model, settings_.adapters);
  trained_ = trained_leaves(model, settings_.adapters);
  own_trained_leaves(model, trained_);
  if (settings_.mask.kind != MaskRule::Kind::none && !settings_.probe.masks)
    settings_.probe.masks =
        std::make_shared<const Masks>(make_masks(settings_.mask, std::as_const(model), settings_.seed, trained_));
  model_.place();
}

void ZoRun::set_step_number(std::uint32_t n) {
  step_ = n;
  model_.visit([&](auto& m) { states_.of<device_of<decltype(m)>>().step = n; });
}

Direction ZoRun::direction(std::uint32_t query) const {
  const LeafRange range = settings_.blocks.empty() ? LeafRange{} : settings_.blocks[query];
  Direction d = settings_.probe.direction(settings_.seed, step_, query, range);
  if (d.law == DirectionLaw::sphere)
    d.radius = model_.visit([&](const auto& m) { return sphere_radius(d, m, trained_); });
  return d;
}

Estimate ZoRun::estimate_of(const std::vector<double>& slopes) const {
  Estimate g;
  g.loss = 0;
  g.weight = settings_.blocks.empty() ? 1.0 / double(settings_.probe.queries) : 1.0;
  for (std::size_t q = 0; q < slopes.size(); ++q) g.slopes.push_back({direction(std::uint32_t(q)), slopes[q]});
  return g;
}

/// f(losses of the batch at perturbed points), which live as long as the call.
template <class F>
auto ZoRun::with_losses(const Batch& batch, TaskLoss kind, F&& f) {
  const auto b = scoring_batch(model_.host(), batch);
  return model_.visit([&](const auto& model) {
    using D = device_of<decltype(model)>;
    Tensor<float, D> states;
    if (cache_->from() > 0) states = cache_->states(model_, batch, b).template to<D>();
    const auto loss = [&](const auto& m) {
      using V = leaf_t<std::remove_cvref_t<decltype(m)>>;
      return states.defined() ? scoring_loss(m, lift<V>(states), cache_->from(), b, kind) : scoring_loss(m, b, kind);
    };
    return f(ModelLoss(model, loss, trained_));
  });
}

ZoRun::Probed ZoRun::probe(const Batch& batch, TaskLoss kind) {
  return with_losses(batch, kind, [&](const auto& at) {
    Probed out;
    Estimate g = estimate_of({});
    std::vector<Direction> directions;
    for (int q = 0; q < settings_.slopes(); ++q) directions.push_back(direction(std::uint32_t(q)));
    if (settings_.method == "forward-grad") {
      double total = 0;
      for (const Direction& d : directions) {
        double here = 0;
        g.slopes.push_back({d, forward_slope(d, batch, kind, here)});
        total += here;
        g.forwards += 2;  // value and tangent
      }
      g.loss = total / double(directions.size());
    } else {
      tenzo::zo::detail::probe_directions(at, directions, settings_.probe, g);
    }
    out.report = {g.loss, g.forwards, !g.finite()};
    if (settings_.method == "zo-cons" && !out.report.skipped) {
      choice_ = conservative_choice(at, g, settings_.update.lr * settings_.schedule(step_), out.report.loss);
      out.report.forwards += 3;
      for (Slope& s : g.slopes) s.value *= choice_;
    }
    out.record.step = step_;
    for (const Slope& s : g.slopes) out.record.slopes.push_back(out.report.skipped ? NAN : s.value);
    return out;
  });
}

ZoRun::Probed ZoRun::sweep(const Batch& batch, TaskLoss kind) {
  return with_losses(batch, kind, [&](const auto& at) {
    Probed out;
    std::int64_t more = 0;
    const auto move = [&](Estimate& g) {
      if (settings_.method == "zo-cons") {
        double here = 0;
        choice_ = conservative_choice(at, g, settings_.update.lr * settings_.schedule(step_), here);
        more += 3;
        g.slopes[0].value *= choice_;
      }
      move_block(g.slopes[0].direction.query, g);
    };
    const Estimate g = block_sweep(at, settings_.seed, step_, settings_.blocks, move, settings_.probe);
    out.report = {g.loss, g.forwards + more, !g.finite()};
    out.record.step = step_;
    for (const Slope& s : g.slopes) out.record.slopes.push_back(s.value);
    return out;
  });
}

/// The step's number is that of the optimizer's too, for all blocks.
void ZoRun::move_block(std::size_t block, const Estimate& g) {
  set_step_number(step_);
  move(trained_in(trained_, settings_.blocks[block]), g);
}

void ZoRun::move(const std::vector<std::uint8_t>& leaves, const Estimate& g) {
  model_.visit([&](auto& m) {
    apply_estimate_(m, leaves, g, settings_.update, states_.of<device_of<decltype(m)>>(), settings_.schedule(step_));
  });
}

double ZoRun::loss_at(const Batch& batch, TaskLoss kind) {
  Perturbation here;
  return with_losses(batch, kind, [&](const auto& at) { return at(here)[0]; });
}

/// The derivative of the loss along a direction, exactly: one forward pass on dual numbers.
double ZoRun::forward_slope(const Direction& d, const Batch& batch, TaskLoss kind, double& loss) const {
  const auto b = scoring_batch(model_.host(), batch);
  return model_.visit([&](const auto& model) {
    using D = device_of<decltype(model)>;
    using T = Tensor<float, D>;
    std::uint32_t n = 0;
    const auto duals = map_tree<Dual<T>>(model, [&](const Path&, const stored_t<D>& w) {
      const std::uint32_t leaf = n++;
      Dual<T> v{zo::Probe<float, D>::weight(w, leaf, nullptr).read(0), T{}};
      if (trained_[leaf] && d.covers(leaf)) {
        v.tangent = T::zeros(w.shape());
        add_steps_(D{}, v.tangent.data(), w.rows(), w.cols(), leaf, std::vector<Step>{{d, 1.0}});
      }
      return v;
    });
    const Dual<T> y = scoring_loss(duals, b, kind);
    loss = double(y.value.item());
    return y.tangent.defined() ? double(y.tangent.item()) : 0.0;
  });
}

void ZoRun::apply(const LogStep& record) {
  const Estimate g = estimate_of(record.slopes);
  if (settings_.order == BlockOrder::gauss_seidel) {
    for (std::size_t b = 0; b < g.slopes.size(); ++b)
      if (std::isfinite(g.slopes[b].value)) move_block(b, {{g.slopes[b]}, g.weight, 0, 0});
  } else if (g.finite()) move(trained_, g);
  ++step_;
}

StepReport ZoRun::step(const Batch& batch, TaskLoss kind) {
  if (!log_.empty() && !writer_.is_open()) writer_.create(log_, settings_.header());
  const bool moves = settings_.order == BlockOrder::gauss_seidel;
  const Probed p = moves ? sweep(batch, kind) : probe(batch, kind);
  if (writer_.is_open()) writer_.append(p.record);  // before the update: a crash between the two loses nothing
  history_.push_back(p.record);
  if (moves) ++step_;
  else apply(p.record);
  return p.report;
}

bool ZoRun::resume() {
  std::error_code ignored;
  if (log_.empty() || !std::filesystem::exists(log_, ignored)) return false;
  const Log log = Log::read(log_);
  const ZoSettings was = ZoSettings::from_header(log.header, settings_.base, log_);
  if (std::isnan(settings_.probe.eps)) settings_.probe.eps = was.probe.eps;
  if (std::isnan(settings_.update.lr)) settings_.update.lr = was.update.lr;
  check_same_settings(log.header, settings_.header(), log_);
  for (const LogStep& s : log.steps) apply(s);
  history_ = log.steps;
  writer_.resume(log_, log);
  return true;
}

void ZoRun::mark_best_at(std::uint32_t step) {
  require(step <= step_, "zo: step ", step, " of ", step_, " is to be the best");
  best_ = step;
}

void ZoRun::return_to_best() {
  if (best_ != step_) {
    require(bool(rebuild_), "zo: no way back to step ", best_);
    model_.clear();
    model_.host() = rebuild_();
    states_ = {};
    step_ = 0;
    set_up();
    for (std::uint32_t i = 0; i < best_; ++i) apply(history_[i]);
  }
  model_.fetch();
  if (writer_.is_open()) writer_.finish(best_);
}

namespace {

/// Root mean square of the leaves that `wanted(name, number)` says.
template <class F>
double rms_of(const Model& model, F&& wanted) {
  double squares = 0, count = 0;
  std::uint32_t n = 0;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        if (!wanted(at.str(), n++)) return;
        std::vector<float> row(static_cast<std::size_t>(w.cols()));
        for (std::int64_t i = 0; i < w.rows(); ++i) {
          w.decode(i, 1, 0, w.cols(), row.data(), w.cols());
          double sum = 0;
          for (const float x : row) sum += double(x) * double(x);
          squares += sum;
        }
        count += double(w.size());
      },
      model);
  return count > 0 ? std::sqrt(squares / count) : 0;
}

/// The size of a trained weight that a step is measured by: their root mean square. The factors of LoRA say nothing of
/// the weights that they move, and B begins at zero: there it is what an element of B must be for s B A to be as large
/// as W.
double natural_size(const Model& model, const std::vector<std::uint8_t>& trained, const AdapterOptions& o) {
  if (o.scheme != Scheme::lora)
    return rms_of(model, [&](const std::string&, std::uint32_t n) { return trained[n] != 0; });
  static constexpr std::string_view factor = "lora_A.weight";
  std::set<std::string> adapted;
  const double a = rms_of(model, [&](const std::string& name, std::uint32_t n) {
    if (!trained[n] || !name.ends_with(factor)) return false;
    adapted.insert(name.substr(0, name.size() - factor.size()) + "weight");
    return true;
  });
  const double w = rms_of(model, [&](const std::string& name, std::uint32_t) { return adapted.contains(name); });
  return w / (o.alpha / double(o.rank) * std::sqrt(double(o.rank)) * a);
}

}  // namespace

void choose_rates(ZoRun& run, const std::vector<Batch>& batches, TaskLoss kind, const Model& model) {
  ZoSettings& s = run.settings();
  const bool choose_eps = std::isnan(s.probe.eps), choose_lr = std::isnan(s.update.lr);
  if (!choose_eps && !choose_lr) return;
  const Scheme scheme = s.adapters.scheme;
  if (choose_eps) s.probe.eps = scheme == Scheme::full ? 1e-3 : scheme == Scheme::prefix ? 1e-1 : 1e-2;
  constexpr std::uint32_t trial = 0x70000000;  // directions that no step of the run has
  double change = 0, slope = 0, loss = 0;      // of a probe, relative; root mean square; mean
  const auto probe_all = [&] {
    std::vector<double> changes, squares;
    loss = 0;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      run.set_step_number(trial + std::uint32_t(i));  // one direction alone may lie along the gradient, or across it
      const ZoRun::Probed p = run.probe(batches[i], kind);
      if (p.report.skipped) continue;
      for (const double v : p.record.slopes) {
        changes.push_back(std::abs(v) * 2 * s.probe.eps / std::max(1e-12, std::abs(p.report.loss)));
        squares.push_back(v * v);
        loss += p.report.loss;
      }
    }
    require(!changes.empty(), "--lr/--eps auto: the loss is not finite on any of ", batches.size(), " batches");
    std::sort(changes.begin(), changes.end());
    change = changes[changes.size() / 2];
    slope = 0;
    for (const double x : squares) slope += x / double(squares.size());
    slope = std::sqrt(slope);
    require(slope > 0, "--lr/--eps auto: a probe of radius ", s.probe.eps,
            " does not change the loss; want a larger --eps");
    loss /= double(squares.size());
  };
  const std::string method = s.method;
  if (method == "zo-cons") s.method = "zo-sgd";  // the probe alone
  const std::uint32_t begin = run.step_number();
  probe_all();
  if (choose_eps && (change < 1e-3 || change > 1e-2) && change > 0) {
    s.probe.eps *= std::clamp(3e-3 / change, 0.1, 10.0);
    probe_all();
  }
  s.method = method;
  run.set_step_number(begin);
  if (!choose_lr) return;
  // LoRA's slopes grow as B leaves zero.
  const double largest = (scheme == Scheme::lora ? 1e-3 : 1e-2) * natural_size(model, run.trained(), s.adapters);
  const double move = std::min(0.02 * loss / slope, largest);
  switch (s.update.rule) {
    case UpdateRule::sgd: s.update.lr = move / slope; break;
    case UpdateRule::momentum: s.update.lr = move / slope * (1 - s.update.momentum); break;
    default: s.update.lr = move; break;
  }
}

}  // namespace zo_llm
