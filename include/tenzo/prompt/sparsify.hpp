// VPNs: a prompt and a mask that are learnt together, then the prompt and the weights that are left.
//   Source  Jin et al. 2025, "Visual prompting upgrades neural network sparsification", algorithm 1, and its code.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "tenzo/prompt/prompted.hpp"
#include "tenzo/prune/iterative.hpp"
#include "tenzo/prune/learned.hpp"

namespace tenzo::prompt {

/// What the updates of an iteration see.
///   plain  one, without a prompt: HYDRA and fine-tuning
///   text   one, with the prompt, as the paper's text has it; the prompt stays for judgement
///   code   two, as the authors' code has it: a batch with the prompt, then another one without it, which may be
///          augmented; judgement is without a prompt. Twice the updates of the others in as many epochs.
enum class Protocol { plain, text, code };

inline constexpr std::int64_t updates_per_iteration(Protocol p) { return p == Protocol::code ? 2 : 1; }

/// How a stage goes through the samples.
struct Passes {
  Protocol protocol = Protocol::text;
  std::int64_t epochs = 30, batch = 256;
  Schedule::Kind schedule = Schedule::Kind::cosine;  // over all iterations
  std::uint64_t seed = 1;                            // of the data's order, and of the places of a random prompt

  std::int64_t iterations(std::int64_t samples) const {
    require(batch > 0 && epochs >= 0, "prompt: ", epochs, " epochs of batches of ", batch);
    return epochs * ((samples + batch - 1) / batch);
  }
  std::int64_t updates(std::int64_t samples) const { return iterations(samples) * updates_per_iteration(protocol); }
};

/// Batches without a prompt as they are.
struct AsTheyAre {
  template <Real T>
  const Samples<T>& operator()(const Samples<T>& batch, std::int64_t) const {
    return batch;
  }
};
struct NothingBetween {
  void operator()(std::int64_t) const {}
};

/// Goes through all updates of a stage.
///   augment(batch, number)   a batch without a prompt, changed
///   update(batch, prompted, lr_factor, number)
///   before_epoch(epoch)
template <Real T, class Augment, class Update, class BeforeEpoch = NothingBetween>
void for_each_update(const Samples<T>& s, const Passes& o, Augment&& augment, Update&& update,
                     BeforeEpoch&& before_epoch = {}) {
  const std::int64_t n = s.size(), iterations = o.iterations(n), each = o.epochs > 0 ? iterations / o.epochs : 0;
  const Schedule schedule{.kind = o.schedule, .steps = iterations};
  std::int64_t number = 0;
  for (std::int64_t epoch = 0; epoch < o.epochs; ++epoch) {
    before_epoch(epoch);
    const Rows order = epoch_order(n, o.seed, epoch);
    const Rows second = o.protocol == Protocol::code ? epoch_order(n, ~o.seed, epoch) : Rows{};
    for (std::int64_t b = 0; b < each; ++b) {
      const auto batch_of = [&](const Rows& rows) {
        return s.at(std::span<const std::int64_t>(rows).subspan(std::size_t(b * o.batch),
                                                                std::size_t(std::min(o.batch, n - b * o.batch))));
      };
      const double factor = schedule(epoch * each + b);
      if (o.protocol != Protocol::plain) update(batch_of(order), true, factor, number++);
      if (o.protocol != Protocol::text)
        update(augment(batch_of(o.protocol == Protocol::code ? second : order), number), false, factor, number),
            ++number;
    }
  }
}

struct FindOptions {
  Passes passes;
  prune::ScoreOptions scores{.cut = {}, .adam = {.lr = 1e-4}, .weight_decay = 1e-4};
  Adam prompt{.lr = 1e-4};
  double prompt_decay = 1e-4;  // added to the prompt's gradient
  bool remap = false;          // ILM: the label mapping anew before each epoch, by the masked network
};

/// Stage 1:  min over c, δ of E L(f_{θ⊙m(c)}(h(x, δ)), y), θ as it is, the threshold anew after every update.
///   model    a Prompted model with its prompt and mapping as they begin; its prompt is trained, its running statistics
///            follow all batches, its weights, norms and biases keep their bits
///   samples  on the canvas (n, channels, O, O), labels of the target
///   Without a prompt (Protocol::plain) it is HYDRA's first stage, to the bit that of prune::learn_mask_.
///   Bits     a function of the model, the samples and the options.
template <class M, Real T, class Augment = AsTheyAre, class Prunable = bool (*)(const Path&, const Shape&)>
prune::LearnedMask<M> find_(M& model, const Samples<T>& s, const FindOptions& o, Augment&& augment = {},
                            Prunable&& prunable = is_net_weight) {
  using P = decltype(model.prompt);
  require(o.passes.protocol == Protocol::plain || model.prompt.present(), "prompt: there is no prompt to be learnt");
  prune::LearnedMask<M> l = prune::begin_scores(model, o.scores.cut, prunable);
  Adam::State<P> state;
  const auto joint = [&](const Samples<T>& batch, double factor) {
    BatchStatistics<leaf_t<M>> statistics;
    auto g = value_and_grad(
        [&](const auto& learnt) {
          auto m = prune::straight_through(model, learnt.first, l.mask);
          m.prompt = learnt.second;
          statistics.clear();
          return cross_entropy(training_scores(m, batch.x, statistics), batch.labels);
        },
        std::pair<M, P>(l.scores, model.prompt));
    if (o.prompt_decay != 0) axpy_(o.prompt_decay, model.prompt, g.grad.second);
    o.prompt.step(state, model.prompt, g.grad.second, factor);
    l.step_(g.grad.first, o.scores, factor);
    if constexpr (requires { model.update_running_(statistics); }) model.update_running_(statistics);
  };
  for_each_update(
      s, o.passes, augment,
      [&](const Samples<T>& batch, bool prompted, double factor, std::int64_t number) {
        if (!prompted) {
          M bare = without_prompt(model);
          prune::score_update_(bare, l, batch, o.scores, factor);
          model.net = bare.net;  // its running statistics
          return;
        }
        if (model.prompt.config.form == Form::random)
          model.prompt.at = random_place(model.prompt.config, o.passes.seed, number);
        joint(batch, factor);
      },
      [&](std::int64_t) {
        if (!o.remap) return;
        const M bare = without_mapping(prune::masked(model, l.mask));
        model.mapping =
            frequent_mapping(mapping_counts(o.passes.protocol == Protocol::plain ? without_prompt(bare) : bare, s));
      });
  return l;
}

struct TuneOptions {
  Passes passes;
  Sgd net{.lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4};
  Sgd prompt{.lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4};
  bool train_net = true;  // false: the prompt alone, on a network that stands still, its running statistics, too
};

/// Stage 2:  min over θ, δ of E L(f_{θ⊙m}(h(x, δ)), y), m as it is. Pruned weights are zero from the start and stay so;
/// norms and biases are trained, too.
///   Returns   the number of updates.
///   With Protocol::plain it is the fine-tuning of one-shot pruning, to the bit that of prune::train_masked_.
template <class M, Real T, prune::MaskTree K, class Augment = AsTheyAre>
std::int64_t tune_(M& model, const K& mask, const Samples<T>& s, const TuneOptions& o, Augment&& augment = {}) {
  using P = decltype(model.prompt);
  require(o.passes.protocol == Protocol::plain || model.prompt.present(), "prompt: there is no prompt to be tuned");
  require(o.train_net || o.passes.protocol == Protocol::text,
          "prompt: where the network stands still the prompt is all that moves; want Protocol::text");
  prune::zero_pruned_(model, mask);
  Sgd::State<M> state;
  Sgd::State<P> prompt_state;
  for_each_update(s, o.passes, augment,
                  [&](const Samples<T>& batch, bool prompted, double factor, std::int64_t number) {
                    if (prompted && model.prompt.config.form == Form::random)
                      model.prompt.at = random_place(model.prompt.config, o.passes.seed, number);
                    M seen = prompted ? model : without_prompt(model);
                    BatchStatistics<leaf_t<M>> statistics;
                    auto g = value_and_grad(
                        [&](const auto& m) {
                          statistics.clear();
                          if (!o.train_net) return cross_entropy(deployed_scores(m, batch.x), batch.labels);
                          return cross_entropy(training_scores(m, batch.x, statistics), batch.labels);
                        },
                        seen,
                        [&](const Path& at) {
                          if (!o.train_net) return at.parent && at.parent->name == "prompt";
                          return is_trained(at);
                        });
                    if (prompted) o.prompt.step(prompt_state, model.prompt, g.grad.prompt, factor);
                    if (!o.train_net) return;
                    g.grad.prompt = P{};
                    prune::zero_pruned_(g.grad, mask);
                    o.net.step(state, model, g.grad, factor);
                    if constexpr (requires { model.update_running_(statistics); }) model.update_running_(statistics);
                  });
  return o.passes.updates(s.size());
}

}  // namespace tenzo::prompt
