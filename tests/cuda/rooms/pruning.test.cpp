// Pruning and prompts on the device: scores, masks and their training, beside the CPU's.
#include "beside.hpp"
#include "prune/net.hpp"
#include "tenzo/models/small_cnn.hpp"
#include "tenzo/prompt/black_box.hpp"
#include "tenzo/prompt/sparsify.hpp"
#include "tenzo/prune/bip.hpp"
#include "tenzo/prune/dynamic.hpp"
#include "tenzo/prune/iterative.hpp"
#include "tenzo/prune/scores.hpp"
#include "tenzo/prune/structured.hpp"
#include "tenzo/prune/synflow.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// The share of weights on which two masks agree.
template <class K>
double agreement(const K& a, const K& b) {
  std::int64_t same = 0, all = 0;
  for_each_leaf(
      [&](const Path&, const Tensor<std::uint8_t>& x, const Tensor<std::uint8_t>& y) {
        for (std::int64_t i = 0; i < x.size(); ++i) same += x(i) == y(i);
        all += x.size();
      },
      a, b);
  REQUIRE(all > 0);
  return double(same) / double(all);
}

}  // namespace

TEST_CASE("pruning on the device: masks of magnitudes to the bit, what they leave, and scores of a loss") {
  const AtEnd clean;
  const auto here = conv_net<float>(3);
  const auto there = to_device<Cuda>(here);
  const Samples<float> s = stripes<float>(24, 1);
  const prune::Cut cut{.density = 0.3};
  const auto mask = prune::largest(prune::magnitude_scores(here), cut);
  CHECK(agreement(prune::largest(prune::magnitude_scores(there), cut), mask) == 1);
  CHECK(apart(prune::masked(there, mask), prune::masked(here, mask)) == 0);
  auto zeroed = clone(there);
  prune::zero_pruned_(zeroed, mask);
  CHECK(apart(zeroed, prune::masked(here, mask)) == 0);
  const auto loss = [&](const auto& m) { return cross_entropy(deployed_scores(m, s.x), s.labels); };
  CHECK(apart(prune::snip_scores(loss, there), prune::snip_scores(loss, here)) < 1e-4);
  const auto smooth = [&](const auto& m) { return mean(square(deployed_scores(m, s.x))); };
  CHECK(apart(prune::grasp_scores(smooth, there), prune::grasp_scores(smooth, here)) < 1e-3);
  const prune::Cut channels{.density = 0.5, .scope = prune::Scope::per_leaf, .ties = prune::Ties::exact};
  CHECK(agreement(prune::structured_mask(prune::magnitude_scores(there), prune::Group::output, channels),
                  prune::structured_mask(prune::magnitude_scores(here), prune::Group::output, channels)) == 1);
  CHECK(agreement(prune::synflow_mask(there, {1, 8, 8}, 0.3, 5), prune::synflow_mask(here, {1, 8, 8}, 0.3, 5)) == 1);
}

TEST_CASE("pruning on the device: iterative magnitude pruning with rewinding") {
  const AtEnd clean;
  const Samples<float> s = stripes<float>(24, 1);
  auto here = conv_net<float>(3);
  auto there = to_device<Cuda>(here);
  const auto train = [&](auto& m, const auto& mask) {
    prune::train_masked_(m, mask, s, {.epochs = 1, .batch = 12, .sgd = {.lr = 0.05}});
  };
  const prune::ImpOptions o{.density = 0.4, .keep = 0.6};
  const auto want = prune::imp_(here, o, train), got = prune::imp_(there, o, train);
  CHECK(agreement(got, want) > 0.98);
  CHECK(apart(there, here) < 0.05);  // where a weight is kept by one alone
}

TEST_CASE("pruning on the device: RigL moves a mask that the device has seen") {
  const AtEnd clean;
  auto here = conv_net<float>(3);
  auto there = to_device<Cuda>(here);
  const auto gradient = conv_net<float>(8);
  auto mask = prune::largest(prune::magnitude_scores(here), {.density = 0.4});
  auto mask_there = mask;
  prune::zero_pruned_(here, mask);
  prune::zero_pruned_(there, mask_there);
  prune::rigl_move_(here, mask, gradient, 0.5);
  prune::rigl_move_(there, mask_there, to_device<Cuda>(gradient), 0.5);
  CHECK(agreement(mask_there, mask) == 1);
  CHECK(apart(there, here) == 0);
  CHECK(apart(prune::masked(there, mask_there), prune::masked(here, mask)) == 0);
}

