# SPDX-License-Identifier: Apache-2.0
# Packages one cage's MAC as an RTL kernel: vivado -mode batch -source package_cmac.tcl -tclargs PLATFORM CAGE OUTPUT.xo
# Commands of UG835 and UG1393 v2022.2 (package_xo); the CMAC's parameters are PG203's.
if {[llength $argv] != 3} {
  puts stderr "package_cmac.tcl: wanted PLATFORM CAGE OUTPUT.xo"
  exit 1
}
lassign $argv platform cage output
set here [file dirname [file normalize [info script]]]

# part, GT reference clock in MHz, free-running clock in MHz; for each cage the CMAC site and its GT lanes.
set cards [dict create \
  u50  {xcu50-fsvh2104-2-e   161.1328125 100 {{CMACE4_X0Y3 X0Y28~X0Y31}}} \
  u55c {xcu55c-fsvh2892-2L-e 161.1328125 100 {{CMACE4_X0Y2 X0Y24~X0Y27} {CMACE4_X0Y4 X0Y28~X0Y31}}} \
  u200 {xcu200-fsgd2104-2-e  156.25      100 {{CMACE4_X0Y8 X1Y48~X1Y51} {CMACE4_X0Y6 X1Y44~X1Y47}}} \
  u250 {xcu250-figd2104-2L-e 156.25      100 {{CMACE4_X0Y7 X1Y44~X1Y47} {CMACE4_X0Y6 X1Y40~X1Y43}}} \
  u280 {xcu280-fsvh2892-2L-e 156.25      100 {{CMACE4_X0Y5 X0Y40~X0Y43} {CMACE4_X0Y6 X0Y44~X0Y47}}}]
if {![dict exists $cards $platform]} {
  puts stderr "package_cmac.tcl: platform '$platform' is none of [dict keys $cards]"
  exit 1
}
lassign [dict get $cards $platform] part refclk freerun sites
if {![string is integer -strict $cage] || $cage < 0 || $cage >= [llength $sites]} {
  puts stderr "package_cmac.tcl: $platform has no cage '$cage'"
  exit 1
}
lassign [lindex $sites $cage] site lanes

set kernel tandem_cmac_$cage
set work [file rootname [file normalize $output]].work
file delete -force $work
create_project -part $part $kernel $work/project
add_files -norecurse $here/cmac_port.v
create_ip -name cmac_usplus -vendor xilinx.com -library ip -module_name cmac_usplus_0
set_property -dict [list \
  CONFIG.CMAC_CAUI4_MODE 1 CONFIG.NUM_LANES 4x25 CONFIG.USER_INTERFACE AXIS CONFIG.OPERATING_MODE Duplex \
  CONFIG.GT_REF_CLK_FREQ $refclk CONFIG.GT_DRP_CLK $freerun CONFIG.CMAC_CORE_SELECT $site CONFIG.GT_GROUP_SELECT $lanes \
  CONFIG.TX_FLOW_CONTROL 0 CONFIG.RX_FLOW_CONTROL 0 CONFIG.INCLUDE_RS_FEC 1 CONFIG.ENABLE_AXI_INTERFACE 0 \
  CONFIG.INCLUDE_STATISTICS_COUNTERS 0 CONFIG.INCLUDE_SHARED_LOGIC 2 CONFIG.ENABLE_PIPELINE_REG 1 \
  CONFIG.RX_MAX_PACKET_LEN 2062 CONFIG.TX_FCS_INS_ENABLE 1 CONFIG.RX_FCS_DEL_ENABLE 1] [get_ips cmac_usplus_0]
generate_target all [get_ips cmac_usplus_0]
set_property top cmac_port [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $work/ip -vendor tandem -library kernel -taxonomy /KernelIP -import_files -set_current true
set core [ipx::current_core]
set_property name $kernel $core
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
ipx::infer_bus_interface ap_clk xilinx.com:signal:clock_rtl:1.0 $core
ipx::infer_bus_interface ap_rst_n xilinx.com:signal:reset_rtl:1.0 $core
foreach stream {tx rx} {
  ipx::associate_bus_interfaces -busif $stream -clock ap_clk $core
}
# Interfaces whose types the platform's cage ports have, so that connect_cages.tcl can find and join them.
proc add_interface {core name bus abstraction mode map} {
  set interface [ipx::add_bus_interface $name $core]
  set_property abstraction_type_vlnv xilinx.com:interface:$abstraction:1.0 $interface
  set_property bus_type_vlnv xilinx.com:interface:$bus:1.0 $interface
  set_property interface_mode $mode $interface
  foreach {logical physical} $map {
    set_property physical_name $physical [ipx::add_port_map $logical $interface]
  }
}
add_interface $core gt_serial_port gt gt_rtl master {GRX_P gt_grx_p GRX_N gt_grx_n GTX_P gt_gtx_p GTX_N gt_gtx_n}
add_interface $core gt_refclk diff_clock diff_clock_rtl slave {CLK_P gt_refclk_p CLK_N gt_refclk_n}
ipx::infer_bus_interface clk_gt_freerun xilinx.com:signal:clock_rtl:1.0 $core
ipx::update_checksums $core
ipx::save_core $core
package_xo -force -xo_path $output -kernel_name $kernel -ip_directory $work/ip -ctrl_protocol ap_ctrl_none
close_project
