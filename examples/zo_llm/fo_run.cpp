#include "fo_run.hpp"

#include <cmath>
#include <filesystem>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/safetensors_writer.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

/// Before the names of settings among a checkpoint's metadata.
const std::string setting = "setting/";

/// Blocks below the first that is trained by back-propagation: their outputs need no derivatives.
std::size_t constant_blocks(const Model& m, const FoSettings& s) {
  return s.method == "hybrid" ? 0 : first_trained_block(m, s.adapters);
}

/// The elements, into memory that is there.
template <class D>
void decode_into(const StoredTensor& from, Tensor<float, D>& to) {
  if constexpr (std::is_same_v<D, Cpu>) {
    from.decode(to.data());
  } else {
    Tensor<float> host(from.shape());
    from.decode(host.data());
    copy_from_host(D{}, host.size(), std::as_const(host).data(), to.data());
  }
}

/// Writes the leaves of a tree that `wanted(number)` says.
class Leaves {
 public:
  template <class Tree, class F>
  void add(const std::string& prefix, const Tree& tree, F&& wanted) {
    std::uint32_t n = 0;
    for_each_leaf(
        [&](const Path& at, const auto& t) {
          if (!wanted(n++)) return;
          specs_.push_back({cat(prefix, at.str()), DType::f32, t.shape()});
          tensors_.push_back(StoredTensor::from(t.template to<Cpu>()));
        },
        tree);
  }
  void write(const std::string& path, const std::map<std::string, std::string>& metadata) const {
    write_safetensors(path, metadata, specs_, [&](std::size_t i) { return tensors_[i]; });
  }

 private:
  std::vector<TensorSpec> specs_;
  std::vector<StoredTensor> tensors_;
};

const auto all_leaves = [](std::uint32_t) { return true; };

}  // namespace

FoRun::FoRun(Placed& model, FoSettings settings, std::string checkpoint, std::shared_ptr<HiddenCache> cache)
    : model_(model),
      settings_(std::move(settings)),
      file_(std::move(checkpoint)),
      cache_(cache ? std::move(cache) : std::make_shared<HiddenCache>(constant_blocks(model.host(), settings_), true)) {
  Model& host = model_.host();
  if (settings_.method == "hybrid") {
    require(settings_.suffix > 0 && settings_.suffix < host.depth(), "--hybrid: ", host.depth() - settings_.suffix,
            " blocks of ", host.depth(), " by back-propagation; want some of each");
    ZoSettings zo = settings_.zo;
    zo.adapters = settings_.adapters;
    zo.adapters.last_layer = settings_.suffix;
    zo_ = std::make_unique<ZoRun>(model_, zo);
    settings_.adapters.first_layer = settings_.suffix;
  } else {
    add_adapters(host, settings_.adapters);
  }
  trained_ = trained_leaves(host, settings_.adapters);
  own_trained_leaves(host, trained_);
  std::uint32_t n = 0;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        if (!trained_[n++]) return;
        require(w.dtype() == DType::f32, "first-order training wants --dtype f32: '", at.str(), "' is ", w.dtype());
        trained_weights_ += w.size();
      },
      std::as_const(host));
  require(trained_weights_ > 0, "nothing is trained: the scheme and --layers leave no weights");
  model_.place();
  model_.visit([&](auto& m) {
    using D = device_of<decltype(m)>;
    trees_.of<D>().weights = map_tree<Tensor<float, D>>(
        m, [](const stored_t<D>& w) { return zo::Probe<float, D>::weight(w, 0, nullptr).read(0); });
  });
}

template <class D>
ValueAnd<Tensor<float, D>, typename FoRun::Trees<D>::Weights> FoRun::gradient(const Trees<D>& t, const Batch& batch,
                                                                              TaskLoss kind) {
  const auto b = scoring_batch(model_.host(), batch);
  Tensor<float, D> states;
  std::size_t from = cache_->from();
  if (from > 0) states = cache_->states(model_, batch, b).template to<D>();
  if (settings_.method == "hybrid") {
    from = settings_.suffix;
    states = HiddenCache(from, false).states(model_, batch, b).template to<D>();
  }
  std::uint32_t n = 0;
  const auto trained = [&](const Path&) { return trained_[n++] != 0; };
  return value_and_grad(
      [&](const auto& m) {
        using V = leaf_t<std::remove_cvref_t<decltype(m)>>;
        return states.defined() ? scoring_loss(m, lift<V>(states), from, b, kind) : scoring_loss(m, b, kind);
      },
      t.weights, trained);
}

template <class D>
void FoRun::apply(Trees<D>& t, const typename Trees<D>::Weights& g) {
  const double factor = settings_.schedule(step_);
  if (settings_.method == "sgd") settings_.sgd.step(t.sgd, t.weights, g, factor);
  else settings_.adam.step(t.adam, t.weights, g, factor);
}

StepReport FoRun::step(const Batch& batch, TaskLoss kind) {
  return with_trees([&](auto& trees) { return step(trees, batch, kind); });
}

