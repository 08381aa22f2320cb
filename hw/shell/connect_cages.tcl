# SPDX-License-Identifier: Apache-2.0
# Joins each tandem_cmac_<n> to cage n of the platform. v++ runs it in the linked block design
# (--advanced.param compiler.userPostSysLinkOverlayTcl=...): it knows memory and streams, but no transceivers.
# Shells name these ports differently; the first name that exists is taken, and a shell that has none ends the link.
proc first_of {kind names command} {
  foreach name $names {
    set found [{*}$command -quiet $name]
    if {[llength $found] == 1} {
      return $found
    }
  }
  error "connect_cages.tcl: this platform has no $kind under any of: $names"
}

set free_running [list ii_level0_wire/ulp_m_aclk_freerun_ref_00 ii_level1_wire/ulp_m_aclk_freerun_ref_00 \
                       blp_s_aclk_freerun_ref_00 clk_gt_freerun]
foreach cage {0 1} {
  set cell [get_bd_cells -quiet tandem_cmac_${cage}_1]
  if {$cell eq ""} {
    continue
  }
  set serial [first_of "serial port of cage $cage" \
    [list io_gt_qsfp_0$cage io_gt_qsfp${cage}_00 io_gt_gtyquad_0$cage] get_bd_intf_ports]
  set clock [first_of "reference clock of cage $cage" \
    [list io_clk_qsfp_refclka_0$cage io_clk_qsfp${cage}_refclka_00 io_clk_gtyquad_refclk0_0$cage] get_bd_intf_ports]
  connect_bd_intf_net $serial [get_bd_intf_pins $cell/gt_serial_port]
  connect_bd_intf_net $clock [get_bd_intf_pins $cell/gt_refclk]
  # v++ may have given the pin a kernel clock already.
  set pin [get_bd_pins $cell/clk_gt_freerun]
  set net [get_bd_nets -quiet -of_objects $pin]
  if {$net ne ""} {
    disconnect_bd_net $net $pin
  }
  if {[catch {first_of "free-running clock" $free_running get_bd_pins} source]} {
    set source [first_of "free-running clock" $free_running get_bd_ports]
  }
  connect_bd_net $source $pin
}
