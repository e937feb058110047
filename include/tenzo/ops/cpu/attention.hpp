// Attention on packed sequences and on batches, forward and backward, without storing probabilities.
#pragma once

#include "tenzo/ops/cpu/attention_backward.hpp"
#include "tenzo/ops/cpu/attention_forward.hpp"
