// How an image is brought to another size.
#pragma once

#include "tenzo/ops/shapes/conv.hpp"

namespace tenzo {

enum class Interpolation { nearest, bilinear, bilinear_aligned };

}  // namespace tenzo
