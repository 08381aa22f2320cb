// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/image.hpp"

#include <xclbin.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>

namespace tandem::driver {
namespace {

constexpr std::int32_t kArgumentsMax = 256;  // of a kernel
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

// Sections that are a count and so many entries, some with a name: XRT follows both without a look at the section's
// end.
struct Table {
  axlf_section_kind kind;
  std::string_view text;
  std::size_t count_octets;
  std::size_t head;  // octets in front of the entries
  std::size_t entry;
  std::size_t name;  // of an entry, where it lies in there; none where it has no octets
  std::size_t name_octets;
};

constexpr Table kTables[] = {
    {MEM_TOPOLOGY, "memory topology", 4, offsetof(mem_topology, m_mem_data), sizeof(mem_data),
     offsetof(mem_data, m_tag), sizeof(mem_data::m_tag)},
    {ASK_GROUP_TOPOLOGY, "group topology", 4, offsetof(mem_topology, m_mem_data), sizeof(mem_data),
     offsetof(mem_data, m_tag), sizeof(mem_data::m_tag)},
    {IP_LAYOUT, "layout of kernels", 4, offsetof(ip_layout, m_ip_data), sizeof(ip_data), offsetof(ip_data, m_name),
     sizeof(ip_data::m_name)},
    {CONNECTIVITY, "connectivity", 4, offsetof(connectivity, m_connection), sizeof(connection), 0, 0},
    {ASK_GROUP_CONNECTIVITY, "group connectivity", 4, offsetof(connectivity, m_connection), sizeof(connection), 0, 0},
    {DEBUG_IP_LAYOUT, "layout of probes", 2, offsetof(debug_ip_layout, m_debug_ip_data), sizeof(debug_ip_data),
     offsetof(debug_ip_data, m_name), sizeof(debug_ip_data::m_name)},
    {CLOCK_FREQ_TOPOLOGY, "clocks", 2, offsetof(clock_freq_topology, m_clock_freq), sizeof(clock_freq),
     offsetof(clock_freq, m_name), sizeof(clock_freq::m_name)},
};

bool is_table(std::uint32_t kind) {
  return std::any_of(std::begin(kTables), std::end(kTables), [kind](const Table& table) { return table.kind == kind; });
}

// What is wrong with a table of this kind in a section's octets, or nothing.
std::string table_fault(const Table& table, std::span<const char> section) {
  std::uint32_t count = 0;
  if (section.size() < table.head) {
    return "the " + std::string(table.text) + " ends before its first entry";
  }
  std::memcpy(&count, section.data(), table.count_octets);
  if (count > (section.size() - table.head) / table.entry) {
    return "the " + std::string(table.text) + " counts " + std::to_string(count) + " entries, its section holds " +
           std::to_string((section.size() - table.head) / table.entry);
  }
  for (std::size_t i = 0; i < count && table.name_octets != 0; ++i) {
    const char* name = section.data() + table.head + i * table.entry + table.name;
    if (::strnlen(name, table.name_octets) == table.name_octets) {
      return "the " + std::string(table.text) + "'s entry " + std::to_string(i) + " has a name without an end";
    }
  }
  return {};
}

std::uint32_t count_of(std::span<const char> section) {
  std::uint32_t count = 0;
  std::memcpy(&count, section.data(), std::min(sizeof(count), section.size()));
  return count;
}

// What is wrong with which argument of which kernel lies in which memory, or nothing. All three were looked at alone.
std::string wiring_fault(std::span<const char> wiring, std::span<const char> kernels, std::span<const char> memories) {
  for (std::uint32_t i = 0; i < count_of(wiring); ++i) {
    connection one{};
    std::memcpy(&one, wiring.data() + offsetof(connectivity, m_connection) + i * sizeof(one), sizeof(one));
    if (one.m_ip_layout_index < 0 || static_cast<std::uint32_t>(one.m_ip_layout_index) >= count_of(kernels) ||
        one.mem_data_index < 0 || static_cast<std::uint32_t>(one.mem_data_index) >= count_of(memories)) {
      return "connection " + std::to_string(i) + " names a kernel or a memory that is not there";
    }
    if (one.arg_index < 0 || one.arg_index >= kArgumentsMax) {  // XRT makes room for all up to it
      return "connection " + std::to_string(i) + " is of argument " + std::to_string(one.arg_index);
    }
  }
  return {};
}

// What is wrong inside the sections, or nothing. `found`: the octets of each kind's section.
std::string content_fault(const std::map<std::uint32_t, std::span<const char>>& found) {
  for (const axlf_section_kind wanted : {EMBEDDED_METADATA, MEM_TOPOLOGY, CONNECTIVITY, IP_LAYOUT}) {
    if (!found.contains(wanted)) {
      return "has no section of kind " + std::to_string(wanted) + ", which every image for kernels has";
    }
  }
  if (found.contains(ASK_GROUP_CONNECTIVITY) != found.contains(ASK_GROUP_TOPOLOGY)) {
    return "has one of the two sections about groups of memory";
  }
  for (const Table& table : kTables) {
    const auto section = found.find(table.kind);
    if (section != found.end()) {
      if (std::string fault = table_fault(table, section->second); !fault.empty()) {
        return fault;
      }
    }
  }
  std::string fault = wiring_fault(found.at(CONNECTIVITY), found.at(IP_LAYOUT), found.at(MEM_TOPOLOGY));
  if (fault.empty() && found.contains(ASK_GROUP_CONNECTIVITY)) {
    fault = wiring_fault(found.at(ASK_GROUP_CONNECTIVITY), found.at(IP_LAYOUT), found.at(ASK_GROUP_TOPOLOGY));
  }
  return fault;
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
  std::map<std::uint32_t, std::span<const char>> found;
  for (std::uint32_t i = 0; i < header.m_numSections; ++i) {
    axlf_section_header section{};
    std::memcpy(&section, content.data() + offsetof(axlf, m_sections) + i * sizeof(section), sizeof(section));
    if (section.m_sectionOffset < table_end || section.m_sectionOffset > octets ||
        section.m_sectionSize > octets - section.m_sectionOffset) {
      return fail(CardErrc::kInvalid, name, "section " + std::to_string(i) + " lies outside the container");
    }
    const std::span<const char> octets_of{content.data() + section.m_sectionOffset,
                                          static_cast<std::size_t>(section.m_sectionSize)};
    if (!found.try_emplace(section.m_sectionKind, octets_of).second && is_table(section.m_sectionKind)) {
      return fail(CardErrc::kInvalid, name, "section " + std::to_string(i) + " is of a kind that came before");
    }
  }
  if (std::string fault = content_fault(found); !fault.empty()) {
    return fail(CardErrc::kInvalid, name, fault);
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
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return fail(CardErrc::kInvalid, path, "a directory or a device, no file");  // a pipe would be waited for
  }
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    const int reason = errno;
    return fail(reason == ENOENT ? CardErrc::kNotFound : CardErrc::kIo, path.empty() ? "image" : path,
                std::strerror(reason));
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
