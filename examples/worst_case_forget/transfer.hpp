// Sets that were found on one network, forgotten by others.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "study.hpp"

namespace worst_case {

/// A ResNet-18 on digits, beside a study of another network.
inline constexpr Recipe beside{.epochs = 6, .lr = 0.05, .unlearning_epochs = 1, .relabelling_epochs = 1};
/// The search on that network for a set of its own, which is shorter than the study's.
inline constexpr std::int64_t steps_beside = 5, epochs_beside = 1;

/// The worst sets among the trials of a ratio, retrained without from another seed, and on another architecture.
std::vector<Trial> transferred(const tenzo::DataSet& data, const std::string& other, tenzo::DeviceOption device,
                               const Recipe& recipe, const std::vector<Trial>& from, Lab& own, double ratio);

/// A ResNet-18 on the random set and the worst one of the study's network: methods with steps that are the same shares
/// of training's own as on that network. And exact unlearning of the worst set of a short search on itself.
///   rates, lr   step sizes of the methods on the study's network, and that of its training
std::vector<Trial> residual(const tenzo::DataSet& data, tenzo::DeviceOption device, const std::vector<Trial>& from,
                            std::map<std::string, StepSize> rates, double lr);

}  // namespace worst_case
