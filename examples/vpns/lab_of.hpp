// A laboratory for networks of one type on one device; included where those are compiled.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "baselines_of.hpp"
#include "lab.hpp"
#include "tenzo/data/augment.hpp"
#include "tenzo/io/json.hpp"
#include "tenzo/io/model_file.hpp"
#include "tenzo/prompt/black_box.hpp"
#include "tenzo/prompt/prompt_file.hpp"
#include "tenzo/prompt/sparsify.hpp"
#include "tenzo/prune/channels.hpp"
#include "tenzo/prune/mask_file.hpp"
#include "tenzo/prune/structured.hpp"
#include "tenzo/stats/calibration.hpp"

namespace vpns {

/// Compiled apart, in the architecture's baselines files.
#define VPNS_MODEL(Net) prompt::Prompted<Net>::Model<Tensor<float, TENZO_DEVICE>>
#define VPNS_BASELINES(which, Net)                                                                           \
  which template Chosen<VPNS_MODEL(Net)> one_shot(const VPNS_MODEL(Net)&, const Samples<float>&, const Arm&, \
                                                  std::uint64_t);                                            \
  which template Chosen<VPNS_MODEL(Net)> by_training(VPNS_MODEL(Net)&, const Samples<float>&, const Arm&,    \
                                                     const Rates&, std::uint64_t);
#define VPNS_GRASP(which, Net)                                                                            \
  which template Chosen<VPNS_MODEL(Net)> grasp(const VPNS_MODEL(Net)&, const Samples<float>&, const Arm&, \
                                               std::uint64_t);
#define VPNS_QUERIES(which, Net)                                                                            \
  which template std::int64_t prompt_by_queries(VPNS_MODEL(Net)&, const Samples<float>&, prompt::Estimator, \
                                                std::int64_t, std::int64_t, std::uint64_t);

/// Compiled apart, in the architecture's queries file.
template <class M>
std::int64_t prompt_by_queries(M& model, const Samples<float>& train, prompt::Estimator estimator, std::int64_t batch,
                               std::int64_t updates, std::uint64_t seed);
/// Compiled apart, in the architecture's file for the CPU (lab_host_of.hpp).
template <class N>
std::vector<Latency> latencies_of(const N& net, const Shape& image, const std::vector<double>& densities);
template <class N, class K>
Compact compact_of(const N& net, const K& mask, const N& dense, const Tensor<float>& x);

template <template <class> class Net, class Device>
class LabOf final : public Lab {
  using F = Tensor<float, Device>;
  using U = Tensor<std::uint8_t>;
  using M = typename prompt::Prompted<Net>::template Model<F>;
  using K = prune::Mask<M>;

 public:
  /// head    the path of the last layer's weight in the network
  /// chain   whether its tree names its layers in the order of their use, without branches
  LabOf(const NetOptions& o, Net<Expected> spec, std::string head, bool chain)
      : o_(o), spec_(std::move(spec)), head_(std::move(head)), chain_(chain) {}

  void pretrain(const Samples<float>& source, std::uint64_t seed) override {
    dense_ = M{.prompt = {}, .net = to_device<Device>(initialised<float>(spec_, seed)), .norm = {}, .mapping = {}};
    train_(dense_, canvas(source, o_.image),
           {.epochs = o_.recipe.epochs,
            .batch = o_.recipe.batch,
            .sgd = {.lr = o_.recipe.lr, .momentum = 0.9, .weight_decay = 5e-4},
            .seed = seed});
  }
  bool trained() const override { return has_leaves(dense_); }
  void load(const std::string& path) override {
    const SafetensorsFile file = SafetensorsFile::open(path);
    dense_ = M{.prompt = {}, .net = to_device<Device>(load_model<float>(spec_, file, path)), .norm = {}, .mapping = {}};
    // What this program has written says how its pixels were normalised, if they were; the ecosystem's files do not,
    // and were trained on ImageNet's.
    if (file.metadata().count("vpns")) dense_.norm = norm_of(file.metadata(), path);
    else if (o_.channels == 3) dense_.norm = prompt::Normalisation::imagenet();
  }
  void save(const std::string& path) const override { save_net(path, dense_.net, dense_.norm); }

  double accuracy(const Samples<float>& s) const override { return 100 * tenzo::accuracy(dense_, canvas(s, o_.image)); }
  std::int64_t weights() const override {
    std::int64_t n = 0;
    for_each_leaf(
        [&](const Path& at, const Expected& e) { n += prune::is_prunable(at, e.shape()) * e.shape().numel(); }, spec_);
    return n;
  }
  std::int64_t classes() const override { return o_.classes; }
  std::int64_t image() const override { return o_.image; }

