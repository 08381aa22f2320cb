// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/call.hpp"

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace tandem::driver {
namespace {

// What an exception of XRT's most likely means, and what to do about it.
CardError explain(const std::string& what, const std::string& said, int code) {
  CardErrc errc = CardErrc::kIo;
  std::string advice;
  if (code == EBUSY) {
    errc = CardErrc::kBusy;
    advice = "; another process has the card: stop it first";
  } else if (code == ENODEV || code == ENXIO) {
    errc = CardErrc::kGone;
    advice = "; the card does not answer: look at the bus (lspci) and at the kernel's log";
  } else if (said.find("XILINX_XRT not set") != std::string::npos) {
    advice = "; source XRT's setup.sh, or set XILINX_XRT to where it is installed";
  } else if (said.find("No such library") != std::string::npos) {
    advice = "; XILINX_XRT names a folder without XRT's libraries: is the package complete?";
  } else if (said.find("Could not open device") != std::string::npos) {
    errc = CardErrc::kNotFound;
    advice = "; is the card in its slot, its driver (xocl) loaded, and this user in its group?";
  }
  return {errc, what + ": " + said + advice};
}

}  // namespace

CardResult<> xrt_try(const std::string& what, const std::function<void()>& call) {
  try {
    call();
    return {};
  } catch (const std::system_error& error) {
    return Failure<CardError>{explain(what, error.what(), std::abs(error.code().value()))};
  } catch (const std::exception& error) {
    return Failure<CardError>{explain(what, error.what(), 0)};
  }
}

}  // namespace tandem::driver
