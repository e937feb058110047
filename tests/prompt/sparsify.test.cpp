// VPNs: both stages under every protocol, what they change and what they do not, and that without a prompt they are
// HYDRA and fine-tuning.
#include "tenzo/prompt/sparsify.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "../io/files.hpp"
#include "../prune/net.hpp"
#include "../tree/same_bits.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/prune/mask_file.hpp"
#include "tenzo/prune/sparse_model.hpp"

using namespace tenzo;
using namespace tenzo::prompt;
using namespace tenzo::test;

namespace {

using F = Tensor<float>;
using Net = Prompted<ConvNet>::Model<F>;

/// A network that knows three classes, of which two are the target's: 2 becomes 0, 0 becomes 1.
struct Task {
  Net net;
  Samples<float> target;
};
Task task() {
  const auto source = stripes<float>(120, 1);
  ConvNet<F> net = conv_net<float>(7);
  train_(net, source, {.epochs = 6, .batch = 20, .sgd = {.lr = 0.05, .momentum = 0.9}});
  const auto other = stripes<float>(90, 2);
  Rows rows;
  for (std::int64_t i = 0; i < other.size(); ++i)
    if (other.labels(i) != 1) rows.push_back(i);
  Task t{Net{begin_prompt<float>({.form = Form::pad, .size = 1, .channels = 1, .image = 8, .input = 8, .clip = false}),
             net,
             {},
             {}},
         other.at(rows)};
  for (std::int64_t& label : t.target.labels.values()) label = label == 2 ? 0 : 1;
  t.target.classes = 2;
  t.net.mapping = frequent_mapping(mapping_counts(t.net, t.target));
  return t;
}

FindOptions find_options(Protocol p, double density = 0.2) {
  return {.passes = {.protocol = p, .epochs = 6, .batch = 20, .seed = 3},
          .scores = {.cut = {.density = density}, .adam = {.lr = 5e-3}, .weight_decay = 1e-4},
          .prompt = {.lr = 2e-2}};
}
TuneOptions tune_options(Protocol p) { return {.passes = {.protocol = p, .epochs = 6, .batch = 20, .seed = 4}}; }

}  // namespace

TEST_CASE("vpns: the mapping takes the scores that it names; the label mapping of a trained network is the right one") {
  const Task t = task();
  CHECK(t.net.mapping == Mapping{2, 0});
  const F z = without_mapping(t.net)(t.target.x), two = t.net(t.target.x);
  CHECK(two.shape() == Shape{60, 2});
  for (std::int64_t i = 0; i < 60; ++i) {
    CHECK(two(i * 2) == z(i * 3 + 2));
    CHECK(two(i * 2 + 1) == z(i * 3));
  }
  CHECK(accuracy(t.net, t.target) > 0.9);
}

TEST_CASE("vpns: without a prompt stage 1 is HYDRA's and stage 2 fine-tuning under a mask, to the bit") {
  Task t = task();
  Net a = clone(without_prompt(t.net)), b = clone(a);
  const FindOptions o = find_options(Protocol::plain);
  const auto l = find_(a, t.target, o);
  const auto hydra = prune::learn_mask_(
      b, t.target, {.scores = o.scores, .epochs = o.passes.epochs, .batch = o.passes.batch, .seed = o.passes.seed},
      is_net_weight);
  CHECK(same_bits(l.scores, hydra.scores));
  CHECK(prune::jaccard(l.mask, hydra.mask) == 1);
  CHECK(same_bits(a, b));
  const TuneOptions u = tune_options(Protocol::plain);
  CHECK(tune_(a, l.mask, t.target, u) == 18);
  prune::train_masked_(b, l.mask, t.target,
                       {.epochs = u.passes.epochs, .batch = u.passes.batch, .sgd = u.net, .seed = u.passes.seed});
  CHECK(same_bits(a, b));
}

