// The version of tenzo. This is the only place that states it: CMake and the packages read it from here.
#pragma once

#define TENZO_VERSION "0.1.0"
