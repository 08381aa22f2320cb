// SPDX-License-Identifier: Apache-2.0
// An xclbin file, checked as a container before XRT sees it: XRT's own reader follows the lengths it finds. Serves N6.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "driver/card.hpp"

namespace tandem::driver {

struct Image {
  std::vector<char> content;
  std::array<std::uint8_t, 16> uuid;
  std::string platform;  // the shell it was linked for
};

constexpr std::size_t kImageOctetsMax = std::size_t{512} << 20;
constexpr std::uint32_t kImageSectionsMax = 256;

// What of a container holds: magic, declared length = the file's, section table and every section inside it, in these
// the tables that XRT walks by their counts (kernels, memories, connections, clocks, probes) and the names in them, a
// platform name that ends. Error kInvalid says which of them does not; `name` is for its text.
CardResult<Image> parse_image(std::vector<char> content, std::string_view name);

// Errors: kNotFound, kIo, kTooLarge, kInvalid.
CardResult<Image> read_image(const std::string& path);

// Whether an image linked for `image_platform` fits the shell that a card reports. A card names its shell's base
// ("xilinx_u50_gen3x16_xdma_base_5"), an image its development platform ("xilinx_u50_gen3x16_xdma_5_202210_1"):
// without "base" the one must begin the other, word by word.
bool platform_fits(std::string_view card_shell, std::string_view image_platform);

}  // namespace tandem::driver