TEST_CASE("vpns: stage 1 moves scores, prompt and running statistics, and keeps the bits of all else") {
  for (const Protocol p : {Protocol::text, Protocol::code}) {
    CAPTURE(int(p));
    Task t = task();
    const Net before = clone(t.net);
    const FindOptions o = find_options(p);
    const auto l = find_(t.net, t.target, o);
    CHECK(l.updates == o.passes.updates(t.target.size()));
    CHECK(l.updates == (p == Protocol::code ? 36 : 18));
    CHECK(prune::density(l.mask).kept ==
          prune::density(prune::begin_scores(before, o.scores.cut, is_net_weight).mask).kept);
    CHECK_FALSE(same_bits(t.net.prompt.delta, before.prompt.delta));
    CHECK_FALSE(same_bits(t.net.net.bn1.running_mean, before.net.bn1.running_mean));
    CHECK_FALSE(same_bits(t.net.net.bn2.running_var, before.net.bn2.running_var));
    CHECK(same_bits(t.net.net.bn1.weight, before.net.bn1.weight));  // affine: to the bit
    CHECK(same_bits(t.net.net.bn1.bias, before.net.bn1.bias));
    CHECK(same_bits(t.net.net.conv1, before.net.conv1));
    CHECK(same_bits(t.net.net.conv2, before.net.conv2));
    CHECK(same_bits(t.net.net.fc, before.net.fc));
    // Nothing outside the frame.
    for (std::int64_t i = 1; i < 7; ++i)
      for (std::int64_t j = 1; j < 7; ++j) CHECK(t.net.prompt.delta(i * 8 + j) == 0);
    // Masks are of the network alone.
    for_each_leaf([](const Path& at, const auto&) { CHECK(at.str().starts_with("net.")); }, l.mask);
  }
}

TEST_CASE("vpns: in stage 2 pruned weights are zero and never matter, the mask stays, prompt and weights move") {
  for (const Protocol p : {Protocol::text, Protocol::code}) {
    CAPTURE(int(p));
    Task t = task();
    auto l = find_(t.net, t.target, find_options(p));
    const Net before = clone(t.net);
    const auto mask = map_tree<Tensor<std::uint8_t>>(l.mask, [](const auto& m) { return m.clone(); });
    const TuneOptions o = tune_options(p);
    CHECK(tune_(t.net, l.mask, t.target, o) == o.passes.updates(t.target.size()));
    CHECK(prune::jaccard(mask, l.mask) == 1);
    CHECK_FALSE(same_bits(t.net.prompt.delta, before.prompt.delta));
    CHECK_FALSE(same_bits(t.net.net.bn1.weight, before.net.bn1.weight));
    // Whatever pruned weights are, NaN included, outputs under the mask are the same.
    Net poisoned = clone(t.net);
    for_each_leaf(
        [](const Path&, const Tensor<std::uint8_t>& m, F& w) {
          for (std::int64_t i = 0; i < m.size(); ++i)
            if (!m(i)) {
              CHECK(w(i) == 0);
              w(i) = std::numeric_limits<float>::quiet_NaN();
            }
        },
        l.mask, poisoned);
    CHECK(same_bits(prune::masked(poisoned, l.mask)(t.target.x), t.net(t.target.x)));
    CHECK(accuracy(p == Protocol::code ? without_prompt(t.net) : t.net, t.target) > 0.85);
    // Sparse weights give the outputs of the masked dense ones.
    const auto sparse = prune::sparse_model(t.net, l.mask);
    const F want = t.net(t.target.x);
    const auto got = sparse(lift<prune::Sparse<float>>(t.target.x)).value;
    for (std::int64_t i = 0; i < want.size(); ++i) CHECK(got(i) == doctest::Approx(want(i)).epsilon(1e-5).scale(1));
    // Files.
    const TestFolder folder;
    prune::save_mask(folder / "mask", l.mask.net);
    CHECK(prune::jaccard(prune::load_mask(folder / "mask", t.net.net), l.mask.net) == 1);
  }
}

TEST_CASE("vpns: a prompt alone can be tuned on a network that stands still") {
  Task t = task();
  const auto l = find_(t.net, t.target, find_options(Protocol::plain, 0.1));
  TuneOptions o = tune_options(Protocol::text);
  o.train_net = false;
  o.prompt.lr = 0.1;
  const Net before = clone(prune::masked(t.net, l.mask));
  const auto loss = [&](const Net& m) { return cross_entropy(m(t.target.x), t.target.labels).item(); };
  tune_(t.net, l.mask, t.target, o);
  CHECK(same_bits(t.net.net, before.net));  // running statistics, too
  CHECK_FALSE(same_bits(t.net.prompt.delta, before.prompt.delta));
  CHECK(loss(t.net) < loss(before));
  o.passes.protocol = Protocol::code;
  CHECK_THROWS_AS(tune_(t.net, l.mask, t.target, o), ValueError);
}

