// The emulation can be a library: compiled once, with TENZO_EMULATION_LIBRARY defined for it and for who uses it.
// Otherwise cuda.hpp includes its sources, and there is nothing to link.
#pragma once

/// Before the definition of a function in one of these sources.
#ifdef TENZO_EMULATION_LIBRARY
#define TENZO_IN_LIBRARY
#else
#define TENZO_IN_LIBRARY inline
#endif
