// One data set and one architecture: the original model, the search for forget sets, unlearning, and its figures.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tenzo/data/data_set.hpp"
#include "tenzo/io/device_option.hpp"
#include "tenzo/unlearn/evaluation.hpp"
#include "tenzo/unlearn/lira.hpp"
#include "tenzo/unlearn/methods.hpp"
#include "tenzo/unlearn/worst_case.hpp"

namespace worst_case {

using tenzo::Rows;
using tenzo::unlearn::Evaluation;

/// How the original model is trained, and with it the retrained ones.
struct Recipe {
  std::int64_t epochs = 30, batch = 64;
  double lr = 0.1;
  std::int64_t warmup = 0;  // epochs; without, trainings of a very small network can end with dead units
  /// Of methods of unlearning, at most: of those that relabel the published ten, of those that go on training half as
  /// many. Ten are few beside the 182 of training that they belong to, but a third of thirty, in which fine-tuning
  /// becomes training anew.
  std::int64_t unlearning_epochs = 5, relabelling_epochs = 10;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Recipe, epochs, batch, lr, warmup, unlearning_epochs, relabelling_epochs)

  tenzo::TrainOptions options(std::uint64_t seed) const {
    return {.epochs = epochs,
            .batch = batch,
            .sgd = {.lr = lr, .momentum = 0.9, .weight_decay = 5e-4},
            .warmup = warmup,
            .seed = seed};
  }
};

/// An upper gradient by one way of differentiating the lower level, what it cost, and its cosine with the sample
/// losses'.
struct Derivative {
  std::string name;
  double seconds = 0, cosine = NAN;
  double megabytes = 0;  // most that it took beside what was there; 0: not known, on a GPU
  std::vector<double> gradient;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Derivative, name, seconds, cosine, megabytes, gradient)
};

/// What a study asks of a model, whatever its type.
class Lab {
 public:
  virtual ~Lab() = default;

  /// Trains θ_o; the results before are of another model.
  virtual void train(std::uint64_t seed) = 0;
  /// Accuracies of θ_o on the samples that it was trained on and on the test set, in percent.
  virtual double train_accuracy() const = 0;
  virtual double test_accuracy() const = 0;
  /// How many samples θ_o is trained on.
  virtual std::int64_t samples() const = 0;
  /// How many weights a model has.
  virtual std::int64_t weights() const = 0;
  /// ℓ(θ_o; z_i).
  virtual std::vector<double> losses() const = 0;

  virtual tenzo::unlearn::WorstCaseSet search(const tenzo::unlearn::WorstCase& o) const = 0;
  virtual tenzo::unlearn::WorstCaseSet search_classes(const tenzo::unlearn::WorstCase& o) const = 0;

  /// The figures of a model that has forgotten these samples, and of θ_o on them.
  virtual Evaluation unlearned(const tenzo::unlearn::Method& method, const Rows& forget) const = 0;
  virtual Evaluation original(const Rows& forget) const = 0;

  /// Shadow models of the original one, each trained by its recipe on half of the samples.
  virtual tenzo::unlearn::Shadows shadows(std::int64_t models, std::uint64_t seed) const = 0;
  /// What θ_o, or a model that has forgotten these samples, says of all samples, as shadow models do: (n).
  virtual tenzo::Tensor<double> original_confidence() const = 0;
  virtual tenzo::Tensor<double> unlearned_confidence(const tenzo::unlearn::Method& method,
                                                     const Rows& forget) const = 0;

  /// Test accuracy, in percent, of a model that is trained on these samples alone.
  virtual double trained_on(const Rows& kept) const = 0;
  /// The upper gradient at w, all m/N, by signs, by unrolled gradient steps and by the implicit function.
  virtual std::vector<Derivative> derivatives(std::int64_t size) const = 0;
};

/// The architectures: mlp, cnn, resnet18 with a first layer for small images, and resnet18-pooled with the one for
/// large images, 7 x 7 and pooling, which is a fourteenth of the work. The data has to outlive the laboratory.
///   device     where models are trained and called
///   held_out   samples for methods that want some which the model has not seen, apart from those that it is judged on;
///              null where none does
std::unique_ptr<Lab> make_lab(const std::string& arch, tenzo::DeviceOption device, const tenzo::DataSet& data,
                              const Recipe& recipe, const tenzo::Samples<float>* held_out = nullptr);
const std::vector<std::string>& architectures();

/// Of one architecture; lab_….device.cpp are compiled once for each device.
template <class Device>
std::unique_ptr<Lab> mlp_lab(const tenzo::DataSet& data, const Recipe& recipe, const tenzo::Samples<float>* held_out);
template <class Device>
std::unique_ptr<Lab> cnn_lab(const tenzo::DataSet& data, const Recipe& recipe, const tenzo::Samples<float>* held_out);
template <class Device>
std::unique_ptr<Lab> resnet_lab(const tenzo::DataSet& data, const Recipe& recipe, const tenzo::Samples<float>* held_out,
                                bool pooled);

}  // namespace worst_case