  Tensor<float> seen(const Samples<float>& s) const override { return canvas(s, o_.image).x; }
  Tensor<std::int64_t> counts(const Samples<float>& s) const override {
    return prompt::mapping_counts(dense_, canvas(s, o_.image));
  }

  Outcome run(const Arm& arm, const DataSet& target, const Rates& usual, std::uint64_t seed,
              const std::string& given) override {
    Rates rates = usual;
    if (arm.net > 0) rates.net = arm.net;
    const auto start = std::chrono::steady_clock::now();
    const std::int64_t input = arm.input > 0 ? arm.input : o_.image;
    const Samples<float> train = canvas(target.train, input), test = canvas(target.test, input);
    M m = clone(dense_);
    if (!arm.prompt.empty()) {
      m.prompt = begun(arm.prompt, input, seed);
      if (arm.noise) {
        m.prompt.delta =
            random_uniform<float>(m.prompt.delta.shape(), initial_key(seed, std::string_view("noise")), 0, 1)
                .template to<Device>();
        if (arm.noise_norm > 0) scale_(m.prompt.delta, arm.noise_norm / norm(m.prompt.image()));
      }
    }
    m.mapping = mapping_of(arm, m, train, seed);

    Outcome out{.arm = arm.name, .seed = seed, .density = arm.density};
    K mask = found(arm, m, train, rates, seed, given, out.updates);
    if (arm.strict) prune::require_every_layer(cat(arm.method, " of density ", arm.density), mask);
    out.found = 100 * tenzo::accuracy(judged(prune::masked(m, mask), arm.find), test);
    if (arm.mapping == "remap") {
      M bare = prune::masked(m, mask);
      m.mapping = prompt::frequent_mapping(
          prompt::mapping_counts(prompt::without_mapping(judged(std::move(bare), arm.find)), train));
    }
    if (arm.tune_epochs > 0) {
      const double prompt_lr = arm.noise ? 0 : arm.prompt_only ? rates.prompt_alone : rates.prompt_tune;
      out.updates += prompt::tune_(
          m, mask, train,
          {.passes = {.protocol = protocol(arm.tune), .epochs = arm.tune_epochs, .batch = batch, .seed = seed + 7},
           .net = {.lr = rates.net, .momentum = 0.9, .weight_decay = 1e-4},
           .prompt = {.lr = prompt_lr, .momentum = 0.9, .weight_decay = arm.noise ? 0 : 1e-4},
           .train_net = !arm.prompt_only},
          augmentation(arm, seed + 7));
    } else {
      prune::zero_pruned_(m, mask);
    }
    const Tensor<float> scores_of_test = scores(judged(m, arm.tune), test.x);
    out.accuracy = 100 * share_right(scores_of_test, test.labels);
    out.ece = 100 * calibration_error(scores_of_test, test.labels);
    out.with_prompt = out.without_prompt = out.accuracy;
    if (m.prompt.present()) {
      (arm.tune == "text" ? out.without_prompt : out.with_prompt) =
          100 * tenzo::accuracy(arm.tune == "text" ? prompt::without_prompt(m) : m, test);
      out.dead = prompt::dead_share(m.prompt, train.x);
      out.prompt_norm = norm(m.prompt.image());
      if (arm.keep_prompt) {
        const Tensor<float> image = m.prompt.image().template to<Cpu>();
        out.prompt.assign(image.values().begin(), image.values().end());
      }
    }
    for (const prune::Density& d : prune::densities(mask)) {
      out.layers.push_back({d.leaf.substr(4), d.kept, d.total});
      out.kept += d.kept, out.total += d.total;
    }
    const prune::Density read = prune::density(mask, {"net." + head_, m.mapping});
    out.read_kept = read.kept, out.read_total = read.total;
    out.mapping = m.mapping;
    if (arm.keep_mask) out.mask = bits_of(mask);
    out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    last_ = {std::move(m), std::move(mask)};
    return out;
  }

