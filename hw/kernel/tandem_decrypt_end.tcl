# SPDX-License-Identifier: Apache-2.0
# Vitis HLS run of the decrypt path's last kernel: `vitis_hls -f` this file (see kernel.tcl).
set kernel tandem_decrypt_end
source [file join [file dirname [info script]] kernel.tcl]