TEST_CASE("pruning on the device: HYDRA, BiP and training under a mask, as on the CPU") {
  const AtEnd clean;
  const Samples<float> s = stripes<float>(48, 1);
  {
    auto here = conv_net<float>(3);
    auto there = to_device<Cuda>(here);
    const prune::HydraOptions o{.scores = {.cut = {.density = 0.3}, .adam = {.lr = 1e-2}}, .epochs = 1, .batch = 16};
    const auto want = prune::learn_mask_(here, s, o);
    const auto got = prune::learn_mask_(there, s, o);
    CHECK(apart(got.scores, want.scores) < 1e-2);
    CHECK(agreement(got.mask, want.mask) > 0.98);
    prune::train_masked_(there, want.mask, s, {.epochs = 1, .batch = 16, .sgd = {.lr = 0.05}});
    prune::train_masked_(here, want.mask, s, {.epochs = 1, .batch = 16, .sgd = {.lr = 0.05}});
    CHECK(apart(there, here) < 1e-3);
    for_each_leaf(
        [](const Path&, const Tensor<std::uint8_t>& keep, const Tensor<float, Cuda>& w) {
          const auto host = w.to<Cpu>();
          for (std::int64_t i = 0; i < keep.size(); ++i)
            if (!keep(i)) CHECK(host(i) == 0);
        },
        want.mask, there);
  }
  auto here = conv_net<float>(4);
  auto there = to_device<Cuda>(here);
  const prune::BipOptions o{.scores = {.cut = {.density = 0.5}, .adam = {.lr = 1e-3}, .weight_decay = 0},
                            .theta = {.lr = 0.02, .momentum = 0.9},
                            .epochs = 1,
                            .batch = 24};
  const auto want = prune::bip_(here, s, o);
  const auto got = prune::bip_(there, s, o);
  CHECK(apart(there, here) < 1e-2);
  CHECK(agreement(got.mask, want.mask) > 0.97);
}

TEST_CASE("prompts on the device: trained by losses alone, as on the CPU") {
  const AtEnd clean;
  const auto config = prompt::parse_prompt("pad:1", 1, 4, 4);
  auto here = prompt::begin_prompt<float>(config);
  auto there = to_device<Cuda>(here);
  const auto wanted = random_normal<float>(here.delta.shape(), initial_key(4, 0u));
  const auto loss = [](const auto& target) {
    return [&](const auto& p, std::int64_t) { return double(mean(square(sub(p.delta, target))).item()); };
  };
  for (const prompt::Estimator e : {prompt::Estimator::random, prompt::Estimator::coordinate}) {
    CAPTURE(int(e));
    const prompt::BlackBoxOptions o{.estimator = e, .queries = 3, .mu = 0.1, .adam = {.lr = 0.05}, .updates = 4};
    const auto target = wanted.to<Cuda>();
    CHECK(prompt::train_by_queries_(there, loss(target), o) == prompt::train_by_queries_(here, loss(wanted), o));
    CHECK(apart(there, here) < 1e-3);
  }
}

TEST_CASE("prompts on the device: a prompt and a mask learnt together, then tuned, as on the CPU") {
  const AtEnd clean;
  const Samples<float> s = stripes<float>(32, 2);
  using M = prompt::Prompted<ConvNet>::Model<Tensor<float>>;
  M here{.prompt = prompt::begin_prompt<float>(prompt::parse_prompt("pad:2", 1, 8, 8)),
         .net = conv_net<float>(6),
         .norm = {{0.2}, {0.5}},
         .mapping = prompt::Mapping{2, 0, 1}};
  auto there = to_device<Cuda>(here);
  CHECK(apart(scores(there, s.x), scores(here, s.x)) < 1e-5);
  const prompt::FindOptions find{.passes = {.protocol = prompt::Protocol::code, .epochs = 1, .batch = 16},
                                 .scores = {.cut = {.density = 0.4}, .adam = {.lr = 1e-2}},
                                 .prompt = {.lr = 1e-2}};
  const auto want = prompt::find_(here, s, find);
  const auto got = prompt::find_(there, s, find);
  CHECK(apart(there.prompt, here.prompt) < 1e-2);
  CHECK(agreement(got.mask, want.mask) > 0.98);
  const prompt::TuneOptions tune{.passes = {.protocol = prompt::Protocol::text, .epochs = 1, .batch = 16}};
  prompt::tune_(here, want.mask, s, tune);
  prompt::tune_(there, want.mask, s, tune);
  CHECK(apart(there, here) < 1e-2);
  CHECK(prompt::dead_share(there.prompt, s.x) == doctest::Approx(prompt::dead_share(here.prompt, s.x)).epsilon(0.2));
}
