# SPDX-License-Identifier: Apache-2.0
# Vitis HLS run of the engine kernel: `vitis_hls -f` this file (see kernel.tcl).
set kernel tandem_engine
source [file join [file dirname [info script]] kernel.tcl]
