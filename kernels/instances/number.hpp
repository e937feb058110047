// The numbers that this folder's sources are instantiated for.
#pragma once

#ifndef TENZO_INSTANCES_OF
#define TENZO_INSTANCES_OF float
#endif

namespace tenzo::cuda {

using Number = TENZO_INSTANCES_OF;

}  // namespace tenzo::cuda
