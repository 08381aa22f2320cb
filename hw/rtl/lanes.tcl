# SPDX-License-Identifier: Apache-2.0
# Tells Vitis HLS of the black boxes; run before synthesis (v++ --hls.pre_tcl). Commands of UG1399 v2022.2.
set here [file dirname [file normalize [info script]]]
foreach lane {aes_ctr_lane ghash_lane} {
  add_files -blackbox $here/$lane.json
}