TEST_CASE("vpns: the same seed gives the same bits on any number of threads, another seed others") {
  const int before = threads();
  const auto run = [](std::uint64_t seed, int n, Form form) {
    set_threads(n);
    Task t = task();
    t.net.prompt = begin_prompt<float>({.form = form, .size = 2, .channels = 1, .image = 8, .input = 8}, seed);
    FindOptions o = find_options(Protocol::code);
    o.passes.seed = seed, o.passes.epochs = 2;
    auto l = find_(t.net, t.target, o);
    TuneOptions u = tune_options(Protocol::code);
    u.passes.seed = seed, u.passes.epochs = 2;
    tune_(t.net, l.mask, t.target, u);
    return t.net;
  };
  for (const Form form : {Form::random, Form::lowrank}) {
    CAPTURE(name_of(form));
    const Net a = run(1, 2, form);
    CHECK(same_bits(a, run(1, 1, form)));
    CHECK_FALSE(same_bits(a, run(2, 2, form)));
  }
  set_threads(before);
}

TEST_CASE("vpns: iterative label mapping maps anew by the masked network; augmentation sees the plain batches only") {
  Task t = task();
  t.net.mapping = {0, 1};  // wrong
  FindOptions o = find_options(Protocol::text, 0.5);
  o.remap = true;
  find_(t.net, t.target, o);
  CHECK(t.net.mapping == Mapping{2, 0});
  Task u = task();
  std::int64_t augmented = 0, samples = 0;
  find_(u.net, u.target, find_options(Protocol::code), [&](const Samples<float>& batch, std::int64_t number) {
    CHECK(number % 2 == 1);
    ++augmented, samples += batch.size();
    return batch;
  });
  CHECK(augmented == 18);
  CHECK(samples == 6 * 60);
}

TEST_CASE("vpns: both updates of an iteration see all samples of an epoch, in different orders") {
  const Samples<float> s{F::from({5, 1}, {0, 1, 2, 3, 4}), Tensor<std::int64_t>::zeros({5}), 1};
  std::vector<float> with, without;
  std::vector<double> factors;
  for_each_update(s, {.protocol = Protocol::code, .epochs = 2, .batch = 2, .seed = 1}, AsTheyAre{},
                  [&](const Samples<float>& batch, bool prompted, double factor, std::int64_t number) {
                    CHECK(prompted == (number % 2 == 0));
                    for (const float x : batch.x.values()) (prompted ? with : without).push_back(x);
                    factors.push_back(factor);
                  });
  CHECK(with.size() == 10);
  CHECK(without.size() == 10);
  CHECK(with != without);
  for (auto* order : {&with, &without})
    for (int epoch = 0; epoch < 2; ++epoch) {
      std::sort(order->begin() + epoch * 5, order->begin() + epoch * 5 + 5);
      for (int i = 0; i < 5; ++i) CHECK((*order)[std::size_t(epoch * 5 + i)] == float(i));
    }
  CHECK(factors.size() == 12);
  CHECK(factors.front() == 1);
  CHECK(factors.back() == doctest::Approx(0.5 * (1 + std::cos(3.14159265358979323846 * 5 / 6))));
  CHECK_THROWS_AS((Passes{.batch = 0}.iterations(3)), ValueError);
}

TEST_CASE("vpns: a mask fits the same network under another mapping, or none") {
  Task t = task();
  const auto mask = prune::largest(prune::magnitude_scores(t.net, is_net_weight), {.density = 0.5});
  const Net whole = without_mapping(clone(t.net));
  const auto a = prune::masked(whole, mask)(t.target.x), b = prune::masked(t.net, mask)(t.target.x);
  for (std::int64_t i = 0; i < 60; ++i) CHECK(b(i * 2) == a(i * 3 + 2));
  t.net.mapping = {1, 0, 2};
  CHECK(prune::masked(t.net, mask)(t.target.x).shape() == Shape{60, 3});
}

TEST_CASE("vpns: without a prompt there is nothing to learn jointly, which is said") {
  Task t = task();
  Net bare = without_prompt(t.net);
  CHECK_THROWS_WITH_AS(find_(bare, t.target, find_options(Protocol::text)), "prompt: there is no prompt to be learnt",
                       ValueError);
}