  std::vector<Latency> latencies(const std::vector<double>& densities) const override {
    return latencies_of(to_device<Cpu>(dense_.net), {o_.channels, o_.image, o_.image}, densities);
  }
  std::vector<Queries> by_queries(const DataSet& target, double density, const std::string& text, const Rates& rates,
                                  std::uint64_t seed) override {
    Arm arm{.density = density, .tune_epochs = 0};
    run(arm, target, rates, seed, {});
    const M found = last_.model;
    const Samples<float> train = canvas(target.train, o_.image), test = canvas(target.test, o_.image);
    std::vector<Queries> out{judged_prompt("no prompt", found, train, test, seed, 0)};
    arm.prompt = text, arm.tune = "text", arm.prompt_only = true, arm.tune_epochs = 20;
    run(arm, target, rates, seed, {});  // finds the same sub-network again
    const std::int64_t updates = arm.tune_epochs * ((train.size() + batch - 1) / batch);
    out.push_back(judged_prompt("back-propagation", last_.model, train, test, seed, updates));
    for (const prompt::Estimator e : {prompt::Estimator::random, prompt::Estimator::coordinate}) {
      M m = found;
      m.prompt = begun(text, o_.image, seed);
      const std::int64_t asked = prompt_by_queries(m, train, e, batch, updates, seed);
      out.push_back(judged_prompt(e == prompt::Estimator::random ? "random directions" : "coordinates", m, train, test,
                                  seed, asked));
    }
    return out;
  }
  Compact compact(const DataSet& target) const override {
    require(chain_, "channels are taken out of chains alone; this network has branches");
    const Samples<float> test = canvas(target.test, o_.image);
    return compact_of(to_device<Cpu>(last_.model.net), last_.mask.net, to_device<Cpu>(dense_.net),
                      test.x.rows(0, std::min<std::int64_t>(64, test.size())));
  }

  void write(const Files& files, const Arm& arm) const override {
    const auto& [m, mask] = last_;
    if (!files.mask.empty())
      prune::save_mask(files.mask, mask.net, {{"method", arm.method}, {"density", cat(arm.density)}});
    if (!files.prompt.empty()) prompt::save_prompt(files.prompt, to_device<Cpu>(m.prompt));
    if (!files.mapping.empty())
      write_file(
          files.mapping,
          nlohmann::json{{"mapping", m.mapping}, {"classes", m.mapping.size()}, {"source", o_.classes}}.dump() + "\n");
    if (!files.net.empty()) save_net(files.net, m.net, m.norm);
  }
  Outcome judge(const Files& files, const DataSet& target) override {
    load(files.net);
    M m = dense_;
    m.mapping = read_mapping(files.mapping, target.train.classes);
    std::int64_t input = o_.image;
    if (!files.prompt.empty()) {
      m.prompt = to_device<Device>(prompt::load_prompt(files.prompt));
      const prompt::PromptConfig& c = m.prompt.config;
      if (c.channels != o_.channels || c.image != o_.image)
        throw FileError(files.prompt, -1,
                        cat("is a prompt of ", c.channels, " x ", c.image, " x ", c.image, "; the network sees ",
                            o_.channels, " x ", o_.image, " x ", o_.image));
      input = c.input;
    }
    Outcome out{.arm = "judged"};
    K mask = prune::dense_mask(m, prompt::is_net_weight);
    if (!files.mask.empty()) mask = mask_of_bits(read_mask(files.mask), files.mask);
    prune::zero_pruned_(m, mask);
    const Samples<float> test = canvas(target.test, input);
    out.without_prompt = 100 * tenzo::accuracy(prompt::without_prompt(m), test);
    out.with_prompt = out.accuracy = m.prompt.present() ? 100 * tenzo::accuracy(m, test) : out.without_prompt;
    for (const prune::Density& d : prune::densities(mask)) out.kept += d.kept, out.total += d.total;
    return out;
  }
  std::string read_mask(const std::string& path) const override {
    K mask = prune::dense_mask(dense_, prompt::is_net_weight);
    const auto got = prune::load_mask(path, dense_.net);
    for_each_leaf(
        [&](const Path& at, U& to, const U& from) {
          if (!from.defined()) throw FileError(path, -1, cat("has no mask of ", printable(at.str())));
          to = from;
        },
        mask.net, got);
    return bits_of(mask);
  }

 private:
  static constexpr std::int64_t batch = 32;

  prompt::VisualPrompt<F> begun(const std::string& name, std::int64_t input, std::uint64_t seed) const {
    return to_device<Device>(
        prompt::begin_prompt<float>(prompt::parse_prompt(name, o_.channels, o_.image, input), seed));
  }

  static Queries judged_prompt(const std::string& way, const M& m, const Samples<float>& train,
                               const Samples<float>& test, std::uint64_t seed, std::int64_t forwards) {
    return {way, seed, 100 * tenzo::accuracy(m, test), double(cross_entropy(scores(m, train.x), train.labels).item()),
            forwards};
  }

