# SPDX-License-Identifier: Apache-2.0
# Vitis HLS run of the host kernel: `vitis_hls -f` this file (see kernel.tcl).
set kernel tandem_host
source [file join [file dirname [info script]] kernel.tcl]
