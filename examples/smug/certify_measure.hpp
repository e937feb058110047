// The measurements of a study, a claim's or two each. All are functions of their arguments alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "certify_networks.hpp"

namespace smug::certify {

/// R1: the statistics beside reference values, and certificates of half-spaces.
Exactness exactness(const Setup& setup, std::uint64_t seed, int seeds);
/// Certificates of thresholds with known radii, under each family of noise.
std::vector<Calibration> calibration(const Setup& setup, std::uint64_t seed);

/// R5: certified images under PGD within attack_inside and attack_outside radii: `count` of them, evenly spread over
/// the radii.
std::vector<Attacked> attacked(const Setup& setup, const Network& network, const Certified& certified,
                               std::int64_t count);

/// R9, by the worst of the seeds. The network's part is the cosine of estimates with its gradient by the input.
ZeroOrder zero_order(const Setup& setup, const Network& network, std::uint64_t seed, int seeds);

/// R10: the network's score of an image's class as a regression.
std::vector<Regressed> regressed(const Setup& setup, const Network& network, std::uint64_t seed);
HeavyTail heavy_tail(std::uint64_t seed, int seeds);

/// R6 and R7: denoisers before a network that was trained without noise, in noise of base_sigma: none, white-box ones,
/// and ones that are trained through its answers. All are trained for the same number of steps on the same batches.
std::vector<DenoisedRun> denoised(const Setup& setup, const Network& network, std::uint64_t seed);

/// R8: a network trained with noise of a family or with splitting noise, and its certificates.
Network trained_with(const Setup& setup, const tenzo::smoothing::AdditiveNoise& noise, std::uint64_t seed);
Network trained_with_splitting(const Setup& setup, std::uint64_t seed);
Splitting splitting(const Setup& setup, const Network& network, std::uint64_t seed);

/// PNG files, row by row as the report shows them; empty where there are fewer digits than columns.
std::vector<std::string> digits(const Setup& setup, const Network& network, std::uint64_t seed);

}  // namespace smug::certify
