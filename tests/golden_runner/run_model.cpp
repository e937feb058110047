// Models in their native layout: values, loss and the gradient of every parameter, in double and in float.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <numeric>

#include "case.hpp"
#include "model_check.hpp"
#include "tenzo/io/json.hpp"
#include "tenzo/models/configs.hpp"
#include "tenzo/models/llama_config.hpp"
#include "tenzo/models/resnet.hpp"
#include "tenzo/ops/cross_entropy.hpp"

namespace golden {

using namespace tenzo;

namespace {

/// The tokens that a mask of ones and zeros on the right leaves, and where they stood.
struct Unpadded {
  PackedTokens tokens;
  std::vector<std::int64_t> places;  // row · length + column
  Indices labels;                    // of those tokens; −100 where there is none
};

Unpadded unpad(const Integers& ids, const Integers& mask, const Integers* labels) {
  Unpadded out;
  const std::int64_t n = ids.dim(1);
  std::vector<std::int64_t> kept;
  for (std::int64_t s = 0; s < ids.dim(0); ++s) {
    std::vector<int> sequence;
    for (std::int64_t t = 0; t < n; ++t) {
      if (!mask(s, t)) continue;
      sequence.push_back(int(ids(s, t)));
      out.places.push_back(s * n + t);
      kept.push_back(labels ? (*labels)(s, t) : -100);
    }
    out.tokens.append(sequence);
  }
  out.labels = Indices::from(Shape{std::int64_t(kept.size())}, kept);
  return out;
}

/// Numbers of the type and on the device of a value.
template <Value V>
plain_t<V> data_for(const V&, const Double& numbers) {
  return numbers.cast<scalar_t<V>>().template to<device_t<V>>();
}

/// Causal models predict the next token: the label of a token is that of the one behind it.
Indices shifted(const Unpadded& u) {
  Indices out(u.labels.shape());
  for (std::int64_t s = 0; s < u.tokens.sequences(); ++s)
    for (std::int64_t i = u.tokens.offsets[std::size_t(s)]; i < u.tokens.offsets[std::size_t(s) + 1]; ++i)
      out(i) = i + 1 < u.tokens.offsets[std::size_t(s) + 1] ? u.labels(i + 1) : -100;
  return out;
}

template <template <class> class M>
std::string check_causal(const M<Expected>& spec, const std::string& folder) {
  const Tensors expect = read_tensors(folder + "/expect.safetensors");
  const Unpadded u = unpad(expect.integer.at("input/input_ids"), expect.integer.at("input/attention_mask"),
                           &expect.integer.at("input/labels"));
  const Indices labels = shifted(u);
  return check_model(spec, folder, expect, "output/logits", u.places, [&](const auto& m) {
    const auto logits = m.logits(m.batch(u.tokens));
    return std::pair{logits, cross_entropy(logits, labels)};
  });
}

std::string check_roberta(const JsonObject& config, const std::string& folder) {
  const Tensors expect = read_tensors(folder + "/expect.safetensors");
  const Unpadded u = unpad(expect.integer.at("input/input_ids"), expect.integer.at("input/attention_mask"),
                           &expect.integer.at("input/labels"));
  return check_model(roberta_spec(bert_config(config)), folder, expect, "output/logits", u.places, [&](const auto& m) {
    const auto logits = m.logits(m.roberta.batch(u.tokens));
    return std::pair{logits, cross_entropy(logits, u.labels)};
  });
}

std::string check_bert(const JsonObject& config, const std::string& folder) {
  const Tensors expect = read_tensors(folder + "/expect.safetensors");
  const Unpadded u = unpad(expect.integer.at("input/input_ids"), expect.integer.at("input/attention_mask"), nullptr);
  const Integers& types = expect.integer.at("input/token_type_ids");
  Indices kept(Shape{u.tokens.tokens()});
  for (std::int64_t i = 0; i < kept.size(); ++i) kept(i) = types(u.places[std::size_t(i)]);
  // Its loss weighs the pooled embeddings by numbers from −1 to 1.
  const Double& pooled = expect.real.at("output/mean_pooled_normalized");
  Double weight(pooled.shape());
  for (std::int64_t i = 0; i < weight.size(); ++i) weight(i) = -1 + 2 * double(i) / double(weight.size() - 1);
  return check_model(
      bert_spec(bert_config(config)), folder, expect, "output/last_hidden_state", u.places, [&](const auto& m) {
        const auto batch = m.batch(u.tokens);
        const auto hidden = m(batch, kept);
        return std::pair{hidden, sum(mul(mean_pool_normalized(hidden, batch), data_for(hidden, weight)))};
      });
}

std::string check_t5(const JsonObject& config, const std::string& folder) {
  const Tensors expect = read_tensors(folder + "/expect.safetensors");
  const T5Config c = t5_config(config);
  const Unpadded from = unpad(expect.integer.at("input/input_ids"), expect.integer.at("input/attention_mask"), nullptr);
  // The decoder reads the labels one place to the right, the start token first; a label that is ignored reads as
  // padding.
  const Integers& labels = expect.integer.at("input/labels");
  PackedTokens to;
  std::vector<std::int64_t> places;
  for (std::int64_t s = 0; s < labels.dim(0); ++s) {
    std::vector<int> ids{int(c.decoder_start_token_id)};
    for (std::int64_t t = 0; t + 1 < labels.dim(1); ++t) ids.push_back(labels(s, t) < 0 ? 0 : int(labels(s, t)));
    for (std::int64_t t = 0; t < labels.dim(1); ++t) places.push_back(s * labels.dim(1) + t);
    to.append(ids);
  }
  const Indices flat = labels.reshaped(Shape{labels.size()});
  return check_model(t5_spec(c), folder, expect, "output/logits", places, [&](const auto& m) {
    const auto logits = m.logits(T5Batch(from.tokens, to, c));
    return std::pair{logits, cross_entropy(logits, flat)};
  });
}

std::string check_resnet(const JsonObject& config, const std::string& folder) {
  ResNetConfig c = config.text("architecture") == "resnet50" ? ResNetConfig::resnet50() : ResNetConfig::resnet18();
  if (config.has("blocks")) c.blocks = config.value()["blocks"].get<std::vector<std::int64_t>>();
  c.width = detail::positive(config, "width");
  c.classes = detail::positive(config, "classes");
  c.cifar_stem = config.text("stem") == "cifar";
  c.eps = config.object("batch_norm").number("eps", 1e-5);
  c.momentum = config.object("batch_norm").number("momentum", 0.1);
  const bool training = config.text("mode") == "train";
  const Tensors expect = read_tensors(folder + "/expect.safetensors");
  const Integers& labels = expect.integer.at("input/labels");
  std::vector<std::int64_t> places(std::size_t(labels.size()));
  std::iota(places.begin(), places.end(), 0);
  std::string wrong = check_model(resnet_spec(c), folder, expect, "output/logits", places, [&](const auto& m) {
    using V = leaf_t<std::remove_cvref_t<decltype(m)>>;
    BatchStatistics<plain_t<V>> statistics;
    const auto x = lift<V>(expect.real.at("input/x").cast<scalar_t<V>>().template to<device_t<V>>());
    const V logits = m(x, training ? &statistics : nullptr);
    return std::pair{logits, cross_entropy(logits, labels)};
  });
  if (!wrong.empty() || !training) return wrong;

  auto model = map_tree<OnDevice<Exact>>(load_stored(resnet_spec(c), folder),
                                         [](const StoredTensor& s) { return as_tensor<Exact>(s); });
  BatchStatistics<OnDevice<Exact>> statistics;
  model(expect.real.at("input/x").cast<Exact>().to<Device>(), &statistics);
  model.update_running_(statistics);
  for_each_leaf(
      [&](const Path& at, const OnDevice<Exact>& t) {
        if (!is_running_statistic(at) || !wrong.empty()) return;
        const double error = relative_error(t, expect.real.at("state/" + at.str()));
        if (!(error <= (in_double ? 1e-9 : 1e-5))) wrong = cat("state/", at.str(), ": relative error ", error);
      },
      std::as_const(model));
  return wrong;
}

}  // namespace

void run_model(const std::string& folder, Tally& tally) {
  std::string wrong;
  try {
    const JsonObject config = JsonObject::open(folder + "/config.json");
    const std::string type = config.text("model_type", config.text("architecture", ""));
    if (type == "llama" || type == "mistral" || type == "qwen2")
      wrong = check_causal<Llama>(llama_spec(llama_config(config)), folder);
    else if (type == "opt") wrong = check_causal<Opt>(opt_spec(opt_config(config)), folder);
    else if (type == "gpt2") wrong = check_causal<Gpt2>(gpt2_spec(gpt2_config(config)), folder);
    else if (type == "roberta") wrong = check_roberta(config, folder);
    else if (type == "bert") wrong = check_bert(config, folder);
    else if (type == "t5") wrong = check_t5(config, folder);
    else if (type == "resnet18" || type == "resnet50") wrong = check_resnet(config, folder);
    else wrong = cat("unknown architecture '", type, "'");
  } catch (const std::out_of_range&) {
    throw Damaged(folder + "/expect.safetensors: lacks a tensor that its kind of model has");
  }
  if (wrong.empty()) {
    ++tally.passed;
  } else {
    ++tally.failed;
    std::cout << folder << " failed\n    " << wrong << '\n';
  }
}

}  // namespace golden
