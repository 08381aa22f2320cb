# SPDX-License-Identifier: Apache-2.0
# One kernel through Vitis HLS: C simulation, synthesis, RTL co-simulation. Sourced by <kernel>.tcl, which sets `kernel`.
# Environment: TANDEM_PART, TANDEM_MHZ, TANDEM_OUT (Makefile.hls sets them). Commands of UG1399 v2022.2.
foreach name {TANDEM_PART TANDEM_MHZ TANDEM_OUT} {
  if {![info exists ::env($name)]} {
    puts stderr "kernel.tcl: $name is not set: run this by make -f Makefile.hls cosim"
    exit 1
  }
}
file mkdir $::env(TANDEM_OUT)
open_project -reset $::env(TANDEM_OUT)/$kernel
set_top $kernel
add_files hw/kernel/[string range $kernel 7 end]_top.cpp -cflags "-I. -std=c++14 -DTANDEM_VITIS"
# The testbench is the unit test itself: tops against the native pipeline, octet for octet.
set bench_flags "-I. -I/usr/include -std=c++17 -DTANDEM_VITIS -Wno-unknown-pragmas -Wno-unused-label"
add_files -tb tests/unit/hw/kernel_test.cpp -cflags $bench_flags
foreach other [glob hw/kernel/*_top.cpp] {
  if {$other ne "hw/kernel/[string range $kernel 7 end]_top.cpp"} {
    add_files -tb $other -cflags "-I. -std=c++14 -DTANDEM_VITIS"
  }
}
add_files -tb hw/rtl/lanes.cpp -cflags "-I. -std=c++14 -DTANDEM_VITIS"
add_files -tb tests/unit/catch_main.cpp -cflags "-I/usr/include -std=c++17"
foreach source [glob hw/native/*.cpp hw/leaf/*_native.cpp] {
  add_files -tb $source -cflags "-I. -O2 -std=c++14"
}
open_solution -reset solution -flow_target vitis
set_part $::env(TANDEM_PART)
create_clock -period [format %.3f [expr {1000.0 / $::env(TANDEM_MHZ)}]] -name default
csim_design -ldflags "-lIPSec_MB"
csynth_design
# A few packets: each call moves the whole memory of each port (`depth`).
cosim_design -rtl verilog -ldflags "-lIPSec_MB" -argv {[cosim]}
exit
