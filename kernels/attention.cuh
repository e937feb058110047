// Scaled dot-product attention on packed sequences and on batches, forward and backward, without storing probabilities.
#pragma once

#include "attention_backward.cuh"
#include "attention_forward.cuh"
