# SPDX-License-Identifier: Apache-2.0
# Vitis HLS run of the identity kernel: `vitis_hls -f` this file (see kernel.tcl).
set kernel tandem_identity
source [file join [file dirname [info script]] kernel.tcl]