  static prompt::Protocol protocol(const std::string& name) {
    if (name == "plain") return prompt::Protocol::plain;
    if (name == "text") return prompt::Protocol::text;
    require(name == "code", "unknown protocol ", printable(name), "; want plain, text or code");
    return prompt::Protocol::code;
  }
  /// With the prompt where the protocol keeps it for judgement.
  static M judged(M m, const std::string& name) { return name == "text" ? m : prompt::without_prompt(std::move(m)); }

  auto augmentation(const Arm& arm, std::uint64_t seed) const {
    return [this, on = arm.augment, seed](const Samples<float>& s, std::int64_t number) {
      if (!on) return s;
      // Mirrored digits are other digits; colour pictures are not.
      return Samples<float>{random_crops(s.x, o_.channels == 3, seed, number), s.labels, s.classes};
    };
  }

  /// The images as the network takes them: of its channels, resized to i x i, on its canvas.
  Samples<float> canvas(const Samples<float>& s, std::int64_t input) const {
    const std::int64_t have = s.x.shape()[1], want = o_.channels, plane = s.x.shape().inner(1);
    Tensor<float> x = s.x;
    if (have != want) {
      require(have == 1 || have == 3, "images of ", have, " channels; want 1 or 3");
      x = Tensor<float>(s.x.shape().with(1, want));
      for (std::int64_t i = 0; i < s.size(); ++i)
        for (std::int64_t c = 0; c < want; ++c)
          for (std::int64_t p = 0; p < plane; ++p) {
            float sum = 0;
            for (std::int64_t k = 0; k < have; ++k) sum += s.x(((i * have) + k) * plane + p);
            x((i * want + c) * plane + p) = sum / float(have);
          }
    }
    return {prompt::on_canvas(x, input, o_.image), s.labels, s.classes};
  }

  prompt::Mapping mapping_of(const Arm& arm, const M& m, const Samples<float>& train, std::uint64_t seed) const {
    if (arm.mapping == "rlm") return prompt::random_mapping(o_.classes, train.classes, seed);
    M bare = prompt::without_prompt(m);
    if (arm.mapping == "masked") {
      const prune::Cut cut{.density = arm.density};
      bare = prune::masked(bare, prune::begin_scores(bare, cut, prompt::is_net_weight).mask);
    } else {
      require(arm.mapping == "flm" || arm.mapping == "remap" || arm.mapping == "ilm", "unknown label mapping ",
              printable(arm.mapping), "; want flm, masked, remap, ilm or rlm");
    }
    return prompt::frequent_mapping(prompt::mapping_counts(bare, train));
  }

  K found(const Arm& arm, M& m, const Samples<float>& train, const Rates& rates, std::uint64_t seed,
          const std::string& given, std::int64_t& updates) {
    const prune::Cut cut{.density = arm.density, .ties = prune::Ties::exact};
    K mask;
    M scores;
    if (arm.method == "dense") return prune::dense_mask(m, prompt::is_net_weight);
    if (arm.method == "given") return mask_of_bits(given, "the mask");
    if (arm.method == "hydra" || arm.method == "vpns") {
      auto l = prompt::find_(
          m, train,
          {.passes = {.protocol = protocol(arm.find), .epochs = arm.find_epochs, .batch = batch, .seed = seed},
           .scores = {.cut = cut, .adam = {.lr = rates.scores}, .weight_decay = 1e-4},
           .prompt = {.lr = arm.noise ? 0 : rates.prompt},
           .remap = arm.mapping == "ilm"},
          augmentation(arm, seed));
      updates += l.updates;
      mask = std::move(l.mask), scores = std::move(l.scores);
    } else if (arm.method == "imp" || arm.method == "bip") {
      M bare = prompt::without_prompt(clone(m));
      Chosen<M> c = by_training(bare, train, arm, rates, seed);
      updates += c.updates;
      mask = std::move(c.mask);
      if (arm.method == "bip") m.net = bare.net;
    } else {
      const M bare = prompt::without_prompt(m);
      Chosen<M> c = arm.method == "grasp" ? grasp(bare, train, arm, seed) : one_shot(bare, train, arm, seed);
      require(has_leaves(c.mask), "unknown method ", printable(arm.method),
              "; want dense, random, omp, imp, snip, grasp, synflow, bip, hydra or vpns");
      mask = std::move(c.mask);
    }
    if (!arm.structured) return mask;
    require(chain_, "whole channels are pruned in chains alone; this network has branches");
    const auto is_body = [this](const Path& at, const Shape& shape) {
      return prompt::is_net_weight(at, shape) && at.str() != "net." + head_;
    };
    const M by = arm.mean_scores
                     ? map_tree<F>(scores, [&](const Path& at, const F& c) { return is_body(at, c.shape()) ? c : F{}; })
                     : prune::magnitude_scores(m, is_body);
    const K channels =
        prune::structured_mask(by, prune::Group::output,
                               {.density = arm.density, .scope = prune::Scope::per_leaf, .ties = prune::Ties::exact});
    K all = prune::dense_mask(m, prompt::is_net_weight);
    for_each_leaf([](const Path&, const U& from, U& to) { to = from.clone(); }, channels.net, all.net);
    all.net = prune::compacted(m.net, all.net, prune::chain_links(m.net)).mask;
    return all;
  }

