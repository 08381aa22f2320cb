# SPDX-License-Identifier: Apache-2.0
# Packages the card's clock as an RTL kernel: vivado -mode batch -source package_clock.tcl -tclargs PART MHZ OUTPUT.xo
# Commands of UG835 and UG1393 v2022.2 (package_xo).
if {[llength $argv] != 3} {
  puts stderr "package_clock.tcl: wanted PART MHZ OUTPUT.xo"
  exit 1
}
lassign $argv part mhz output
if {![string is integer -strict $mhz] || $mhz < 1 || $mhz > 1000} {
  puts stderr "package_clock.tcl: '$mhz' is no frequency in MHz"
  exit 1
}
set here [file dirname [file normalize [info script]]]
set kernel tandem_clock
set work [file rootname [file normalize $output]].work
file delete -force $work
create_project -part $part $kernel $work/project
add_files -norecurse $here/clock_port.v
set_property top clock_port [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $work/ip -vendor tandem -library kernel -taxonomy /KernelIP -import_files -set_current true
set core [ipx::current_core]
set_property name $kernel $core
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property value [expr {round(65536000.0 / $mhz)}] [ipx::get_user_parameters STEP -of_objects $core]
ipx::infer_bus_interface ap_clk xilinx.com:signal:clock_rtl:1.0 $core
ipx::infer_bus_interface ap_rst_n xilinx.com:signal:reset_rtl:1.0 $core
foreach stream {encrypt decrypt host} {
  ipx::associate_bus_interfaces -busif $stream -clock ap_clk $core
}
ipx::update_checksums $core
ipx::save_core $core
package_xo -force -xo_path $output -kernel_name $kernel -ip_directory $work/ip -ctrl_protocol ap_ctrl_none
close_project
