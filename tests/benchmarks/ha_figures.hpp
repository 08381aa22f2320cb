// SPDX-License-Identifier: Apache-2.0
// What bench_ha measures, as a table and as JSON.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <vector>

namespace tandem::bench {

struct Figures {
  std::uint32_t sas = 0;
  double snapshot_s = 0, snapshot_step_s = 0, snapshot_octets = 0;
  double active_octets = 0, standby_octets = 0;  // resident memory
  double one_out_records = 0, one_out_octets = 0, one_in_records = 0, one_in_octets = 0, spread_records = 0;
  double first_packet_us = 0, takeover_first_s = 0, takeover_step_s = 0, takeover_host_s = 0;
  double handover_silence_s = 0, handover_step_s = 0;
  double talk_virtual_s = 0, talk_cpu_s = 0;
  std::uint32_t peak_per_s = 0;
};

// What is printed and written: a name, how to read it, and whether the ratio is of one SA's share.
struct Row {
  const char* name;
  const char* unit;
  double Figures::*value;
  double scale;
  bool per_sa;
};
inline constexpr Row kRows[] = {
    {"snapshot", "us of CPU a SA", &Figures::snapshot_s, 1e6, true},
    {"snapshot_octets", "octets a SA", &Figures::snapshot_octets, 1, true},
    {"snapshot_longest_step", "ms of CPU", &Figures::snapshot_step_s, 1e3, false},
    {"memory_active", "octets a SA", &Figures::active_octets, 1, true},
    {"memory_standby", "octets a SA", &Figures::standby_octets, 1, true},
    {"one_sa_out_records", "in 10^6 packets", &Figures::one_out_records, 1, false},
    {"one_sa_out_octets", "in 10^6 packets", &Figures::one_out_octets, 1, false},
    {"one_sa_in_records", "in 10^6 packets", &Figures::one_in_records, 1, false},
    {"one_sa_in_octets", "in 10^6 packets", &Figures::one_in_octets, 1, false},
    {"all_sas_out_records", "in 10^6 packets", &Figures::spread_records, 1, false},
    {"takeover_first_packet", "us", &Figures::first_packet_us, 1, false},
    {"takeover_first_step", "ms of CPU", &Figures::takeover_first_s, 1e3, false},
    {"takeover_longest_step", "ms of CPU", &Figures::takeover_step_s, 1e3, false},
    {"takeover_host", "us of CPU a SA", &Figures::takeover_host_s, 1e6, true},
    {"handover_silence", "ms of CPU", &Figures::handover_silence_s, 1e3, false},
    {"handover_longest_step", "ms of CPU", &Figures::handover_step_s, 1e3, false},
    {"talk_time", "ms of virtual time a SA", &Figures::talk_virtual_s, 1e3, true},
    {"talk_cpu", "us of CPU a SA", &Figures::talk_cpu_s, 1e6, true},
};

inline double shown(const Row& row, const Figures& figures) {
  return figures.*row.value * row.scale / (row.per_sa ? figures.sas : 1);
}

// Sizes side by side; the ratio is of the last to the first.
inline void print(const std::vector<Figures>& all) {
  std::printf("%-24s", "");
  for (const Figures& figures : all) std::printf("%14u", figures.sas);
  std::printf("   ratio\n");
  for (const Row& row : kRows) {
    std::printf("%-24s", row.name);
    for (const Figures& figures : all) std::printf("%14.3g", shown(row, figures));
    const double first = shown(row, all.front());
    std::printf("%8.2f  %s\n", first == 0 ? 0.0 : shown(row, all.back()) / first, row.unit);
  }
  std::printf("busiest second of the talk:");
  for (const Figures& figures : all) std::printf(" %u datagrams", figures.peak_per_s);
  std::printf("\n");
}

// False: cannot write `path`.
inline bool write_json(const char* path, const std::vector<Figures>& all) {
  std::FILE* file = std::fopen(path, "w");
  if (file == nullptr) return false;
  std::fprintf(file, "{\"rows\": [");
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::fprintf(file, "%s\n  {\"sas\": %u", i == 0 ? "" : ",", all[i].sas);
    for (const Row& row : kRows) std::fprintf(file, ", \"%s\": %.6g", row.name, shown(row, all[i]));
    std::fprintf(file, ", \"talk_peak_per_s\": %u}", all[i].peak_per_s);
  }
  std::fprintf(file, "\n], \"units\": {");
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    std::fprintf(file, "%s\"%s\": \"%s\"", i == 0 ? "" : ", ", kRows[i].name, kRows[i].unit);
  }
  std::fprintf(file, "}}\n");
  return std::fclose(file) == 0;
}

}  // namespace tandem::bench