template <class D>
StepReport FoRun::step(Trees<D>& trees, const Batch& batch, TaskLoss kind) {
  const auto [loss, g] = gradient(trees, batch, kind);
  StepReport report{double(loss.item()), 3, !std::isfinite(double(loss.item()))};
  ZoRun::Probed probed;
  if (zo_) {
    probed = zo_->probe(batch, kind);  // at the same point, before either update
    report.forwards += probed.report.forwards;
    report.skipped = report.skipped || probed.report.skipped;
    if (report.skipped) std::fill(probed.record.slopes.begin(), probed.record.slopes.end(), NAN);
  }
  if (!report.skipped) apply(trees, g);
  if (zo_) zo_->apply(probed.record);
  ++step_;
  return report;
}

std::pair<double, double> FoRun::scales(const Batch& batch, TaskLoss kind) {
  double weights = 0, squares = 0;
  with_trees([&]<class D>(Trees<D>& t) {
    const auto g = gradient(t, batch, kind).grad;
    for_each_leaf(
        [&](const Path&, const Tensor<float, D>& d, const Tensor<float, D>& w) {
          squares += squares_of(D{}, d.size(), d.data());
          weights += squares_of(D{}, w.size(), w.data());
        },
        g, std::as_const(t.weights));
  });
  return {std::sqrt(weights), std::sqrt(squares / double(trained_weights_))};
}

void FoRun::choose_rate(const Batch& batch, TaskLoss kind, double factor) {
  const auto [norm, gradient] = scales(batch, kind);
  settings_.adam.lr = 2e-4 * norm / std::sqrt(double(trained_weights_)) * factor;
  settings_.sgd.lr = settings_.adam.lr / std::max(gradient, 1e-12);
}

void FoRun::choose_zo_rates(const std::vector<Batch>& batches, TaskLoss kind) {
  choose_rates(*zo_, batches, kind, model_.host());
}

void FoRun::checkpoint() {
  if (file_.empty()) return;
  with_trees([&](const auto& t) {
    Leaves leaves;
    leaves.add("weights/", t.weights, [&](std::uint32_t n) { return zo_ || trained_[n]; });
    leaves.add("momentum/", t.sgd.momentum, all_leaves);
    leaves.add("first/", t.adam.first, all_leaves);
    leaves.add("second/", t.adam.second, all_leaves);
    const auto updates = std::max(t.sgd.step, t.adam.step);  // fewer than steps where some were skipped
    std::map<std::string, std::string> metadata{{"step", cat(step_)}, {"updates", cat(updates)}};
    for (const auto& [key, value] : description()) metadata[setting + key] = value;
    leaves.write(file_, metadata);
  });
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
  with_trees([&]<class D>(Trees<D>& trees) {
    const auto fill = [&](std::string_view prefix, typename Trees<D>::Weights& tree, bool create) {
      for_each_leaf(
          [&](const Path& at, const Tensor<float, D>& w, Tensor<float, D>& t) {
            const StoredTensor* s = file.tensors().find(cat(prefix, at.str()));
            if (!s) return;
            if (s->dtype() != DType::f32 || !(s->shape() == w.shape()))
              throw FileError(file_, -1, cat("'", prefix, at.str(), "' is ", s->dtype(), " ", s->shape()));
            if (create) t = Tensor<float, D>(w.shape());
            decode_into(*s, t);
          },
          std::as_const(trees.weights), tree);
    };
    fill("weights/", trees.weights, false);
    fill("momentum/", trees.sgd.momentum, true);
    fill("first/", trees.adam.first, true);
    fill("second/", trees.adam.second, true);
    trees.sgd.step = trees.adam.step = std::strtoll(updates->second.c_str(), nullptr, 10);
  });
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
  with_trees([&]<class D>(Trees<D>& t) {
    std::uint32_t n = 0;
    for_each_leaf(
        [&](const Path&, const Tensor<float, D>& w, Tensor<float, D>& kept) {
          if (zo_ || trained_[n++]) kept = w.clone();
        },
        std::as_const(t.weights), t.best);
    best_step_ = step_;
    if (file_.empty()) return;
    Leaves leaves;
    leaves.add("", t.best, all_leaves);
    leaves.write(mark_file(step_), {});
  });
}

void FoRun::mark_best_at(std::uint32_t step) {
  const SafetensorsFile file = SafetensorsFile::open(mark_file(step));
  best_step_ = step;
  with_trees([&]<class D>(Trees<D>& t) {
    for_each_leaf(
        [&](const Path& at, const Tensor<float, D>& w, Tensor<float, D>& kept) {
          const StoredTensor* s = file.tensors().find(at.str());
          if (!s) return;
          if (s->dtype() != DType::f32 || !(s->shape() == w.shape()))
            throw FileError(mark_file(step), -1, cat("'", at.str(), "' is ", s->dtype(), " ", s->shape()));
          kept = Tensor<float, D>(w.shape());
          decode_into(*s, kept);
        },
        std::as_const(t.weights), t.best);
  });
}

void FoRun::return_to_best() {
  with_trees([&]<class D>(Trees<D>& t) {
    for_each_leaf([](const Path&, const Tensor<float, D>& kept,
                     Tensor<float, D>& w) { copy_elements(D{}, kept.size(), kept.data(), w.data()); },
                  std::as_const(t.best), t.weights);
  });
  model_.fetch();
}

}  // namespace zo_llm
