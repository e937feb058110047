#include "fo_run.hpp"

#include <cmath>
#include <filesystem>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/safetensors_writer.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

using T = Tensor<float>;

/// Before the names of settings among a checkpoint's metadata.
const std::string setting = "setting/";

/// Blocks below the first that is trained by back-propagation: their outputs need no derivatives.
std::size_t constant_blocks(const Model& m, const FoSettings& s) {
  return s.method == "hybrid" ? 0 : first_trained_block(m, s.adapters);
}

}  // namespace

FoRun::FoRun(Model& model, FoSettings settings, std::string checkpoint, std::shared_ptr<HiddenCache> cache)
    : model_(model),
      settings_(std::move(settings)),
      file_(std::move(checkpoint)),
      cache_(cache ? std::move(cache) : std::make_shared<HiddenCache>(constant_blocks(model, settings_), true)) {
  if (settings_.method == "hybrid") {
    require(settings_.suffix > 0 && settings_.suffix < model.depth(), "--hybrid: ", model.depth() - settings_.suffix,
            " blocks of ", model.depth(), " by back-propagation; want some of each");
    ZoSettings zo = settings_.zo;
    zo.adapters = settings_.adapters;
    zo.adapters.last_layer = settings_.suffix;
    zo_ = std::make_unique<ZoRun>(model_, zo);
    settings_.adapters.first_layer = settings_.suffix;
  } else {
    add_adapters(model_, settings_.adapters);
  }
  trained_ = trained_leaves(model_, settings_.adapters);
  own_trained_leaves(model_, trained_);
  std::uint32_t n = 0;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        if (!trained_[n++]) return;
        require(w.dtype() == DType::f32, "first-order training wants --dtype f32: '", at.str(), "' is ", w.dtype());
        trained_weights_ += w.size();
      },
      std::as_const(model_));
  require(trained_weights_ > 0, "nothing is trained: the scheme and --layers leave no weights");
  weights_ = map_tree<T>(model_, [](const StoredTensor& w) { return zo::Probe<float>::weight(w, 0, nullptr).read(0); });
}

ValueAnd<T, FoRun::Weights> FoRun::gradient(const Batch& batch, TaskLoss kind) {
  const auto b = scoring_batch(model_, batch);
  Tensor<float> states;
  std::size_t from = cache_->from();
  if (from > 0) states = cache_->states(model_, batch, b);
  if (settings_.method == "hybrid") {
    const auto probes = detail::as_probes(model_);
    from = settings_.suffix;
    states = probes.blocks(probes.embed(b.batch), b.batch, 0, from).read(0);
  }
  std::uint32_t n = 0;
  const auto trained = [&](const Path&) { return trained_[n++] != 0; };
  return value_and_grad(
      [&](const auto& m) {
        using V = leaf_t<std::remove_cvref_t<decltype(m)>>;
        return states.defined() ? scoring_loss(m, lift<V>(states), from, b, kind) : scoring_loss(m, b, kind);
      },
      weights_, trained);
}

void FoRun::apply(const Weights& g) {
  const double factor = settings_.schedule(step_);
  if (settings_.method == "sgd") settings_.sgd.step(sgd_, weights_, g, factor);
  else settings_.adam.step(adam_, weights_, g, factor);
}

StepReport FoRun::step(const Batch& batch, TaskLoss kind) {
  const auto [loss, g] = gradient(batch, kind);
  StepReport report{double(loss.item()), 3, !std::isfinite(double(loss.item()))};
  ZoRun::Probed probed;
  if (zo_) {
    probed = zo_->probe(batch, kind);  // at the same point, before either update
    report.forwards += probed.report.forwards;
    report.skipped = report.skipped || probed.report.skipped;
    if (report.skipped) std::fill(probed.record.slopes.begin(), probed.record.slopes.end(), NAN);
  }
  if (!report.skipped) apply(g);
  if (zo_) zo_->apply(probed.record);
  ++step_;
  return report;
}

std::pair<double, double> FoRun::scales(const Batch& batch, TaskLoss kind) {
  const auto [loss, g] = gradient(batch, kind);
  double weights = 0, squares = 0;
  for_each_leaf(
      [&](const Path&, const T& d, const T& w) {
        for (std::int64_t i = 0; i < d.size(); ++i) {
          squares += double(d(i)) * double(d(i));
          weights += double(w(i)) * double(w(i));
        }
      },
      g, std::as_const(weights_));
  return {std::sqrt(weights), std::sqrt(squares / double(trained_weights_))};
}

void FoRun::choose_rate(const Batch& batch, TaskLoss kind, double factor) {
  const auto [norm, gradient] = scales(batch, kind);
  settings_.adam.lr = 2e-4 * norm / std::sqrt(double(trained_weights_)) * factor;
  settings_.sgd.lr = settings_.adam.lr / std::max(gradient, 1e-12);
}

void FoRun::choose_zo_rates(const std::vector<Batch>& batches, TaskLoss kind) {
  choose_rates(*zo_, batches, kind, model_);
}

