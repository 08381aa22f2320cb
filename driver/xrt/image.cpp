// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/image.hpp"

#include <xclbin.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace tandem::driver {
namespace {

constexpr char kMagic[8] = {'x', 'c', 'l', 'b', 'i', 'n', '2', '\0'};

Failure<CardError> fail(CardErrc code, std::string_view name, const std::string& text) {
  return {CardError{code, std::string(name) + ": " + text}};
}

// The words of a platform's name; colons separate them too (vendor:board:name:version).
std::vector<std::string_view> words(std::string_view name) {
  std::vector<std::string_view> found;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find_first_of("_:."), name.size());
    if (end != 0 && name.substr(0, end) != "base") {
      found.push_back(name.substr(0, end));
    }
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return found;
}

}  // namespace

CardResult<Image> parse_image(std::vector<char> content, std::string_view name) {
  const std::uint64_t octets = content.size();
  if (octets < offsetof(axlf, m_sections) || std::memcmp(content.data(), kMagic, sizeof(kMagic)) != 0) {
    return fail(CardErrc::kInvalid, name, "no xclbin container (too short, or another magic)");
  }
  axlf_header header{};
  std::memcpy(&header, content.data() + offsetof(axlf, m_header), sizeof(header));
  if (header.m_length != octets) {
    return fail(CardErrc::kInvalid, name,
                "the container says " + std::to_string(header.m_length) + " octets, the file has " +
                    std::to_string(octets) + ": truncated or damaged");
  }
  if (header.m_numSections == 0 || header.m_numSections > kImageSectionsMax) {
    return fail(CardErrc::kInvalid, name, std::to_string(header.m_numSections) + " sections; wanted 1 to 256");
  }
  const std::uint64_t table_end =
      offsetof(axlf, m_sections) + std::uint64_t{header.m_numSections} * sizeof(axlf_section_header);
  if (table_end > octets) {
    return fail(CardErrc::kInvalid, name, "the section table ends behind the file");
  }
  for (std::uint32_t i = 0; i < header.m_numSections; ++i) {
    axlf_section_header section{};
    std::memcpy(&section, content.data() + offsetof(axlf, m_sections) + i * sizeof(section), sizeof(section));
    if (section.m_sectionOffset < table_end || section.m_sectionOffset > octets ||
        section.m_sectionSize > octets - section.m_sectionOffset) {
      return fail(CardErrc::kInvalid, name, "section " + std::to_string(i) + " lies outside the container");
    }
  }
  const auto* platform = reinterpret_cast<const char*>(header.m_platformVBNV);
  const std::size_t length = ::strnlen(platform, sizeof(header.m_platformVBNV));
  if (length == 0 || length == sizeof(header.m_platformVBNV)) {
    return fail(CardErrc::kInvalid, name, "names no platform");
  }
  Image image;
  std::memcpy(image.uuid.data(), header.uuid, image.uuid.size());
  image.platform.assign(platform, length);
  image.content = std::move(content);
  return image;
}

CardResult<Image> read_image(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    const int error = errno;
    return fail(error == ENOENT ? CardErrc::kNotFound : CardErrc::kIo, path, std::strerror(error));
  }
  const std::streamoff size = file.tellg();
  if (size < 0 || static_cast<std::uint64_t>(size) > kImageOctetsMax) {
    return fail(CardErrc::kTooLarge, path, "no file of up to 512 MiB");
  }
  std::vector<char> content(static_cast<std::size_t>(size));
  file.seekg(0);
  if (!file.read(content.data(), size)) {
    return fail(CardErrc::kIo, path, "cannot be read to its end");
  }
  return parse_image(std::move(content), path);
}

bool platform_fits(std::string_view card_shell, std::string_view image_platform) {
  const auto card = words(card_shell);
  const auto image = words(image_platform);
  return !card.empty() && card.size() <= image.size() && std::equal(card.begin(), card.end(), image.begin());
}

}  // namespace tandem::driver