  static std::string bits_of(const K& mask) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for_each_leaf(
        [&](const Path&, const U& m) {
          for (std::int64_t i = 0; i < m.size(); i += 4) {
            int v = 0;
            for (std::int64_t k = i; k < std::min(m.size(), i + 4); ++k) v |= int(m(k) != 0) << (k - i);
            text += digits[v];
          }
        },
        mask);
    return text;
  }
  K mask_of_bits(const std::string& text, const std::string& what) const {
    K mask = prune::dense_mask(dense_, prompt::is_net_weight);
    std::size_t at = 0;
    for_each_leaf(
        [&](const Path&, U& m) {
          for (std::int64_t i = 0; i < m.size(); i += 4) {
            const char c = at < text.size() ? text[at] : '?';
            ++at;
            const int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            require(v >= 0, what, ": its bits are not those of this network");
            for (std::int64_t k = i; k < std::min(m.size(), i + 4); ++k) m(k) = std::uint8_t(v >> (k - i) & 1);
          }
        },
        mask);
    require(at == text.size(), what, ": its bits are not those of this network");
    return mask;
  }

  prompt::Mapping read_mapping(const std::string& path, std::int64_t classes) const {
    const nlohmann::json file = JsonObject::open(path).value();
    if (!file.contains("mapping") || !file["mapping"].is_array()) throw FileError(path, -1, "has no list 'mapping'");
    prompt::Mapping m;
    for (const auto& s : file["mapping"]) {
      if (!s.is_number_integer()) throw FileError(path, -1, cat("maps a class to ", s.dump()));
      m.push_back(s);
    }
    if (std::int64_t(m.size()) != classes)
      throw FileError(path, -1, cat("maps ", m.size(), " classes; the data have ", classes));
    try {
      prompt::check_mapping(m, o_.classes);
    } catch (const ValueError& e) {
      throw FileError(path, -1, e.what());
    }
    return m;
  }

  /// The normalisation that a network's metadata name; without them none.
  prompt::Normalisation norm_of(const SafetensorsFile::Metadata& noted, const std::string& path) const {
    const auto numbers = [&](const std::string& key) {
      std::vector<double> x;
      const auto it = noted.find(key);
      if (it == noted.end()) return x;
      const auto fail = [&] {
        throw FileError(path, -1,
                        cat("its ", key, " is ", printable(it->second), "; want ", o_.channels, " numbers",
                            key == "deviation" ? " above zero" : ""));
      };
      const auto list = nlohmann::json::parse(it->second, nullptr, false);
      if (!list.is_array() || std::int64_t(list.size()) != o_.channels) fail();
      for (const auto& number : list) {
        if (!number.is_number() || !std::isfinite(number.get<double>())) fail();
        x.push_back(number);
        if (key == "deviation" && !(x.back() > 0)) fail();
      }
      return x;
    };
    prompt::Normalisation n{numbers("mean"), numbers("deviation")};
    if (n.mean.size() != n.deviation.size()) throw FileError(path, -1, "has one of mean and deviation; want both");
    return n;
  }

  static void save_net(const std::string& path, const Net<F>& net, const prompt::Normalisation& norm) {
    std::map<std::string, std::string> notes{{"vpns", "1"}};
    if (!norm.mean.empty())
      notes["mean"] = nlohmann::json(norm.mean).dump(), notes["deviation"] = nlohmann::json(norm.deviation).dump();
    save_model(path, to_device<Cpu>(net), notes);
  }

  NetOptions o_;
  Net<Expected> spec_;
  std::string head_;
  bool chain_;
  M dense_;
  struct {
    M model;
    K mask;
  } last_;
};

}  // namespace vpns
