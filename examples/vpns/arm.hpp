// One experiment: how a sub-network is found, how it is tuned, and what comes out.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace vpns {

/// Settings of an experiment. A method of one shot has no first stage; its updates are all of the second.
struct Arm {
  std::string name = {};         // as tables show it
  std::string method = "hydra";  // dense, random, omp, imp, snip, grasp, synflow, bip, hydra, vpns, given
  double density = 0.02;         // of the network's weights
  std::string find = "plain";    // protocol of the first stage: plain, text, code
  std::string tune = "plain";    // of the second, and of judgement: with the prompt under text
  std::int64_t find_epochs = 10, tune_epochs = 10;
  std::string prompt = {};      // "pad:4"; empty: none
  std::int64_t input = 0;       // i; 0: all of the image
  std::string mapping = "flm";  // by the dense network; masked: by the untuned masked one; remap: anew behind stage
                                // 1; ilm: before each of its epochs; rlm: at random
  bool augment = false;         // batches without a prompt are cropped at random
  bool noise = false;           // the prompt is random noise that is never trained
  double noise_norm = 0;        // its Euclidean norm; 0: as it is drawn, uniform in [0, 1)
  bool prompt_only = false;     // the second stage trains the prompt alone
  bool structured = false;      // whole output channels, the same share of each layer
  bool mean_scores = false;     // the structured score of a channel by its learnt scores, else by magnitudes
  double net = 0;               // step size of the weights; 0: the study's
  bool keep_mask = false, keep_prompt = false;  // in the outcome
  bool strict = false;                          // an emptied layer is an error
};

/// Step sizes: of the scores and the prompt in the first stage, of the weights and the prompt in the second, of a
/// prompt on a network that stands still, of BiP's two levels. That of the weights is the paper's; `vpns tune` chose
/// the others on digits, density 0.02, seeds 1001 to 1003, on which no claim is judged.
struct Rates {
  double scores = 0.03, prompt = 0.03, net = 0.01, prompt_tune = 0.1, prompt_alone = 1;
  double bip_scores = 0.01, bip_net = 0.1;
};

/// Kept weights of a layer.
struct Layer {
  std::string name;
  std::int64_t kept = 0, total = 0;
};

/// What an experiment gives; accuracies in percent, of the test set, after the last update.
struct Outcome {
  std::string arm = {};
  std::uint64_t seed = 1;
  double density = NAN;   // that was asked for
  double found = NAN;     // behind stage 1
  double accuracy = NAN;  // as the protocol judges
  double with_prompt = NAN, without_prompt = NAN;
  double ece = NAN;                            // expected calibration error, in percent
  std::int64_t updates = 0;                    // of scores or weights, both stages
  std::int64_t kept = 0, total = 0;            // weights
  std::int64_t read_kept = 0, read_total = 0;  // without rows of the head that no class reads
  double dead = 0;                             // share of the prompt's pixels without a gradient
  double prompt_norm = 0;                      // of M ⊙ φ(δ), Euclidean; of no prompt 0
  double seconds = NAN;
  std::vector<Layer> layers = {};
  std::vector<std::int64_t> mapping = {};
  std::string mask = {};           // bits, as hexadecimal digits; empty: not kept
  std::vector<float> prompt = {};  // M ⊙ φ(δ)
};

void to_json(nlohmann::json& j, const Outcome& o);
void from_json(const nlohmann::json& j, Outcome& o);

/// Time of a forward pass, dense and sparse.
struct Latency {
  double density = 1;
  std::int64_t batch = 1;
  double dense_ms = NAN, sparse_ms = NAN;
};
void to_json(nlohmann::json& j, const Latency& l);
void from_json(const nlohmann::json& j, Latency& l);

/// A prompt of a frozen sub-network, trained by gradients or by losses alone.
struct Queries {
  std::string way;  // none, back-propagation, random directions, coordinates
  std::uint64_t seed = 1;
  double accuracy = NAN, loss = NAN;
  std::int64_t forwards = 0;  // of a batch
};
void to_json(nlohmann::json& j, const Queries& q);
void from_json(const nlohmann::json& j, Queries& q);

/// A network without its pruned channels beside the one with them.
struct Compact {
  std::string arm = {};
  std::uint64_t seed = 1;
  double share = NAN;       // of the channels
  double difference = NAN;  // of their outputs, the largest
  std::int64_t weights = 0, dense_weights = 0;
  std::int64_t operations = 0, dense_operations = 0;  // multiply-adds of an image
  double ms = NAN, dense_ms = NAN;                    // of a batch of 64
  std::vector<std::int64_t> widths = {};
};
void to_json(nlohmann::json& j, const Compact& c);
void from_json(const nlohmann::json& j, Compact& c);

}  // namespace vpns
