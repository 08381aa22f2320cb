# SPDX-License-Identifier: Apache-2.0
# Packages gcm_word, as tandem_engine, as a free-running RTL kernel: vivado -mode batch -source package.tcl -tclargs PART OUTPUT.xo
# Commands of UG835 and UG1393 v2022.2 (package_xo).
if {[llength $argv] != 2} {
  puts stderr "package.tcl: wanted PART OUTPUT.xo"
  exit 1
}
lassign $argv part output
set here [file dirname [file normalize [info script]]]
set kernel tandem_engine
set work [file rootname [file normalize $output]].work
file delete -force $work
create_project -part $part $kernel $work/project
add_files -norecurse [glob $here/*.v]
set_property top $kernel [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $work/ip -vendor tandem -library kernel -taxonomy /KernelIP -import_files -set_current true
set core [ipx::current_core]
set_property name $kernel $core
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
ipx::infer_bus_interface ap_clk xilinx.com:signal:clock_rtl:1.0 $core
ipx::infer_bus_interface ap_rst_n xilinx.com:signal:reset_rtl:1.0 $core
foreach stream {key job source target tag} {
  ipx::associate_bus_interfaces -busif $stream -clock ap_clk $core
}
ipx::update_checksums $core
ipx::save_core $core
package_xo -force -xo_path $output -kernel_name $kernel -ip_directory $work/ip -ctrl_protocol ap_ctrl_none
close_project
