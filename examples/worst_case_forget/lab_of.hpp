// A laboratory for models of one type on one device; included where those are compiled.
#pragma once

#include <chrono>
#include <cmath>
#include <functional>
#include <utility>

#include "lab.hpp"
#include "tenzo/bilevel/implicit.hpp"
#include "tenzo/bilevel/unroll.hpp"
#include "tenzo/core/pool.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/train/classifier.hpp"

namespace worst_case {

using namespace tenzo;

template <template <class> class Net, class Device>
class LabOf final : public Lab {
  using M = Net<Tensor<float, Device>>;

 public:
  /// spec   what the model is like; before training it is as layers usually begin
  LabOf(const DataSet& data, const Recipe& recipe, const Samples<float>* held_out, Net<Expected> spec)
      : data_(data),
        recipe_(recipe),
        held_out_(held_out),
        weights_(trained_weights(spec)),
        fresh_([spec = std::move(spec)](std::uint64_t seed) {
          return to_device<Device>(initialised<float>(spec, seed));
        }) {}

  void train(std::uint64_t seed) override {
    seed_ = seed;
    model_ = fresh_(seed);
    train_(model_, data_.train, recipe_.options(seed));
  }
  double train_accuracy() const override { return 100 * accuracy(model_, data_.train); }
  double test_accuracy() const override { return 100 * accuracy(model_, data_.test); }
  std::int64_t weights() const override { return weights_; }
  std::int64_t samples() const override { return data_.train.size(); }
  std::vector<double> losses() const override {
    const auto l = sample_losses(model_, data_.train);
    return {l.values().begin(), l.values().end()};
  }

  unlearn::WorstCaseSet search(const unlearn::WorstCase& o) const override {
    return unlearn::worst_case_samples(model_, data_.train, o);
  }
  unlearn::WorstCaseSet search_classes(const unlearn::WorstCase& o) const override {
    return unlearn::worst_case_classes(model_, data_.train, o);
  }

  Evaluation unlearned(const unlearn::Method& method, const Rows& forget) const override {
    const auto r = request(forget);
    return judged(after(method, r), r);
  }
  Evaluation original(const Rows& forget) const override { return judged(model_, request(forget)); }

  unlearn::Shadows shadows(std::int64_t models, std::uint64_t seed) const override {
    return unlearn::train_shadows(fresh_, data_.train, recipe_.options(seed), models, seed);
  }
  Tensor<double> original_confidence() const override { return confidence(model_); }
  Tensor<double> unlearned_confidence(const unlearn::Method& method, const Rows& forget) const override {
    return confidence(after(method, request(forget)));
  }

  double trained_on(const Rows& kept) const override {
    M m = fresh_(seed_ + 7919);
    // as many steps as on all samples: fewer samples, more epochs
    Recipe r = recipe_;
    r.epochs = std::max<std::int64_t>(
        1, std::llround(double(r.epochs) * double(data_.train.size()) / double(std::max<std::size_t>(1, kept.size()))));
    train_(m, data_.train.at(kept), r.options(seed_));
    return 100 * accuracy(m, data_.test);
  }

  std::vector<Derivative> derivatives(std::int64_t size) const override {
    using namespace tenzo::bilevel;
    using X = Tensor<float, Device>;
    const Samples<float>& s = data_.train;
    const X w = X::full(Shape{s.size()}, float(size) / float(s.size()));
    const X x = s.x.template to<Device>();
    const auto losses_of = [&](const auto& m) {
      return cross_entropy(deployed_scores(m, x), s.labels, {.reduction = Reduction::none});
    };
    const X ones = X::ones(Shape{s.size()});
    const double n = double(s.size());
    const Problem problem{[&](const auto& v, const auto& m) { return scale(sum(mul(v, losses_of(m))), 1 / n); },
                          [&](const auto& v, const auto& m) {
                            return add(scale(sum(mul(sub(ones, v), losses_of(m))), 1 / n),
                                       scale(dot(m, m), 0.5 * 5e-4));
                          }};
    std::vector<Derivative> out;
    const auto measure = [&](const std::string& name, const auto& make) {
      Oracle oracle(problem);
      Pool& pool = Pool::instance();
      pool.reset_peak();
      const std::size_t held = pool.statistics().in_use;
      const auto start = std::chrono::steady_clock::now();
      const auto h = make(oracle);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      const auto gradient = h.gradient.template to<Cpu>();
      Derivative d{.name = name,
                   .seconds = seconds,
                   .megabytes = HostDevice<Device> ? double(pool.statistics().peak - held) / 1e6 : 0,
                   .gradient = {gradient.values().begin(), gradient.values().end()}};
      if (!out.empty()) {
        double ab = 0, aa = 0, bb = 0;
        for (std::size_t i = 0; i < d.gradient.size(); ++i) {
          const double a = d.gradient[i], b = out.front().gradient[i];
          ab += a * b, aa += a * a, bb += b * b;
        }
        d.cosine = ab / std::sqrt(aa * bb);
      } else {
        d.cosine = 1;
      }
      out.push_back(std::move(d));
    };
    const std::int64_t steps = 10;
    measure("signs", [&](auto& o) {
      return unrolled_gradient(o, w, model_, SignStep{.lr = 1e-4}, {.steps = steps, .back = 0});
    });
    measure("unrolled",
            [&](auto& o) { return unrolled_gradient(o, w, model_, GradientStep{.lr = 0.02}, {.steps = steps}); });
    measure("implicit", [&](auto& o) {
      return implicit_gradient(o, w, model_, Cg{{.iterations = 30, .rtol = 1e-3, .damping = 1e-2}});
    });
    return out;
  }

 private:
  static std::int64_t trained_weights(const Net<Expected>& spec) {
    std::int64_t n = 0;
    for_each_leaf([&](const Path& leaf, const Expected& e) { n += is_trained(leaf) ? e.shape().numel() : 0; }, spec);
    return n;
  }
  unlearn::Request<M, float> request(const Rows& forget) const {
    return {.model = model_,
            .samples = data_.train,
            .forget = forget,
            .retain = complement(forget, data_.train.size()),
            .seed = seed_ + 104729,
            .fresh = fresh_,
            .held_out = held_out_};
  }
  M after(const unlearn::Method& method, const unlearn::Request<M, float>& r) const {
    unlearn::Method m = method;
    if (TrainOptions* train = unlearn::training_of(m)) {
      if (unlearn::name_of(m) == unlearn::Retrain::name) *train = recipe_.options(seed_);
      else
        train->epochs =
            std::min(train->epochs, unlearn::relabels(m) ? recipe_.relabelling_epochs : recipe_.unlearning_epochs);
    }
    return unlearn::unlearned(m, r);
  }
  Tensor<double> confidence(const M& m) const {
    const auto of =
        unlearn::membership_features(scores(m, data_.train.x), data_.train.labels, unlearn::Feature::scaled_confidence);
    return reshape(of, Shape{data_.train.size()});
  }
  Evaluation judged(const M& m, const unlearn::Request<M, float>& r) const {
    return unlearn::evaluate(m, r.forget_samples(), r.retain_samples(), data_.test);
  }

  const DataSet& data_;
  Recipe recipe_;
  const Samples<float>* held_out_;
  std::int64_t weights_;
  std::function<M(std::uint64_t)> fresh_;
  M model_;
  std::uint64_t seed_ = 1;
};

}  // namespace worst_case
