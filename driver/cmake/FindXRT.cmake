# SPDX-License-Identifier: Apache-2.0
# Finds the Xilinx runtime: AMD's own install under $XILINX_XRT, or Debian's libxrt-dev, which has no CMake
# package and a pkg-config file with a broken prefix. Defines XRT_FOUND, XRT_INCLUDE_DIR, XRT_LIBRARY and the
# target XRT::xrt_coreutil.
find_package(Threads QUIET)
find_path(XRT_INCLUDE_DIR NAMES xrt/xrt_device.h xrt.h
          HINTS $ENV{XILINX_XRT}/include PATHS /usr/include/xrt /usr/include)
find_library(XRT_LIBRARY NAMES xrt_coreutil HINTS $ENV{XILINX_XRT}/lib)
find_library(XRT_UUID_LIBRARY NAMES uuid)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(XRT REQUIRED_VARS XRT_LIBRARY XRT_INCLUDE_DIR XRT_UUID_LIBRARY Threads_FOUND)
mark_as_advanced(XRT_INCLUDE_DIR XRT_LIBRARY XRT_UUID_LIBRARY)

if(XRT_FOUND AND NOT TARGET XRT::xrt_coreutil)
  add_library(XRT::xrt_coreutil UNKNOWN IMPORTED GLOBAL)
  set_target_properties(XRT::xrt_coreutil PROPERTIES
    IMPORTED_LOCATION ${XRT_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES "${XRT_INCLUDE_DIR};${XRT_INCLUDE_DIR}/xrt"
    INTERFACE_LINK_LIBRARIES "${XRT_UUID_LIBRARY};Threads::Threads")
endif()
