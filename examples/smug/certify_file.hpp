// Certification outside a study: a network of a file, and logs.
#pragma once

#include "certify.hpp"

namespace smug::certify {

/// Certifies the test images by the network of --model, writes the log as it goes and prints what it says. With
/// --resume it goes on with the log that an interrupted run has left.
int certify_model(const Options& o);

/// Prints what logs say: certified accuracy by radius, average radius, abstentions, and the best of all.
int analyze(const Options& o);

}  // namespace smug::certify