void FoRun::checkpoint() {
  if (file_.empty()) return;
  std::vector<TensorSpec> specs;
  std::vector<StoredTensor> tensors;
  const auto add = [&](const std::string& name, const T& t) {
    specs.push_back({name, DType::f32, t.shape()});
    tensors.push_back(StoredTensor::from(t));
  };
  std::uint32_t n = 0;
  const std::vector<std::uint8_t> changed = zo_ ? std::vector<std::uint8_t>(trained_.size(), 1) : trained_;
  for_each_leaf(
      [&](const Path& at, T& t) {
        if (changed[n++]) add(cat("weights/", at.str()), t);
      },
      weights_);
  for_each_leaf([&](const Path& at, T& t) { add(cat("momentum/", at.str()), t); }, sgd_.momentum);
  for_each_leaf([&](const Path& at, T& t) { add(cat("first/", at.str()), t); }, adam_.first);
  for_each_leaf([&](const Path& at, T& t) { add(cat("second/", at.str()), t); }, adam_.second);
  const auto updates = std::max(sgd_.step, adam_.step);  // fewer than steps where some were skipped
  std::map<std::string, std::string> metadata{{"step", cat(step_)}, {"updates", cat(updates)}};
  for (const auto& [key, value] : description()) metadata[setting + key] = value;
  write_safetensors(file_, metadata, specs, [&](std::size_t i) { return tensors[i]; });
  // Nothing goes on from before this step: of the marks the last one is enough.
  const std::filesystem::path at(file_), folder = at.has_parent_path() ? at.parent_path() : ".";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const bool mark = entry.path().filename().string().starts_with(at.filename().string() + ".best-");
    if (mark && entry.path().string() != mark_file(best_step_)) std::filesystem::remove(entry.path());
  }
}

bool FoRun::resume() {
  std::error_code ignored;
  if (file_.empty() || !std::filesystem::exists(file_, ignored)) return false;
  const SafetensorsFile file = SafetensorsFile::open(file_);
  const auto it = file.metadata().find("step"), updates = file.metadata().find("updates");
  if (it == file.metadata().end() || updates == file.metadata().end())
    throw FileError(file_, -1, "is no checkpoint: it does not say its step");
  zo::LogHeader was;
  for (const auto& [key, value] : file.metadata())
    if (key.starts_with(setting)) was[key.substr(setting.size())] = value;
  check_same_settings(was, description(), file_);
  step_ = std::uint32_t(std::strtoul(it->second.c_str(), nullptr, 10));
  const auto fill = [&](std::string_view prefix, Weights& tree, bool create) {
    for_each_leaf(
        [&](const Path& at, const T& w, T& t) {
          const StoredTensor* s = file.tensors().find(cat(prefix, at.str()));
          if (!s) return;
          if (s->dtype() != DType::f32 || !(s->shape() == w.shape()))
            throw FileError(file_, -1, cat("'", prefix, at.str(), "' is ", s->dtype(), " ", s->shape()));
          if (create) t = T(w.shape());
          s->decode(t.data());
        },
        std::as_const(weights_), tree);
  };
  fill("weights/", weights_, false);
  fill("momentum/", sgd_.momentum, true);
  fill("first/", adam_.first, true);
  fill("second/", adam_.second, true);
  sgd_.step = adam_.step = static_cast<decltype(adam_.step)>(std::strtoll(updates->second.c_str(), nullptr, 10));
  if (zo_) zo_->set_step_number(step_);
  return true;
}

zo::LogHeader FoRun::description() const {
  ZoSettings s = zo_ ? zo_->settings() : settings_.zo;
  const double zo_lr = s.update.lr;
  s.method = settings_.method;
  s.adapters = settings_.adapters;
  s.seed = settings_.seed;
  s.base = settings_.base;
  s.schedule = settings_.schedule;
  s.update.lr = settings_.method == "sgd" ? settings_.sgd.lr : settings_.adam.lr;
  s.update.weight_decay = settings_.method == "sgd" ? settings_.sgd.weight_decay : settings_.adam.weight_decay;
  zo::LogHeader h = s.header();
  if (!zo_) return h;
  h["hybrid"] = cat(settings_.suffix);
  h["zo_lr"] = exact(zo_lr);
  return h;
}

std::string FoRun::mark_file(std::uint32_t step) const { return cat(file_, ".best-", step); }

void FoRun::mark_best() {
  std::uint32_t n = 0;
  for_each_leaf(
      [&](const Path&, const T& w, T& kept) {
        if (zo_ || trained_[n++]) kept = w.clone();
      },
      std::as_const(weights_), best_);
  best_step_ = step_;
  if (file_.empty()) return;
  std::vector<TensorSpec> specs;
  std::vector<StoredTensor> tensors;
  for_each_leaf(
      [&](const Path& at, const T& kept) {
        specs.push_back({at.str(), DType::f32, kept.shape()});
        tensors.push_back(StoredTensor::from(kept));
      },
      std::as_const(best_));
  write_safetensors(mark_file(step_), {}, specs, [&](std::size_t i) { return tensors[i]; });
}

void FoRun::mark_best_at(std::uint32_t step) {
  const SafetensorsFile file = SafetensorsFile::open(mark_file(step));
  best_step_ = step;
  for_each_leaf(
      [&](const Path& at, const T& w, T& kept) {
        const StoredTensor* s = file.tensors().find(at.str());
        if (!s) return;
        if (s->dtype() != DType::f32 || !(s->shape() == w.shape()))
          throw FileError(mark_file(step), -1, cat("'", at.str(), "' is ", s->dtype(), " ", s->shape()));
        kept = T(w.shape());
        s->decode(kept.data());
      },
      std::as_const(weights_), best_);
}

void FoRun::return_to_best() {
  for_each_leaf([](const Path&, const T& kept, T& w) { std::copy_n(kept.data(), kept.size(), w.data()); },
                std::as_const(best_), weights_);
}

}  // namespace zo_llm
