// SPDX-License-Identifier: Apache-2.0
// HAL entry points that XRT's device object names and Tandem never calls: each ends the process with its name.
#include <xrt.h>
#include <xrt/xrt_aie.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_graph.h>

#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void refuse(const char* name) {
  std::fprintf(stderr, "XRT shim: %s is not simulated\n", name);
  std::abort();
}

}  // namespace

#define TANDEM_NOT_SIMULATED(result, name, ...) \
  result name(__VA_ARGS__) { refuse(#name); }

// One a line; the formatter would make a ladder of them.
// clang-format off

// Of xrt.h, with C linkage.
TANDEM_NOT_SIMULATED(xclBufferHandle, xclAllocUserPtrBO, xclDeviceHandle, void*, std::size_t, unsigned int)
TANDEM_NOT_SIMULATED(int, xclCopyBO, xclDeviceHandle, xclBufferHandle, xclBufferHandle, std::size_t, std::size_t, std::size_t)
TANDEM_NOT_SIMULATED(int, xclExecBuf, xclDeviceHandle, xclBufferHandle)
TANDEM_NOT_SIMULATED(int, xclExecWait, xclDeviceHandle, int)
TANDEM_NOT_SIMULATED(xclBufferExportHandle, xclExportBO, xclDeviceHandle, xclBufferHandle)
TANDEM_NOT_SIMULATED(xclBufferHandle, xclImportBO, xclDeviceHandle, xclBufferExportHandle, unsigned int)
TANDEM_NOT_SIMULATED(int, xclReClock2, xclDeviceHandle, unsigned short, const unsigned short*)
TANDEM_NOT_SIMULATED(ssize_t, xclUnmgdPread, xclDeviceHandle, unsigned int, void*, std::size_t, std::uint64_t)
TANDEM_NOT_SIMULATED(ssize_t, xclUnmgdPwrite, xclDeviceHandle, unsigned int, const void*, std::size_t, std::uint64_t)

// Of XRT's internal headers, with C linkage, then with C++ linkage.
extern "C" TANDEM_NOT_SIMULATED(int, xclP2pEnable, xclDeviceHandle, bool, bool)
extern "C" TANDEM_NOT_SIMULATED(int, xclRegRead, xclDeviceHandle, std::uint32_t, std::uint32_t, std::uint32_t*)
extern "C" TANDEM_NOT_SIMULATED(int, xclRegWrite, xclDeviceHandle, std::uint32_t, std::uint32_t, std::uint32_t)
TANDEM_NOT_SIMULATED(int, xclCmaEnable, void*, bool, std::uint64_t)
TANDEM_NOT_SIMULATED(int, xclUpdateSchedulerStat, void*)
TANDEM_NOT_SIMULATED(int, xclCloseExportHandle, int)
TANDEM_NOT_SIMULATED(int, xclGMIOWait, void*, const char*)
TANDEM_NOT_SIMULATED(int, xclGraphEnd, void*, std::uint64_t)
TANDEM_NOT_SIMULATED(int, xclGraphRun, void*, int)
TANDEM_NOT_SIMULATED(void*, xclGraphOpen, void*, const unsigned char*, const char*, xrt::graph::access_mode)
TANDEM_NOT_SIMULATED(int, xclGraphWait, void*, std::uint64_t)
TANDEM_NOT_SIMULATED(int, xclSyncBOAIE, void*, xrt::bo&, const char*, xclBOSyncDirection, std::size_t, std::size_t)
TANDEM_NOT_SIMULATED(int, xclSyncBOAIENB, void*, xrt::bo&, const char*, xclBOSyncDirection, std::size_t, std::size_t)
TANDEM_NOT_SIMULATED(void, xclGraphClose, void*)
TANDEM_NOT_SIMULATED(int, xclGraphReset, void*)
TANDEM_NOT_SIMULATED(int, xclGraphResume, void*)
TANDEM_NOT_SIMULATED(int, xclGraphReadRTP, void*, const char*, char*, std::size_t)
TANDEM_NOT_SIMULATED(int, xclGraphSuspend, void*)
TANDEM_NOT_SIMULATED(int, xclGraphWaitDone, void*, int)
TANDEM_NOT_SIMULATED(int, xclReadProfiling, void*, int)
TANDEM_NOT_SIMULATED(int, xclResetAIEArray, void*)
TANDEM_NOT_SIMULATED(int, xclStopProfiling, void*, int)
TANDEM_NOT_SIMULATED(int, xclAIEOpenContext, void*, xrt::aie::access_mode)
TANDEM_NOT_SIMULATED(std::uint64_t, xclGraphTimeStamp, void*)
TANDEM_NOT_SIMULATED(int, xclGraphUpdateRTP, void*, const char*, const char*, std::size_t)
TANDEM_NOT_SIMULATED(int, xclStartProfiling, void*, int, const char*, const char*, std::uint32_t)

    // clang-format on

    // Called at every load, for parts of an image that we do not have.
    int xclLoadXclBinMeta(void*, const axlf*) {
  return 0;
}
