# HDF5's C library, as the imported target tenzo::hdf5 where it is found. CMake's own module compiles programs in C, a
# language that tenzo does not enable, and takes the wrappers' flags for a library that several packages install side
# by side.

find_path(TENZO_HDF5_INCLUDE hdf5.h PATH_SUFFIXES hdf5/serial)
find_library(TENZO_HDF5_LIBRARY NAMES hdf5_serial hdf5 PATH_SUFFIXES hdf5/serial)
mark_as_advanced(TENZO_HDF5_INCLUDE TENZO_HDF5_LIBRARY)
if(TENZO_HDF5_INCLUDE AND TENZO_HDF5_LIBRARY AND NOT TARGET tenzo::hdf5)
  add_library(tenzo::hdf5 UNKNOWN IMPORTED GLOBAL)
  set_target_properties(tenzo::hdf5 PROPERTIES IMPORTED_LOCATION ${TENZO_HDF5_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${TENZO_HDF5_INCLUDE})
endif()
